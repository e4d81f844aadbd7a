"""`python -m sandbox --directory DIR`: a practice Salesforce and a practice HubSpot on loopback, over TLS, and what
`--with` puts beside them."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timedelta
from pathlib import Path

from sandbox.clock import aware
from sandbox.companions import KINDS
from sandbox.profiles import CALM, NAMES
from sandbox.serve import run
from sandbox.stores import CannotStart, Options


def main(arguments: list[str] | None = None) -> int:
    """Serve until stopped. 0 after a clean stop, 2 with one line on stderr for what cannot be started."""
    given = _parser().parse_args(arguments)
    options = Options(
        directory=given.directory,
        people=given.people,
        seed=given.seed,
        now=given.now,
        live=given.live,
        live_rate=given.live_rate,
        salesforce_port=given.salesforce_port,
        hubspot_port=given.hubspot_port,
        visibility=timedelta(seconds=given.visibility),
        profile=given.profile,
        bare=given.bare,
        beside=given.beside,
    )
    try:
        run(options)
    except CannotStart as problem:
        print(f"sandbox: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="where certificates, keys and the world are kept")
    parser.add_argument("--people", type=_positive, default=2000, help="records in each CRM, about (default 2000)")
    parser.add_argument("--seed", type=int, default=7, help="the same seed, people and now give the same world")
    parser.add_argument("--now", type=_instant, help="start of the clock of a new world, ISO 8601 with an offset")
    parser.add_argument(
        "--with",
        dest="beside",
        type=_beside,
        default=(),
        metavar="NAMES",
        help=f"other accounts of the same people: {','.join(KINDS)}",
    )
    parser.add_argument("--bare", action="store_true", help="a new world has no score fields: for trying the set-up")
    parser.add_argument("--live", action="store_true", help="keep the world moving in real time")
    parser.add_argument("--live-rate", type=_rate, default=30.0, metavar="PER_MINUTE", help="events a minute of --live")
    parser.add_argument("--salesforce-port", type=_port, default=0, help="0 (default): last time's, else any free one")
    parser.add_argument("--hubspot-port", type=_port, default=0, help="0 (default): last time's, else any free one")
    parser.add_argument(
        "--visibility", type=_seconds, default=0.0, metavar="SECONDS", help="delay until queries see it"
    )
    parser.add_argument(
        "--profile", choices=NAMES, default=CALM, help="hostile: everything CRMs do to clients, at once"
    )
    return parser


def _instant(text: str) -> datetime:
    try:
        return aware(datetime.fromisoformat(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an instant like 2026-11-23T06:00:00Z") from None


def _beside(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if unknown := [name for name in names if name not in KINDS]:
        raise argparse.ArgumentTypeError(f"there is no practice {', '.join(unknown)}; there are {', '.join(KINDS)}")
    return names


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    return _number(text, "a number of seconds from 0 on", zero=True)


def _rate(text: str) -> float:
    return _number(text, "a number of events above 0", zero=False)


def _number(text: str, wanted: str, *, zero: bool) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not (0 < number < float("inf") or (zero and number == 0)):
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
    return number


if __name__ == "__main__":
    sys.exit(main())
