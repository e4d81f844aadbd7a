"""What `explain` tells of a score beside its reasons: subtotals, grade, probability, and the evidence of BANT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from worker.cli.screen import out, table
from worker.features.bant import Item, evidence
from worker.features.facts import Facts
from worker.features.feature import Family
from worker.rescoring.basis import Basis
from worker.scoring.scale import probability
from worker.scoring.verdict import Verdict


def score_of(basis: Basis, known: Facts, verdict: Verdict) -> dict[str, Any]:
    """`subtotals`: the points of all reasons of a group, which add up to the score. `bant`: what is known of each item
    and from where; only of the primary goal."""
    subtotals: dict[str, int] = {}
    for reason in verdict.reasons if verdict.score is not None else ():
        subtotals[reason.group] = subtotals.get(reason.group, 0) + reason.points
    found = evidence(known, basis.rules.catalogue).iter_rows(named=True) if basis.primary else ()
    told = {row["item"]: row for row in found}
    return {
        "subtotals": subtotals,
        "grade": verdict.grade,
        "probability": None if verdict.log_odds is None else probability(verdict.log_odds),
        "of": str(basis.goal),
        "horizon_days": basis.goal.horizon_days,
        "bant": [_item(item, told.get(item.value), basis) for item in Item] if basis.primary else [],
    }


def _item(item: Item, row: Mapping[str, Any] | None, basis: Basis) -> dict[str, Any]:
    """`known`: it counts. `source`: which field or activity tells; `age_days`: how old that is; `confidence`: 0 to 1;
    `ask`: the rep's question, where it does not count."""
    known = row is not None and bool(row["met"])
    ask = None if known else basis.wording.text(f"ask_{item.value}")
    told = {name: row[name] if row else None for name in ("value", "source", "age_days", "confidence")}
    return {"item": item.value, "known": known, **told, "ask": ask}


def show_score(told: Mapping[str, Any]) -> None:
    """On the screen."""
    own = [f"{family} {told['subtotals'].get(family, 0):+d}" for family in Family if family in told["subtotals"]]
    if told["grade"] is not None:
        out.print(f"Grade {told['grade']}{': ' if own else ''}{', '.join(own)}")
    if told["probability"] is not None:
        out.print(f"Probability {told['probability']:g} % of {told['of']}")
    if told["bant"]:
        _show_bant(told["bant"])


def _show_bant(items: Sequence[Mapping[str, Any]]) -> None:
    table(
        f"BANT {sum(its['known'] for its in items)} of 4",
        ("item", "what is known", "from", "days old", "sure"),
        (
            (
                its["item"],
                its["value"] if its["known"] else f"{its['value'] or '-'}; ask: {its['ask']}",
                (its["source"] or "").replace(":", " ").replace("_", " "),
                "" if its["age_days"] is None else f"{its['age_days']:.0f}",
                "" if its["confidence"] is None else f"{its['confidence']:.0%}",
            )
            for its in items
        ),
        right=[3, 4],
        text=[1],
    )
