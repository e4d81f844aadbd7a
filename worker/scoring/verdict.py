"""What is said of each person in the end: score, grade, and the reasons in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from worker.features.bant import Item
from worker.features.feature import Family
from worker.scoring.reasons import Reason, Speech
from worker.scoring.score import Scores
from worker.scoring.sheet import Floats


@dataclass(frozen=True, slots=True)
class Cuts:
    """Where grades begin, in points of a subtotal: A or 1 from the first, B or 2 from the second, else C or 3. They
    are the policy's, and no retraining moves them."""

    fit: tuple[float, float]
    engagement: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A person's score. `text`: its reasons as the CRM holds them. `grade`: A1 to C3, None without a score. `model` is
    the number of the one that had a say, None where rules alone did; `log_odds` what it said before the scale, the
    rules' say and the guardrails. `bant`: which of its items are known, None where nobody looked."""

    score: int | None
    status: str
    text: str = ""
    grade: str | None = None
    model: int | None = None
    log_odds: float | None = None
    bant: frozenset[Item] | None = None
    told: tuple[Speech, int] | None = None

    @property
    def reasons(self) -> Sequence[Reason]:
        """All of them, strongest first; put into words when asked for."""
        if self.told is None:
            return ()
        speech, row = self.told
        return speech.reasons(row)


def verdicts(scores: Scores, speech: Speech, cuts: Cuts, model: int | None = None) -> dict[int, Verdict]:
    """Of everybody in `scores`, by person."""
    said = [None] * len(scores.sheet.ids) if scores.judged is None else scores.judged.log_odds.tolist()
    rows = zip(scores.sheet.ids.to_list(), speech.texts(), grades(scores, cuts), said, strict=True)
    known = {person: (row, *its) for row, (person, *its) in enumerate(rows)}
    found = {}
    for person, score, status in scores.people.select("person_id", "score", "status").iter_rows():
        if person in known:
            row, text, grade, log_odds = known[person]
            graded = None if score is None else grade
            found[person] = Verdict(
                score, status, speech.linked(text, person), graded, model, log_odds, told=(speech, row)
            )
        else:
            found[person] = Verdict(score, status, model=model)
    return found


def grades(scores: Scores, cuts: Cuts) -> list[str]:
    """By row of the sheet: a letter for fit, a digit for engagement and timing."""
    sheet = scores.sheet
    fit = _step(sheet.subtotal(Family.FIT), cuts.fit)
    active = _step(sheet.subtotal(Family.ENGAGEMENT) + sheet.subtotal(Family.TIMING), cuts.engagement)
    names = np.array([f"{letter}{digit}" for letter in "ABC" for digit in "123"])
    found: list[str] = names[3 * fit + active].tolist()
    return found


def _step(points: Floats, cuts: tuple[float, float]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    high, middle = cuts
    return np.where(points >= high, 0, np.where(points >= middle, 1, 2))
