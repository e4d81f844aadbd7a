"""The accounts that `python -m sandbox --with` puts beside the CRMs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sandbox.amplitude.companion import PracticeAmplitude
from sandbox.clock import Clock
from sandbox.companion import Companion
from sandbox.marketo.companion import PracticeMarketo
from sandbox.mixpanel.companion import PracticeMixpanel

KINDS: Mapping[str, Callable[[Clock, int], Companion]] = {
    "marketo": PracticeMarketo,
    "amplitude": PracticeAmplitude,
    "mixpanel": PracticeMixpanel,
}
"""Name -> an empty account, of a clock and a seed."""
