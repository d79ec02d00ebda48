"""Units on a real cluster of two nodes: the same results, whatever dies meanwhile."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from datasel_assets.compute import ClusterError, LocalMapper, LostUnitsError, RayMapper, Unit
from datasel_assets.compute.units import path_of
from datasel_assets_tests.compute.ray_cluster import RayCluster
from datasel_assets_tests.compute.ray_units import die, fail, square

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


def unit(folder: Path, number: int, function: Callable[..., dict] = square, **arguments: float) -> Unit:
    args = {"folder": str(folder), "number": number, **arguments}
    return Unit(f"unit {number}", path_of(function), args, rows=10)


def tries(folder: Path, number: int) -> int:
    return len(list(folder.glob(f"{number}.try-*")))


def test_units_give_the_facts_and_the_files_that_they_give_in_this_process(cluster: RayCluster, tmp_path: Path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    local = {done.unit.name: done.facts for done in LocalMapper().run([unit(here, n) for n in range(20)])}
    rows: list[int] = []
    mapper = RayMapper(cluster.address)
    found = {done.unit.name: done.facts for done in mapper.run([unit(there, n) for n in range(20)], rows.append)}
    assert found == local
    assert [p.read_text() for p in sorted(here.glob("*.txt"))] == [p.read_text() for p in sorted(there.glob("*.txt"))]
    assert rows == list(range(10, 210, 10))


def test_the_error_of_a_unit_is_raised_as_it_is_and_not_tried_again(cluster: RayCluster, tmp_path: Path):
    units = [unit(tmp_path, 1), unit(tmp_path, 2, fail), *(unit(tmp_path, n, seconds=1) for n in range(3, 9))]
    with pytest.raises(ValueError, match="2 is odd") as raised:
        list(RayMapper(cluster.address, in_flight=1).run(units))
    assert type(raised.value) is ValueError
    assert (tmp_path / "1.txt").is_file()
    assert not (tmp_path / "8.txt").exists(), "what had not been started is not"


@pytest.mark.parametrize("bundle", [1, 3])
def test_a_unit_that_kills_its_worker_four_times_is_named_and_the_others_finish(
    cluster: RayCluster, tmp_path: Path, bundle: int
):
    units = [unit(tmp_path, 1), unit(tmp_path, 2, die), *(unit(tmp_path, n) for n in range(3, 9))]
    done = []
    with pytest.raises(LostUnitsError, match=r"1 of 8 units lost their worker 4 times.*: unit 2\. The last loss of"):
        done += (done.unit.name for done in RayMapper(cluster.address, bundle=bundle).run(units))
    assert sorted(path.stem for path in tmp_path.glob("*.txt")) == ["1", "3", "4", "5", "6", "7", "8"]
    assert tries(tmp_path, 2) == 4 + (bundle > 1), "once more with its neighbours, where it was not known which it is"


def test_closing_the_iterator_stops_what_is_under_way(cluster: RayCluster, tmp_path: Path):
    running = RayMapper(cluster.address).run([unit(tmp_path, 1), *(unit(tmp_path, n, seconds=5) for n in range(2, 9))])
    next(running)
    running.close()
    time.sleep(7)
    assert [path.stem for path in tmp_path.glob("*.txt")] == ["1"]


def test_a_unit_that_no_node_can_take_is_refused_with_what_the_nodes_have(cluster: RayCluster, tmp_path: Path):
    mapper = RayMapper(cluster.address, cpus=5, patience_s=3)
    with pytest.raises(ClusterError, match=r"unit 1, which needs 5 cores and 0 GPUs.*the nodes have 1 cores and 0"):
        list(mapper.run([unit(tmp_path, 1)]))


def test_a_model_runs_on_gpus_only_where_the_cluster_has_some(cluster: RayCluster):
    mapper = RayMapper(cluster.address)
    asked = {asked: mapper.device(asked, runs_model=True) for asked in ("auto", "cpu", "cuda", "cuda:1")}
    assert asked == {"auto": "cpu", "cpu": "cpu", "cuda": "cuda", "cuda:1": "cuda"}
    assert mapper.device("cuda", runs_model=False) == "cpu"


def test_a_node_that_is_killed_in_the_middle_costs_only_the_units_that_it_had(cluster: RayCluster, tmp_path: Path):
    units = [unit(tmp_path, n, seconds=0.7) for n in range(24)]
    done, killed = [], False
    for finished in RayMapper(cluster.address).run(units):
        done.append(finished.unit.name)
        at_work = {int(path.name.split("-")[1]) for path in tmp_path.glob("*.try-*")}
        if not killed and at_work & cluster.pids(cluster.second):
            cluster.kill(cluster.second)
            killed = True
    assert sorted(done) == sorted(unit.name for unit in units)
    assert {path.read_text() for path in tmp_path.glob("*.txt")} == {str(n * n) for n in range(24)}
    again = [n for n in range(24) if tries(tmp_path, n) > 1]
    assert 1 <= len(again) <= 3
    cluster.second = cluster.add_node()
