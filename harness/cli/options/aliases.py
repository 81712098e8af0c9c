"""Options whose flag was renamed; the old flag still works and is hidden in help."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from harness.cli.options.groups import Option


class RenamedOption(click.Option):
    """Option that also accepts the flags it had before, without showing them.

    Args:
        old_flags: the former flags, such as "--by".
    """

    def __init__(self, param_decls: Sequence[str], *, old_flags: Sequence[str], **attributes: Any) -> None:
        super().__init__([*param_decls, *old_flags], **attributes)
        self.old_flags = tuple(old_flags)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the help line, without the old flags."""
        with self._old_flags_hidden():
            return super().get_help_record(ctx)

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """Return the option's name for error messages, without the old flags."""
        with self._old_flags_hidden():
            return super().get_error_hint(ctx)

    @contextmanager
    def _old_flags_hidden(self) -> Iterator[None]:
        flags = self.opts
        self.opts = [flag for flag in flags if flag not in self.old_flags]
        try:
            yield
        finally:
            self.opts = flags


def renamed_option(flag: str, old_flag: str, *names: str, **attributes: Any) -> Option:
    """Return a click option decorator for a flag that had another name.

    Args:
        names: name of the parameter, if it differs from that of the flag.
        attributes: as those of `click.option`.
    """
    return click.option(flag, *names, cls=RenamedOption, old_flags=(old_flag,), **attributes)
