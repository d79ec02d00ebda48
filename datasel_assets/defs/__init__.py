"""The Dagster floor: assets, checks, jobs, sensors, schedules, resources. The only folder that imports dagster."""
