"""A models file's tables, checked: providers, and what is stated of models. Pure values and their faults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from typing import Any, get_args, get_type_hints
from urllib.parse import urlsplit

from agents.errors import Fault, UserError
from agents.hashing import canonical
from agents.models.lifecycle import KEYS, lifecycle_faults
from agents.models.spec import EMULATED, ApiProtocol, Capabilities

CAPABILITY_NAMES = {field.name for field in fields(Capabilities)}
_HINTS = get_type_hints(Capabilities)
_LEAST = {"verdict_tokens": 1, "max_top_logprobs": 0, "thinking_tokens": 0}


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a provider's models are asked, and which variables of the environment say so."""

    protocol: ApiProtocol
    base_url: str = ""
    base_url_env: str = ""
    key_env: str = ""
    key_optional: bool = False


def parse_model_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A checked entry with its patterns as a tuple and its extra keys as canonical JSON."""
    match = (entry["match"],) if isinstance(entry["match"], str) else tuple(entry["match"])
    extra = {"extra": canonical(entry["extra"]).decode()} if "extra" in entry else {}
    return {**entry, "match": match, **extra}


def matching_entries(entries: Iterable[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    """The entries for a model, by its own name or by that of the model that it emulates; the last decides."""
    provider, _, bare = name.partition("/")
    names = {name, f"{provider}/{bare.removeprefix(EMULATED)}"}
    return [
        entry
        for entry in entries
        if any(fnmatchcase(each, pattern) for each in names for pattern in entry["match"])
    ]


def is_string_list(value: Any) -> bool:
    """Whether a value is a list of one text or more."""
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)


def parse_provider(entry: Mapping[str, Any], known: Provider | None) -> Provider:
    """A provider as told; one that is known already keeps what is not told anew."""
    given = dict(entry)
    if "protocol" in given:
        given["protocol"] = ApiProtocol(given["protocol"])
    return replace(known, **given) if known else Provider(**given)


def provider_faults(entry: Any, known: Provider | None, where: str) -> list[Fault]:
    """What is wrong with a `[provider.NAME]` table, which may add to one that is known."""
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
    protocols = [protocol.value for protocol in ApiProtocol if protocol is not ApiProtocol.CONTROL]
    if entry.get("protocol", known and known.protocol.value) not in protocols:
        remedy = f"Protocols: {', '.join(protocols)}."
        faults.append(Fault("has no protocol", where, repr(entry.get("protocol")), remedy))
    return faults


def check_address(address: str, where: str) -> None:
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


def entry_faults(entry: Any, where: str) -> list[Fault]:
    """What is wrong with a `[[model]]` table."""
    if not isinstance(entry, dict):
        return [Fault("is no table", where, repr(entry))]
    match = entry.get("match")
    faults = [] if isinstance(match, str) or is_string_list(match) else [Fault("has no match", where)]
    faults += lifecycle_faults(entry, where)
    if "answers" in entry and not is_string_list(entry["answers"]):
        faults.append(Fault("must be a list of names", f"{where}: answers", repr(entry["answers"])))
    for key, value in entry.items():
        if key in ("match", "answers", *KEYS) or (key == "extra" and isinstance(value, dict)):
            continue
        if key not in CAPABILITY_NAMES:
            known = sorted({*CAPABILITY_NAMES, *KEYS, "answers"})
            faults.append(Fault("is not known", f"{where}: {key}", remedy=f"Known: {known}."))
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
