"""A user's own data on its way in: read from files, checked, split, standardised and kept for ``tasks.datasets``."""
