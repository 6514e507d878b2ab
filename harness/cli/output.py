"""The last place before the terminal: whatever a command prints, how it fails included, goes through here."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO

import typer

from harness.errors import NOT_OK, OK, USAGE, UsageError
from harness.text import harmless, printable, spelled

#: What rich writes besides text: styles, movements of the cursor, and the return to a line's start.
_STYLE = re.compile(r"(\x1b\[[0-9;?]*[A-Za-z]|\r)")


class OutputLost(Exception):
    """The output cannot be written; the message says which and why."""


class Writer:
    """A text stream that no text can control and no character can fail.

    Without a ``buffer``, or click would write past it. Consoles of rich find ``rich_proxied_file``,
    where their styles pass; ours (``harness.presentation.screen.Screen``) let no others come with the text.

    Args:
        styles: whether styles pass.
    """

    def __init__(self, stream: TextIO, styles: bool = False) -> None:
        self._stream = stream
        self._styles = styles
        self.encoding = stream.encoding or "utf-8"

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":
            raise AttributeError(name)
        return getattr(self._stream, name)

    @property
    def rich_proxied_file(self) -> Writer:
        """The same stream for a console of rich."""
        return Writer(self._stream, styles=True)

    def write(self, text: str) -> int:
        """Write the text as the stream can have it.

        Raises:
            BrokenPipeError: the reader went away.
            OutputLost: it cannot be written for another reason.
        """
        if not isinstance(text, str):
            raise TypeError(f"text, not {type(text).__name__}")
        parts = _STYLE.split(text) if self._styles else [text]
        safe = "".join(part if index % 2 else harmless(part) for index, part in enumerate(parts))
        return self._attempt(self._stream.write, spelled(safe, self.encoding)) or 0

    def flush(self) -> None:
        """Hand over what was written. Raises as ``write``."""
        self._attempt(self._stream.flush)

    def _attempt(self, write: Callable[..., Any], *text: str) -> Any:
        try:
            return write(*text)
        except BrokenPipeError:
            raise
        except OSError as error:
            which = "standard error" if getattr(self._stream, "name", "") == "<stderr>" else "standard output"
            raise OutputLost(f"cannot write to {which}: {error.strerror}") from None


def guarded(command: Callable[[], Any]) -> int:
    """Run ``command`` on safe streams and return its exit status; what the user did wrong is said in one line."""
    out, err = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Writer(out), Writer(err)
    try:
        try:
            return _status(command)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        _close(out)
        return OK
    except OutputLost as lost:
        _close(out)
        with suppress(OutputLost, BrokenPipeError):
            print(f"harness: {lost}", file=sys.stderr, flush=True)
        return NOT_OK
    finally:
        sys.stdout, sys.stderr = out, err


def _status(command: Callable[[], Any]) -> int:
    """The exit status of a command that click runs without its own handling of errors, which draws boxes."""
    try:
        return command() or OK
    except typer.Abort:
        print("harness: aborted", file=sys.stderr)
        return NOT_OK
    except UsageError as error:
        print(f"harness: {harmless(str(error), keep='')}", file=sys.stderr)
        return USAGE
    except Exception as error:
        # click's exception: some versions of typer bundle click under another name
        if not hasattr(error, "format_message"):
            raise
        if message := printable(error.format_message()):  # empty where help was printed instead
            print(f"harness: {message}", file=sys.stderr)
        return int(getattr(error, "exit_code", NOT_OK))


def _close(stream: TextIO) -> None:
    """Close a stream that cannot be written, or the interpreter would fail to flush it at its end."""
    with suppress(OSError):
        stream.close()
