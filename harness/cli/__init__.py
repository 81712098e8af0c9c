"""The command line: one file per command, imported only when it is called.

The root knows each command's name, place and one line of help, so that `empathy --help` is quick. It turns
the project's own errors into what a user reads: what, where, found, remedy; exit code 2; no traceback.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from agents.errors import EmpathyError, UserError

COMMANDS = {
    "data": ("harness.cli.data:data", "Fetch, describe and split the dataset."),
    "judge": ("harness.cli.judge:judge", "Judge one author against another, every pair in both orders."),
    "prompts": ("harness.cli.prompts:prompts", "Show the prompts: names, versions, variables."),
    "emulate": ("harness.cli.emulate:emulate", "Serve emulated providers on this machine."),
    "demo": ("harness.cli.demo:demo", "Run the main job on this machine: no key, no GPU."),
}
USER_MISTAKE = 2
INTERRUPTED = 130


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, help_) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, 1) if args else []
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean '{near[0]}'?", ctx) from None


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="empathy-harness", prog_name="empathy")
def root() -> None:
    """Distil empathy from large language models into small ones, and judge honestly whether it worked."""


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line and exit: 0 done, 2 a mistake the user can mend, 130 interrupted."""
    try:
        sys.exit(root.main(args=arguments, prog_name="empathy", standalone_mode=False))
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(USER_MISTAKE)
    except UserError as error:
        click.echo(f"empathy: {error}", err=True)
        sys.exit(USER_MISTAKE)
    except EmpathyError as error:
        click.echo(f"empathy: {error}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        click.echo("empathy: interrupted", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
