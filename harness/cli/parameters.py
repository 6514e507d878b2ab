"""Turns stated options into typer parameters, and words of a command line into values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand

from harness.errors import UsageError
from harness.specs.options import Option

Command = TypeVar("Command", bound=Callable[..., None])
_TAKEN: dict[Callable[..., None], tuple[Option, ...]] = {}


class OnceEach(TyperCommand):
    """A command that refuses a second value of an option that takes one, where click would silently use the last."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words. Raises UsageError for an option that is given twice."""
        once = [each for each in self.params if each.param_type_name == "option" and not each.multiple]
        given = self.make_parser(ctx).parse_args(list(args))[2]
        for each in once:
            if not each.is_eager and given.count(each) > 1:
                raise UsageError(f"{max(each.opts, key=len)} is given twice; it takes one value")
        return super().parse_args(ctx, args)


def takes(*options: Option) -> Callable[[Command], Command]:
    """Decorate a command with the options that it takes.

    Those that the command uses itself are its parameters, with their types only; it gets the others as ``**options``.
    Its remaining parameters are stated as typer wants them, and come first in ``--help``.
    """

    def decorated(command: Command) -> Command:
        _TAKEN[command] = options
        return command

    return decorated


def click_command(command: Callable[..., None], name: str | None = None, **settings: Any) -> Any:
    """The click command, with a parameter for each option that it takes.

    Args:
        settings: click's context settings.
    """
    if command in _TAKEN:
        _set_signature(command, _TAKEN[command])
    alone = typer.Typer(add_completion=False)
    alone.command(name, cls=OnceEach, context_settings=settings)(command)
    return typer.main.get_command(alone)


def parse(options: Sequence[Option], words: Sequence[str]) -> dict[str, Any]:
    """Parse the words of a command line: the values of ``options`` by their names in Python, defaults included.

    Raises:
        UsageError: the words are not these options with values of their types.
    """

    def command(**values: Any) -> None: ...

    _set_signature(command, options)
    try:
        values = click_command(command, help_option_names=[]).make_context("harness", list(words)).params
    except Exception as error:
        # click's exception: some versions of typer bundle click under another name
        if not hasattr(error, "format_message"):
            raise
        raise UsageError(error.format_message()) from None
    return {name: list(value) or None if isinstance(value, tuple) else value for name, value in values.items()}


def _set_signature(command: Callable[..., None], options: Sequence[Option]) -> None:
    """Set the signature of ``command``, from which typer makes its parameters."""
    stated = {option.parameter for option in options}
    own = [
        parameter.replace(kind=parameter.KEYWORD_ONLY)
        for parameter in inspect.signature(command, eval_str=True).parameters.values()
        if parameter.name not in stated and parameter.kind is not parameter.VAR_KEYWORD
    ]
    signature = inspect.Signature([*own, *map(_parameter, options)])
    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in signature.parameters.values()}


def _parameter(option: Option) -> inspect.Parameter:
    """The Python parameter from which typer makes ``option``."""
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
