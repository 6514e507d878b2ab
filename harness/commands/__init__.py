"""The commands of ``harness``: words in, exit status out. Everything heavy is imported when one needs it."""
