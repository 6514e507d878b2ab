"""``harness claims``: what decides published statements."""
