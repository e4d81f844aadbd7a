from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.clock import Clock

START = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


class Wall:
    """A wall clock that a test moves."""

    def __init__(self) -> None:
        self.at = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


def test_runs_from_its_start_at_the_speed_of_the_wall() -> None:
    wall = Wall()
    clock = Clock(START, wall=wall)
    wall.at += timedelta(seconds=5)
    assert clock.now() == START + timedelta(seconds=5)


def test_without_a_start_it_is_the_wall() -> None:
    wall = Wall()
    assert Clock(wall=wall).now() == wall.at


def test_held_it_stands_still_and_released_it_goes_on_from_there() -> None:
    wall = Wall()
    clock = Clock(wall=wall)
    clock.hold(START)
    wall.at += timedelta(days=3)
    assert clock.now() == START
    assert clock.held
    clock.release()
    wall.at += timedelta(seconds=2)
    assert clock.now() == START + timedelta(seconds=2)
    assert not clock.held


def test_can_be_advanced_while_held() -> None:
    clock = Clock(wall=Wall())
    clock.hold(START)
    clock.advance(timedelta(hours=1))
    assert clock.now() == START + timedelta(hours=1)


def test_refuses_to_run_backward_and_naive_instants() -> None:
    clock = Clock(wall=Wall())
    with pytest.raises(ValueError, match="only goes forward"):
        clock.advance(timedelta(seconds=-1))
    with pytest.raises(ValueError, match="time zone"):
        clock.hold(datetime(2026, 1, 1))  # noqa: DTZ001


@given(st.lists(st.tuples(st.sampled_from(["hold", "release", "advance", "wall"]), st.integers(0, 10**6))))
def test_never_jumps_back_unless_held_at_an_earlier_instant(orders: list[tuple[str, int]]) -> None:
    wall = Wall()
    clock = Clock(START, wall=wall)
    last = clock.now()
    for order, seconds in orders:
        if order == "hold":
            clock.hold()
        elif order == "release":
            clock.release()
        elif order == "advance":
            clock.advance(timedelta(seconds=seconds))
        else:
            wall.at += timedelta(seconds=seconds)
        assert clock.now() >= last
        last = clock.now()


@pytest.mark.parametrize("held", [False, True])
def test_survives_a_restart(held: bool) -> None:
    wall = Wall()
    clock = Clock(START, wall=wall)
    if held:
        clock.hold()
    again = Clock.load(clock.dump(), wall=wall)
    wall.at += timedelta(minutes=1)
    assert again.now() == clock.now()
    assert again.held is held
