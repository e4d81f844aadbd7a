"""`python -m tests.fuzz [COUNT] [FIRST] [TARGET]`: malformed inputs of every kind, 10,000 in all, and what they broke.

A run of every kind writes its table into docs/reliability.md. Exit status: 0 if nothing but a named error came of any,
1 if something did.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.fuzz.targets import TARGETS, Tried, run

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
_BEGIN, _END = "<!-- fuzz -->", "<!-- /fuzz -->"


def main(arguments: Sequence[str]) -> int:
    count, first = (int(number) for number in (*arguments[:2], *("10000", "0")[len(arguments[:2]) :]))
    wanted = list(arguments[2:]) or list(TARGETS)
    share = -(-count // len(wanted))
    all_tried: dict[str, Tried] = {}
    for target in wanted:
        tried = all_tried[target] = run(target, share, first)
        sys.stdout.write(f"{target}: {share} inputs, {tried.refused} refused in words, {len(tried.crashes)} crashes\n")
        for crash in tried.crashes[:20]:
            sys.stdout.write(f"  seed {crash.seed}: {crash.what}\n")
        sys.stdout.flush()
    bad = sum(len(tried.crashes) for tried in all_tried.values())
    sys.stdout.write(f"{share * len(wanted)} malformed inputs, {bad} crashes\n")
    if not arguments[2:]:
        PAGE.write_text(published(PAGE.read_text("utf-8"), all_tried, first), "utf-8")
    return 1 if bad else 0


def published(page: str, all_tried: Mapping[str, Tried], first: int) -> str:
    """The page with a run's table between its marks. Raises `ValueError` for a page without them."""
    begin, marked, rest = page.partition(_BEGIN)
    _, closed, after = rest.partition(_END)
    if not (marked and closed):
        raise ValueError(f"{PAGE.name} has no {_BEGIN} and {_END} to write the table between")
    count = sum(tried.count for tried in all_tried.values())
    bad = sum(len(tried.crashes) for tried in all_tried.values())
    lines = [
        f"{count:,} inputs, seeds from {first:,} on, {bad} crashes.",
        "",
        "| target | inputs | refused in words | crashes |",
        "|---|---|---|---|",
        *(f"| {target} | {tried.count:,} | {tried.refused:,} | {len(tried.crashes)} |"
          for target, tried in all_tried.items()),
    ]  # fmt: skip
    return "\n".join((f"{begin}{_BEGIN}", *lines, f"{_END}{after}"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
