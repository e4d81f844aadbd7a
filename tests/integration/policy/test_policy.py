"""`leadgauge policy`: a goal's policy is edited, drafted, compared, published and reverted, and nobody is overrun."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.policy.conftest import Run
from worker.lifecycle.policy import PolicyError
from worker.store.revisions import EditConflict


def test_a_draft_becomes_a_revision_and_is_reverted(run: Run) -> None:
    assert "begun from policy 1" in run("policy", "draft", "mql.enter=75", "mql.required=company")
    run("policy", "draft", "capacity.reps=12")
    changed = run("policy", "diff")
    assert [line.split() for line in changed.splitlines()[1:]] == [
        ["mql.enter", "70", "75"], ["mql.required", "company"], ["capacity.reps", "0", "12"],
    ]  # fmt: skip
    assert "mql.enter = 75   (shipped: 70)" in run("policy", "show", "--draft", "draft")
    assert "mql.enter = 70\n" in run("policy", "show")
    assert "published policy 2" in run("policy", "publish", "-m", "fewer, better")
    assert "mql.enter = 75" in run("policy", "show")
    assert "draft" not in run("policy", "draft")
    history = run("policy", "history")
    assert "fewer, better" in history
    assert "with the settings of 1" in run("policy", "revert", "1")
    assert "mql.enter = 70\n" in run("policy", "show")
    assert "policy 3 says so already" in run("policy", "set", "mql.enter=70")
    assert max(map(len, (changed + history).splitlines())) <= 80


def test_a_draft_that_was_overtaken_is_put_on_what_is_in_force(run: Run) -> None:
    run("policy", "draft", "mql.enter=75")
    run("policy", "set", "mql.leave=40", "materiality.points=5")
    with pytest.raises(EditConflict, match=r"begun from policy 1.*changes mql.leave, materiality.points"):
        run("policy", "publish")
    run("policy", "draft", "--rebase")
    run("policy", "publish")
    shown = run("policy", "show")
    assert all(f"{setting}  " in shown for setting in ("mql.enter = 75 ", "mql.leave = 40 ", "materiality.points = 5 "))


def test_a_file_changes_what_it_says_and_is_refused_with_its_line(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    run("policy", "set", "scale.pdo=12.5")
    file.write_text("mql:\n  enter: 80\n")
    assert "published policy 3" in run("policy", "publish", str(file))
    assert "mql.enter = 80 " in (shown := run("policy", "show"))
    assert "scale.pdo = 12.5 " in shown
    file.write_text(run("policy", "show", "--yaml"))
    assert "says so already" in run("policy", "publish", str(file))
    file.write_text("mql:\n  enter: 800\n")
    with pytest.raises(PolicyError, match=r"policy.yaml:2: mql.enter: .*less than or equal to 100 \(got 800\)"):
        run("policy", "publish", str(file))
    with pytest.raises(PolicyError, match="cannot be read"):
        run("policy", "publish", str(tmp_path / "none.yaml"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("publish",), "there is no draft 'draft'; begin one"),
        (("diff", "--name", "x"), "there is no draft 'x'"),
        (("diff", "9"), "there is no policy 9; the newest is 1"),
        (("revert", "9"), "there is no policy 9; the newest is 1"),
        (("draft", "--discard"), "there is no draft"),
        (("draft", "--rebase"), "there is no draft"),
        (("draft", "mql.enter=101"), "less than or equal to 100"),
    ],
)
def test_what_is_not_there_is_said(run: Run, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        run("policy", *words)
