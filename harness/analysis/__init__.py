"""What figures mean: statistics, columns, comparable groups, verdicts."""
