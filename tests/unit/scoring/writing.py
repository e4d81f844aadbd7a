"""Rule files for tests: the head that every file needs, and the rules of the test."""

from __future__ import annotations

from textwrap import dedent

from worker.features.catalogue import Attribute, AttributeType, Catalogue
from worker.scoring.rules import Ruleset, load

CATALOGUE = Catalogue.shipped().extended({"renewal": Attribute(AttributeType.DATE, "Renewal")})


def rules(*written: str, base: float = 0, groups: str = "{fit: {}, engagement: {}}", guardrails: str = "") -> Ruleset:
    """`written` are rules in flow style, `{id: .., ..}`, and `guardrails` a list of such."""
    lines = [
        f"version: 1\nbase: {base}\ngroups: {groups}\nrules:",
        *(f"  - {dedent(rule).strip()}" for rule in written),
    ]
    if guardrails:
        lines.append(f"guardrails: {guardrails}")
    return load("\n".join(lines), "rules.yaml", CATALOGUE)


def when(condition: str, points: float = 10) -> Ruleset:
    """One rule, `asked`, that gives its points where `condition` holds."""
    return rules(f"{{id: asked, group: fit, points: {points}, when: {condition}}}")


def each(selector: str, points: float = 10, more: str = "") -> Ruleset:
    """One rule, `counted`, that gives its points for each act."""
    return rules(f"{{id: counted, group: engagement, points: {points}, each: {selector}{more}}}")
