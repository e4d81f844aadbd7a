"""A policy file: what it changes, and the line of each mistake."""

from __future__ import annotations

import pytest

from worker.lifecycle.document import read, write
from worker.lifecycle.policy import Policy, PolicyError, change

HELD = change(Policy(), "scale.pdo=14.5", "segments.by=country", "segments.of.NO.mql.enter=80")


def test_what_the_file_does_not_mention_stays() -> None:
    policy = read("mql:\n  enter: 75\nsegments:\n  of:\n    DE: {mql: {leave: 50}}\n    NO:\n", "policy.yaml", HELD)
    assert policy == change(HELD, "mql.enter=75", "segments.of.DE.mql.leave=50", "segments.of.NO=null")


def test_what_was_written_reads_as_the_same() -> None:
    assert read(write(HELD), "policy.yaml", Policy()) == HELD


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", "", "the file is empty"),
        ("- 1\n", ":1", "a mapping of settings"),
        ("mql: [\n", ":2", "plain YAML"),
        ("mql:\n  enter: 170\n", ":2", "mql.enter: Input should be less than or equal to 100 (got 170)"),
        ("mql:\n  entr: 70\n", ":2", "mql.entr: no such setting; there are enter, leave"),
        ("capacity:\n  reps: 3\nmql:\n  # high\n  enter: high\n", ":5", "mql.enter: Input should be a valid integer"),
        ("mql:\n  enter: 50\n  leave: 60\n", ":2", "must not be above"),
        ("mql: {enter: 70}\nmql: {enter: 71}\n", ":2", "mql stands twice"),
        ("buckets:\n- {name: a, at_least: 50, action: x}\n- {name: b, at_least: 10, action: y}\n", ":2", "start at 0"),
        ("buckets:\n- {name: a, at_least: 0, action: x}\n- {nme: b}\n", ":3", "buckets.1.nme: no such setting"),
        ("segments:\n  by: country\n  of:\n    DE:\n      mql:\n        enter: 10\n", ":6", "segments.of.DE.mql"),
        ("mql: &a {enter: 70}\n", ":1", "anchors and aliases"),
        (
            "mql:\n  enter: 70\n  required:\n  - company\n  - titel\n",
            ":5",
            "no attribute is named 'titel'; did you mean title?",
        ),
        ("segments:\n  by: land\n", ":2", "segments.by: no attribute is named 'land'; there are company, title;"),
        ("sales:\n  accepted: [working]\n  confirmed: [Working]\n", ":2", "keep one"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, line: str, said: str) -> None:
    with pytest.raises(PolicyError) as refused:
        read(text, "policy.yaml", Policy(), ("title", "company"))
    assert str(refused.value).startswith(f"policy.yaml{line}:")
    assert said in str(refused.value)
