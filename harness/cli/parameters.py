"""From the statements of options to the parameters of commands, as typer takes them, and back to values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import typer

from harness.specs.options import Option

Command = TypeVar("Command", bound=Callable[..., None])


def takes(*options: Option) -> Callable[[Command], Command]:
    """Decorates a command that takes these options.

    Those that the command uses itself are its parameters, with their types only; it gets the others as ``**options``.
    Its remaining parameters are stated as typer wants them, and come first in ``--help``.
    """
    stated = {option.parameter: option for option in options}

    def decorated(command: Command) -> Command:
        own = [
            parameter
            for parameter in inspect.signature(command, eval_str=True).parameters.values()
            if parameter.name not in stated and parameter.kind is not parameter.VAR_KEYWORD
        ]
        parameters = [*own, *map(_parameter, options)]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # what typer reads
            [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in parameters]
        )
        return command

    return decorated


def parse(options: Sequence[Option], words: Sequence[str]) -> dict[str, Any]:
    """The values of ``options`` in the words of a command line, by their names in Python, defaults included.

    Raises:
        UsageError: the words are not these options with values of their types.
    """
    from harness.errors import UsageError

    @takes(*options)
    def command(**values: Any) -> None: ...

    app = typer.Typer(add_completion=False, context_settings={"help_option_names": []})
    app.command()(command)
    try:
        values: dict[str, Any] = typer.main.get_command(app).make_context("harness", list(words)).params
    except Exception as error:
        # an exception of click, which some versions of typer bring under another name
        if not hasattr(error, "format_message"):
            raise
        raise UsageError(error.format_message()) from None
    return values


def _parameter(option: Option) -> inspect.Parameter:
    """The parameter that makes typer take ``option``."""
    kind: Any = str if option.lists or option.kind is dict else option.kind
    default = list(option.default) if isinstance(option.default, tuple) else option.default
    kind = list[kind] if option.repeatable else kind
    info = typer.Option(
        *_spellings(option),
        help=option.about,
        metavar=option.metavar,
        min=option.least,
        envvar=option.variable,
        show_default=option.otherwise or True,
        rich_help_panel=option.group,
    )
    kind = kind if default is not None else kind | None
    annotation = Annotated[kind, info]
    return inspect.Parameter(option.parameter, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _spellings(option: Option) -> list[str]:
    name = f"--{option.name}"
    return [*filter(None, [option.short]), f"{name}/--no-{option.name}" if option.negatable else name]
