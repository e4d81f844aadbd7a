"""What every connector's calls have in common: timeouts, one retry policy, what a call tells about itself."""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from tenacity import RetryCallState, Retrying, retry_if_exception_type

from connectors.errors import Transient

T = TypeVar("T")

Clock = Callable[[], datetime]

CONNECT = timedelta(seconds=10)
READ = timedelta(seconds=60)
ATTEMPTS = 6
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, for metrics. `endpoint` is a path without ids or query; `status` None: no answer."""

    source: str
    method: str
    endpoint: str
    status: int | None
    seconds: float


Observer = Callable[[Exchange], None]


def wall() -> datetime:
    """The machine's own time, aware and in UTC."""
    return datetime.now(UTC)


def attempt(
    call: Callable[[], T],
    *,
    budget: timedelta = timedelta(seconds=20),
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """`call()`, again after each `Transient` while attempts and `budget` last; the last error is raised as it is.

    A `retry_after` is honoured in full or, where it does not fit into what is left of the budget, raised at once:
    whoever called can wait better than a busy worker. Everything but `Transient` passes through untouched, Celery's
    soft time limit included.
    """

    def over(state: RetryCallState) -> bool:
        spent = max(state.seconds_since_start or 0.0, state.idle_for)
        return state.attempt_number >= ATTEMPTS or spent + state.upcoming_sleep > budget.total_seconds()

    return Retrying(retry=retry_if_exception_type(Transient), wait=_wait, stop=over, sleep=sleep, reraise=True)(call)


def _wait(state: RetryCallState) -> float:
    """Full jitter: workers that failed together do not come back together."""
    ceiling = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** (state.attempt_number - 1))
    jitter = random.uniform(0, ceiling)  # noqa: S311 - to spread calls, not to keep a secret
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, Transient) else None
    return jitter if asked is None else asked.total_seconds() + min(jitter, 1.0)


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """The `Retry-After` header as a wait from `now` on: seconds or an HTTP date; None when absent or unreadable."""
    given = next((value.strip() for name, value in headers.items() if name.lower() == "retry-after"), "")
    try:
        wait = timedelta(seconds=float(given))
    except (ValueError, OverflowError):
        try:
            at = parsedate_to_datetime(given)
        except (ValueError, TypeError, IndexError):
            return None
        wait = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    return max(wait, timedelta(0))


class TimeoutAdapter(HTTPAdapter):
    """An adapter with default timeouts, because requests has none and a hung socket would hold a worker for ever.

    `ca_bundle` is trusted in addition to the public authorities. Nothing is retried below `attempt`.
    """

    def __init__(
        self, *, connect: timedelta = CONNECT, read: timedelta = READ, ca_bundle: Path | None = None, pool: int = 10
    ) -> None:
        self._timeout = (connect.total_seconds(), read.total_seconds())
        self._context = ssl.create_default_context()
        if ca_bundle is not None:
            self._context.load_verify_locations(ca_bundle)
        super().__init__(pool_connections=pool, pool_maxsize=pool, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = self._timeout
        return super().send(request, *args, **kwargs)
