"""Fields of a CRM's own that may follow the stage: how a person configures them, and when one is left as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connectors.port import Problem
from connectors.records import FieldWrite, Follower, ScoreField, Value

STAGES = ("new", "nurturing", "mql", "accepted", "sql", "opportunity", "customer", "recycled", "disqualified")
"""Every value that `ScoreField.STAGE` takes."""

VendorValue = Annotated[str, Field(min_length=1, max_length=255)]


class StageField(BaseModel):
    """What a field of the CRM's own shall hold in which stage; in a stage that is not named it stays as it is.

    `replaces`: values that nobody chose, such as the one that new records get. Any other that Leadgauge did not write
    is somebody's, and stays.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stages: Mapping[str, VendorValue]
    replaces: frozenset[str] = frozenset()

    @field_validator("stages")
    @classmethod
    def _known(cls, stages: Mapping[str, str]) -> Mapping[str, str]:
        if not stages:
            raise ValueError(
                "names no stage; write as in `stages: {mql: Marketing Qualified}`, or leave the option out"
            )
        if unknown := sorted(set(stages) - set(STAGES)):
            raise ValueError(f"no stage is called {', '.join(unknown)}; there are {', '.join(STAGES)}")
        return stages


class LifecycleField(StageField):
    """One whose values have an order. `backward`: it may go back in it, which restamps the day that a stage began."""

    backward: bool = False


def follower(object: str, name: str, option: str, given: StageField, attributes: Mapping[str, str]) -> Follower:
    """The vendor's field `name` of an object, as the option has it follow. `attributes`: what is read from where."""
    read = next((attribute for attribute, field in attributes.items() if field == name), None)
    return Follower(ScoreField.follower(name), object, option, read, given.stages, given.replaces)


def refuse_twice(followers: Sequence[Follower], fields: Mapping[ScoreField, str | None]) -> None:
    """One field cannot hold two things. Raises `ValueError`."""
    for its in followers:
        if (twice := next((field for field, name in fields.items() if name == its.field.vendor), None)) is not None:
            raise ValueError(f"{its.option} and fields.{twice} both write {its.field.vendor}; take one of them out")


def refuse_read_values(option: str, field: StageField | None, read_as: Mapping[str, frozenset[str]]) -> None:
    """A value that decides what a record is taken for must not be written: it would hold by itself for ever. Raises
    `ValueError`. `read_as`: the values by the option that gives them their meaning."""
    for stage, value in field.stages.items() if field is not None else ():
        for other, values in read_as.items():
            if value in values:
                raise ValueError(
                    f"{option}.stages.{stage}: {value!r} stands under {other}, by which a record that has it is read; "
                    f"a stage that is written there would keep itself up: leave {stage} out, or take the value from "
                    f"{other}"
                )


def missing_values(
    field: StageField, option: str, where: str, vendor: str, there: Mapping[str, str]
) -> Iterator[Problem]:
    """For each value that the vendor's field does not take, which one, and what it takes. `there`: value to label."""
    listed = ", ".join(there) or "none"
    for stage, value in field.stages.items():
        if value in there:
            continue
        label = next((known for known, shown in there.items() if shown == value), None)
        hint = f"; {value!r} is the label of {label!r}, write that" if label is not None else ""
        what = f"{option}.stages.{stage}: {vendor} has no active value {value!r}; there are {listed}{hint}"
        fix = f"name one of these under {option}.stages.{stage}, or add the value to {vendor}"
        yield Problem("stage_value_missing", where, what, fix)
    for value in sorted(field.replaces - there.keys()):
        what = f"{option}.replaces: {vendor} has no active value {value!r}; there are {listed}"
        yield Problem("stage_value_missing", where, what, f"take it from {option}.replaces", fatal=False)


def somebodys(write: FieldWrite, held: Mapping[ScoreField, Value]) -> dict[ScoreField, str]:
    """The native fields of a write that hold by now neither what is to be written nor what it may replace."""
    return {
        name: f"somebody set it to {held[name]} meanwhile"
        for name in write.natives
        if held.get(name) not in (None, "", write.values[name], write.over.get(name))
    }
