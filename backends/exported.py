"""Trained parameters as a framework's own users load them: what the ``export`` of a backend gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from backends.job import Array


class NoEqual(ValueError):
    """The framework has no layer that computes this model; the message says which, in one line."""


@dataclass(frozen=True)
class Exported:
    """Parameters in a framework's own names and layout.

    Attributes:
        arrays: by name, in the order in which the framework takes them.
        ending: the kind of file that they go into.
        snippet: Python that loads the file, for which it has the word FILE, and defines ``predict(x)`` for x of shape
            (batch, length, inputs).
        notes: what is not the same as here, a line each.
        content: the file itself, where it is more than arrays.
    """

    arrays: dict[str, Array]
    ending: Literal[".safetensors", ".npz", ".onnx"]
    snippet: str
    notes: list[str] = field(default_factory=list)
    content: bytes | None = None

    def code(self, file: str) -> str:
        """The snippet that loads ``file``."""
        return self.snippet.replace("FILE", repr(file))
