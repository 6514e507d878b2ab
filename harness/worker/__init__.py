"""The measured process. It is started as ``python -P -m harness.worker``; its parent never imports it."""
