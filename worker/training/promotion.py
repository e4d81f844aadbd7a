"""Whether a challenger may score people: a decision over figures, by the policy's rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from worker.lifecycle.policy import Policy, Promotion


@dataclass(frozen=True, slots=True)
class Figures:
    """How a model did on people whom it was not made from: how many there were, how many of them converted, AUC with
    its 95 % interval, log-loss beside that of the base rate, and the calibration error (ECE)."""

    people: int
    conversions: int
    auc: float
    auc_low: float
    auc_high: float
    log_loss: float
    base_log_loss: float
    ece: float

    @classmethod
    def read(cls, told: Mapping[str, Any] | None) -> Self | None:
        """From a manifest or a drift report; None where there are none."""
        return cls(**{name: told[name] for name in cls.__slots__}) if told else None


@dataclass(frozen=True, slots=True)
class Moves:
    """What would change for the people of today: (bucket now, bucket then) -> people."""

    by_bucket: Mapping[tuple[str, str], int]

    @property
    def people(self) -> int:
        return sum(self.by_bucket.values())

    @property
    def share(self) -> float:
        """0 to 1; 0 where nobody was compared."""
        gone = sum(n for (now, then), n in self.by_bucket.items() if now != then)
        return gone / self.people if self.people else 0.0


def moves(pairs: Iterable[tuple[str, int, Policy]]) -> Moves:
    """Of each person: the bucket held, the score that they would have with the challenger, and their policy. They would
    leave their bucket as its hysteresis lets them, so what is counted is what people would see."""
    return Moves(Counter((held, policy.bucket(score, held).name) for held, score, policy in pairs))


def objections(
    challenger: Figures | None,
    champion: Figures | None,
    moved: Moves | None,
    rules: Promotion,
    *,
    against: int | None = None,
    signal: bool = True,
) -> list[str]:
    """What speaks against the promotion, with the figures; nothing when it may go ahead.

    `challenger` and `champion` were measured on the same people. `against`: the number of the champion; without one the
    base rate is what must be beaten. `moved` is None where nobody was compared. `signal`: whether the challenger found
    any.
    """
    if not signal:
        return ["no signal: it gives everybody the base rate"]
    if challenger is None:
        return ["there are no figures of it on people whom it was not made from"]
    found = []
    others = challenger.people - challenger.conversions
    if challenger.conversions < rules.min_conversions or others < rules.min_others:
        found.append(
            f"too few matured outcomes: {challenger.conversions} conversions and {others} others were held out, "
            f"{rules.min_conversions} and {rules.min_others} are needed"
        )
    if against is not None and champion is None:
        found.append(
            f"model {against}, which scores now, was not measured beside it: train anew, so that both are judged on "
            "the same people"
        )
    if champion is None:
        if challenger.log_loss >= challenger.base_log_loss:
            found.append(
                f"no better than the base rate: log-loss {challenger.log_loss:.4f} against "
                f"{challenger.base_log_loss:.4f}"
            )
        return found
    if challenger.ece > champion.ece + rules.calibration_slack:
        found.append(
            f"worse calibration: ECE {challenger.ece:.3f} against the champion's {champion.ece:.3f}, "
            f"{rules.calibration_slack:.3f} more is allowed"
        )
    gain = challenger.auc - champion.auc
    if moved is not None and moved.share > rules.max_moved and gain < rules.min_gain:
        found.append(
            f"{moved.share:.0%} of {moved.people:,} leads would change their bucket, {rules.max_moved:.0%} are allowed "
            f"unless the AUC gains {rules.min_gain:.3f}; it changes by {gain:+.3f}"
        )
    return found
