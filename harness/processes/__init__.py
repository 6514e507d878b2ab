"""The parent's side of a worker: its environment, the messages exchanged with it, and how it ended."""
