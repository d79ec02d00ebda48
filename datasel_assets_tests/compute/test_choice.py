"""Where units are carried out: the environment before the file, this process by default."""

import pytest

from datasel_assets.compute import LocalMapper, RayMapper, chosen, mapper_of
from datasel_assets.registry.base import RegistryError
from datasel_assets.settings import Settings
from datasel_assets.specs.compute import ComputeSpec
from datasel_assets.tables.warehouse import Warehouse
from datasel_assets_tests.pools import write_yaml


def test_without_a_file_and_a_variable_units_are_carried_out_in_this_process(tmp_path, monkeypatch):
    monkeypatch.delenv("DATASEL_COMPUTE", raising=False)
    assert isinstance(Warehouse(Settings.at(tmp_path)).mapper, LocalMapper)


def test_the_variable_overrides_the_file(monkeypatch):
    spec = ComputeSpec(backend="ray", address="10.0.0.5:6379", tries=2)
    monkeypatch.setenv("DATASEL_COMPUTE", "local")
    assert isinstance(mapper_of(spec), LocalMapper)
    monkeypatch.setenv("DATASEL_COMPUTE", "ray:10.0.0.9:6379")
    assert chosen(spec) == ComputeSpec(backend="ray", address="10.0.0.9:6379", tries=2)
    monkeypatch.setenv("DATASEL_COMPUTE", "ray")
    assert chosen(spec) == spec
    assert isinstance(mapper_of(None), RayMapper)


@pytest.mark.parametrize("asked", ["dask", "local:here"])
def test_another_value_is_refused_with_those_that_there_are(asked: str, monkeypatch):
    monkeypatch.setenv("DATASEL_COMPUTE", asked)
    with pytest.raises(ValueError, match=r"is not known: use local, ray or ray:<address>"):
        chosen(None)


def test_work_does_not_begin_here_where_the_file_that_may_mean_a_cluster_cannot_be_read(tmp_path):
    write_yaml(tmp_path / "compute.yaml", {"backend": "rya"})
    with pytest.raises(RegistryError, match=r"compute\.yaml: "):
        _ = Warehouse(Settings.at(tmp_path)).mapper
