"""Records that somebody hands in: what is checked, filing them, and what a pull request gets to read."""
