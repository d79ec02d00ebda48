"""A launcher with places of its own, for tests: threads, named in a `dagster.yaml`."""

import threading

import dagster as dg
from dagster._core.execution.api import execute_run
from dagster._core.launcher import LaunchRunContext, RunLauncher
from dagster._serdes import ConfigurableClass, ConfigurableClassData


@dg.op
def first() -> int:
    return 1


@dg.op
def second(one: int) -> None:
    raise ValueError(f"{one} is not enough")


@dg.job(executor_def=dg.in_process_executor)
def succeeds() -> None:
    first()


@dg.job(executor_def=dg.in_process_executor)
def fails() -> None:
    second(first())


JOBS = {"succeeds": succeeds, "fails": fails}


class Threads(RunLauncher, ConfigurableClass):
    """Starts each run in a thread; what is cancelled was never begun where `holds` is set."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__()
        self._inst_data = inst_data
        self.launched: list[str] = []
        self.holds = False

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict:
        return {}

    @classmethod
    def from_config_value(cls, inst_data, config_value) -> "Threads":
        return cls(inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        run = context.dagster_run
        assert run.job_code_origin is not None
        self.launched.append(run.run_id)
        job = dg.reconstructable(JOBS[run.job_name])
        if not self.holds:
            threading.Thread(target=execute_run, args=(job, run, self._instance), daemon=True).start()

    def terminate(self, run_id: str) -> bool:
        run = self._instance.get_run_by_id(run_id)
        assert run is not None
        self._instance.report_run_canceled(run)
        return True
