"""Registry that resolves `provider/name` to a `Model`.

It combines the package's `models.toml`, the user's models file, which takes precedence, and the environment.
Keys are read only when a model is about to be used.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from agents.control_judges import rules
from agents.errors import Fault, UserError
from agents.files.text import read_text
from agents.files.toml import parse_toml
from agents.models.lifecycle import KEYS, Lifecycle, parse_lifecycle
from agents.models.models_file import (
    CAPABILITY_NAMES,
    Provider,
    check_address,
    entry_faults,
    is_string_list,
    matching_entries,
    parse_model_entry,
    parse_provider,
    provider_faults,
)
from agents.models.name_suggestions import nearest
from agents.models.spec import EMULATED, ApiProtocol, Capabilities, Model

__all__ = ["EMULATED", "Provider", "Registry"]

LIVING = "living-judges"


class Registry:
    """Registry of all known models and providers.

    Args:
        user_file: a models file in the format of `models.toml`, which overrides it.
        environ: environment variables, for addresses and keys.

    Raises:
        UserError: the user's file is invalid; it lists every fault.
    """

    def __init__(self, user_file: Path | None, environ: Mapping[str, str]) -> None:
        own = resources.files("agents.models").joinpath("models.toml").read_text(encoding="utf-8")
        self._environ = environ
        self._providers: dict[str, Provider] = {}
        self._entries: list[dict[str, Any]] = []
        self._sets: dict[str, tuple[str, ...]] = {}
        self._add(tomllib.loads(own), "models.toml")
        self._provider_urls = {name: provider.base_url for name, provider in self._providers.items()}
        self._shipped = len(self._entries)
        if user_file is not None:
            form = "See agents/models/models.toml for the format."
            self._add(
                parse_toml(read_text(user_file, "the models file"), str(user_file), form), str(user_file)
            )

    def model(self, name: str) -> Model:
        """Return the model `provider/name`, at the address from the environment or the models files.

        Raises:
            UserError: the provider is unknown, or its address is missing or invalid.
        """
        provider_name, slash, model_name = name.partition("/")
        if provider_name == "control":
            return rules.model(model_name)
        provider = self._providers.get(provider_name)
        if provider is None or not slash or not model_name:
            raise UserError(
                "unknown model or provider",
                code="model.unknown",
                found=repr(name),
                remedy=f"{self._suggestion(name)}Write provider/name, for example "
                f"{', '.join(self._sets.get(LIVING, ())[:2])} or control/ratings. Providers: "
                f"{', '.join([*self._providers, 'control'])}. Sets of models: {', '.join(self._sets)}.",
            )
        override = self._environ.get(provider.base_url_env, "").rstrip("/")
        if not override and not provider.base_url:
            raise UserError(
                f"the address of {provider_name} is not set",
                code="endpoint.no-address",
                where=provider.base_url_env,
                remedy=f"Set {provider.base_url_env}, for example to http://127.0.0.1:8000/v1.",
            )
        address = override or provider.base_url.rstrip("/")
        check_address(address, provider.base_url_env if override else f"[provider.{provider_name}] base_url")
        at_provider = address == self._provider_urls.get(provider_name)
        return Model(
            provider=provider_name,
            name=model_name,
            protocol=provider.protocol,
            capabilities=self.capabilities(name),
            base_url=address,
            key_env=provider.key_env,
            identity="" if at_provider else address,
            answers=self._answers(name),
            lifecycle=self.lifecycle(name, own=at_provider),
        )

    def expanded(self, names: Iterable[str]) -> tuple[str, ...]:
        """Replace the names of model sets, such as `paper-judges`, by their models; drop duplicates."""
        return tuple(dict.fromkeys(each for name in names for each in self._sets.get(name, (name,))))

    def lifecycle(self, name: str, *, own: bool = True) -> Lifecycle | None:
        """Return what is known about a model's retirement; None if nothing is.

        Args:
            own: whether it is used at its provider's own address; elsewhere only the user's file counts.
        """
        entries = self._entries if own else self._entries[self._shipped :]
        stating = [entry for entry in matching_entries(entries, name) if KEYS & set(entry)]
        return parse_lifecycle(stating[-1]) if stating else None

    def hint(self, name: str) -> str:
        """Return the known model that `name` probably misspells; "" if it is known or unlike any."""
        if name in self._names() or "/" not in name:
            return ""
        return nearest(name, self._names())

    def emulated(self, model: Model, root_url: str, definition: str) -> Model:
        """Return the emulated version of a model.

        Args:
            root_url: address of the emulator.
            definition: content id of the emulated model's definition, which becomes the model's identity.
        """
        if model.protocol is ApiProtocol.CONTROL:
            return model
        below = {ApiProtocol.ANTHROPIC_MESSAGES: "", ApiProtocol.GEMINI_GENERATE: "/v1beta"}
        name = model.name if model.name.startswith(EMULATED) else EMULATED + model.name
        base_url = root_url + below.get(model.protocol, "/v1")
        return replace(model, name=name, base_url=base_url, key_env="", identity=definition)

    def capabilities(self, name: str) -> Capabilities:
        """Return the capabilities of a model; an emulated model has those of the model it emulates."""
        settings: dict[str, Any] = {}
        for entry in matching_entries(self._entries, name):
            settings |= {key: value for key, value in entry.items() if key in CAPABILITY_NAMES}
        return Capabilities(**settings)

    def key(self, model: Model) -> str:
        """Return the key for a model from the environment; "" if none is needed.

        Raises:
            UserError: the variable is not set or does not contain a key.
        """
        if not model.key_env:
            return ""
        key = self._environ.get(model.key_env, "").strip()
        if not key and not self._providers[model.provider].key_optional:
            raise UserError(
                f"{model.id} requires a key",
                code="key.missing",
                where=model.key_env,
                remedy=f"Set it with `export {model.key_env}=…`, or test without a key: --emulate.",
            )
        if not all("!" <= character <= "~" for character in key):
            raise UserError(
                "the variable does not contain a key",
                code="key.invalid",
                where=model.key_env,
                found="spaces, quotation marks or other invalid characters (not shown)",
                remedy=f"Set it again with `export {model.key_env}=…`.",
            )
        return key

    def keys(self, models: Iterable[Model]) -> dict[Model, str]:
        """Return the key of every model, as `key` does.

        Raises:
            UserError: keys are missing or invalid; it lists every one.
        """
        keys: dict[Model, str] = {}
        errors: dict[str, UserError] = {}
        for model in models:
            try:
                keys[model] = self.key(model)
            except UserError as error:
                errors.setdefault(model.key_env, error)
        if len(errors) > 1:
            faults = [error.fault for error in errors.values()]
            raise UserError("keys are missing or invalid", code="key.missing", faults=faults)
        for single_error in errors.values():
            raise single_error
        return keys

    def _answers(self, name: str) -> tuple[str, ...]:
        """Return other names under which a model may answer."""
        names = [each for entry in matching_entries(self._entries, name) for each in entry.get("answers", ())]
        return tuple(dict.fromkeys(names))

    def _names(self) -> list[str]:
        """Return every model that a models file names without a wildcard."""
        patterns = [each for entry in self._entries for each in entry["match"] if "*" not in each]
        members = (member for group in self._sets.values() for member in group)
        return list(dict.fromkeys([*patterns, *members]))

    def _suggestion(self, name: str) -> str:
        """Return a question that suggests the probably intended model or set; "" if there is none."""
        known = [*self._names(), *self._sets]
        by_bare_name = {each.rpartition("/")[2]: each for each in known}
        suggestion = (
            by_bare_name.get(name)
            or nearest(name, known)
            or by_bare_name.get(nearest(name, list(by_bare_name)), "")
        )
        return f"Did you mean {suggestion}? " if suggestion else ""

    def _add(self, content: Mapping[str, Any], source: str) -> None:
        """Add the content of a models file.

        Raises:
            UserError: it is invalid; it lists every fault.
        """
        remedy = "Use [provider.NAME], [set] and [[model]]."
        faults = [
            Fault("unknown key", f"{source}: {key}", remedy=remedy, code="models-file.unknown-key")
            for key in content
            if key not in ("provider", "model", "set")
        ]
        providers, models, sets = (
            content.get("provider", {}),
            content.get("model", []),
            content.get("set", {}),
        )
        types = {"provider": (providers, dict), "model": (models, list), "set": (sets, dict)}
        wrong = [name for name, (value, expected) in types.items() if not isinstance(value, expected)]
        if wrong:
            faults += [
                Fault("wrong type", f"{source}: {name}", remedy=remedy, code="models-file.invalid-type")
                for name in wrong
            ]
            raise UserError(
                "the models file is invalid", code="models-file.invalid", where=source, faults=faults
            )
        for name, entry in providers.items():
            wrong_keys = provider_faults(entry, self._providers.get(name), f"{source}: [provider.{name}]")
            faults += wrong_keys
            if not wrong_keys:
                self._providers[name] = parse_provider(entry, self._providers.get(name))
        for name, members in sets.items():
            if is_string_list(members) and "/" not in name:
                self._sets[name] = tuple(members)
            else:
                what, remedy = "not a set of models", 'Write name = ["provider/name", …].'
                where = f"{source}: [set] {name}"
                faults.append(Fault(what, where, repr(members), remedy, code="models-file.invalid-type"))
        for number, entry in enumerate(models, 1):
            wrong_keys = entry_faults(entry, f"{source}: [[model]] {number}")
            faults += wrong_keys
            if not wrong_keys:
                self._entries.append(parse_model_entry(entry))
        if faults:
            raise UserError(
                "the models file is invalid", code="models-file.invalid", where=source, faults=faults
            )
