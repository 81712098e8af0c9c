"""Parsing and validation of the tables of a models file: providers and models."""

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
_MINIMUM = {"verdict_tokens": 1, "max_top_logprobs": 0, "thinking_tokens": 0}


@dataclass(frozen=True, slots=True)
class Provider:
    """Connection settings of a provider.

    Attributes:
        protocol: API protocol of its models.
        base_url: address of its API; "" if it must come from the environment.
        base_url_env: environment variable that overrides the address.
        key_env: environment variable that holds the key; "" if none is needed.
        key_optional: whether requests may be sent without a key.
    """

    protocol: ApiProtocol
    base_url: str = ""
    base_url_env: str = ""
    key_env: str = ""
    key_optional: bool = False


def parse_model_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a validated `[[model]]` entry: patterns to a tuple, extra keys to canonical JSON."""
    match = (entry["match"],) if isinstance(entry["match"], str) else tuple(entry["match"])
    extra = {"extra": canonical(entry["extra"]).decode()} if "extra" in entry else {}
    return {**entry, "match": match, **extra}


def matching_entries(entries: Iterable[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    """Return the entries that match a model or the model it emulates; later ones take precedence."""
    provider, _, bare = name.partition("/")
    names = {name, f"{provider}/{bare.removeprefix(EMULATED)}"}
    return [
        entry
        for entry in entries
        if any(fnmatchcase(each, pattern) for each in names for pattern in entry["match"])
    ]


def is_string_list(value: Any) -> bool:
    """Return whether a value is a non-empty list of strings."""
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)


def parse_provider(entry: Mapping[str, Any], known: Provider | None) -> Provider:
    """Create a provider from a validated `[provider.NAME]` table, or update a known one."""
    settings = dict(entry)
    if "protocol" in settings:
        settings["protocol"] = ApiProtocol(settings["protocol"])
    return replace(known, **settings) if known else Provider(**settings)


def provider_faults(entry: Any, known: Provider | None, where: str) -> list[Fault]:
    """Return the faults of a `[provider.NAME]` table; `known` is the provider that it updates, if any."""
    hints = get_type_hints(Provider)
    if not isinstance(entry, dict):
        remedy = f"Write a table with the keys {', '.join(hints)}."
        return [Fault("not a table", where, repr(entry), remedy, code="models-file.invalid-type")]
    faults = []
    for key, value in entry.items():
        if key == "protocol":
            continue
        if key not in hints:
            remedy = f"Known keys: {', '.join(hints)}."
            faults.append(
                Fault("unknown key", f"{where} {key}", remedy=remedy, code="models-file.unknown-key")
            )
        elif type(value) is not hints[key]:
            what = f"must be of type {hints[key].__name__}"
            faults.append(Fault(what, f"{where} {key}", repr(value), code="models-file.invalid-type"))
    protocols = [protocol.value for protocol in ApiProtocol if protocol is not ApiProtocol.CONTROL]
    if entry.get("protocol", known and known.protocol.value) not in protocols:
        remedy, found = f"Choose a protocol: {', '.join(protocols)}.", repr(entry.get("protocol"))
        faults.append(Fault("unknown protocol", where, found, remedy, code="models-file.unknown-protocol"))
    return faults


def check_address(address: str, where: str) -> None:
    """Check the base URL of a provider. It is stored and printed, so it must not contain secrets.

    Args:
        where: the variable or key that holds the address, for the error message.

    Raises:
        UserError: it is not an http or https URL, or it contains a password or a query.
    """
    remedy = "Write http://HOST:PORT/PATH, and put a key into its own variable."
    if "@" in address or "?" in address:
        raise UserError(
            "the address contains a password or a query",
            code="endpoint.secret-in-address",
            where=where,
            found="a secret (not shown)",
            remedy=remedy,
        )
    try:
        parts = urlsplit(address)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or any(character.isspace() for character in address):
        raise UserError(
            "not a valid address",
            code="endpoint.invalid-address",
            where=where,
            found=repr(address),
            remedy=remedy,
        )


def entry_faults(entry: Any, where: str) -> list[Fault]:
    """Return the faults of a `[[model]]` table."""
    if not isinstance(entry, dict):
        return [Fault("not a table", where, repr(entry), code="models-file.invalid-type")]
    match = entry.get("match")
    faults = []
    if not isinstance(match, str) and not is_string_list(match):
        remedy = 'Write match = "provider/name", or a list of such patterns.'
        faults.append(Fault("no match pattern", where, remedy=remedy, code="models-file.no-match"))
    faults += lifecycle_faults(entry, where)
    if "answers" in entry and not is_string_list(entry["answers"]):
        what, found = "must be a list of names", repr(entry["answers"])
        faults.append(Fault(what, f"{where}: answers", found, code="models-file.invalid-type"))
    for key, value in entry.items():
        if key in ("match", "answers", *KEYS) or (key == "extra" and isinstance(value, dict)):
            continue
        if key not in CAPABILITY_NAMES:
            known = sorted({*CAPABILITY_NAMES, *KEYS, "answers"})
            remedy = f"Known keys: {known}."
            faults.append(
                Fault("unknown key", f"{where}: {key}", remedy=remedy, code="models-file.unknown-key")
            )
            continue
        hint = dict if key == "extra" else _HINTS[key]
        choices = get_args(hint)
        fits = value in choices if choices else type(value) is hint
        if fits and key in _MINIMUM and value < _MINIMUM[key]:
            what = f"must be at least {_MINIMUM[key]}"
            faults.append(Fault(what, f"{where}: {key}", repr(value), code="models-file.out-of-range"))
        if not fits:
            wanted = f"one of {', '.join(choices)}" if choices else f"of type {hint.__name__}"
            what = f"must be {wanted}"
            faults.append(Fault(what, f"{where}: {key}", repr(value), code="models-file.invalid-type"))
    return faults
