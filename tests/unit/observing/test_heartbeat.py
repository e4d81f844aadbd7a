"""Heartbeats: who stands still is named, who ended in order is not, and looking costs next to nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from worker.observing import heartbeat
from worker.observing.heartbeat import Heartbeat, ages, ill


def _aged(home: Path, role: str, seconds: float) -> None:
    Heartbeat(home, role).beat()
    then = time.time() - seconds
    os.utime(home / "alive" / role, (then, then))


def test_a_role_that_stands_still_is_named(tmp_path: Path) -> None:
    _aged(tmp_path, "beat", 1)
    _aged(tmp_path, "worker-compute", 400)
    assert [line.partition(":")[0] for line in ill(tmp_path)] == ["worker-compute"]
    assert ill(tmp_path, older=500) == []
    assert ill(tmp_path, ["beat"]) == []
    assert ill(tmp_path, ["trainer"]) == ["trainer: has not begun"]


def test_whoever_ended_in_order_is_not_missed(tmp_path: Path) -> None:
    heart = Heartbeat(tmp_path, "trainer")
    heart.beat()
    assert ages(tmp_path).keys() == {"trainer"}
    heart.stop()
    assert ill(tmp_path) == [f"nothing has begun in {tmp_path}"]


def test_a_disk_that_takes_no_files_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "alive").write_text("no directory")
    heart = Heartbeat(tmp_path, "beat")
    heart.beat()
    heart.stop()
    assert ill(tmp_path, ["beat"])


def test_the_check_of_a_container_imports_nothing_of_the_product_but_itself(tmp_path: Path) -> None:
    _aged(tmp_path, "beat", 400)
    code = (
        "import sys; from worker.observing import heartbeat; code = heartbeat.main(sys.argv[1:])\n"
        "heavy = {'celery', 'pydantic', 'redis', 'typer'}\n"
        "print(code, sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1 []"
    assert re.fullmatch(r"beat: no beat for \d+ s", done.stderr.strip())
    assert heartbeat.main([]) == 2
