"""What steps cost: a file each, oldest first, with those of the log that there was before."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from datasel_assets.storage.run_log import OLD_LOG, add_run, read_runs


def test_records_come_back_oldest_first_after_those_of_the_old_log(tmp_path: Path):
    (tmp_path / OLD_LOG).write_text(json.dumps({"at": 1.0, "stage": "corpus"}) + '\n{"stage": "to')
    for stage in ("b", "a", "c"):
        add_run(tmp_path, {"stage": stage, "seconds": 1.5})
    found = read_runs(tmp_path)
    assert [run["stage"] for run in found] == ["corpus", "b", "a", "c"]
    assert [run["at"] for run in found] == sorted(run["at"] for run in found)
    assert found[1]["seconds"] == 1.5


def test_no_record_is_lost_where_many_steps_end_at_once(tmp_path: Path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: add_run(tmp_path, {"stage": n}), range(40)))
    assert sorted(run["stage"] for run in read_runs(tmp_path)) == list(range(40))
