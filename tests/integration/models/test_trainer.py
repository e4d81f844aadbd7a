"""One trainer does a request; killed, another does it; what cannot end well ends with words."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from tests.chaos.conftest import until
from tests.integration.models.conftest import GOAL, NOW, House
from tests.integration.models.history import history
from worker.lifecycle.policy import Policy, Retraining
from worker.store import models, reports, training
from worker.store.training import Cause, Kind, Request, RequestLost, RequestState
from worker.sync.apply import apply
from worker.training import schedule
from worker.training.perform import perform
from worker.training.trainer import LEASE, MOST_ATTEMPTS, Limits, Trainer

ENDS_WELL = """
import sys
from datetime import UTC, datetime
from worker.store import database, training
engine = database.connect(sys.argv[1])
with engine.begin() as connection:
    training.finish(connection, int(sys.argv[2]), int(sys.argv[3]), {"models": []}, datetime.now(UTC))
"""
SLEEPS = "import time; time.sleep(600)"
EATS = "held = bytearray(600 * 2**20); import time; time.sleep(600)"


def ask(house: House, kind: Kind = Kind.TRAIN) -> int:
    with house.process.engine.begin() as connection:
        return training.ask(connection, GOAL, kind, Cause.CLI, "ann", house.time[0])[0]


def request(house: House, number: int) -> Request:
    with house.process.engine.connect() as connection:
        found = training.get(connection, number)
    assert found is not None
    return found


def trainer(house: House, code: str, owner: str = "one", limits: Limits | None = None) -> Trainer:
    url = house.process.addresses.database

    def command(asked: Request) -> Sequence[str]:
        return [sys.executable, "-c", code, url, str(asked.id), str(asked.epoch)]

    return Trainer(house.process.engine, owner, house.process.now, limits or Limits(), command)


def done(house: House) -> None:
    """The oldest request ends, as if its process had."""
    with house.process.engine.begin() as connection:
        taken = training.take(connection, "one", house.time[0], LEASE)
        assert taken is not None
        training.finish(connection, taken.id, taken.epoch, {"models": []}, house.time[0])


def test_a_request_is_done_once_and_ends_with_its_result(house: House) -> None:
    asked = ask(house)
    assert ask(house) == asked, "an open request stands for whoever asks again"
    ended = trainer(house, ENDS_WELL).work()
    assert ended is not None
    assert (ended.id, ended.state, ended.result, ended.progress) == (asked, RequestState.DONE, {"models": []}, 1.0)
    assert trainer(house, ENDS_WELL).work() is None
    assert ask(house) != asked


def test_two_trainers_one_request(house: House) -> None:
    asked = ask(house)
    two = [trainer(house, ENDS_WELL, owner) for owner in ("one", "two")]
    results: list[Request | None] = []
    threads = [threading.Thread(target=lambda its=its: results.append(its.work())) for its in two]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [ended.id for ended in results if ended] == [asked]
    assert request(house, asked).attempts == 1


def test_a_killed_process_is_begun_again_and_in_the_end_given_up_with_words(house: House) -> None:
    asked = ask(house)
    dies = trainer(house, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    for attempt in range(1, MOST_ATTEMPTS):
        assert dies.work() is not None
        assert request(house, asked).state is RequestState.WAITING
        assert request(house, asked).attempts == attempt
    ended = dies.work()
    assert ended is not None
    assert ended.state is RequestState.FAILED
    assert "SIGKILL" in (ended.problem or "")
    assert "out of memory" in (ended.problem or "")


def test_a_killed_trainer_takes_its_process_along_and_another_takes_the_request_up(
    house: House, tmp_path: Path
) -> None:
    asked = ask(house)
    told = tmp_path / "child"
    waits = f"""
import os, pathlib, time
from worker.training.perform import end_with_parent
end_with_parent()
pathlib.Path({str(told)!r}).write_text(str(os.getpid()))
time.sleep(600)
"""
    runs = f"""
import sys
from datetime import UTC, datetime
from worker.store import database
from worker.training.trainer import Limits, Trainer
engine = database.connect({house.process.addresses.database!r})
now = datetime.fromisoformat({NOW.isoformat()!r})
Trainer(engine, "one", lambda: now, Limits(), lambda _: [sys.executable, "-c", {waits!r}]).work()
"""
    first = subprocess.Popen([sys.executable, "-c", runs])
    try:
        until(lambda: told.exists() and told.read_text() != "", 60, "the training begins")
        child = int(told.read_text())
    finally:
        first.kill()
        first.wait()
    until(lambda: not _lives(child), 30, "the training ends with its trainer")
    assert request(house, asked).state is RequestState.RUNNING
    assert trainer(house, ENDS_WELL, "two").work() is None, "the lease has not run out"
    house.later(seconds=LEASE.total_seconds() + 1)
    ended = trainer(house, ENDS_WELL, "two").work()
    assert ended is not None
    assert (ended.state, ended.attempts) == (RequestState.DONE, 2)


def test_what_a_stale_run_made_is_dropped(house: House) -> None:
    ask(house)
    engine = house.process.engine
    with engine.begin() as connection:
        stale = training.take(connection, "one", house.time[0], LEASE)
    house.later(seconds=LEASE.total_seconds() + 1)
    with engine.begin() as connection:
        fresh = training.take(connection, "two", house.time[0], LEASE)
    assert stale is not None
    assert fresh is not None
    its, now = (stale.id, stale.epoch), house.time[0]
    late: list[Callable[[Connection], None]] = [
        lambda connection: training.finish(connection, *its, {}, now),
        lambda connection: training.progress(connection, *its, 0.5, "late"),
        lambda connection: training.fail(connection, *its, "late", now),
        lambda connection: training.hold(connection, *its, now, LEASE),
    ]
    for call in late:
        with pytest.raises(RequestLost), engine.begin() as connection:
            call(connection)
    assert request(house, fresh.id).state is RequestState.RUNNING


@pytest.mark.parametrize(
    ("code", "limits", "said"),
    [
        (SLEEPS, Limits(time=timedelta(seconds=0.5)), "took longer than 0:00:00.5"),
        (EATS, Limits(memory=300 * 2**20), "GiB of memory and may take 0.3"),
    ],
)
def test_too_long_and_too_large_end_with_what_to_change(house: House, code: str, limits: Limits, said: str) -> None:
    if "memory" in said and not Path("/proc/self/statm").exists():
        pytest.skip("this system does not tell how much memory a process has")
    ask(house)
    ended = trainer(house, code, limits=limits).work()
    assert ended is not None
    assert ended.state is RequestState.FAILED
    assert said in (ended.problem or "")
    assert "training_" in (ended.problem or "")


def test_a_trainer_that_is_stopped_gives_the_request_back(house: House) -> None:
    asked = ask(house)
    stop = iter([False, True])
    trainer(house, SLEEPS).work(stop=lambda: next(stop, True))
    assert request(house, asked).state is RequestState.WAITING


def test_what_is_due_is_asked_for_once(house: House) -> None:
    rules, engine = Retraining(), house.process.engine

    def due() -> list[tuple[Kind, Cause]]:
        with engine.begin() as connection:
            made = schedule.ask_for_what_is_due(connection, GOAL, rules, house.time[0])
            found = [training.get(connection, number) for number in made]
        return [(its.kind, its.cause) for its in found if its]

    assert due() == [], "the first model is a person's wish"
    number = house.register()
    assert due() == [(Kind.WATCH, Cause.SCHEDULE)]
    assert due() == []
    with engine.begin() as connection:
        models.appoint(
            connection, GOAL, "", number, event=models.Event.PROMOTED, author="ann", reason="", figures={},
            now=house.time[0],
        )  # fmt: skip
    assert due() == [(Kind.TRAIN, Cause.SCHEDULE)]
    house.later(days=6)
    assert due() == []
    done(house)
    done(house)
    house.later(days=1)
    assert due() == [(Kind.WATCH, Cause.SCHEDULE)]
    house.later(days=84)
    assert due() == [(Kind.TRAIN, Cause.SCHEDULE)]
    rules = Retraining(every_days=0)
    house.later(days=400)
    assert due() == []


def test_drift_asks_for_a_training_but_not_every_week(house: House) -> None:
    engine = house.process.engine

    def drifted(rules: Retraining) -> int | None:
        with engine.begin() as connection:
            return schedule.ask_for_drift(connection, GOAL, rules, house.time[0])

    assert drifted(Retraining(on_drift=False)) is None
    first = drifted(Retraining())
    assert first is not None
    done(house)
    house.later(days=27)
    assert drifted(Retraining()) is None
    house.later(days=1)
    assert drifted(Retraining()) not in (None, first)


def test_from_history_to_a_champion_by_the_command_itself(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that `leadgauge trainer` starts, on a history in which people who look at prices buy."""
    addresses = house.process.addresses
    monkeypatch.setenv("LEADGAUGE_DATABASE_URL", addresses.database)
    monkeypatch.setenv("LEADGAUGE_REDIS_URL", addresses.redis)
    monkeypatch.setenv("LEADGAUGE_CLOCK", NOW.isoformat())
    with house.process.engine.begin() as connection:
        apply(connection, history(600, NOW), NOW)
    asked = ask(house)
    engine = house.process.engine
    ended = Trainer(engine, "one", house.process.now).work()
    assert ended is not None
    assert (ended.id, ended.problem) == (asked, None)
    assert ended.result is not None
    assert ended.result["models"] == [1]
    with engine.connect() as connection:
        made = models.get(connection, GOAL, 1)
        shadows = house.rows("SELECT count(*) AS n FROM shadow_score WHERE number = 1")[0].n
    assert made is not None
    assert made.manifest["figures"]["model"]["auc"] > 0.7
    assert {"owner", "status"} <= {left_out["feature"] for left_out in made.manifest["left_out"]}
    validation = made.manifest["validation"]
    assert {"base rate", "rules", "naive Bayes"} <= validation["rivals"].keys()
    assert sum(bucket["won"] for bucket in validation["business"]) > 0
    assert any(times > 1.3 for times in made.manifest["rule_rates"].values()), "of whom a rule gave points"
    assert house.process.goals.model(GOAL, 1).rates.rules == made.manifest["rule_rates"]
    assert validation["examples"] == [], "a manifest is never changed, so it holds nobody"
    with engine.connect() as connection:
        page = reports.page(connection, GOAL, 1)
    assert page is not None
    assert "What the leads were worth" in page
    assert page.count('data-person="') == 10
    assert shadows > 0
    assert house.process.goals.model(GOAL, 1).model.signal


def test_too_little_history_is_no_failure(house: House) -> None:
    with house.process.engine.begin() as connection:
        apply(connection, history(60, NOW), NOW)
    asked = ask(house)
    with house.process.engine.begin() as connection:
        taken = training.take(connection, "one", NOW, LEASE)
    assert taken is not None
    perform(taken, house.process.goals.shop(GOAL, {}, house.process.arrow), Policy())
    ended = request(house, asked)
    assert ended.state is RequestState.DONE
    assert ended.result is not None
    assert "40 of each are needed" in ended.result["rules_only"]


def _lives(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" if Path("/proc").exists() else True
    return False
