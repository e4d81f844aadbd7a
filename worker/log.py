"""Logs are events: an action, who and how many. Never an address, a name, a token or a body."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_ADDRESS = re.compile(r"[^\s@\"'<>=:,;(]+@[^\s@\"'<>,;)]+\.[A-Za-z]{2,}")
_SECRET = re.compile(
    r"(?i)\b(bearer\s+|pat-|token[=:]\s*|password[=:]\s*|secret[=:]\s*|://[^:/@\s]*:(?=\S*@))[^\s@&\"']+"
)


def redact(text: str) -> str:
    """Take addresses and credentials out of a text that others wrote (a vendor's message, a library's exception)."""
    return _ADDRESS.sub("[address]", _SECRET.sub(r"\1[secret]", text))


def _redacted(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redact(value)
    return event


def configure(level: str, *, as_json: bool) -> None:
    """Send every log line of this process, libraries' included, to standard error in one form."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redacted,
    ]
    last: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=last, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in (
        "alembic", "amqp", "celery.app.trace", "celery.redirected", "celery.worker.strategy", "kombu", "urllib3",
    ):  # fmt: skip
        logging.getLogger(chatty).setLevel(logging.WARNING)
