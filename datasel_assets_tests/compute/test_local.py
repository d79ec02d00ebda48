"""Units of work in this process."""

import pytest

from datasel_assets import progress
from datasel_assets.compute import LocalMapper, Unit
from datasel_assets.compute.units import function_at, path_of

CARRIED_OUT: list[int] = []


def square(number: int) -> dict[str, int]:
    if number < 0:
        raise ValueError(f"{number} is negative")
    progress.rows_done(1)
    CARRIED_OUT.append(number)
    return {"square": number * number}


@pytest.fixture(autouse=True)
def _fresh():
    CARRIED_OUT.clear()


def units(*numbers: int) -> list[Unit]:
    return [Unit(f"unit {n}", path_of(square), {"number": n}, rows=2) for n in numbers]


def test_every_unit_is_carried_out_and_yields_its_facts():
    done = list(LocalMapper().run(units(2, 3)))
    assert [(d.unit.name, d.facts) for d in done] == [("unit 2", {"square": 4}), ("unit 3", {"square": 9})]


def test_progress_is_told_after_each_unit_and_from_within():
    told: list[int] = []
    list(LocalMapper().run(units(2, 3), told.append))
    assert told == [1, 2, 3, 4]


def test_the_error_of_a_unit_is_raised_as_it_is_and_the_units_before_are_done():
    with pytest.raises(ValueError, match="-1 is negative"):
        list(LocalMapper().run(units(2, -1, 3)))
    assert CARRIED_OUT == [2]


def test_closing_the_iterator_cancels_what_has_not_been_started():
    running = LocalMapper().run(units(2, 3, 4))
    next(running)
    running.close()
    assert CARRIED_OUT == [2]


def test_a_function_is_found_again_by_its_path():
    assert function_at(path_of(square)) is square


def test_a_function_that_another_process_cannot_find_is_refused():
    with pytest.raises(ValueError, match="must stand at the top of its module"):
        path_of(lambda: None)
