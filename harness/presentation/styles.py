"""Terminal colours with a meaning."""

from __future__ import annotations

STATUS_STYLES = {"ok": "green", "unavailable": "yellow", "interrupted": "yellow", "timeout": "red", "failed": "red"}
