"""Configuration of an emulator server, and the hash of what decides its answers.

The values are validated when they are created, and all faults are reported at once.
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
"""To be increased whenever a code change alters the completions, so that old ones are not reused."""

_RATES = ("errors_500", "resets", "malformed", "hangs", "refusals")
_FAULTS = _RATES[:-1]
_INTEGERS = ("seed", "lower_after_requests", "max_output_tokens", "other_model_after")
_DATES = ("shutdown_date", "sunset")
_MODEL_OPTIONS = ("other_model", "snapshot_suffix", "retired", *_DATES)
_NOT_LEAN = (
    *(*_RATES, "tokens_per_minute", "lower_to_rpm", "lower_after_requests", "api_key"),
    *(*_MODEL_OPTIONS, "other_model_after", "outage_start"),
)


@dataclass(frozen=True, slots=True)
class EmulatorConfig:
    """Configuration of the emulator.

    Attributes:
        seed: decides every completion and every fault; an integer of at most 64 bits.
        requests_per_minute, tokens_per_minute: limits per model, > 0; None for none.
        lower_to_rpm, lower_after_requests: after this number of admitted requests (≥ 1), every model's
            request limit drops to the former (> 0); both or neither.
        latency_ms: time to a response, ≥ 0; its median if `latency_sigma` (≥ 0, the standard deviation of the
            logarithm) is above 0.
        errors_500, resets, malformed, hangs: shares of attempts that end this way, in [0, 1], at most 1 in
            total.
        refusals: share of requests that are refused, in [0, 1]. A refusal is a completion, not a fault: a
            retry is refused again.
        mean_preference, concentration, position_bias, bias_on: preferences of all judges, instead of each
            model's own (see `models.JudgeProfile`).
        max_output_tokens: maximum output limit of a request, ≥ 1.
        api_key: the only accepted API key; None accepts any key, and none.
        lean: whether to run the minimal server for benchmarks: constant answers, no faults, no counters per
            key.
        other_model, other_model_after: from this admitted request on (≥ 1), responses carry the former's
            model name; both or neither.
        snapshot_suffix: suffix of the model name in responses, such as "-2024-08-06".
        retired: names of models that get a 404, separated by commas.
        shutdown_date: shutdown date of every OpenAI model in the model list, such as "2027-01-14".
        sunset: date in the `Sunset` header of every response, in the same form.
        faults: named faults of real servers and the share in [0, 1] of what each affects
            (`provider_faults.TABLE`).
        outage_start, outage_seconds: from this time after the first request (≥ 0 s), for this duration (> 0
            s), every request gets a 503 (Anthropic: 529); both or neither.
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
        faults = _type_faults(self) or _value_faults(self)
        if faults:
            raise UserError("invalid emulator options", code="emulator.invalid-options", faults=faults)

    def model(self, name: str) -> EmulatedModel | None:
        """Return the emulated model of that name with the configured preferences; None if there is none."""
        model = find_model(name)
        if model is None:
            return None
        overrides: dict[str, Any] = {
            key: float(value)  # 1 and 1.0 are one definition
            for key in ("mean_preference", "concentration", "position_bias")
            if (value := getattr(self, key)) is not None
        }
        if self.bias_on is not None:
            overrides["bias_on"] = self.bias_on
        return replace(model, taste=replace(model.taste, **overrides)) if overrides else model

    @property
    def definition_hash(self) -> str:
        """Content id of what decides the answers: seed, refusals, models with their preferences, code
        version.

        Latency, limits and faults that only delay a completion are not included. Named faults that change the
        completion (a filtered prompt, visible thinking, another usage) are included with their shares;
        without them, the hash is the same as before such faults existed.
        """
        models = [asdict(model) for name in MODELS if (model := self.model(name)) is not None]
        content = {
            "answers_version": ANSWERS_VERSION,
            "seed": self.seed,
            "refusals": float(self.refusals),
            "lean": self.lean,
            "models": models,
        }
        deciding_faults = result_changing_faults(self.faults)
        if deciding_faults:
            content["faults"] = deciding_faults
        return content_id("emulator-1", content)

    def to_json(self) -> str:
        """Return the configuration as one line of JSON, including the API key: pass it through a pipe, not as
        an argument.
        """
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> EmulatorConfig:
        """Parse the output of `to_json`, or any subset of its keys.

        Raises:
            UserError: not a JSON object, unknown keys or invalid values; all faults at once.
        """
        json_faults = Faults("--options-json")
        content = read_object(text.encode() if isinstance(text, str) else text, json_faults)
        json_faults.raise_if_any("the emulator options are not valid JSON", code="emulator.not-json")
        option_names = {option.name for option in fields(cls)}
        unknown = [key for key in content if key not in option_names]
        if unknown:
            remedy = f"Choose from: {', '.join(sorted(option_names))}."
            faults = [
                Fault("unknown option", "emulator", repr(key), remedy, code="emulator.unknown-option")
                for key in unknown
            ]
            raise UserError("invalid emulator options", code="emulator.invalid-options", faults=faults)
        return cls(**content)


def _displayed(name: str, value: Any) -> str:
    return "(not shown)" if name == "api_key" else repr(value)


def _type_faults(config: EmulatorConfig) -> list[Fault]:
    faults = []
    for option in fields(config):
        value = getattr(config, option.name)
        if value is None and option.default is None:
            continue
        if option.name in _INTEGERS:
            expected, fits = "a whole number", isinstance(value, int) and not isinstance(value, bool)
        elif option.name in ("api_key", "bias_on", *_MODEL_OPTIONS):
            expected, fits = "text", isinstance(value, str)
        elif option.name == "lean":
            expected, fits = "true or false", isinstance(value, bool)
        elif option.name == "faults":
            expected, fits = "a mapping of fault names to shares", isinstance(value, Mapping)
        else:
            expected = "a number"
            fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not fits:
            faults.append(
                Fault(
                    f"{option.name} must be {expected}",
                    "emulator",
                    _displayed(option.name, value),
                    code="option.wrong-type",
                )
            )
    return faults


def _range_fault(name: str, expected: str, value: Any, remedy: str = "") -> Fault:
    return Fault(
        f"{name} must be {expected}", "emulator", _displayed(name, value), remedy, code="option.out-of-range"
    )


def _value_faults(config: EmulatorConfig) -> list[Fault]:
    faults = share_faults(config.faults)
    for name in (*_RATES, "mean_preference"):
        value = getattr(config, name)
        if value is not None and not 0.0 <= value <= 1.0:
            faults.append(_range_fault(name, "in [0, 1]", value))
    for name in (
        "requests_per_minute",
        "tokens_per_minute",
        "lower_to_rpm",
        "concentration",
        "outage_seconds",
    ):
        value = getattr(config, name)
        if value is not None and not value > 0:
            faults.append(_range_fault(name, "above 0", value, "Omit it for the default."))
    for name, minimum in (
        ("latency_ms", 0),
        ("latency_sigma", 0),
        ("outage_start", 0),
        ("lower_after_requests", 1),
        ("max_output_tokens", 1),
        ("other_model_after", 1),
    ):
        value = getattr(config, name)
        if value is not None and not value >= minimum:
            faults.append(_range_fault(name, f"{minimum} or more", value))
    if not -(2**63) <= config.seed < 2**63:
        faults.append(_range_fault("seed", "a 64-bit integer", config.seed))
    on_logit = config.bias_on == "logit"
    if config.position_bias is not None and not on_logit and not -1.0 <= config.position_bias <= 1.0:
        faults.append(
            _range_fault("position_bias", "in [-1, 1] on the probability scale", config.position_bias)
        )
    scales = get_args(BiasScale)
    if config.bias_on is not None and config.bias_on not in scales:
        faults.append(
            Fault(
                f"bias_on must be one of: {', '.join(scales)}",
                "emulator",
                repr(config.bias_on),
                code="option.unknown-value",
            )
        )
    for name in _DATES:
        value = getattr(config, name)
        if value is not None and not _is_date(value):
            faults.append(
                Fault(
                    f"{name} must be a date",
                    "emulator",
                    repr(value),
                    "Write it as YYYY-MM-DD, for example 2027-01-14.",
                    code="option.invalid-value",
                )
            )
    if config.api_key == "":
        faults.append(
            Fault(
                "api_key must not be empty",
                "emulator",
                remedy="Omit it to accept any key.",
                code="option.invalid-value",
            )
        )
    return faults + _combination_faults(config)


def _is_date(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _combination_faults(config: EmulatorConfig) -> list[Fault]:
    faults = []
    total = sum(getattr(config, name) for name in _FAULTS)
    each_is_valid = all(0.0 <= getattr(config, name) <= 1.0 for name in _FAULTS)
    if each_is_valid and total > 1.0 + 1e-9:
        faults.append(_range_fault(" + ".join(_FAULTS), "at most 1 in total", total))
    for first, second in (
        ("lower_to_rpm", "lower_after_requests"),
        ("other_model", "other_model_after"),
        ("outage_start", "outage_seconds"),
    ):
        values = (getattr(config, first), getattr(config, second))
        if (values[0] is None) != (values[1] is None):
            faults.append(
                Fault(
                    f"{first} and {second} require each other",
                    "emulator",
                    f"{values[0]!r}, {values[1]!r}",
                    code="option.missing",
                )
            )
    if config.lean:
        defaults = {option.name: option.default for option in fields(config)}
        conflicts = [name for name in _NOT_LEAN if getattr(config, name) != defaults[name]]
        conflicts += ["faults"] if config.faults else []
        faults += [
            Fault(
                f"{name} cannot be combined with lean",
                "emulator",
                _displayed(name, getattr(config, name)),
                "Omit one of the two.",
                code="option.conflict",
            )
            for name in conflicts
        ]
    return faults
