from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from connectors.records import FieldWrite, WriteOutcome
from tests.contract.connectors.crm_contract import VALUES, CrmContract, Practice
from tests.contract.connectors.marketo_instance import SECRET, VARIABLE, WRONG, PracticeInstance
from tests.contract.connectors.practice import Host

NOT_HERE: Mapping[str, str] = {
    "test_an_erasure_is_told_from_a_deletion": "Marketo deletes for good and never says why; see erase_deleted",
}


@pytest.fixture
def marketo(host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[PracticeInstance]:
    monkeypatch.setenv(VARIABLE, SECRET)
    monkeypatch.setenv(WRONG, "wrong")
    practice = PracticeInstance(host)
    yield practice
    practice.close()


class TestMarketoKeepsTheContract(CrmContract):
    @pytest.fixture(autouse=True)
    def _only_laws_of_marketo(self, request: pytest.FixtureRequest) -> None:
        if reason := NOT_HERE.get(request.node.originalname):
            pytest.skip(reason)

    @pytest.fixture
    def practice(self, marketo: PracticeInstance) -> Practice:
        return marketo

    def test_an_answer_lost_after_the_commit_is_made_good_by_sending_again(self, practice: Practice) -> None:
        (ref,) = practice.add_people(1)
        crm = practice.open()
        crm.read_back([ref])
        practice.faults.add([{"method": "POST", "path": "v1/leads.json", "count": 1, "effect": {"reset_after": True}}])
        assert [result.outcome for result in crm.push([FieldWrite(ref, VALUES)])] == [WriteOutcome.WRITTEN]
        assert len(practice.writes()) == 2
        assert crm.read_back([ref]) == {ref: VALUES}
