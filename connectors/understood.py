"""Answers that are not of the shape that their vendor documents: told as such, whatever they broke."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connectors.errors import ProtocolViolation

ODD = (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError, RecursionError)
"""What comes of taking a part of an answer for what it is not."""


class Misused(ValueError):
    """The caller asked for what cannot be asked for; no answer is to blame."""


@contextmanager
def understood(source: str) -> Iterator[None]:
    """Raises `ProtocolViolation`, which names the place in the code and quotes nothing of the answer."""
    try:
        yield
    except Misused:
        raise
    except ODD as problem:
        last = traceback.extract_tb(problem.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        what = f"an answer is not of the expected shape ({type(problem).__name__} at {where})"
        raise ProtocolViolation(source, what) from problem
