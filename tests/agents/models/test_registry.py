"""Model registry: provider, address, key and capabilities of a model name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

from agents.control_judges import rules
from agents.models.registry import Registry
from agents.models.spec import ApiProtocol, Capabilities
from tests.errors import user_error

Write = Callable[[str], Path]
OWN = tomllib.loads(resources.files("agents.models").joinpath("models.toml").read_text(encoding="utf-8"))
VLLM = {"VLLM_BASE_URL": "http://127.0.0.1:8000/v1"}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a user's file of models."""

    def file(text: str) -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return file


def load_faults(path: Path) -> list[tuple[str, str, str]]:
    """Load a file with faults; return (code, where within the file, found) of each."""
    with user_error("models-file.invalid") as error:
        Registry(path, {})
    assert all(str(path) in fault.where for fault in error.faults)
    return [(fault.code, fault.where.removeprefix(f"{path}: "), fault.found) for fault in error.faults]


# ---- the package's own file ------------------------------------------------------------------------------


def test_the_package_file_is_a_valid_user_file(write: Write) -> None:
    path = write(resources.files("agents.models").joinpath("models.toml").read_text(encoding="utf-8"))
    own, again = Registry(None, VLLM), Registry(path, VLLM)
    for name in ("openai/gpt-4o", "google/gemini-2.5-pro", "anthropic/claude-x", "vllm/base", "openai/o3"):
        assert again.model(name) == own.model(name)


@pytest.mark.parametrize(
    ("name", "protocol", "base_url", "key_env"),
    [
        ("openai/gpt-4o", ApiProtocol.OPENAI_CHAT, "https://api.openai.com/v1", "OPENAI_API_KEY"),
        (
            "anthropic/claude-sonnet-4-5",
            ApiProtocol.ANTHROPIC_MESSAGES,
            "https://api.anthropic.com",
            "ANTHROPIC_API_KEY",
        ),
        (
            "google/gemini-2.0-flash",
            ApiProtocol.GEMINI_GENERATE,
            "https://generativelanguage.googleapis.com/v1beta",
            "GEMINI_API_KEY",
        ),
    ],
)
def test_a_providers_own_address_is_not_part_of_the_identity(
    name: str, protocol: ApiProtocol, base_url: str, key_env: str
) -> None:
    model = Registry(None, {}).model(name)
    assert model.id == name
    assert (model.protocol, model.base_url, model.key_env, model.identity) == (
        protocol,
        base_url,
        key_env,
        "",
    )


@pytest.mark.parametrize(
    ("name", "capabilities"),
    [
        ("openai/gpt-4o", Capabilities(seed=True, max_top_logprobs=20, verdict="logprobs", verdict_tokens=5)),
        (
            "openai/gpt-4.1-mini",
            Capabilities(seed=True, max_top_logprobs=20, verdict="logprobs", verdict_tokens=5),
        ),
        (
            "openai/o4-mini",
            Capabilities(
                "max_completion_tokens",
                temperature=False,
                seed=True,
                thinking=True,
                verdict="json",
                verdict_tokens=4096,
            ),
        ),
        (
            "google/gemini-2.0-flash",
            Capabilities(seed=True, max_top_logprobs=20, verdict="logprobs", verdict_tokens=5),
        ),
        ("google/gemini-2.5-flash", Capabilities(seed=True, extra='{"thinkingConfig":{"thinkingBudget":0}}')),
        ("google/gemini-1.5-pro", Capabilities(seed=True)),
        ("google/gemma-4-31b-it", Capabilities(seed=True)),
        ("anthropic/claude-sonnet-4-5", Capabilities()),
        ("anthropic/claude-opus-4-20250514", Capabilities()),
        ("anthropic/claude-3-5-haiku-latest", Capabilities()),
        ("openai/some/model", Capabilities(seed=True, verdict_tokens=2048)),
        ("openai/deepseek-reasoner", Capabilities(seed=True, verdict_tokens=4096)),
        (
            "vllm/any/model",
            Capabilities(seed=True, max_top_logprobs=20, verdict="choice", verdict_tokens=4096),
        ),
        ("vllm/Llama-2-7b", Capabilities(seed=True, max_top_logprobs=20, verdict="choice", verdict_tokens=5)),
        ("unheard/of", Capabilities()),
    ],
)
def test_capabilities_of_shipped_models(name: str, capabilities: Capabilities) -> None:
    assert Registry(None, {}).capabilities(name) == capabilities


NEWER = ("openai/gpt-5.5", "openai/gpt-6.2-sol", "google/gemini-2.5-pro", "google/gemini-4-argon")
NEWER += ("google/gemini-flash-latest", "anthropic/claude-opus-4-8", "anthropic/claude-sonnet-5-5")


@pytest.mark.parametrize("name", [*NEWER, "anthropic/claude-that-nobody-knows-yet"])
def test_a_newer_model_gets_a_thinking_budget_and_only_accepted_parameters(name: str) -> None:
    capabilities = Registry(None, {}).capabilities(name)
    assert capabilities.thinking
    assert capabilities.verdict_tokens >= 1024
    assert capabilities.verdict in ("json", "text")
    assert capabilities.temperature == name.startswith("google/")
    assert capabilities.token_limit == (
        "max_completion_tokens" if name.startswith("openai/") else "max_tokens"
    )


def test_every_entry_fits_its_provider() -> None:
    providers = set(OWN["provider"])
    registry = Registry(None, VLLM)
    patterns = [
        pattern
        for entry in OWN["model"]
        for pattern in ([entry["match"]] if isinstance(entry["match"], str) else entry["match"])
    ]
    for pattern in patterns:
        provider = pattern.partition("/")[0]
        assert provider in providers
        capabilities = registry.model(
            re.sub(r"\[.(?:-.|)*(.)\]", r"\1", pattern).replace("*", "x")
        ).capabilities
        assert capabilities.verdict != "logprobs" or capabilities.max_top_logprobs > 0
        assert capabilities.verdict != "choice" or provider == "vllm"
        assert not capabilities.thinking or capabilities.verdict_tokens >= 1024


# ---- addresses and keys ----------------------------------------------------------------------------------


def test_another_address_is_another_model() -> None:
    model = Registry(None, {"OPENAI_BASE_URL": "http://127.0.0.1:8080/v1/"}).model("openai/gpt-4o")
    assert model.base_url == model.identity == "http://127.0.0.1:8080/v1"
    assert (
        Registry(None, {"OPENAI_BASE_URL": "https://api.openai.com/v1/"}).model("openai/gpt-4o").identity
        == ""
    )


def test_an_address_from_a_file_is_another_model(write: Write) -> None:
    path = write(
        '[provider.openai]\nbase_url = "http://10.0.0.1/v1"\n\n'
        '[provider.mine]\nprotocol = "openai-chat"\nbase_url = "http://10.0.0.2/v1/"\n\n'
        '[provider.yours]\nprotocol = "openai-chat"\nbase_url = "http://10.0.0.3/v1"\n'
    )
    registry = Registry(path, {})
    openai, mine, yours = (registry.model(f"{name}/m") for name in ("openai", "mine", "yours"))
    assert openai.identity == "http://10.0.0.1/v1"
    assert openai.key_env == "OPENAI_API_KEY", "settings that the file omits are kept"
    assert mine.identity == mine.base_url == "http://10.0.0.2/v1"
    assert mine.identity != yours.identity, "different servers are different models"


@pytest.mark.parametrize(
    "address",
    [
        "localhost:8000",
        "ftp://host/v1",
        "http://",
        "http:///v1",
        "http://host:port",
        "http://host:70000",
        "http://a b/v1",
        "http://[::1",
        "file:///etc/hosts",
    ],
)
def test_an_invalid_address_is_rejected(address: str) -> None:
    with user_error("endpoint.invalid-address", where="OPENAI_BASE_URL"):
        Registry(None, {"OPENAI_BASE_URL": address}).model("openai/gpt-4o")


@pytest.mark.parametrize(
    "address", ["https://me:geheim@host/v1", "https://geheim@host/v1", "http://h/v1?key=geheim"]
)
def test_an_address_with_a_secret_is_rejected_and_not_shown(address: str) -> None:
    with user_error("endpoint.secret-in-address", where="OPENAI_BASE_URL") as error:
        Registry(None, {"OPENAI_BASE_URL": address}).model("openai/gpt-4o")
    assert "geheim" not in str(error.value)


def test_a_provider_without_an_address_names_its_variable() -> None:
    with user_error("endpoint.no-address", where="VLLM_BASE_URL"):
        Registry(None, {}).model("vllm/base")
    assert Registry(None, VLLM).model("vllm/org/base").name == "org/base"
    assert Registry(None, VLLM).model("vllm/base").identity == VLLM["VLLM_BASE_URL"]


@pytest.mark.parametrize("name", ["gpt-4o", "openai", "openai/", "/gpt-4o", "closedai/gpt", ""])
def test_an_unknown_model_lists_the_providers(name: str) -> None:
    with user_error("model.unknown", found=repr(name)) as error:
        Registry(None, {}).model(name)
    assert "openai, anthropic, google, vllm, control" in error.fault.remedy


@pytest.mark.parametrize("name", ["openai/gpt-4o", "anthropic/claude", "google/gemini-2.0-flash"])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_key_names_its_variable(name: str, value: str | None) -> None:
    model = Registry(None, {}).model(name)
    environ = {} if value is None else {model.key_env: value}
    with user_error("key.missing", where=model.key_env) as error:
        Registry(None, environ).key(model)
    assert f"export {model.key_env}=" in error.fault.remedy


def test_a_key_is_stripped_and_optional_for_some_models() -> None:
    environ = VLLM | {"OPENAI_API_KEY": " sk-abc \n"}
    registry = Registry(None, environ)
    assert registry.key(registry.model("openai/gpt-4o")) == "sk-abc"
    assert registry.key(registry.model("vllm/base")) == ""
    assert registry.key(registry.model("control/longer")) == ""
    assert Registry(None, environ | {"VLLM_API_KEY": "x"}).key(registry.model("vllm/base")) == "x"


@pytest.mark.parametrize("key", ["“sk-abc”", "sk-abc def", "sk-abc\ndef", "schlüssel"])
def test_an_invalid_key_is_rejected_and_not_shown(key: str) -> None:
    registry = Registry(None, {"OPENAI_API_KEY": key})
    with user_error("key.invalid", where="OPENAI_API_KEY") as error:
        registry.key(registry.model("openai/gpt-4o"))
    assert key not in str(error.value)


# ---- control and emulated models -------------------------------------------------------------------------


def test_control_judges_are_models_too() -> None:
    registry = Registry(None, {})
    assert registry.model("control/ratings") == rules.model("ratings")
    with user_error("judge.unknown-control", found="'control/oracle'") as error:
        registry.model("control/oracle")
    assert "control/ratings, control/longer" in error.fault.remedy


@pytest.mark.parametrize(
    ("name", "base_url"),
    [
        ("openai/gpt-4o", "http://e/v1"),
        ("anthropic/claude-sonnet-4-5", "http://e"),
        ("google/gemini-2.0-flash", "http://e/v1beta"),
        ("vllm/llama-3.1-8b", "http://e/v1"),
    ],
)
def test_an_emulated_model_is_another_model_that_accepts_the_same(name: str, base_url: str) -> None:
    registry = Registry(None, VLLM)
    model = registry.model(name)
    emulated = registry.emulated(model, "http://e", "emulator-1:abc")
    assert emulated.name == f"emulated-{model.name}"
    assert (emulated.base_url, emulated.key_env, emulated.identity) == (base_url, "", "emulator-1:abc")
    assert emulated.capabilities == model.capabilities == registry.capabilities(emulated.id)
    assert registry.emulated(emulated, "http://e", "emulator-1:abc") == emulated
    assert registry.key(emulated) == ""


def test_a_control_judge_needs_no_emulation() -> None:
    registry = Registry(None, {})
    assert registry.emulated(registry.model("control/first"), "http://e", "x") == rules.model("first")


# ---- a user's file ---------------------------------------------------------------------------------------


def test_a_users_file_is_read_after_the_packages_and_the_later_entry_decides(write: Write) -> None:
    path = write(
        '[[model]]\nmatch = "openai/gpt-4o*"\nverdict = "json"\nverdict_tokens = 40\n\n'
        '[[model]]\nmatch = "openai/gpt-4o-mini"\nverdict_tokens = 50\n'
        'extra = { reasoning_effort = "low", b = [1, 2] }\n'
    )
    registry = Registry(path, {})
    assert registry.capabilities("openai/gpt-4o") == Capabilities(
        seed=True, max_top_logprobs=20, verdict="json", verdict_tokens=40
    )
    mini = registry.capabilities("openai/gpt-4o-mini")
    assert (mini.verdict, mini.verdict_tokens) == ("json", 50)
    assert mini.extra == '{"b":[1,2],"reasoning_effort":"low"}'
    assert registry.capabilities("openai/gpt-4.1") == Registry(None, {}).capabilities("openai/gpt-4.1")


@pytest.mark.parametrize(
    ("text", "code", "where", "found"),
    [
        ("[[modle]]\nx = 1", "unknown-key", "modle", ""),
        ("model = 3", "invalid-type", "model", ""),
        ("provider = []", "invalid-type", "provider", ""),
        ("model = [1]", "invalid-type", "[[model]] 1", "1"),
        ("[[model]]\nseed = true", "no-match", "[[model]] 1", ""),
        ("[[model]]\nmatch = 1", "no-match", "[[model]] 1", ""),
        ('[[model]]\nmatch = "a/*"\nspeed = 1', "unknown-key", "[[model]] 1: speed", ""),
        ('[[model]]\nmatch = "a/*"\nseed = "yes"', "invalid-type", "[[model]] 1: seed", "'yes'"),
        ('[[model]]\nmatch = "a/*"\nseed = 1', "invalid-type", "[[model]] 1: seed", "1"),
        ('[[model]]\nmatch = "a/*"\nverdict = "guess"', "invalid-type", "[[model]] 1: verdict", "'guess'"),
        ('[[model]]\nmatch = "a/*"\nverdict_tokens = 0', "out-of-range", "[[model]] 1: verdict_tokens", "0"),
        (
            '[[model]]\nmatch = "a/*"\nmax_top_logprobs = -1',
            "out-of-range",
            "[[model]] 1: max_top_logprobs",
            "-1",
        ),
        ('[[model]]\nmatch = "a/*"\nextra = "x"', "invalid-type", "[[model]] 1: extra", "'x'"),
        ("[provider]\nx = 3", "invalid-type", "[provider.x]", "3"),
        ('[provider.x]\nprotocol = "smtp"', "unknown-protocol", "[provider.x]", "'smtp'"),
        ('[provider.x]\nprotocol = "control"', "unknown-protocol", "[provider.x]", "'control'"),
        ('[provider.x]\nbase_url = "http://h"', "unknown-protocol", "[provider.x]", "None"),
        ('[provider.openai]\nkey = "abc"', "unknown-key", "[provider.openai] key", ""),
        ("[provider.openai]\nbase_url = 3", "invalid-type", "[provider.openai] base_url", "3"),
    ],
)
def test_a_fault_names_its_place(write: Write, text: str, code: str, where: str, found: str) -> None:
    assert (f"models-file.{code}", where, found) in load_faults(write(text))


def test_all_faults_are_reported_together(write: Write) -> None:
    faults = load_faults(
        write(
            'colour = "red"\n[provider.x]\nprotocol = "smtp"\n[[model]]\nseed = 1\n'
            '[[model]]\nmatch = "a/*"\nspeed = 1\n'
        )
    )
    assert [(code, where) for code, where, _ in faults] == [
        ("models-file.unknown-key", "colour"),
        ("models-file.unknown-protocol", "[provider.x]"),
        ("models-file.no-match", "[[model]] 1"),
        ("models-file.invalid-type", "[[model]] 1: seed"),
        ("models-file.unknown-key", "[[model]] 2: speed"),
    ]


def test_an_unreadable_file_is_rejected(tmp_path: Path, write: Write) -> None:
    with user_error("file.unreadable", where=str(tmp_path / "absent.toml")):
        Registry(tmp_path / "absent.toml", {})
    with user_error("file.not-toml", where=str(tmp_path / "mine.toml")) as error:
        Registry(write("match = = 1"), {})
    assert "line 1" in error.fault.found
    write("").write_bytes(b"\xff\xfe")
    with user_error("file.not-utf8"):
        Registry(tmp_path / "mine.toml", {})
