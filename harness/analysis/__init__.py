"""What figures mean: statistics, comparable groups, verdicts, regressions."""
