"""CRM answers, spoilt on their way to the connectors: what comes out is a page of sound facts, or one of our errors."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connectors.alerts import Alerting
from connectors.errors import CrmError
from connectors.port import Crm, Page, Tier
from connectors.records import Alert, FieldWrite, RecordRef, ScoreField
from tests.contract.connectors.crm_practice import NOW_ON, VALUES
from tests.contract.connectors.hubspot_portal import PracticePortal
from tests.contract.connectors.hubspot_site import TOKEN, VARIABLE
from tests.contract.connectors.practice import hosted
from tests.contract.connectors.salesforce_org import SECRET, PracticeOrg
from tests.fuzz.mutations import Dice, bent, spoilt

PARCEL = {"jobs": ["750000000000001AAA"], "begun": "2026-03-02T09:30:15Z"}
AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)

Try = Callable[[Dice], bool]
"""One malformed input: whether it was refused. Raises whatever the product should not have."""


class Spoiler:
    """Passes a vendor's answers on; the one that is `next` is spoilt."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.dice: Dice | None = None
        self.skip = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.dice is None or "oauth" in scope.get("path", ""):
            await self._app(scope, receive, send)
            return
        if self.skip:
            self.skip -= 1
            await self._app(scope, receive, send)
            return
        dice, self.dice = self.dice, None
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app(scope, receive, keep)
        body = b"".join(message.get("body", b"") for message in answer[1:])
        body = _spoilt(body, dice)
        start = {**answer[0], "headers": [h for h in answer[0]["headers"] if h[0].lower() != b"content-length"]}
        start["headers"].append((b"content-length", str(len(body)).encode()))
        if dice.random() < 0.05:
            start["status"] = dice.choice((200, 201, 207, 299, 400, 404, 409, 418, 500))
        await send(start)
        await send({"type": "http.response.body", "body": body})


def _spoilt(body: bytes, dice: Dice) -> bytes:
    if dice.random() < 0.2:
        return bent(body, dice)
    try:
        held = json.loads(body)
    except ValueError:
        return bent(body, dice)
    return json.dumps(spoilt(held, dice)).encode()


@contextmanager
def salesforce() -> Iterator[Try]:
    """A practice org whose answers are spoilt."""
    with tempfile.TemporaryDirectory() as place, hosted(Path(place)) as host:
        os.environ["SF_SECRET"] = SECRET
        practice = PracticeOrg(host, Path(place))
        yield _tries(practice, host)
        practice.close()


@contextmanager
def hubspot() -> Iterator[Try]:
    """A practice portal whose answers are spoilt."""
    with tempfile.TemporaryDirectory() as place, hosted(Path(place)) as host:
        os.environ[VARIABLE] = TOKEN
        practice = PracticePortal(host, "v3")
        yield _tries(practice, host)


def _tries(practice: Any, host: Any) -> Try:
    people = sorted(practice.populate().people)
    refs = [ref for ref in people if ref.object == people[0].object]
    practice.clock.advance(NOW_ON)
    spoiler = Spoiler(host._app)
    host.put(spoiler)

    def attempt(dice: Dice) -> bool:
        crm: Crm = practice.open()
        spoiler.dice, spoiler.skip = dice, dice.choice((0, 0, 1, 2, 3))
        try:
            _use(crm, refs, dice)
        except CrmError as told:
            said = str(told)
        else:
            return False
        finally:
            spoiler.dice = None
            crm.close()
        assert said, "an error without words"
        _sound_text(said)
        return True

    return attempt


def _use(crm: Crm, refs: list[RecordRef], dice: Dice) -> None:
    match dice.randrange(12):
        case 0:
            held = crm.read_back(refs)
            assert held.keys() <= set(refs)
        case 1:
            answers = crm.push([FieldWrite(ref, VALUES, "ledger-1") for ref in refs])
            assert [answer.ref for answer in answers] == refs, "an answer for every write, in their order"
        case 2:
            found = crm.census(refs[0].object, None)
            assert all(isinstance(ref.id, str) for ref in found.refs)
            json.dumps(found.cursor)
        case 3:
            sound(crm.fetch(refs, binned=dice.random() < 0.5))
        case 4:
            named = crm.authors({ref: [ScoreField.SCORE, ScoreField.STAGE] for ref in refs})
            _texts(*(str(author) for author in named.values()))
        case 5:
            for problem in crm.check():
                _texts(problem.what, problem.fix)
        case 6:
            told = crm.collect(PARCEL, refs, call_off=dice.random() < 0.5)
            assert told is None or [answer.ref for answer in told] == refs
            _texts(*(answer.message for answer in told or ()))
        case 7:
            if isinstance(crm, Alerting):
                alerts = [Alert(ref, "Leadgauge 1", "Hot lead", "Call", AT.date(), AT, tried=True) for ref in refs[:2]]
                made = crm.alert(alerts)
                assert len(made) == len(alerts), "an answer for every task"
        case _:
            stream = dice.choice(crm.streams)
            page = crm.pull(stream.name, None, dice.choice(list(Tier)) if Tier.FAST in stream.tiers else Tier.COMPLETE)
            sound(page)
            json.dumps(page.cursor)


def sound(page: Page) -> None:
    """Whatever a page holds can be stored."""
    for lead in page.leads:
        _texts(lead.email, lead.name, lead.state, *lead.attributes, *lead.attributes.values(), *lead.written.values())
        _refs(lead.ref, lead.account, *lead.same_as)
        _instants(lead.created_at, lead.modified_at)
    for account in page.accounts:
        _texts(account.name, *account.attributes, *account.attributes.values())
        _refs(account.ref)
        _instants(account.created_at, account.modified_at)
    for act in page.activities:
        _texts(act.kind, act.detail)
        _refs(act.ref, *act.people)
        _instants(act.occurred_at, act.recorded_at)
        assert act.duration is None or math.isfinite(act.duration.total_seconds())
    for deal in page.outcomes:
        _texts(deal.stage, deal.status)
        _refs(deal.ref, deal.account, *deal.people)
        _instants(deal.created_at, deal.modified_at, deal.closed_at)
        assert deal.amount is None or math.isfinite(deal.amount)
    for gone in page.deletions:
        _refs(gone.ref, gone.merged_into)
        _instants(gone.deleted_at)
    for change in page.history:
        _texts(change.name, change.value)
        _refs(change.ref)
        _instants(change.occurred_at, change.recorded_at)


def _texts(*values: object) -> None:
    for value in values:
        assert value is None or isinstance(value, str | int | float | bool | datetime) or hasattr(value, "isoformat"), (
            f"a {type(value).__name__} is no value"
        )
        if isinstance(value, str):
            _sound_text(value)


def _sound_text(text: str) -> None:
    assert "\0" not in text, "PostgreSQL keeps no NUL"
    text.encode()


def _refs(*refs: RecordRef | None) -> None:
    for ref in refs:
        if ref is not None:
            assert isinstance(ref.id, str), f"{type(ref.id).__name__} is no id"
            assert ref.id, "an empty id"
            _sound_text(ref.id)


def _instants(*instants: datetime | None) -> None:
    for at in instants:
        assert at is None or getattr(at, "tzinfo", None) is not None, f"{at!r} is no instant"
