"""Where many records become too many to be shown one by one."""

from typing import Final

#: Runs beyond which a report folds its sets and lists no record, and what Python reads is parsed as it is asked for.
FOLDED: Final = 1000
