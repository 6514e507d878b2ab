"""How templates of pages are filled: nothing that a record brings acts as markup."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.presentation import renderers
from harness.text import harmless, markdown_escape


@cache
def html() -> Environment:
    """Every value is escaped, and no character of it controls a terminal or turns the direction of text."""
    return _environment(
        autoescape=True, finalize=lambda value: value if isinstance(value, Markup) else harmless(str(value), keep="")
    )


@cache
def markdown() -> Environment:
    """Every value is escaped as Markdown, unless the template marks it as safe."""
    return _environment(finalize=lambda value: value if isinstance(value, Markup) else markdown_escape(str(value)))


def _environment(**options: Any) -> Environment:
    environment = Environment(
        loader=PackageLoader("harness.presentation"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, **options,
    )  # fmt: skip
    environment.filters |= {"markdown": renderers.page_markdown, "html": renderers.page_html}
    return environment
