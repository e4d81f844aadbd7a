"""Some malformed inputs of every kind; `python -m tests.fuzz` tries 10,000."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.escapes import storable
from tests.fuzz.__main__ import published
from tests.fuzz.targets import TARGETS, Crash, Tried, run

SOME = {"rules and wording": 10, "Salesforce's answers": 15, "HubSpot's answers": 25, "command lines": 25}
"""By target, as many as half a second allows; 40 of the others."""


@pytest.mark.parametrize("target", TARGETS)
def test_a_malformed_input_is_refused_in_words_or_read_as_sound_facts(
    target: str,
) -> None:
    tried = run(target, SOME.get(target, 40), 0)
    assert tried.crashes == []
    assert tried.refused > 0, "nothing was malformed enough to be noticed"


def test_the_table_of_a_run_is_written_between_its_marks_and_nothing_else_is_touched() -> None:
    page = "# Page\n\n<!-- fuzz -->\nold\n<!-- /fuzz -->\n\nAfter.\n"
    crash = Crash("policies", 7, "TypeError")
    once = published(page, {"policies": Tried(2000, 1999, [crash]), "tables": Tried(2000, 2000)}, 100)
    assert once.startswith("# Page\n\n<!-- fuzz -->\n4,000 inputs, seeds from 100 on, 1 crashes.\n")
    assert "| policies | 2,000 | 1,999 | 1 |\n" in once
    assert once.endswith("\n<!-- /fuzz -->\n\nAfter.\n")
    assert published(once, {}, 0).endswith("\n<!-- /fuzz -->\n\nAfter.\n")
    with pytest.raises(ValueError, match="no <!-- fuzz -->"):
        published("# Page\n", {}, 0)


TEXTS = st.text(st.characters() | st.sampled_from("\0\ud800\udfff\\u0")) | st.just("\\u0000\\\\u0000")


@given(st.lists(TEXTS))
def test_json_is_made_storable_and_what_was_so_is_not_touched(texts: list[str]) -> None:
    raw = json.dumps(texts).encode()
    kept = json.loads(storable(raw))
    for before, after in zip(texts, kept, strict=True):
        after.encode()
        assert "\0" not in after
        clean = "\0" not in before and not any("\ud800" <= letter <= "\udfff" for letter in before)
        assert not clean or before == after
