"""From a model's written name to a `Model`: `models.toml`, the user's own file over it, the environment.

Reads names and addresses; looks a key up only when the model is about to be asked.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import Any, get_args, get_type_hints
from urllib.parse import urlsplit

from agents import controls
from agents.errors import Fault, UserError
from agents.identity import canonical
from agents.models import Model, Traits, WireProtocol

EMULATED = "emulated-"
_TRAITS = {field.name for field in fields(Traits)}
_HINTS = get_type_hints(Traits)
_LEAST = {"verdict_tokens": 1, "max_top_logprobs": 0, "thinking_tokens": 0}


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a provider's models are asked, and which variables of the environment say so."""

    protocol: WireProtocol
    base_url: str = ""
    base_url_env: str = ""
    key_env: str = ""
    key_optional: bool = False


class Registry:
    """All models that can be named.

    Args:
        user_file: a file of the same form as `models.toml`, read after it.
        environ: the environment, for addresses and keys.

    Raises:
        UserError: the file cannot be used; every fault at once.
    """

    def __init__(self, user_file: Path | None, environ: Mapping[str, str]) -> None:
        own = resources.files("agents").joinpath("models.toml").read_text(encoding="utf-8")
        self._environ = environ
        self._providers: dict[str, Provider] = {}
        self._entries: list[dict[str, Any]] = []
        self._add(tomllib.loads(own), "models.toml")
        self._own = {name: provider.base_url for name, provider in self._providers.items()}
        if user_file is not None:
            try:
                self._add(tomllib.loads(user_file.read_text(encoding="utf-8")), str(user_file))
            except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
                raise UserError(
                    "the file of models cannot be read",
                    where=str(user_file),
                    found=str(error),
                    remedy="See agents/models.toml for its form.",
                ) from error

    def model(self, name: str) -> Model:
        """The model written `provider/name`, at the address that the environment gives.

        Raises:
            UserError: there is no such provider, or its address is not known.
        """
        provider_name, slash, model_name = name.partition("/")
        if provider_name == "control":
            return controls.model(model_name)
        provider = self._providers.get(provider_name)
        if provider is None or not slash or not model_name:
            raise UserError(
                "a model is written provider/name",
                found=repr(name),
                remedy=f"Providers: {', '.join([*self._providers, 'control'])}; "
                "for example openai/gpt-4o, google/gemini-2.0-flash, control/ratings.",
            )
        given = self._environ.get(provider.base_url_env, "").rstrip("/")
        if not given and not provider.base_url:
            raise UserError(
                f"where {provider_name} answers is not known",
                found=f"{provider.base_url_env} is not set",
                remedy=f"Set {provider.base_url_env}, for example to http://127.0.0.1:8000/v1.",
            )
        address = given or provider.base_url.rstrip("/")
        _check_address(address, provider.base_url_env if given else f"[provider.{provider_name}] base_url")
        return Model(
            provider=provider_name,
            name=model_name,
            protocol=provider.protocol,
            traits=self.traits(name),
            base_url=address,
            key_env=provider.key_env,
            identity="" if address == self._own.get(provider_name) else address,
        )

    def emulated(self, model: Model, root_url: str, definition: str) -> Model:
        """The emulator's stand-in for a model: another name, at `root_url`, known by its definition."""
        if model.protocol is WireProtocol.CONTROL:
            return model
        below = {WireProtocol.ANTHROPIC_MESSAGES: "", WireProtocol.GEMINI_GENERATE: "/v1beta"}
        name = model.name if model.name.startswith(EMULATED) else EMULATED + model.name
        base_url = root_url + below.get(model.protocol, "/v1")
        return replace(model, name=name, base_url=base_url, key_env="", identity=definition)

    def traits(self, name: str) -> Traits:
        """What a model accepts; of an emulated model, what is said of its own name or of the real one's."""
        provider, _, bare = name.partition("/")
        told: dict[str, Any] = {}
        for entry in self._entries:
            if any(
                fnmatchcase(f"{provider}/{each}", entry["match"])
                for each in (bare, bare.removeprefix(EMULATED))
            ):
                told |= {key: value for key, value in entry.items() if key != "match"}
        return Traits(**told)

    def key(self, model: Model) -> str:
        """The key for a model, from the environment; "" where none is needed.

        Raises:
            UserError: none is set; it names the variable.
        """
        if not model.key_env:
            return ""
        key = self._environ.get(model.key_env, "").strip()
        if not key and not self._providers[model.provider].key_optional:
            raise UserError(
                f"{model.id} needs a key",
                found=f"{model.key_env} is not set",
                remedy=f"Set it with: export {model.key_env}=…  (or rehearse without any key: --emulate)",
            )
        if not all("!" <= character <= "~" for character in key):
            raise UserError(
                f"{model.key_env} holds no key",
                found="spaces, quotation marks or other characters that no key has (not shown)",
                remedy=f"Set it anew: export {model.key_env}=…",
            )
        return key

    def _add(self, told: Mapping[str, Any], source: str) -> None:
        faults = [
            Fault("is not known here", f"{source}: {key}", remedy="Use [provider.NAME] and [[model]].")
            for key in told
            if key not in ("provider", "model")
        ]
        providers, models = told.get("provider", {}), told.get("model", [])
        if not isinstance(providers, dict) or not isinstance(models, list):
            wrong = "provider" if not isinstance(providers, dict) else "model"
            faults.append(Fault("has another form", f"{source}: {wrong}", remedy="See agents/models.toml."))
            raise UserError("this file of models cannot be used", where=source, faults=faults)
        for name, entry in providers.items():
            wrong_keys = _check_provider(entry, self._providers.get(name), f"{source}: [provider.{name}]")
            faults += wrong_keys
            if not wrong_keys:
                self._providers[name] = _provider(entry, self._providers.get(name))
        for number, entry in enumerate(models, 1):
            entry_faults = _check(entry, f"{source}: [[model]] {number}")
            faults += entry_faults
            if not entry_faults:
                extra = canonical(entry["extra"]).decode() if "extra" in entry else ""
                self._entries.append({**entry, "extra": extra} if extra else entry)
        if faults:
            raise UserError("this file of models cannot be used", where=source, faults=faults)


def _provider(entry: Mapping[str, Any], known: Provider | None) -> Provider:
    """A provider as told; one that is known already keeps what is not told anew."""
    given = dict(entry)
    if "protocol" in given:
        given["protocol"] = WireProtocol(given["protocol"])
    return replace(known, **given) if known else Provider(**given)


def _check_provider(entry: Any, known: Provider | None, where: str) -> list[Fault]:
    hints = get_type_hints(Provider)
    if not isinstance(entry, dict):
        return [Fault("is no table", where, repr(entry), f"Keys: {', '.join(hints)}.")]
    faults = []
    for key, value in entry.items():
        if key == "protocol":
            continue
        if key not in hints:
            faults.append(Fault("is not known", f"{where} {key}", remedy=f"Keys: {', '.join(hints)}."))
        elif type(value) is not hints[key]:
            faults.append(Fault(f"must be {hints[key].__name__}", f"{where} {key}", repr(value)))
    protocols = [protocol.value for protocol in WireProtocol if protocol is not WireProtocol.CONTROL]
    if entry.get("protocol", known and known.protocol.value) not in protocols:
        remedy = f"Protocols: {', '.join(protocols)}."
        faults.append(Fault("has no protocol", where, repr(entry.get("protocol")), remedy))
    return faults


def _check_address(address: str, where: str) -> None:
    """An address is one that can be asked; it is stored and shown, so nothing secret may stand in it.

    Raises:
        UserError: it is not.
    """
    remedy = "Write it as http://HOST:PORT/PATH; a key goes into its own variable."
    if "@" in address or "?" in address:
        raise UserError(
            "an address must hold no password and no query",
            where=where,
            found="one (not shown)",
            remedy=remedy,
        )
    try:
        parts = urlsplit(address)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or any(character.isspace() for character in address):
        raise UserError("this is no address", where=where, found=repr(address), remedy=remedy)


def _check(entry: Any, where: str) -> list[Fault]:
    if not isinstance(entry, dict):
        return [Fault("is no table", where, repr(entry))]
    faults = [] if isinstance(entry.get("match"), str) else [Fault("has no match", where)]
    for key, value in entry.items():
        if key == "match" or (key == "extra" and isinstance(value, dict)):
            continue
        if key not in _TRAITS:
            faults.append(Fault("is not known", f"{where}: {key}", remedy=f"Known: {sorted(_TRAITS)}."))
            continue
        hint = dict if key == "extra" else _HINTS[key]
        choices = get_args(hint)
        fits = value in choices if choices else type(value) is hint
        if fits and key in _LEAST and value < _LEAST[key]:
            faults.append(Fault(f"must be {_LEAST[key]} or more", f"{where}: {key}", repr(value)))
        if not fits:
            wanted = f"one of {', '.join(choices)}" if choices else hint.__name__
            faults.append(Fault(f"must be {wanted}", f"{where}: {key}", repr(value)))
    return faults
