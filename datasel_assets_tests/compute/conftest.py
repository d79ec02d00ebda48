"""One Ray cluster for all tests of this folder."""

from collections.abc import Iterator

import pytest

from datasel_assets_tests.compute.ray_cluster import RayCluster, ray_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster() as started:
        yield started
