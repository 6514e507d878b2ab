"""What is asked for, immutable and hashable: options, and the specs of runs and speed contests."""
