"""Options that several commands share, and the settings that they give."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from agents.errors import Fault, UserError
from agents.files.faults import first_faults
from agents.models.registry import EMULATED, Registry
from agents.models.retirement import is_retired, real_model_id, warnings
from agents.models.spec import Model
from agents.prompt_lookup import prompt_faults
from harness.cli.options.aliases import renamed_option
from harness.interrupt import Interrupt, SignalInterrupt
from harness.terminal.output import print_message
from prompts import Library, PromptError, released

if TYPE_CHECKING:
    from harness.engine.budget import Price
    from harness.engine.run import RequestSettings

DEFAULT_DB = "runs/empathy.sqlite"
DEFAULT_EVENTS = Path("runs")

Result = TypeVar("Result")
Command = Callable[..., Any]


def data_option(command: Command) -> Command:
    """Add `--data`."""
    return click.option(
        "--data",
        metavar="FILE",
        default=None,
        help="CSV file of the dataset, or 'sample' for the included sample. [default: $EMPATHY_DATA, or "
        "data/llms-vs-humans.csv]",
    )(command)


def db_option(command: Command) -> Command:
    """Add `--db`."""
    return click.option(
        "--db",
        metavar="PATH|URL",
        default=DEFAULT_DB,
        envvar="EMPATHY_DB",
        show_default=True,
        help="Database: a path for SQLite, or postgresql://USER@HOST/NAME. [env: EMPATHY_DB]",
    )(command)


def json_option(command: Command) -> Command:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(command)


def prompts_option(command: Command) -> Command:
    """Add `--prompts`."""
    return click.option(
        "--prompts",
        "prompts_folder",
        metavar="DIR",
        type=click.Path(path_type=Path),
        default=None,
        help="Folder of prompts that replace the included ones of the same name.",
    )(command)


def exclude_same_family_option(command: Command) -> Command:
    """Add `--exclude-same-family`."""
    return renamed_option(
        "--exclude-same-family",
        "--without-kin",
        is_flag=True,
        help="Exclude judges of the same model family as an author or its teacher.",
    )(command)


def snapshot_option(command: Command) -> Command:
    """Add `--snapshot`."""
    return click.option(
        "--snapshot",
        "snapshots",
        multiple=True,
        metavar="NAME",
        help="Count only verdicts of this model version; repeat for several judges.",
    )(command)


def call_options(command: Command) -> Command:
    """Add the options of model requests: rate limits, budget, client, progress."""
    options = [
        click.option("--max-in-flight", type=int, help="Maximum number of concurrent requests per model."),
        click.option("--rpm", type=float, help="Maximum requests per minute and model."),
        click.option("--tpm", type=float, help="Maximum tokens per minute and model."),
        click.option("--rpd", type=int, help="Maximum requests in any 24 hours, per model."),
        click.option("--tpd", type=int, help="Maximum tokens in any 24 hours, per model."),
        click.option("--budget", type=float, metavar="USD", help="Hard limit on the cost of this run."),
        click.option(
            "--price",
            "prices",
            multiple=True,
            metavar="MODEL=IN,OUT",
            help="Price in US dollars per million input and output tokens; repeat for more models.",
        ),
        click.option("--emulate", is_flag=True, help="Send all requests to an emulator on this machine."),
        click.option(
            "--client",
            type=click.Choice(["http", "sdk"]),
            default="http",
            show_default=True,
            help="Plain HTTP, or the SDKs of the providers.",
        ),
        click.option(
            "--timeout",
            type=float,
            default=None,
            help="Timeout of one request in seconds.  [default: 120; 600 for reasoning models]",
        ),
        click.option(
            "--patience",
            metavar="DURATION",
            default="1h",
            show_default=True,
            help="How long an endpoint may be unavailable (429, 503, …) before it is disabled: 90, 30m, 2h.",
        ),
        click.option(
            "--models",
            "models_file",
            type=click.Path(path_type=Path),
            help="Additional file of providers and models (format: agents/models.toml).",
        ),
        click.option("--allow-retired", is_flag=True, help="Also send requests to retired models."),
        click.option(
            "--require-one-model",
            is_flag=True,
            help="Stop if several model versions answer under one name.",
        ),
        click.option("--quiet", is_flag=True, help="Show no progress."),
        click.option("--yes", is_flag=True, help="Do not ask for confirmation of the cost."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True)
class CallOptions:
    """Values of `call_options`."""

    max_in_flight: int | None
    rpm: float | None
    tpm: float | None
    rpd: int | None
    tpd: int | None
    budget: float | None
    prices: tuple[str, ...]
    emulate: bool
    client: str
    timeout: float | None
    patience: str
    models_file: Path | None
    quiet: bool
    yes: bool
    allow_retired: bool = False
    require_one_model: bool = False
    interrupt: Interrupt = field(default_factory=SignalInterrupt)

    @classmethod
    def take(cls, arguments: dict[str, Any]) -> CallOptions:
        """Remove these options from a command's arguments and return them."""
        names = [name for name in cls.__dataclass_fields__ if name in arguments]
        return cls(**{name: arguments.pop(name) for name in names})

    def settings(self) -> RequestSettings:
        """Return the settings of requests.

        Raises:
            UserError: if limits, budget or prices are invalid; the error lists every fault.
        """
        from agents.protocols.rate_limit_headers import duration_seconds
        from harness.engine.limits import Limits
        from harness.engine.retry import RetryPolicy
        from harness.engine.run import RequestSettings

        limits = Limits(self.rpm, self.tpm, self.rpd, self.tpd, self.max_in_flight)
        prices, faults = self._parse_prices()
        for name, value in (("--budget", self.budget), ("--timeout", self.timeout)):
            if value is not None and not value > 0:
                faults.append(Fault("must be above 0", name, f"{value:g}", code="option.out-of-range"))
        patience = duration_seconds(self.patience)
        if patience is None:
            faults.append(
                Fault(
                    "must be a duration",
                    "--patience",
                    repr(self.patience),
                    "Write 90, 30m or 2h.",
                    code="option.invalid-value",
                )
            )
        for name in ("rpm", "tpm", "budget", "timeout"):
            if getattr(self, name) == math.inf:
                faults.append(
                    Fault(
                        "must be finite",
                        f"--{name}",
                        "inf",
                        f"Remove --{name} for no limit.",
                        code="option.out-of-range",
                    )
                )
        try:
            limits.check("--rpm, --tpm, --rpd, --tpd, --max-in-flight")
        except UserError as error:
            faults += error.faults
        if faults:
            raise UserError("invalid options", code="option.invalid", faults=faults)
        return RequestSettings(
            limits=limits,
            budget_usd=self.budget,
            prices=prices,
            client=self.client,
            timeout_seconds=self.timeout,
            policy=RetryPolicy(patience_seconds=patience or 0.0),
            quiet=self.quiet,
            events=DEFAULT_EVENTS,
            allow_retired=self.allow_retired,
            require_one_model=self.require_one_model,
            warn=print_warning,
            interrupt=self.interrupt,
        )

    def _parse_prices(self) -> tuple[dict[str, Price], list[Fault]]:
        from harness.engine.budget import parse_prices

        prices: dict[str, Price] = {}
        faults = []
        for text in self.prices:
            try:
                parsed = parse_prices((text,))
            except UserError as error:
                faults.append(error.fault)
                continue
            numbers = [number for price in parsed.values() for number in (price.input_usd, price.output_usd)]
            if not all(map(math.isfinite, numbers)):
                faults.append(Fault("the price must be finite", "--price", repr(text), code="price.invalid"))
            prices |= parsed
        return prices, faults

    def registry(self) -> Registry:
        """Return the registry of all known models."""
        return Registry(self.models_file, os.environ)

    @contextmanager
    def models(self, names: tuple[str, ...]) -> Iterator[tuple[Registry, list[Model]]]:
        """Provide the named models while the block runs; with `--emulate`, the emulated ones.

        Names of model sets are expanded. Warnings about probable misspellings and retiring models go to
        stderr.

        Raises:
            UserError: if models cannot be used; the error lists all of them.
        """
        registry = self.registry() if not self.emulate else _EmulatedAddresses(self.models_file)
        models, wrong = [], []
        for name in registry.expanded(names):
            try:
                models.append(registry.model(name))
            except UserError as error:
                wrong.append(error)
        if wrong:
            raise _combine_errors(wrong)
        warn_about_models(registry, models, self.allow_retired or self.emulate)
        with ExitStack() as stack:
            if self.emulate and any(model.provider != "control" for model in models):
                from harness.emulator.config import EmulatorConfig
                from harness.emulator.server_process import emulator_process

                options = EmulatorConfig()
                _check_emulated([registry.emulated(model, "", "") for model in models])
                stack.enter_context(bypass_proxy())
                spawned = stack.enter_context(emulator_process(options))
                models = [registry.emulated(model, spawned.url, options.definition_hash) for model in models]
            yield registry, models


def print_warning(text: str) -> None:
    """Print a message to stderr."""
    print_message(text)


def warn_about_models(registry: Registry, models: Sequence[Model], allow_retired: bool = True) -> None:
    """Print warnings about models to stderr.

    Args:
        allow_retired: whether retired models will be used; otherwise their use fails with an error of its
            own.
    """
    for model in models:
        suggestion = registry.hint(real_model_id(model))
        if suggestion:
            print_warning(f"{real_model_id(model)} is not a known model. Did you mean {suggestion}?")
    for warning in warnings(model for model in models if allow_retired or not is_retired(model)):
        print_warning(warning)


@contextmanager
def bypass_proxy() -> Iterator[None]:
    """Send requests to the emulator on this machine without a proxy while the block runs."""
    before = {name: os.environ.get(name) for name in ("no_proxy", "NO_PROXY")}
    exempt = before["no_proxy"] or before["NO_PROXY"] or ""
    if exempt.strip() != "*":
        exempt = ",".join([exempt, "127.0.0.1"]).lstrip(",")
    os.environ.update(dict.fromkeys(before, exempt))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _combine_errors(wrong: list[UserError]) -> UserError:
    """Return a single error unchanged, and several as one error that lists them."""
    if len(wrong) == 1:
        return wrong[0]
    return UserError(
        "cannot use these models", code="model.not-usable", faults=[error.fault for error in wrong]
    )


def _check_emulated(models: list[Model]) -> None:
    """Check that the emulator has each of these models."""
    from harness.emulator.models import find_model

    wrong = [
        UserError(
            "the emulator does not emulate this model",
            code="emulator.unknown-model",
            where="--emulate",
            found=repr(f"{model.provider}/{model.name.removeprefix(EMULATED)}"),
            remedy=(
                "Choose one of OpenAI's gpt and o, Google's gemini or Anthropic's claude "
                "models, for example "
                "openai/gpt-6-luna; or vllm/llama-3.1-8b or vllm/llama-3.1-8b-instruct."
            ),
        )
        for model in models
        if model.provider != "control"
        and ((emulated := find_model(model.name)) is None or emulated.provider != model.provider)
    ]
    if wrong:
        raise _combine_errors(wrong)


class _EmulatedAddresses(Registry):
    """Registry that needs no addresses, because all requests go to the emulator."""

    def __init__(self, user_file: Path | None) -> None:
        super().__init__(user_file, {})
        self._providers = {
            name: replace(provider, base_url=provider.base_url or "http://emulated")
            for name, provider in self._providers.items()
        }


def library(folder: Path | None) -> Library:
    """Return the prompts: those of the folder, else the included ones, and those of the paper's scripts if
    fetched.

    Raises:
        UserError: if prompts are invalid; the error lists every fault.
    """
    try:
        return Library(folder, released.place())
    except PromptError as error:
        raise UserError(
            "invalid prompts",
            code="prompt.invalid",
            where=str(folder or "prompts"),
            faults=first_faults(prompt_faults(error)),
        ) from error


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine with uvloop if it is installed."""
    import asyncio

    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)
