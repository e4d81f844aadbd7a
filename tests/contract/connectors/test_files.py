from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.files.crm import FilesCrm, open_files
from connectors.files.settings import FilesSettings
from connectors.port import Crm, Tier
from connectors.quota import Gate, OpenGate
from connectors.records import ActivityKind, FieldWrite, RecordRef, ScoreField, WriteOutcome
from connectors.tokens import MemoryTokens
from sandbox.clock import Clock
from tests.contract.connectors.crm_contract import CrmContract
from tests.contract.connectors.crm_practice import (
    START,
    VALUES,
    Populated,
    Practice,
    deletions,
    drain,
    people,
    refs,
    roll,
)

MAPPING = """
leads:
  file: leads.csv
  columns: {id: Lead ID, created_at: Created, email: E-Mail, phone: Phone, account: Company}
  attributes: {title: Job Title}
accounts: {file: accounts.csv, columns: {name: name}, attributes: {industry: industry, employees: staff}}
erasures: {file: erasures.csv}
activities: {file: activities.csv, columns: {detail: page}}
outcomes: {file: outcomes.csv, columns: {amount: amount}}
"""
NOTHING_LATE = "a file is complete as soon as it lies there: there is one tier"
NO_CALLS = "files are read without calls: nothing to meter, to log in to or to lose on the way"
NOT_HERE: Mapping[str, str] = {
    "test_the_fast_tier_shows_what_the_complete_one_does_not_yet_and_moves_nothing": NOTHING_LATE,
    "test_a_look_goes_on_behind_where_the_last_one_ended": NOTHING_LATE,
    "test_a_row_that_becomes_visible_late_is_not_lost": NOTHING_LATE,
    "test_a_merged_record_leads_to_the_one_that_stays": "an export holds no trace of a merge",
    "test_an_answer_lost_after_the_commit_is_made_good_by_sending_again": NO_CALLS,
    "test_a_census_and_a_fetch_are_refreshes": NO_CALLS,
    "test_check_tells_wrong_credentials": NO_CALLS,
    "test_wrong_credentials_fail_every_call": NO_CALLS,
    "test_a_short_failure_is_outlived": NO_CALLS,
    "test_a_long_failure_is_raised_with_the_wait_that_was_asked_for": NO_CALLS,
    "test_a_lasting_failure_ends_as_what_it_is": NO_CALLS,
    "test_the_daily_allowance_is_learnt_from_the_answers": NO_CALLS,
    "test_a_gate_that_is_shut_is_heard": NO_CALLS,
    "test_reading_and_writing_take_different_lanes": NO_CALLS,
}


class PracticeFolder(Practice):
    """A folder and the hands of whoever exports into it."""

    people_stream = "leads"

    def __init__(self, directory: Path, output: str) -> None:
        self.clock = Clock(START)
        self.clock.hold(START)
        self.directory, self._output = directory, output
        self._people: dict[str, dict[str, str]] = {}
        self._made = 0
        self._opened: list[FilesCrm] = []
        (directory / "mapping.yaml").write_text(MAPPING)
        self._export()
        self._write("activities.csv", ["lead_id", "type", "occurred_at", "page"], [])
        self._write("outcomes.csv", ["lead_id", "outcome", "occurred_at", "amount"], [])
        self._write("accounts.csv", ["id", "created_at", "name", "industry", "staff"], [])
        self._forget([])

    def open(self, *, gate: Gate | None = None, page_size: int | None = None, **settings: Any) -> FilesCrm:
        given = {"directory": self.directory, "output": self._output, "page_size": page_size or 5000, **settings}
        crm = open_files(
            FilesSettings.model_validate({"kind": "files", "name": "export", **given}),
            gate=gate or OpenGate(),
            tokens=MemoryTokens(),
            observer=lambda exchange: None,
        )
        self._opened.append(crm)
        return crm

    def close(self) -> None:
        for crm in self._opened:
            crm.close()

    def open_with_wrong_credentials(self) -> Crm:
        pytest.skip(NO_CALLS)

    def open_nowhere(self) -> Crm:
        return self.open(directory=self.directory / "absent")

    def populate(self) -> Populated:
        one, two = self.add_people(2)
        at = START.isoformat()
        acts = [[one.id, "pricing_page_view", at, "/pricing"], [one.id, "pricing_page_view", at, "/pricing"],
                [two.id, "webinar_attendance", at, ""]]  # fmt: skip
        self._write("activities.csv", ["lead_id", "type", "occurred_at", "page"], acts)
        self._write("outcomes.csv", ["lead_id", "outcome", "occurred_at", "amount"], [[two.id, "won", at, "9000.50"]])
        company = RecordRef("export", "accounts", "A1")
        self._write(
            "accounts.csv", ["id", "created_at", "name", "industry", "staff"], [["A1", at, "Acme", "Energy", "1200"]]
        )
        self._people[one.id]["Company"] = "A1"
        self._export()
        return Populated(frozenset({one, two}), frozenset({company}), activities=3, outcomes=frozenset())

    def add_people(self, count: int) -> list[RecordRef]:
        made = []
        for _ in range(count):
            self._made += 1
            id = f"L{self._made}"
            self._people[id] = {"Lead ID": id, "Created": self.clock.now().isoformat(), "E-Mail": f"p{id}@acme.test",
                                "Phone": "+49 1", "Job Title": "CTO", "Company": ""}  # fmt: skip
            made.append(RecordRef("export", "leads", id))
        self._export()
        return made

    def add_person_seen_late(self, delay: timedelta) -> RecordRef:
        pytest.skip(NOTHING_LATE)

    def edit(self, ref: RecordRef) -> None:
        self._people[ref.id]["Job Title"] = "CEO"
        self._export()

    def delete(self, ref: RecordRef) -> None:
        del self._people[ref.id]
        self._export()

    def erase(self, ref: RecordRef) -> None:
        self.delete(ref)
        self._forget([ref.id])

    def merge(self, winner: RecordRef, loser: RecordRef) -> RecordRef:
        pytest.skip("an export holds no trace of a merge")

    def forbid_writes(self, ref: RecordRef) -> None:
        pytest.skip("a file refuses nobody")

    def remove_score_field(self) -> str:
        """The scored file is ours, and so has every field: what can be missing is a column that is read."""
        people = [[person["Lead ID"], person["E-Mail"]] for person in self._people.values()]
        self._write(
            "leads.csv", ["Lead ID", "E-Mail", "Phone", "Job Title", "Company"], [[*row, "", "", ""] for row in people]
        )
        return "Created"

    def writes(self) -> Sequence[Mapping[str, Any]]:
        return []

    def _forget(self, ids: Sequence[str]) -> None:
        self._write("erasures.csv", ["lead_id"], [[id] for id in ids])

    def _export(self) -> None:
        header = ["Lead ID", "Created", "E-Mail", "Phone", "Job Title", "Company"]
        self._write("leads.csv", header, [[person[name] for name in header] for person in self._people.values()])

    def _write(self, name: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        path = self.directory / name
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        os.utime(path, (self.clock.now().timestamp(),) * 2)


@pytest.fixture(params=["scored.csv", "scored.parquet"])
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[PracticeFolder]:
    practice = PracticeFolder(tmp_path, request.param)
    yield practice
    practice.close()


class TestFilesKeepTheContract(CrmContract):
    @pytest.fixture(autouse=True)
    def _only_laws_of_files(self, request: pytest.FixtureRequest) -> None:
        if reason := NOT_HERE.get(request.node.originalname):
            pytest.skip(reason)

    @pytest.fixture
    def practice(self, folder: PracticeFolder) -> Practice:
        return folder

    def test_one_result_per_record_in_their_order_whatever_becomes_of_them(self, practice: Practice) -> None:
        fine, gone, last = practice.add_people(3)
        practice.delete(gone)
        crm = practice.open()
        order = [gone, fine, last]
        results = crm.push([FieldWrite(ref, {ScoreField.SCORE: 50}) for ref in order])
        assert [result.ref for result in results] == order
        assert [str(result.outcome) for result in results] == ["gone", "written", "written"]
        assert results[0].code and results[0].message  # noqa: PT018 - one claim: it says why
        assert crm.read_back(order) == {fine: {ScoreField.SCORE: 50}, last: {ScoreField.SCORE: 50}}

    def test_a_push_repeated_changes_nothing(self, practice: Practice) -> None:
        made = practice.add_people(3)
        crm = practice.open()
        writes = [FieldWrite(ref, VALUES) for ref in made]
        first = crm.push(writes)
        assert isinstance(crm, FilesCrm)
        assert isinstance(practice, PracticeFolder)
        (scored,) = practice.directory.glob("scored.*[vt]")
        before = scored.stat()
        assert crm.push(writes) == first
        assert scored.stat() == before

    def test_rows_fetched_are_the_rows_pulled(self, practice: Practice) -> None:
        made = practice.populate()
        crm = practice.open()
        pulled = {record.ref: record for record in people(drain(crm, "leads", None))}
        assert {record.ref: record for record in crm.fetch(sorted(made.people)).leads} == pulled
        practice.edit(min(made.people))  # not read to its end yet: the rows are looked for in the file
        (edited,) = crm.fetch([min(made.people)]).leads
        assert edited.attributes["title"] == "CEO"

    def test_a_census_leaves_out_what_is_gone(self, practice: Practice) -> None:
        gone, stays = practice.add_people(2)
        practice.delete(gone)
        assert roll(practice.open(), "leads") == [stays]

    def test_rows_that_are_gone_are_fetched_as_deletions(self, practice: Practice) -> None:
        gone, stays = practice.add_people(2)
        practice.delete(gone)
        page = practice.open().fetch([gone, stays])
        assert refs([page]) == [stays]
        assert set(deletions([page])) == {gone}


# -- real data, where it is there --------------------------------------------------------------------------------------

SHARED = Path(__file__).parents[4] / "shared" / "data"

BPI12 = """
time_zone: Europe/Amsterdam
leads: {file: leads.parquet, attributes: {budget: amount_requested}}
activities:
  file: activities.parquet
  types:
    - {pattern: ^A_SUBMITTED, kind: form_submission}
    - {pattern: ^O_SENT_BACK, kind: email_reply}
    - {pattern: ^O_SENT, kind: sales_email}
    - {pattern: '^W_Nabellen.*\\|COMPLETE', kind: sales_call}
    - {pattern: '', skip: true}
outcomes: {file: outcomes.parquet}
"""
CDNOW = """
time_zone: America/New_York
leads: {file: people.parquet}
activities:
  file: activities.parquet
  columns: {amount: amount}
  types: [{pattern: ^purchase$, outcome: won}]
"""


def real(name: str, mapping: str, tmp_path: Path) -> FilesCrm:
    if not (SHARED / name).is_dir():
        pytest.skip(f"the data set {name} is not on this machine")
    file = tmp_path / "mapping.yaml"
    file.write_text(mapping)
    given = {"directory": SHARED / name, "mapping": file, "output": tmp_path / "scored.parquet"}
    return FilesCrm(FilesSettings.model_validate({"kind": "files", "name": name, **given}))


def test_loan_applications_with_every_event(tmp_path: Path) -> None:
    crm = real("bpi12", BPI12, tmp_path)
    assert [problem for problem in crm.check() if problem.fatal] == []
    found = people(drain(crm, "leads", None))
    assert len({lead.ref for lead in found}) == 13_087
    assert all(isinstance(lead.attributes["budget"], int | float) for lead in found)
    deals = [outcome for page in drain(crm, "outcomes", None) for outcome in page.outcomes]
    assert Counter(deal.status.value for deal in deals) == {"lost": 10_442, "won": 2_246}
    first = crm.pull("activities", None, Tier.COMPLETE)
    assert {act.kind for act in first.activities} >= {ActivityKind.FORM_SUBMISSION, ActivityKind.SALES_CALL}
    writes = [FieldWrite(lead.ref, VALUES) for lead in found[: crm.push_size(1)]]
    assert {result.outcome for result in crm.push(writes)} == {WriteOutcome.WRITTEN}
    assert crm.read_back([found[0].ref]) == {found[0].ref: VALUES}
    crm.close()


def test_purchases_of_customers(tmp_path: Path) -> None:
    crm = real("cdnow", CDNOW, tmp_path)
    assert [problem for problem in crm.check() if problem.fatal] == []
    assert len(refs(drain(crm, "leads", None))) == 23_570
    bought = {outcome.ref: outcome for page in drain(crm, "activities", None) for outcome in page.outcomes}
    assert len(bought) == 69_659
    assert len({outcome.people for outcome in bought.values()}) == 23_570
    crm.close()
