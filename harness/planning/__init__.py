"""From options to specs, looking at what tasks and backends there are."""
