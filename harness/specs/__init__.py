"""What is asked for: immutable, hashable, and free of everything that does not decide a run."""
