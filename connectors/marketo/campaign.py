"""Requests of a smart campaign for hot leads.

A request is not repeated blindly: it would run the flow twice. What Marketo says it refused was not done ("Error
codes": 6xx were not executed), and is tried again. Where no answer came, the lead's activity log is looked at; once it
would show the request and does not, the campaign is requested again only if it does not run a lead each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from connectors.errors import CrmError, QuotaExhausted, Transient
from connectors.marketo.activities import REQUEST, ActivityTypes, guid
from connectors.marketo.faults import Denied, Rejected, Untold
from connectors.marketo.leads import LeadReader
from connectors.marketo.session import Session, rows
from connectors.marketo.settings import CampaignAlert
from connectors.marketo.trail import ACTIVITIES, Trail
from connectors.marketo.values import instant
from connectors.quota import Lane
from connectors.records import Alert, AlertResult, RecordRef, WriteOutcome

LEADS_A_CALL = 30
"""Leads that one look at the log may be about ("Activities")."""
CLOCKS = timedelta(minutes=2)
"""How far Marketo's clock and ours may differ."""
SHOWN = timedelta(minutes=30)
"""What the log does not show of a request after so long, it will not show."""
LATER = timedelta(minutes=15)
EVERY_TIME = "any"
"""The qualification rule of a campaign that runs a lead each time it is requested."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """What is known of one. `repeats`: it runs a lead through its flow each time."""

    active: bool
    requestable: bool
    repeats: bool


class Campaigns:
    """Requests the campaign of one instance."""

    def __init__(
        self, alert: CampaignAlert | None, session: Session, leads: LeadReader, trail: Trail, types: ActivityTypes
    ) -> None:
        self._alert, self._session, self._leads, self._trail, self._types = alert, session, leads, trail, types

    def make(self, alerts: Sequence[Alert]) -> list[AlertResult]:
        """See `Alerting.alert`; what fails before anything is sent is to be tried again, and says so."""
        if self._alert is None:
            why = "no campaign is named: `alert.campaign`"
            return [AlertResult(WriteOutcome.REFUSED, code="NO_CAMPAIGN", message=why) for _ in alerts]
        try:
            self._session.greet(Lane.WRITE)
            results, wanted = self._looked([alert for alert in alerts if alert.tried])
            wanted += [alert for alert in alerts if not alert.tried]
            there = {str(row["id"]) for row in self._leads.read([each.ref.id for each in wanted], [], Lane.WRITE)}
        except CrmError as problem:
            return [self._not_yet(alert, problem) for alert in alerts]
        gone = AlertResult(WriteOutcome.GONE, code="NO_RECORD", message="the lead is gone")
        results |= {alert.mark: gone for alert in wanted if alert.ref.id not in there}
        results |= self._requested([alert for alert in wanted if alert.ref.id in there])
        return [results[alert.mark] for alert in alerts]

    def read(self, lane: Lane) -> Campaign | None:
        """The campaign as it is now; None where there is none of that number."""
        assert self._alert is not None
        path = f"/rest/asset/v1/smartCampaign/{self._alert.campaign}.json"
        found = rows(self._session.source, self._session.get(path, {}, lane=lane))
        if not found:
            return None
        row = found[0]
        trigger = str(row.get("type")) != "batch"
        return Campaign(
            trigger and row.get("isActive") is True,
            trigger and row.get("isRequestable") is True,
            str(row.get("qualificationRuleType") or EVERY_TIME) == EVERY_TIME,
        )

    @property
    def trigger(self) -> str:
        assert self._alert is not None
        return f"/rest/v1/campaigns/{self._alert.campaign}/trigger.json"

    def _requested(self, alerts: Sequence[Alert]) -> dict[str, AlertResult]:
        if not alerts:
            return {}
        body = {"input": {"leads": [{"id": int(alert.ref.id)} for alert in alerts]}}
        try:
            self._session.once(self.trigger, body, lane=Lane.WRITE)
        except Untold as problem:
            lost = AlertResult(WriteOutcome.UNRESOLVED, code="NO_ANSWER", message=problem.message)
            return {alert.mark: lost for alert in alerts}
        except (Rejected, Denied) as refusal:
            return self._refused(alerts, refusal)
        except CrmError as problem:
            return {alert.mark: self._not_yet(alert, problem) for alert in alerts}
        return {alert.mark: AlertResult(WriteOutcome.WRITTEN) for alert in alerts}

    def _refused(self, alerts: Sequence[Alert], refusal: CrmError) -> dict[str, AlertResult]:
        """One lead spoils a request for all; a campaign that is not open spoils it for each."""
        code = refusal.code if isinstance(refusal, Rejected) else "DENIED"
        if code == "1004" and len(alerts) == 1:
            return {alerts[0].mark: AlertResult(WriteOutcome.GONE, code=code, message="the lead is gone")}
        if len(alerts) > 1 and code == "1004":
            half = len(alerts) // 2
            return self._requested(alerts[:half]) | self._requested(alerts[half:])
        assert self._alert is not None
        why = (
            f"Marketo refuses to run campaign {self._alert.campaign}: activate it, with the trigger Campaign is"
            f" Requested of the source Web Service API, and give the API-only user Execute Campaign"
        )
        result = AlertResult(WriteOutcome.RETRY, code=code, message=why, retry_after=LATER)
        return {alert.mark: result for alert in alerts}

    def _not_yet(self, alert: Alert, problem: CrmError) -> AlertResult:
        """Nothing was sent. What was tried before is still to be looked for."""
        if alert.tried:
            return AlertResult(WriteOutcome.UNRESOLVED, code="NOT_LOOKED", message=problem.message)
        wait = LATER
        if isinstance(problem, QuotaExhausted):
            wait = max(problem.resume_at - self._session.now(), timedelta(minutes=1))
        elif isinstance(problem, Transient):
            wait = problem.retry_after or timedelta(minutes=1)
        return AlertResult(WriteOutcome.RETRY, code="NOT_SENT", message=problem.message, retry_after=wait)

    def _looked(self, tried: Sequence[Alert]) -> tuple[dict[str, AlertResult], list[Alert]]:
        """What became of those that were tried, by mark, and those that may be requested again."""
        assert self._alert is not None
        results: dict[str, AlertResult] = {}
        again: list[Alert] = []
        found = self._found(tried)
        now = self._session.now()
        missing = [alert for alert in tried if alert.mark not in found]
        old = [alert for alert in missing if now - (alert.sent_at or alert.since) >= SHOWN]
        campaign = self.read(Lane.WRITE) if old else None
        for alert in tried:
            if alert.mark in found:
                results[alert.mark] = AlertResult(WriteOutcome.WRITTEN, found[alert.mark])
            elif alert not in old:
                why = "the lead's activity log does not show the request yet"
                results[alert.mark] = AlertResult(WriteOutcome.UNRESOLVED, code="LOG_LAGS", message=why)
            elif campaign is not None and not campaign.repeats:
                again.append(alert)
            else:
                why = (
                    f"nobody can tell whether campaign {self._alert.campaign} was requested: no answer came, and the"
                    " lead's activity log does not show it; look at the lead. With a qualification rule other than"
                    " 'every time' the request is repeated"
                )
                results[alert.mark] = AlertResult(WriteOutcome.REFUSED, code="NOBODY_KNOWS", message=why)
        return results, again

    def _found(self, tried: Sequence[Alert]) -> dict[str, RecordRef]:
        """The requests of the campaign that the log shows, by mark."""
        number = self._types.of(Lane.WRITE).get(REQUEST) if tried else None
        if number is None:
            return {}
        assert self._alert is not None
        since = min(alert.since for alert in tried).replace(second=0, microsecond=0) - CLOCKS
        token = self._trail.token(since, Lane.WRITE)
        found: dict[str, RecordRef] = {}
        ids = sorted({alert.ref.id for alert in tried})
        for start in range(0, len(ids), LEADS_A_CALL):
            asked = {"activityTypeIds": number, "leadIds": ",".join(ids[start : start + LEADS_A_CALL])}
            for row in self._trail.all(ACTIVITIES, asked, token, Lane.WRITE)[0]:
                if self._is_ours(row):
                    for alert in tried:
                        if alert.ref.id == str(row["leadId"]) and instant(row["activityDate"]) >= alert.since - CLOCKS:
                            found[alert.mark] = RecordRef(self._session.source, "activities", guid(row))
        return found

    def _is_ours(self, row: Mapping[str, Any]) -> bool:
        assert self._alert is not None
        number = row.get("primaryAttributeValueId", row.get("campaignId"))
        return str(number) == str(self._alert.campaign)
