"""The parent's side of a worker: its environment, its channel, and what became of it."""
