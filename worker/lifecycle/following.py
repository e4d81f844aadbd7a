"""Fields of the CRM's own that follow the stage: what is written there, and what stays because somebody set it.

People write in these fields too. What Leadgauge wrote last, what is empty, and what nobody chose may be replaced, and
once for each time that a person enters a stage: whatever stands there after that is somebody's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from connectors.records import Follower
from worker.lifecycle.machine import Stage
from worker.lifecycle.policy import Policy

CRM = "crm"
"""Who keeps a field that we had meant to write."""


class Sent(NamedTuple):
    """What was last sent to a field, and when that was decided."""

    value: str
    at: datetime


class Pending(NamedTuple):
    """What an open ledger row is to write to a field, and what that may replace."""

    value: str
    over: str | None


@dataclass(frozen=True, slots=True)
class Held:
    """A record's native fields by name: what they show, since when that is known to stand there, what we sent last,
    what was kept from us lately, and what is on its way."""

    shown: Mapping[str, Any]
    since: Mapping[str, datetime] = field(default_factory=dict)
    sent: Mapping[str, Sent] = field(default_factory=dict)
    kept: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    pending: Mapping[str, Pending] = field(default_factory=dict)

    def on_its_way(self, values: Mapping[str, Any]) -> bool:
        """Whether just these values are, and nothing that must not arrive any more. What has arrived is no matter."""
        return {name: its.value for name, its in self.pending.items() if self.shown.get(name) != its.value} == values


@dataclass(frozen=True, slots=True)
class Following:
    """By native field: what is to be written, what that may replace, and what stays with the reason."""

    values: Mapping[str, Any]
    over: Mapping[str, Any]
    kept: Mapping[str, Mapping[str, Any]]


NOTHING = Following({}, {}, {})


def follow(
    followers: Sequence[Follower], object: str, stage: str, entered: datetime, held: Held, policy: Policy, now: datetime
) -> Following:
    """What the native fields of a record of that object shall become, whose person entered the stage then. Pure; a
    field that holds it already, or whose stage is not mapped, is in none of the answers."""
    values: dict[str, Any] = {}
    over: dict[str, Any] = {}
    stays: dict[str, Mapping[str, Any]] = {}
    for follower in followers:
        name, wanted = follower.field.value, follower.stages.get(stage)
        shown = held.shown.get(name) or None
        if follower.object != object or wanted is None or shown == wanted:
            continue
        pending = held.pending.get(name)
        if _misread(stage, wanted, policy):
            why = f"{wanted!r} means something else under `sales` of the policy"
            stays[name] = {"value": wanted, "over": shown, "why": why}
        elif pending is not None and pending.value == wanted:
            values[name], over[name] = pending
        elif (kept := _kept(follower, wanted, shown, entered, held, policy, now)) is None:
            values[name], over[name] = wanted, shown
        elif kept:
            stays[name] = kept
    return Following(values, over, stays)


def _kept(
    follower: Follower, wanted: str, shown: str | None, entered: datetime, held: Held, policy: Policy, now: datetime
) -> Mapping[str, Any] | None:
    """Why the field stays as it is; None where it may be written, nothing where we only do not see our write yet."""
    name = follower.field.value
    before, sent, since = held.kept.get(name, {}), held.sent.get(name), held.since.get(name)
    if before.get("by") == CRM and (before.get("value"), before.get("over")) == (wanted, shown):
        return before
    if sent is not None and sent.value == wanted and sent.at >= entered:
        if since is None or since <= sent.at:
            return {}
        why = f"{shown!r} was put in its place on {since:%Y-%m-%d}" if shown else "it was cleared again"
        return {"value": wanted, "over": shown, "why": f"{why}; it follows again from the next stage on"}
    if shown is None or shown in follower.replaces or (sent is not None and sent.value == shown):
        return None
    if (days := policy.human.release_days) and since is not None and now - since >= timedelta(days=days):
        return None
    when = f" on {since:%Y-%m-%d}" if since is not None else ""
    free = f"clear it, or list it under {follower.option}.replaces"
    return {"value": wanted, "over": shown, "why": f"{shown!r} was set in the CRM{when} and stays; {free}"}


_READ_AS: Mapping[str, Stage] = {"accepted": Stage.ACCEPTED, "confirmed": Stage.SQL, "rejected": Stage.RECYCLED}


def _misread(stage: str, value: str, policy: Policy) -> str | None:
    """As what the policy reads a value that is written for another stage; None where it does not."""
    meaning = policy.sales.meaning(value)
    return meaning if meaning is not None and stage != _READ_AS[meaning] else None


class Conflict(NamedTuple):
    """An option of a source that the policy gives another meaning."""

    option: str
    what: str


def conflicts(followers: Sequence[Follower], policy: Policy) -> Iterator[Conflict]:
    """Values that would be read back as something else than the stage that they are written for."""
    for follower in followers:
        for stage, value in follower.stages.items():
            if meaning := _misread(stage, value, policy):
                yield Conflict(
                    f"{follower.option}.stages.{stage}",
                    f"{value!r} stands under sales.{meaning} of the policy, so it says {_READ_AS[meaning].value}. "
                    f"Name another value, or take it from sales.{meaning}",
                )


def entering(what: str, policy: Policy) -> str | None:
    """What is wrong with the stage or bucket that an alert waits for; None where there is one of that name."""
    there = [*Stage, *policy.bucket_names]
    return None if what in there else f"{what!r} is no stage and no bucket; there are {', '.join(there)}"
