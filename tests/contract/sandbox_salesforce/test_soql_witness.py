"""Our SOQL parser against @jetstreamapp/soql-parser-js, which others wrote for the same language."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from sandbox.salesforce.faults import ApiError
from sandbox.salesforce.soql import parse
from tests.contract.sandbox_salesforce.soql_samples import CLIENTS, made_up, spoilt
from tests.witnesses.node import needs_node, run

REFUSED_HERE_ALONE = {
    # What the witness lets pass although the vendor refuses it.
    "a = 1 AND b = 2 OR c = 3": "AND and OR do not mix without parentheses",
    "NOT a = 1 AND b = 2": "nor does NOT",
    # What no client of ours emits: refused by name rather than answered wrongly.
    "TYPEOF": "polymorphic selection",
    "HAVING": "conditions on groups",
    "USING SCOPE": "scopes",
    "FOR VIEW": "marks records as viewed",
    "FOR UPDATE": "Apex only",
    "DATA CATEGORY": "knowledge articles",
    "SECURITY_ENFORCED": "Apex only",
    "DISTANCE": "geolocation",
    "USD5000": "currency literals",
}


def _accepts(soql: str) -> bool:
    try:
        parse(soql)
    except ApiError:
        return False
    return True


def _compared(queries: Sequence[str]) -> list[tuple[str, bool, bool]]:
    """(query, whether we accept it, whether the witness does)."""
    theirs = run("soql.cjs", list(queries))
    return [(soql, _accepts(soql), bool(other)) for soql, other in zip(queries, theirs, strict=True)]


@needs_node
def test_both_agree_on_what_clients_emit_but_for_the_listed() -> None:
    differing = [(soql, ours) for soql, ours, theirs in _compared(CLIENTS) if ours != theirs]
    assert not [soql for soql, ours in differing if ours], "we accept what the witness refuses"
    unexplained = [soql for soql, _ in differing if not any(words in soql for words in REFUSED_HERE_ALONE)]
    assert unexplained == []
    assert len(differing) == len(REFUSED_HERE_ALONE), "a listed difference is none any more"


@needs_node
def test_both_accept_whatever_the_grammar_gives() -> None:
    dice = Random(1)
    refused = [answer for answer in _compared([made_up(dice) for _ in range(500)]) if answer[1:] != (True, True)]
    assert refused == []


@needs_node
def test_nothing_is_accepted_that_the_witness_refuses() -> None:
    """The other way round the witness is the lenient one: it takes two conditions side by side, aliases with dots,
    `WHERE AND`, `NOT NOT` and ORDER as an alias, all of which the vendor refuses."""
    dice = Random(2)
    compared = _compared([spoilt(dice) for _ in range(1_000)])
    assert [soql for soql, ours, theirs in compared if ours and not theirs] == []
    assert sum(not ours for _, ours, _ in compared) > 500, "too few of them are spoilt to tell"
