"""What a server is told: its seed, limits, latency and faults; and the identity of what decides its answers.

Plain values, checked when they are made; every fault at once. Knows nothing of HTTP.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date
from typing import Any, get_args

import orjson

from agents.errors import Fault, UserError
from agents.files.faults import Faults
from agents.files.json_rows import read_object
from agents.hashing import content_id
from harness.emulator.models import MODELS, BiasScale, EmulatedModel, find_model
from harness.emulator.provider_faults import result_changing_faults, share_faults

ANSWERS_VERSION = 1
"""Raised whenever the code changes what an emulated model would answer: old answers are then not the same."""

_RATES = ("errors_500", "resets", "malformed", "hangs", "refusals")
_FAULTS = _RATES[:-1]
_WHOLE = ("seed", "lower_after_requests", "max_output_tokens", "other_model_after")
_DATES = ("shutdown_date", "sunset")
_NAMING = ("other_model", "snapshot_suffix", "retired", *_DATES)
_NOT_LEAN = (
    *(*_RATES, "tokens_per_minute", "lower_to_rpm", "lower_after_requests", "api_key"),
    *(*_NAMING, "other_model_after", "outage_start"),
)


@dataclass(frozen=True, slots=True)
class EmulatorConfig:
    """How the emulator behaves.

    Attributes:
        seed: decides every answer and every fault; a whole number of at most 64 bits.
        requests_per_minute, tokens_per_minute: limits per model, > 0; None for none.
        lower_to_rpm, lower_after_requests: once so many requests were admitted in all (≥ 1), every model's
            request limit falls to the former (> 0); both or neither.
        latency_ms: time to an answer, ≥ 0; its median where `latency_sigma` (≥ 0, the standard deviation of
            the logarithm) is above 0.
        errors_500, resets, malformed, hangs: share of attempts that end so, in [0, 1], together at most 1.
        refusals: share of questions that are refused, in [0, 1]; an answer, not a fault: asking again gives
            it again.
        mean_preference, concentration, position_bias, bias_on: every judge's taste, instead of each model's
            own (see `models.JudgeProfile`).
        max_output_tokens: the most a request may ask for, ≥ 1.
        api_key: the only accepted key; None accepts any, and none.
        lean: the bare server for benchmarks: constant answers, no faults, no bookkeeping per key.
        other_model, other_model_after: from the latter's request on (≥ 1, of all that were admitted) the
            former's name stands in the answers; both or neither.
        snapshot_suffix: what stands behind the model's name in the answers, such as "-2024-08-06".
        retired: names of models that are answered with a 404, separated by commas.
        shutdown_date: stated for every OpenAI model in the list of models, such as "2027-01-14".
        sunset: the day that every answer's `Sunset` header states, in the same form.
        faults: named faults of real servers and the share in [0, 1] of what each strikes
            (`provider_faults.TABLE`).
        outage_start, outage_seconds: from so many seconds (≥ 0) after the first request on, for so long
            (> 0), every request is answered with 503 (Anthropic: 529); both or neither.
    """

    seed: int = 0
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    lower_to_rpm: float | None = None
    lower_after_requests: int | None = None
    latency_ms: float = 300.0
    latency_sigma: float = 0.0
    errors_500: float = 0.0
    resets: float = 0.0
    malformed: float = 0.0
    hangs: float = 0.0
    refusals: float = 0.0
    mean_preference: float | None = None
    concentration: float | None = None
    position_bias: float | None = None
    bias_on: str | None = None
    max_output_tokens: int = 16_384
    api_key: str | None = field(default=None, repr=False)
    lean: bool = False
    other_model: str | None = None
    other_model_after: int | None = None
    snapshot_suffix: str | None = None
    retired: str | None = None
    shutdown_date: str | None = None
    sunset: str | None = None
    faults: Mapping[str, float] = field(default_factory=dict, hash=False)
    outage_start: float | None = None
    outage_seconds: float | None = None

    def __post_init__(self) -> None:
        faults = _wrong_types(self) or _wrong_values(self)
        if faults:
            raise UserError("the emulator cannot run with these options", faults=faults)

    def model(self, name: str) -> EmulatedModel | None:
        """The emulated model of that name, with the taste these options give it; None where there is none."""
        model = find_model(name)
        if model is None:
            return None
        changed: dict[str, Any] = {
            key: float(value)  # 1 and 1.0 are one definition
            for key in ("mean_preference", "concentration", "position_bias")
            if (value := getattr(self, key)) is not None
        }
        if self.bias_on is not None:
            changed["bias_on"] = self.bias_on
        return replace(model, taste=replace(model.taste, **changed)) if changed else model

    @property
    def definition_hash(self) -> str:
        """Content id of what decides answers: seed, refusals, models with their tastes, version of the code.

        Latency, limits and faults that change only when an answer comes are not part of it. Named faults that
        change which answer comes (a filtered prompt, thinking in the text, another usage) are, with their
        shares. Without such a fault the hash is what it was before there were any.
        """
        models = [asdict(model) for name in MODELS if (model := self.model(name)) is not None]
        content = {
            "answers_version": ANSWERS_VERSION,
            "seed": self.seed,
            "refusals": float(self.refusals),
            "lean": self.lean,
            "models": models,
        }
        changing = result_changing_faults(self.faults)
        if changing:
            content["faults"] = changing
        return content_id("emulator-1", content)

    def to_json(self) -> str:
        """The options as one line of JSON, the key included: hand it over by a pipe, never by an argument."""
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> EmulatorConfig:
        """Read what `to_json` wrote, or any part of it.

        Raises:
            UserError: not a JSON object, unknown keys, or values that cannot be kept; all at once.
        """
        form = Faults("--options-json")
        content = read_object(text.encode() if isinstance(text, str) else text, form)
        form.raise_if_any("the emulator's options are not JSON")
        known = {each.name for each in fields(cls)}
        unknown = [key for key in content if key not in known]
        if unknown:
            choose = f"Choose from: {', '.join(sorted(known))}."
            faults = [Fault("no such option", "emulator", repr(key), choose) for key in unknown]
            raise UserError("the emulator cannot run with these options", faults=faults)
        return cls(**content)


def _fault(name: str, what: str, value: Any, remedy: str = "") -> Fault:
    shown = "(not shown)" if name == "api_key" else repr(value)
    return Fault(f"{name} {what}", "emulator", shown, remedy)


def _wrong_types(options: EmulatorConfig) -> list[Fault]:
    faults = []
    for each in fields(options):
        value = getattr(options, each.name)
        if value is None and each.default is None:
            continue
        if each.name in _WHOLE:
            wanted, fits = "a whole number", isinstance(value, int) and not isinstance(value, bool)
        elif each.name in ("api_key", "bias_on", *_NAMING):
            wanted, fits = "text", isinstance(value, str)
        elif each.name == "lean":
            wanted, fits = "true or false", isinstance(value, bool)
        elif each.name == "faults":
            wanted, fits = "names of faults and their shares", isinstance(value, Mapping)
        else:
            wanted = "a number"
            fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not fits:
            faults.append(_fault(each.name, f"must be {wanted}", value))
    return faults


def _wrong_values(options: EmulatorConfig) -> list[Fault]:
    faults = share_faults(options.faults)
    for name in (*_RATES, "mean_preference"):
        value = getattr(options, name)
        if value is not None and not 0.0 <= value <= 1.0:
            faults.append(_fault(name, "must be in [0, 1]", value))
    for name in (
        "requests_per_minute",
        "tokens_per_minute",
        "lower_to_rpm",
        "concentration",
        "outage_seconds",
    ):
        value = getattr(options, name)
        if value is not None and not value > 0:
            faults.append(_fault(name, "must be above 0", value, "Leave it out for the default."))
    for name, least in (
        ("latency_ms", 0),
        ("latency_sigma", 0),
        ("outage_start", 0),
        ("lower_after_requests", 1),
        ("max_output_tokens", 1),
        ("other_model_after", 1),
    ):
        value = getattr(options, name)
        if value is not None and not value >= least:
            faults.append(_fault(name, f"must be {least} or more", value))
    if not -(2**63) <= options.seed < 2**63:
        faults.append(_fault("seed", "must fit in 64 bits", options.seed))
    return faults + _wrong_together(options)


def _is_day(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _wrong_together(options: EmulatorConfig) -> list[Fault]:
    faults = []
    together = sum(getattr(options, name) for name in _FAULTS)
    each_fits = all(0.0 <= getattr(options, name) <= 1.0 for name in _FAULTS)
    if each_fits and together > 1.0 + 1e-9:
        faults.append(_fault(" + ".join(_FAULTS), "must be at most 1 together", together))
    if (options.lower_to_rpm is None) != (options.lower_after_requests is None):
        found = f"{options.lower_to_rpm!r}, {options.lower_after_requests!r}"
        faults.append(Fault("lower_to_rpm and lower_after_requests go together", "emulator", found))
    if (options.other_model is None) != (options.other_model_after is None):
        found = f"{options.other_model!r}, {options.other_model_after!r}"
        faults.append(Fault("other_model and other_model_after go together", "emulator", found))
    for name in _DATES:
        value = getattr(options, name)
        if value is not None and not _is_day(value):
            faults.append(_fault(name, "must be a day, such as 2027-01-14", value))
    if (options.outage_start is None) != (options.outage_seconds is None):
        found = f"{options.outage_start!r}, {options.outage_seconds!r}"
        faults.append(Fault("outage_start and outage_seconds go together", "emulator", found))
    scales = get_args(BiasScale)
    if options.bias_on is not None and options.bias_on not in scales:
        faults.append(_fault("bias_on", f"must be one of: {', '.join(scales)}", options.bias_on))
    on_logit = options.bias_on == "logit"
    if options.position_bias is not None and not on_logit and not -1.0 <= options.position_bias <= 1.0:
        faults.append(
            _fault("position_bias", "must be in [-1, 1] on the probability scale", options.position_bias)
        )
    if options.api_key == "":
        faults.append(_fault("api_key", "must not be empty", "", "Leave it out to accept any key."))
    defaults = {each.name: each.default for each in fields(options)}
    if options.lean:
        faults += [
            _fault(name, "cannot be had with lean", getattr(options, name), "Leave one of the two out.")
            for name in _NOT_LEAN
            if getattr(options, name) != defaults[name]
        ]
        if options.faults:
            faults.append(_fault("faults", "cannot be had with lean", dict(options.faults), "Leave one out."))
    return faults
