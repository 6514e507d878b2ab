"""From options to specs: refuses what cannot be right before anything runs."""
