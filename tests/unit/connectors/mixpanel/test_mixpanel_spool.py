from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from connectors.errors import Transient
from connectors.mixpanel.mapping import Held
from connectors.mixpanel.spool import Spool


@dataclass(frozen=True)
class Folder:
    path: Path

    def spool(self, source: str = "app") -> Spool:
        return Spool(source, self.path)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "spool")


def held(at: int, ref: str = "r", *, recorded: int = 0, person: str = "u1") -> Held:
    return Held(at, ref, "page_view", person, recorded, None, None)


@pytest.mark.parametrize("last_first", [True, False])
def test_of_doubles_the_one_that_came_last_stays(folder: Folder, last_first: bool) -> None:
    rows = [held(1, recorded=2, person="late"), held(1, recorded=1, person="early")]
    folder.spool().fill("x", rows if last_first else rows[::-1], lambda: 2)
    assert folder.spool().page("x", None, 9) == [rows[0]]


def test_rows_come_in_one_order_by_pages_to_any_process(folder: Folder) -> None:
    rows = [held(2, "b"), held(1, "z"), held(2, "a"), held(-5, "c")]
    folder.spool().fill("x", rows, lambda: 4)
    first = folder.spool().page("x", None, 3)
    assert first is not None
    assert [(row.at, row.ref) for row in first] == [(-5, "c"), (1, "z"), (2, "a")]
    assert folder.spool().page("x", (2, "a"), 3) == [held(2, "b")]


def test_what_is_dropped_tells_of_how_many_lines_it_was_and_is_gone(folder: Folder) -> None:
    folder.spool().fill("x", [], lambda: 70_000)
    assert folder.spool().page("x", None, 3) == []
    assert folder.spool().drop("x") == 70_000
    assert folder.spool().page("x", None, 3) is None
    assert not list(folder.path.iterdir())


def test_what_is_cut_off_leaves_nothing(folder: Folder) -> None:
    def rows() -> list[Held]:
        raise Transient("app", "cut off")

    with pytest.raises(Transient, match="cut off"):
        folder.spool().fill("x", (row for _ in range(1) for row in rows()), lambda: 0)
    assert not list(folder.path.iterdir())


def test_what_nobody_came_back_to_is_removed_and_another_source_s_is_not(folder: Folder) -> None:
    for source in ("app", "other"):
        folder.spool(source).fill("old", [], lambda: 0)
    for file in folder.path.iterdir():
        os.utime(file, (time.time() - 90_000,) * 2)
    folder.spool().fill("new", [], lambda: 0)
    assert sorted(path.name for path in folder.path.iterdir()) == ["app-new.events", "other-old.events"]


def test_a_damaged_file_is_none(folder: Folder) -> None:
    folder.spool().fill("x", [held(1)], lambda: 1)
    (file,) = folder.path.iterdir()
    file.write_bytes(b"not a database, but long enough to be taken for one" * 20)
    assert folder.spool().page("x", None, 3) is None
    assert not file.exists()


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Transient, match="disk"):
        Spool("app", tmp_path / "file" / "spool").fill("x", [], lambda: 0)
