"""The field contract as an admin of a CRM sees it: what each score field is called, what it holds, what it is for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from connectors.port import BUCKETS
from connectors.records import ScoreField
from connectors.stages import STAGES


@dataclass(frozen=True, slots=True)
class Shape:
    """One field. A number has `digits` in all, `decimals` of them behind the point; a text has a `length`; a choice has
    `choices`, and where it is `closed` no value beside them; an instant has none of these."""

    label: str
    about: str
    digits: int = 0
    decimals: int = 0
    length: int = 0
    choices: tuple[str, ...] = ()
    closed: bool = False

    @property
    def instant(self) -> bool:
        return not (self.digits or self.length or self.choices)


SHAPES: Mapping[ScoreField, Shape] = {
    ScoreField.SCORE: Shape("Lead Score", "0 to 100: how much the lead is worth a call now.", digits=3),
    ScoreField.PROBABILITY: Shape(
        "Lead Score Probability", "Percent: how likely the lead is to convert, as the model says.", digits=4, decimals=1
    ),
    ScoreField.BUCKET: Shape("Lead Score Bucket", "What the score means for sales.", choices=BUCKETS, closed=True),
    ScoreField.ACTION: Shape("Lead Score Action", "What to do next.", length=80),
    ScoreField.GRADE: Shape("Lead Score Grade", "A to C how well the lead fits, 1 to 3 how engaged it is.", length=2),
    ScoreField.STAGE: Shape("Lead Stage", "Where the lead is on its way to a deal.", choices=STAGES, closed=True),
    ScoreField.MQL_DATE: Shape("MQL Date", "When the lead became marketing qualified."),
    ScoreField.REASONS: Shape("Lead Score Reasons", "Why the score is what it is, the strongest first.", length=255),
    ScoreField.BANT: Shape("Lead BANT", "Which of budget, authority, need and timeline are known.", length=80),
    # Open: rules of your own give reasons of their own, which must not be refused.
    ScoreField.STATUS: Shape("Lead Score Status", "Scored, or why not.", choices=("scored", "not_known_yet")),
    ScoreField.VERSION: Shape("Lead Score Version", "What scored the lead: model or rules, and policy.", length=40),
    ScoreField.SCORED_AT: Shape("Lead Scored At", "When the score was made."),
}
"""By field of the primary goal; every other goal's are shaped alike."""


def shape(field: ScoreField, buckets: Collection[str] = BUCKETS) -> Shape:
    """That of any goal's field; further goals' labels end in the goal's name. `buckets`: those of the policy."""
    its = SHAPES[field.kind]
    if field.kind is ScoreField.BUCKET:
        its = replace(its, choices=tuple(buckets))
    if field.goal:
        its = replace(its, label=f"{its.label} {field.goal.replace('_', ' ').title()}"[:40])
    return its
