"""From options to specs, by the tasks and backends that are registered."""
