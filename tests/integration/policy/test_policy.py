"""`leadgauge policy`: a goal's policy is edited, drafted, compared, published and reverted, and nobody is overrun."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from tests.integration.policy.conftest import Run
from worker.lifecycle.policy import Policy, PolicyError, change
from worker.steering import policies
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
    file.write_text("mql:\n  required: [title, titel]\n")
    with pytest.raises(PolicyError, match=r"policy.yaml:2: mql.required.1: no attribute is named 'titel'; did you"):
        run("policy", "publish", str(file))
    with pytest.raises(PolicyError, match=r"^segments.by: no attribute is named 'land'; there are .* declare others"):
        run("policy", "set", "segments.by=land")
    with pytest.raises(PolicyError, match="cannot be read"):
        run("policy", "publish", str(tmp_path / "none.yaml"))


def unasked(goal: str, policy: Policy, before: Policy) -> None:
    """Nobody objects."""


def test_whoever_edits_or_publishes_another_version_than_they_saw_is_told(run: Run, database_url: str) -> None:
    """As a console does it: whole bodies, by the version that was on the screen."""
    now, engine = datetime(2026, 11, 2, tzinfo=UTC), create_engine(database_url)
    bodies = [change(Policy(), f"mql.enter={line}").model_dump(mode="json") for line in (75, 80)]
    with engine.begin() as connection:
        seen = policies.save(connection, "default", "calm", bodies[0], 0, "ann", now)
        newer = policies.save(connection, "default", "calm", bodies[1], seen.version, "bob", now)
        with pytest.raises(EditConflict, match="bob has changed this draft of the policy"):
            policies.save(connection, "default", "calm", bodies[0], seen.version, "ann", now)
        with pytest.raises(EditConflict, match="edited by bob"):
            policies.publish_draft(connection, "default", "calm", "ann", "", now, unasked, version=seen.version)
        with pytest.raises(PolicyError, match=r"mql\.enter"):
            policies.save(connection, "default", "calm", {"mql": {"enter": 800}}, newer.version, "ann", now)
        done = policies.publish_draft(connection, "default", "calm", "ann", "", now, unasked, version=newer.version)
        assert (done.revision.revision, done.changes) == (2, {"mql.enter": (70, 80)})
        assert not policies.drafts(connection, "default")
        with pytest.raises(EditConflict):
            policies.publish(connection, "default", Policy(), 1, "ann", "", now, unasked)
        assert policies.revert(connection, "default", 2, "ann", now, unasked).changes == {}
        assert len(policies.history(connection, "default")) == 2
    engine.dispose()


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
