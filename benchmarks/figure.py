"""What one benchmark found."""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """Our figure beside the baseline's, both measured in the same run, in the same unit.

    `goal` says in words what `met` decides; `peak_mib` is the most memory the process or a child of it held.
    """

    name: str
    ours: float
    baseline: float
    unit: str
    goal: str
    met: bool
    peak_mib: float
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours divided by the baseline; None where the baseline is zero."""
        return self.ours / self.baseline if self.baseline else None


def peak_mib() -> float:
    """The most memory (MiB, resident) that this process or its largest finished child has held so far."""
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return max(peaks) / (1024**2 if sys.platform == "darwin" else 1024)  # bytes on macOS, KiB elsewhere
