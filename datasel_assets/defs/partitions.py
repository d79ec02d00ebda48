"""The one partition axis: source datasets, added by the sensor or by ``make run``."""

import dagster as dg

SOURCES = "source"

sources_partitions = dg.DynamicPartitionsDefinition(name=SOURCES)
