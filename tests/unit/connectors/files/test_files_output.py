from __future__ import annotations

import csv
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from connectors.errors import Misconfigured
from connectors.files.mapping import load
from connectors.files.output import Output
from connectors.files.settings import FilesSettings
from connectors.records import FieldWrite, RecordRef, ScoreField, Value
from tests.unit.connectors.files.conftest import Folder, Leads


def output(directory: Path, name: str, **more: Any) -> Output:
    return Output(FilesSettings(kind="files", name="export", directory=directory, output=Path(name), **more))


def test_a_cell_that_a_spreadsheet_would_run_is_shut_and_numbers_are_not(tmp_path: Path) -> None:
    evil = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "'=1", "'fine", "fine"]
    scored = output(tmp_path, "scored.csv")
    scored.write({str(n): {ScoreField.REASONS: text, ScoreField.SCORE: -5} for n, text in enumerate(evil)})
    with (tmp_path / "scored.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["reasons"] for row in rows] == [
        "'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\tx", "''=1", "'fine", "fine",
    ]  # fmt: skip
    assert {row["score"] for row in rows} == {"-5"}
    assert [scored.read({str(n)})[str(n)][ScoreField.REASONS] for n in range(len(evil))] == evil


@settings(max_examples=60, deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
    name=st.sampled_from(["scored.csv", "scored.parquet"]),
)
def test_any_text_is_read_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, text: str, name: str
) -> None:
    scored = output(tmp_path_factory.mktemp("texts"), name)
    values: dict[ScoreField, Value] = {ScoreField.ACTION: text, ScoreField.PROBABILITY: 0.1}
    scored.write({"-1": values})
    assert scored.read({"-1"}) == {"-1": values}


@pytest.mark.parametrize("name", ["scored.csv", "scored.parquet"])
def test_a_write_that_fails_leaves_the_old_file_whole(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = output(tmp_path, name)
    scored.write({"1": {ScoreField.SCORE: 1}})
    before = (tmp_path / name).read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Exception, match="No space left on device"):
        scored.write({"1": {ScoreField.SCORE: 2}})
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == before


@pytest.mark.parametrize("name", ["scored.csv", "scored.parquet"])
def test_an_output_that_was_deleted_or_is_another_file_is_not_taken_for_proof(
    folder: Folder, leads: Leads, name: str
) -> None:
    folder.write("leads.csv", leads("1"))
    crm = folder.crm(output=name)
    ref = RecordRef("export", "leads", "1")
    crm.push([FieldWrite(ref, {ScoreField.SCORE: 1})])
    (folder.directory / name).unlink()
    assert crm.read_back([ref]) == {ref: {}}
    folder.write(name, "somebody's notes\n")
    with pytest.raises(Misconfigured, match=rf"{name}: is not a scored file"):
        crm.push([FieldWrite(ref, {ScoreField.SCORE: 1})])
    assert (folder.directory / name).read_text() == "somebody's notes\n"


def test_columns_have_the_names_that_are_configured_and_parquet_its_types(tmp_path: Path) -> None:
    fields = {ScoreField.SCORE: "punkte", ScoreField.REASONS: None}
    scored = output(tmp_path, "scored.parquet", fields=fields)
    scored.write({"1": {ScoreField.SCORE: 7, ScoreField.REASONS: "unmapped"}})
    table: Any = import_module("pyarrow.parquet").read_table(tmp_path / "scored.parquet")
    assert table.schema.field("punkte").type == "int64"
    assert str(table.schema.field("scored_at").type) == "timestamp[us, tz=UTC]"
    assert "reasons" not in table.column_names
    assert scored.read({"1"}) == {"1": {ScoreField.SCORE: 7}}


def test_settings_refuse_what_cannot_work(tmp_path: Path) -> None:
    def made(**more: Any) -> FilesSettings:
        return FilesSettings.model_validate({"kind": "files", "name": "export", "directory": tmp_path, **more})

    for wrong, said in (
        ({"output": "scored.xlsx"}, "must end in .csv or .parquet"),
        ({"fields": {"score": "id"}}, "more than one column"),
        ({"page_size": 0}, "greater than"),
    ):
        with pytest.raises(ValidationError, match=said):
            made(**wrong)
    assert made(fields={"score": None}).mapped.keys() == set(ScoreField) - {ScoreField.SCORE}


def test_check_tells_everything_that_is_wrong_at_once(folder: Folder) -> None:
    folder.write(
        "mapping.yaml", "leads: {file: leads.csv}\nactivities: {file: acts.csv}\noutcomes: {file: leads.csv}\n"
    )
    folder.write("leads.csv", "id,created_at\n1,then\n")
    folder.write("activities.csv", "lead_id,type,occurred_at\n")
    found = {(problem.code, problem.what) for problem in folder.crm(output="absent/scored.csv").check()}
    assert ("row", "column 'created_at' is not a date of a declared format") in found
    assert any(code == "file" and "no such file" in what for code, what in found)
    assert any(code == "file" and "'lead_id'" in what for code, what in found)
    assert any(code == "output" for code, _ in found)
    (same,) = [problem for problem in folder.crm(output="leads.csv").check() if problem.code == "output"]
    assert "read from" in same.what


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ("leads: {file: x.csv, columns: {ID: x}}", "leads.columns.ID"),
        ("leads: [", "is not YAML"),
        ("activities: {file: x.csv}", "leads: Field required"),
        ("time_zone: Mars/Olympus\nleads: {file: x.csv}", "not a time zone"),
        ("leads: {file: x.csv, columns: {id: mail, email: mail}}", "ids are shown in logs"),
        ("leads: {file: x.csv}\nactivities: {file: y.csv, types: [{pattern: '('}]}", "not a regular expression"),
        ("leads: {file: x.csv}\nactivities: {file: y.csv, types: [{pattern: x}]}", "one of kind, outcome and skip"),
        ("leads: {file: x.csv}\nactivities: {file: y.csv, columns: {lead: null}}", "whose activity"),
        ("", "the file"),
        ('leads: {file: "\\ud800.csv"}', "half a character"),
        ("leads: {file: 2026-13-01}", "a date that is none"),
    ],
)
def test_a_mapping_that_is_wrong_is_told_by_its_place(folder: Folder, mapping: str, said: str) -> None:
    folder.write("mapping.yaml", mapping)
    (problem,) = folder.crm().check()
    assert (problem.code, problem.fatal) == ("mapping", True)
    assert said in problem.what
    with pytest.raises(Misconfigured, match=r"mapping\.yaml"):
        folder.read()


def test_the_documented_mapping_is_a_mapping(folder: Folder) -> None:
    text = (Path(__file__).parents[4] / "docs" / "connectors.md").read_text()
    (example,) = [part for part in text.split("```yaml\n")[1:] if part.startswith("time_zone")]
    mappings = load(folder.write("mapping.yaml", example.split("```")[0]))
    assert mappings.tables.keys() == {"leads", "accounts", "activities", "outcomes", "erasures"}
    assert mappings.leads.attributes["region"].type == "text"
