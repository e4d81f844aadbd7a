"""`python -m tests.fuzz [COUNT] [FIRST] [TARGET]`: malformed inputs of every kind, 10,000 in all, and what they broke.

Exit status: 0 if nothing but a named error came of any, 1 if something did.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.fuzz.targets import TARGETS, run


def main(arguments: Sequence[str]) -> int:
    count, first = (int(number) for number in (*arguments[:2], *("10000", "0")[len(arguments[:2]) :]))
    wanted = list(arguments[2:]) or list(TARGETS)
    share = -(-count // len(wanted))
    bad = 0
    for target in wanted:
        tried = run(target, share, first)
        bad += len(tried.crashes)
        sys.stdout.write(f"{target}: {share} inputs, {tried.refused} refused in words, {len(tried.crashes)} crashes\n")
        for crash in tried.crashes[:20]:
            sys.stdout.write(f"  seed {crash.seed}: {crash.what}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{share * len(wanted)} malformed inputs, {bad} crashes\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
