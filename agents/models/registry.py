"""From a model's written name to a `Model`: `models.toml`, the user's own file over it, the environment.

Reads names and addresses; looks a key up only when the model is about to be asked.
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
    """All models that can be named.

    Args:
        user_file: a file of the same form as `models.toml`, read after it.
        environ: the environment, for addresses and keys.

    Raises:
        UserError: the file cannot be used; every fault at once.
    """

    def __init__(self, user_file: Path | None, environ: Mapping[str, str]) -> None:
        own = resources.files("agents.models").joinpath("models.toml").read_text(encoding="utf-8")
        self._environ = environ
        self._providers: dict[str, Provider] = {}
        self._entries: list[dict[str, Any]] = []
        self._sets: dict[str, tuple[str, ...]] = {}
        self._add(tomllib.loads(own), "models.toml")
        self._own = {name: provider.base_url for name, provider in self._providers.items()}
        self._shipped = len(self._entries)
        if user_file is not None:
            form = "See agents/models/models.toml for its form."
            self._add(
                parse_toml(read_text(user_file, "the file of models"), str(user_file), form), str(user_file)
            )

    def model(self, name: str) -> Model:
        """The model written `provider/name`, at the address that the environment gives.

        Raises:
            UserError: there is no such provider, or its address is not known.
        """
        provider_name, slash, model_name = name.partition("/")
        if provider_name == "control":
            return rules.model(model_name)
        provider = self._providers.get(provider_name)
        if provider is None or not slash or not model_name:
            raise UserError(
                "a model is written provider/name",
                found=repr(name),
                remedy=f"{self._meant(name)}Providers: {', '.join([*self._providers, 'control'])}; for "
                f"example {', '.join(self._sets.get(LIVING, ())[:2])}, control/ratings. "
                f"Sets of models: {', '.join(self._sets)}.",
            )
        given = self._environ.get(provider.base_url_env, "").rstrip("/")
        if not given and not provider.base_url:
            raise UserError(
                f"where {provider_name} answers is not known",
                found=f"{provider.base_url_env} is not set",
                remedy=f"Set {provider.base_url_env}, for example to http://127.0.0.1:8000/v1.",
            )
        address = given or provider.base_url.rstrip("/")
        check_address(address, provider.base_url_env if given else f"[provider.{provider_name}] base_url")
        own = address == self._own.get(provider_name)
        return Model(
            provider=provider_name,
            name=model_name,
            protocol=provider.protocol,
            capabilities=self.capabilities(name),
            base_url=address,
            key_env=provider.key_env,
            identity="" if own else address,
            answers=self._answers(name),
            lifecycle=self.lifecycle(name, own=own),
        )

    def expanded(self, names: Iterable[str]) -> tuple[str, ...]:
        """The names with every named set (`paper-judges`) in place of its name; each model once."""
        return tuple(dict.fromkeys(each for name in names for each in self._sets.get(name, (name,))))

    def lifecycle(self, name: str, *, own: bool = True) -> Lifecycle | None:
        """What is known of a model's end; None where nothing is.

        Args:
            own: whether it is asked at its provider's own address; elsewhere only the user's file counts.
        """
        entries = self._entries if own else self._entries[self._shipped :]
        stating = [entry for entry in matching_entries(entries, name) if KEYS & set(entry)]
        return parse_lifecycle(stating[-1]) if stating else None

    def hint(self, name: str) -> str:
        """A known model's name that `name` may be a slip of; "" where it is known, or near to none."""
        if name in self._names() or "/" not in name:
            return ""
        return nearest(name, self._names())

    def emulated(self, model: Model, root_url: str, definition: str) -> Model:
        """The emulator's stand-in for a model: another name, at `root_url`, known by its definition."""
        if model.protocol is ApiProtocol.CONTROL:
            return model
        below = {ApiProtocol.ANTHROPIC_MESSAGES: "", ApiProtocol.GEMINI_GENERATE: "/v1beta"}
        name = model.name if model.name.startswith(EMULATED) else EMULATED + model.name
        base_url = root_url + below.get(model.protocol, "/v1")
        return replace(model, name=name, base_url=base_url, key_env="", identity=definition)

    def capabilities(self, name: str) -> Capabilities:
        """What a model accepts; an emulated model accepts what the model it emulates does."""
        told: dict[str, Any] = {}
        for entry in matching_entries(self._entries, name):
            told |= {key: value for key, value in entry.items() if key in CAPABILITY_NAMES}
        return Capabilities(**told)

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

    def keys(self, models: Iterable[Model]) -> dict[Model, str]:
        """The key of every model, as `key`.

        Raises:
            UserError: some are missing or are no keys; every one at once.
        """
        found: dict[Model, str] = {}
        wrong: dict[str, UserError] = {}
        for model in models:
            try:
                found[model] = self.key(model)
            except UserError as error:
                wrong.setdefault(model.key_env, error)
        if len(wrong) > 1:
            raise UserError("these models need keys", faults=[error.fault for error in wrong.values()])
        for only in wrong.values():
            raise only
        return found

    def _answers(self, name: str) -> tuple[str, ...]:
        """Other names under which a model may answer."""
        found = [each for entry in matching_entries(self._entries, name) for each in entry.get("answers", ())]
        return tuple(dict.fromkeys(found))

    def _names(self) -> list[str]:
        """Every model that a file names in full."""
        patterns = [each for entry in self._entries for each in entry["match"] if "*" not in each]
        return list(dict.fromkeys([*patterns, *(each for of in self._sets.values() for each in of)]))

    def _meant(self, name: str) -> str:
        """What somebody may have meant who wrote no model's name."""
        known = [*self._names(), *self._sets]
        bare = {each.rpartition("/")[2]: each for each in known}
        meant = bare.get(name) or nearest(name, known) or bare.get(nearest(name, list(bare)), "")
        return f"Did you mean {meant}? " if meant else ""

    def _add(self, told: Mapping[str, Any], source: str) -> None:
        faults = [
            Fault("is not known here", f"{source}: {key}", remedy="Use [provider.NAME], [set] and [[model]].")
            for key in told
            if key not in ("provider", "model", "set")
        ]
        providers, models, sets = told.get("provider", {}), told.get("model", []), told.get("set", {})
        forms = {"provider": (providers, dict), "model": (models, list), "set": (sets, dict)}
        wrong = [name for name, (value, form) in forms.items() if not isinstance(value, form)]
        if wrong:
            remedy = "See agents/models/models.toml."
            faults += [Fault("has another form", f"{source}: {name}", remedy=remedy) for name in wrong]
            raise UserError("this file of models cannot be used", where=source, faults=faults)
        for name, entry in providers.items():
            wrong_keys = provider_faults(entry, self._providers.get(name), f"{source}: [provider.{name}]")
            faults += wrong_keys
            if not wrong_keys:
                self._providers[name] = parse_provider(entry, self._providers.get(name))
        for name, members in sets.items():
            if is_string_list(members) and "/" not in name:
                self._sets[name] = tuple(members)
            else:
                remedy = 'Write: name = ["provider/name", …]'
                faults.append(Fault("is no set of models", f"{source}: [set] {name}", repr(members), remedy))
        for number, entry in enumerate(models, 1):
            wrong_keys = entry_faults(entry, f"{source}: [[model]] {number}")
            faults += wrong_keys
            if not wrong_keys:
                self._entries.append(parse_model_entry(entry))
        if faults:
            raise UserError("this file of models cannot be used", where=source, faults=faults)
