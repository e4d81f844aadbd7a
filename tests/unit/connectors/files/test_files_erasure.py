"""Who is on the list of the forgotten is in no file of ours any more."""

from __future__ import annotations

from connectors.files.settings import FilesSettings
from connectors.port import Tier
from connectors.records import FieldWrite, RecordRef, ScoreField
from tests.unit.connectors.files.conftest import Folder, Leads

MAPPING = "leads: {file: leads.csv}\nerasures: {file: gone.csv}\n"


def test_the_erased_leave_the_scored_file_and_the_notes_of_what_was_read(folder: Folder, leads: Leads) -> None:
    folder.write("mapping.yaml", MAPPING)
    folder.write("leads.csv", leads("stays-1", "gone-7"))
    folder.write("gone.csv", "lead_id\n")
    crm = folder.crm()
    crm.pull("leads", None, Tier.COMPLETE)
    refs = [RecordRef("export", "leads", id) for id in ("stays-1", "gone-7")]
    crm.push([FieldWrite(ref, {ScoreField.SCORE: 71}) for ref in refs])
    settings = FilesSettings.model_validate({"kind": "files", "name": "export", "directory": folder.directory})
    assert b"gone-7" in settings.output_file.read_bytes()
    folder.write("gone.csv", "lead_id\ngone-7\n")
    folder.write("leads.csv", leads("stays-1"))
    assert crm.pull("erasures", None, Tier.COMPLETE).deletions[0].erased
    assert b"gone-7" not in settings.output_file.read_bytes()
    assert b"stays-1" in settings.output_file.read_bytes()
    assert crm._state.known("leads", ["gone-7"]) == {}
