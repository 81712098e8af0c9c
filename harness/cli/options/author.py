"""Types of options and arguments that name an author or a training method.

Users write `base-truncated` and `low-rated-control`; the commands receive the stored names `base-cut` and
`low-rated`, which are accepted, too.
"""

from __future__ import annotations

import click

from agents.author_names import AuthorKind, AuthorName, stored_author_name, stored_name
from agents.types import Method


class AuthorType(click.types.StringParamType):
    """Name of an author, converted to its stored name."""

    name = "author"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the stored name; names that are separated by commas are converted one by one."""
        if AuthorName.parse(value).kind is AuthorKind.FILE:
            return value
        return ",".join(map(stored_author_name, value.split(",")))


class MethodType(click.Choice[str]):
    """Training method, converted to its stored name."""

    def __init__(self) -> None:
        super().__init__([*(method.value for method in Method), "low-rated-control"])

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the stored name of the method."""
        stored = stored_name(value)
        return stored if stored == "low-rated" else super().convert(value, param, ctx)


AUTHOR = AuthorType()
METHOD = MethodType()
