from pathlib import Path

import pytest

from sandbox.snapshot import Snapshot, Unreadable


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    Snapshot(tmp_path / "snapshot.json").save({"seed": 7, "rows": [["a", 1], ["b", None]]})
    loaded = Snapshot(tmp_path / "snapshot.json").load()
    assert loaded is not None
    assert (loaded["seed"], loaded["rows"]) == (7, [["a", 1], ["b", None]])


def test_nothing_saved_is_none(tmp_path: Path) -> None:
    assert Snapshot(tmp_path / "snapshot.json").load() is None


def test_an_unchanged_state_is_not_written_again(tmp_path: Path) -> None:
    snapshot = Snapshot(tmp_path / "snapshot.json")
    assert snapshot.save({"seed": 7})
    assert not snapshot.save({"seed": 7})
    assert snapshot.save({"seed": 8})


def test_after_loading_an_unchanged_state_is_not_written_either(tmp_path: Path) -> None:
    Snapshot(tmp_path / "snapshot.json").save({"seed": 7})
    again = Snapshot(tmp_path / "snapshot.json")
    again.load()
    assert not again.save({"seed": 7})


def test_only_the_owner_may_read_it_and_no_draft_stays(tmp_path: Path) -> None:
    Snapshot(tmp_path / "snapshot.json").save({"seed": 7})
    assert [path.name for path in tmp_path.iterdir()] == ["snapshot.json"]
    assert (tmp_path / "snapshot.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"{", b'{"format": 999}'])
def test_a_damaged_or_foreign_file_is_refused_with_a_way_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "snapshot.json").write_bytes(content)
    with pytest.raises(Unreadable, match="move it away"):
        Snapshot(tmp_path / "snapshot.json").load()
