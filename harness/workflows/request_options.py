"""Options of model requests, and the settings and models that they give to a workflow."""

from __future__ import annotations

import math
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from agents.errors import Fault, UserError
from agents.models.registry import EMULATED, Registry
from agents.models.retirement import is_retired, real_model_id, warnings
from agents.models.spec import Model
from agents.protocols.rate_limit_headers import duration_seconds
from harness.emulator.config import EmulatorConfig
from harness.emulator.models import find_model
from harness.emulator.server_process import emulator_process
from harness.engine.limits import Limits
from harness.engine.prices import Price, parse_prices
from harness.engine.retrying_client import RetryPolicy
from harness.engine.run import RequestSettings
from harness.interrupt import Interrupt, SignalInterrupt

DEFAULT_EVENTS = Path("runs")


class NamedCost(Protocol):
    """Cost estimate of one judge or model."""

    @property
    def name(self) -> str:
        """Name of the judge or model."""
        ...

    @property
    def calls(self) -> int:
        """Number of requests to send."""
        ...

    @property
    def expected_usd(self) -> float | None:
        """Estimated cost; None if the price is unknown."""
        ...

    @property
    def maximum_usd(self) -> float | None:
        """Upper bound on the cost; None if the price is unknown."""
        ...


@dataclass(frozen=True)
class RequestOptions:
    """Options of model requests; none of them changes the content of a request.

    Attributes:
        max_in_flight: maximum number of concurrent requests per model, ≥ 1.
        rpm, tpm: maximum requests and tokens per minute and model.
        rpd, tpd: maximum requests and tokens in any 24 hours, per model.
        budget_usd: hard limit on the cost of the run, > 0.
        prices: prices of models, each as `MODEL=IN,OUT` in US dollars per million tokens.
        emulate: whether to send all requests to an emulator on this machine.
        client: "http" or "sdk".
        timeout_seconds: of one request, > 0; None for 120, or 600 for models that think.
        patience: how long an endpoint may be unavailable before it is disabled: "90", "30m", "2h".
        models_file: additional file of providers and models.
        quiet: whether to show no progress.
        confirm: called with the estimates of models that cost money before anything is sent; it raises an
            exception to stop. None to send without asking.
        allow_retired: whether to send requests to retired models.
        require_one_model: whether to stop if several model versions answer under one name.
        events: folder of the event logs; None for no logs.
        warn: called with each warning for the user.
        interrupt: stops the run when it is set.
    """

    max_in_flight: int | None = None
    rpm: float | None = None
    tpm: float | None = None
    rpd: int | None = None
    tpd: int | None = None
    budget_usd: float | None = None
    prices: tuple[str, ...] = ()
    emulate: bool = False
    client: str = "http"
    timeout_seconds: float | None = None
    patience: str = "1h"
    models_file: Path | None = None
    quiet: bool = True
    allow_retired: bool = False
    require_one_model: bool = False
    events: Path | None = DEFAULT_EVENTS
    confirm: Callable[[Sequence[NamedCost]], None] | None = field(default=None, compare=False)
    warn: Callable[[str], None] = field(default=lambda _: None, compare=False)
    interrupt: Interrupt = field(default_factory=SignalInterrupt, compare=False)

    def settings(self) -> RequestSettings:
        """Return the settings of requests.

        Raises:
            UserError: if limits, budget or prices are invalid; the error lists every fault.
        """
        limits = Limits(self.rpm, self.tpm, self.rpd, self.tpd, self.max_in_flight)
        prices, faults = self._parse_prices()
        for name, value in (("--budget", self.budget_usd), ("--timeout", self.timeout_seconds)):
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
        unbounded = {"--rpm": self.rpm, "--tpm": self.tpm, "--budget": self.budget_usd}
        faults += [
            Fault("must be finite", flag, "inf", f"Remove {flag} for no limit.", code="option.out-of-range")
            for flag, value in {**unbounded, "--timeout": self.timeout_seconds}.items()
            if value == math.inf
        ]
        try:
            limits.check("--rpm, --tpm, --rpd, --tpd, --max-in-flight")
        except UserError as error:
            faults += error.faults
        if faults:
            raise UserError("invalid options", code="option.invalid", faults=faults)
        return RequestSettings(
            limits=limits,
            budget_usd=self.budget_usd,
            prices=prices,
            client=self.client,
            timeout_seconds=self.timeout_seconds,
            policy=RetryPolicy(patience_seconds=patience or 0.0),
            quiet=self.quiet,
            events=self.events,
            allow_retired=self.allow_retired,
            require_one_model=self.require_one_model,
            warn=self.warn,
            interrupt=self.interrupt,
        )

    def _parse_prices(self) -> tuple[dict[str, Price], list[Fault]]:
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

    async def confirm_cost(self, estimate: Callable[[], Awaitable[Sequence[NamedCost]]]) -> None:
        """Call `confirm` with the estimates that may cost money; an emulated run costs none."""
        if self.confirm is None or self.emulate:
            return
        costly = [cost for cost in await estimate() if cost.calls and cost.maximum_usd != 0]
        if costly:
            self.confirm(costly)

    def registry(self) -> Registry:
        """Return the registry of all known models."""
        return Registry(self.models_file, os.environ)

    @contextmanager
    def models(self, names: tuple[str, ...]) -> Iterator[tuple[Registry, list[Model]]]:
        """Provide the named models while the block runs; with `--emulate`, the emulated ones.

        Names of model sets are expanded. Probable misspellings and retiring models give warnings.

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
        warn_about_models(registry, models, self.warn, self.allow_retired or self.emulate)
        with ExitStack() as stack:
            if self.emulate and any(model.provider != "control" for model in models):
                options = EmulatorConfig()
                _check_emulated([registry.emulated(model, "", "") for model in models])
                stack.enter_context(bypass_proxy())
                spawned = stack.enter_context(emulator_process(options))
                models = [registry.emulated(model, spawned.url, options.definition_hash) for model in models]
            yield registry, models


def warn_about_models(
    registry: Registry, models: Sequence[Model], warn: Callable[[str], None], allow_retired: bool = True
) -> None:
    """Warn of models that are probably misspelt or will retire.

    Args:
        warn: called with each warning.
        allow_retired: whether retired models will be used; otherwise their use fails with an error of its
            own.
    """
    for model in models:
        suggestion = registry.hint(real_model_id(model))
        if suggestion:
            warn(f"{real_model_id(model)} is not a known model. Did you mean {suggestion}?")
    for warning in warnings(model for model in models if allow_retired or not is_retired(model)):
        warn(warning)


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
