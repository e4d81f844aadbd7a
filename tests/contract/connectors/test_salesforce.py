from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.contract.connectors.crm_contract import (
    CrmContract,
    Practice,
)
from tests.contract.connectors.practice import Host
from tests.contract.connectors.salesforce_org import KEY, SECRET, USER, PracticeOrg


class TestSalesforceKeepsTheContract(CrmContract):
    @pytest.fixture
    def practice(self, org: PracticeOrg) -> Practice:
        return org


class TestSalesforceKeepsTheContractInBulk(CrmContract):
    """Every first load by a bulk query, however small."""

    @pytest.fixture
    def practice(self, host: Host, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Practice]:
        monkeypatch.setenv("SF_SECRET", SECRET)
        org = PracticeOrg(host, directory, bulk_from=1)
        yield org
        org.close()


def test_every_flow_logs_in(org: PracticeOrg, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SF_PASSWORD", "practice")
    secret = {"env": "SF_SECRET"}
    flows: list[dict[str, Any]] = [
        {"type": "client_credentials", "consumer_key": KEY, "consumer_secret": secret},
        {"type": "jwt_bearer", "consumer_key": KEY, "username": USER, "private_key": {"file": org.private_key}},
        {"type": "password", "consumer_key": KEY, "consumer_secret": secret, "username": USER,
         "password": {"env": "SF_PASSWORD"}},
    ]  # fmt: skip
    (lead,) = org.add_people(1)
    org.clock.advance(timedelta(days=200))  # the org's clock is not ours: an assertion is dated by the org's
    for auth in flows:
        assert org.open(auth=auth).read_back([lead]) == {lead: {}}


def test_check_tells_a_foreign_time_zone_and_a_spent_day_without_failing_for_it(org: PracticeOrg) -> None:
    org.populate()
    org.org.update("Organization", org.org.id, {"TimeZoneSidKey": "Asia/Tokyo"})
    problems = org.open(time_zone="Europe/Berlin").check()
    assert [(problem.code, problem.fix, problem.fatal) for problem in problems] == [
        ("time_zone", "set time_zone to Asia/Tokyo", False)
    ]


def test_check_tells_a_version_that_is_not_offered(org: PracticeOrg) -> None:
    (problem,) = org.open(api_version="99.0").check()
    assert (problem.code, problem.fatal) == ("api_version", True)


def test_the_page_of_a_record_is_on_the_instance(org: PracticeOrg) -> None:
    (lead,) = org.add_people(1)
    crm = org.open()
    crm.read_back([lead])
    assert crm.location(lead) == f"{org.url}/{lead.id}"
