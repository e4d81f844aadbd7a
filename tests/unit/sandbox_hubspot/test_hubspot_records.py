from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.hubspot.records import CRM_UI, Record, Version
from sandbox.hubspot.schema import TYPES


def contact(**values: str) -> Record:
    return Record(TYPES["contacts"], 101, created=1_000, modified=1_000, source=CRM_UI, values=values)


def test_history_runs_from_the_newest_version_back_to_the_creation() -> None:
    record = contact(jobtitle="Analyst")
    record.write({"jobtitle": "Manager"}, 2_000, ("INTEGRATION", "77"))
    assert record.history("jobtitle") == [
        Version("Manager", 2_000, "INTEGRATION", "77"),
        Version("Analyst", 1_000, *CRM_UI),
    ]
    assert record.read("jobtitle") == "Manager"


def test_an_equal_value_adds_no_version_but_moves_the_stamp() -> None:
    record = contact(jobtitle="Analyst")
    record.write({"jobtitle": "Analyst"}, 2_000, CRM_UI)
    assert record.history("jobtitle") == [Version("Analyst", 1_000, *CRM_UI)]
    assert record.modified == 2_000


def test_a_cleared_value_reads_as_nothing_and_stays_in_the_history() -> None:
    record = contact(jobtitle="Analyst")
    record.write({"jobtitle": ""}, 2_000, CRM_UI)
    assert record.read("jobtitle") is None
    assert [version.value for version in record.history("jobtitle")] == ["", "Analyst"]


def test_a_backdated_write_goes_into_the_past() -> None:
    record = contact(jobtitle="Analyst")
    record.write({"jobtitle": "Director"}, 3_000, CRM_UI)
    record.write({"jobtitle": "Manager"}, 2_000, CRM_UI)
    assert record.read("jobtitle") == "Director"
    assert [version.value for version in record.history("jobtitle")] == ["Director", "Manager", "Analyst"]
    assert record.modified == 3_000


def test_the_oldest_versions_fall_off_at_the_vendors_cap() -> None:
    record = contact()
    for n in range(60):
        record.write({"jobtitle": str(n)}, 2_000 + n, CRM_UI)
    versions = record.history("jobtitle")
    assert (len(versions), versions[0].value, versions[-1].value) == (45, "59", "15")


def test_an_older_copy_of_the_values_is_left_alone() -> None:
    record = contact(jobtitle="Analyst")
    seen = record.values
    record.write({"jobtitle": "Manager"}, 2_000, CRM_UI)
    assert seen == {"jobtitle": "Analyst"}


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["", "a", "b"]), st.integers(1_000, 1_020)), max_size=20))
def test_the_current_value_is_always_that_of_the_newest_version(steps: list[tuple[str, int]]) -> None:
    record = contact(jobtitle="a")
    for value, at in steps:
        record.write({"jobtitle": value}, at, CRM_UI)
    versions = record.history("jobtitle")
    assert (record.read("jobtitle") or "") == versions[0].value
    assert [version.at for version in versions] == sorted((version.at for version in versions), reverse=True)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["", "a", "b"]), st.integers(1_000, 1_020)), max_size=10))
def test_a_record_survives_dump_and_load(steps: list[tuple[str, int]]) -> None:
    record = contact(jobtitle="a", email="a@x.test")
    for value, at in steps:
        record.write({"jobtitle": value}, at, CRM_UI)
    record.links["companies", 5] = (1, 279)
    assert Record.load(record.dump()) == record
