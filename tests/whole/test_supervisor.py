"""Law: the supervisor has more patience with a part than the walk has with an entry."""

from appliance.service.supervisor import LONGEST_PAUSE_S, MOST_FALLS, WITHIN_S, pause_s
from appliance.timing import MOST_CRASHES


def test_an_entry_that_crashes_the_walk_is_held_before_the_box_gives_up() -> None:
    assert MOST_FALLS > MOST_CRASHES
    assert sum(pause_s(falls) for falls in range(1, MOST_FALLS + 1)) < WITHIN_S


def test_the_first_fall_costs_no_time_and_no_pause_is_long() -> None:
    pauses = [pause_s(falls) for falls in range(1, 100)]
    assert pauses[:5] == [0.0, 1.0, 2.0, 4.0, 8.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_S
