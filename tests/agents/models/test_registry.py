"""From a model's name to whom is asked, where, with which key, and what it accepts."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

from agents.control_judges import rules
from agents.errors import UserError
from agents.models.registry import Registry
from agents.models.spec import ApiProtocol, Capabilities

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


def faults_of(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        Registry(path, {})
    assert all(str(path) in fault.where for fault in caught.value.faults)
    return "\n".join(map(str, caught.value.faults))


# ---- the package's own file ------------------------------------------------------------------------------


def test_the_shipped_file_is_one_that_a_user_could_give(write: Write) -> None:
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
def test_a_providers_own_address_is_no_part_of_a_models_identity(
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
def test_what_models_accept(name: str, capabilities: Capabilities) -> None:
    assert Registry(None, {}).capabilities(name) == capabilities


NEWER = ("openai/gpt-5.5", "openai/gpt-6.2-sol", "google/gemini-2.5-pro", "google/gemini-4-argon")
NEWER += ("google/gemini-flash-latest", "anthropic/claude-opus-4-8", "anthropic/claude-sonnet-5-5")


@pytest.mark.parametrize("name", [*NEWER, "anthropic/claude-that-nobody-knows-yet"])
def test_a_newer_model_has_room_to_think_and_is_sent_nothing_that_it_refuses(name: str) -> None:
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


def test_an_address_from_a_file_is_another_model_too(write: Write) -> None:
    path = write(
        '[provider.openai]\nbase_url = "http://10.0.0.1/v1"\n\n'
        '[provider.mine]\nprotocol = "openai-chat"\nbase_url = "http://10.0.0.2/v1/"\n\n'
        '[provider.yours]\nprotocol = "openai-chat"\nbase_url = "http://10.0.0.3/v1"\n'
    )
    registry = Registry(path, {})
    openai, mine, yours = (registry.model(f"{name}/m") for name in ("openai", "mine", "yours"))
    assert openai.identity == "http://10.0.0.1/v1"
    assert openai.key_env == "OPENAI_API_KEY", "what is not told anew stays"
    assert mine.identity == mine.base_url == "http://10.0.0.2/v1"
    assert mine.identity != yours.identity, "two servers are never one model"


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
def test_what_is_no_address_is_told_by_its_variable(address: str) -> None:
    with pytest.raises(UserError, match=r"^OPENAI_BASE_URL: this is no address"):
        Registry(None, {"OPENAI_BASE_URL": address}).model("openai/gpt-4o")


@pytest.mark.parametrize(
    "address", ["https://me:geheim@host/v1", "https://geheim@host/v1", "http://h/v1?key=geheim"]
)
def test_an_address_with_a_secret_is_refused_and_not_shown(address: str) -> None:
    with pytest.raises(UserError) as caught:
        Registry(None, {"OPENAI_BASE_URL": address}).model("openai/gpt-4o")
    assert "geheim" not in str(caught.value)
    assert "OPENAI_BASE_URL" in str(caught.value)


def test_a_provider_without_an_address_names_its_variable() -> None:
    with pytest.raises(UserError, match=r"VLLM_BASE_URL is not set.*Set VLLM_BASE_URL"):
        Registry(None, {}).model("vllm/base")
    assert Registry(None, VLLM).model("vllm/org/base").name == "org/base"
    assert Registry(None, VLLM).model("vllm/base").identity == VLLM["VLLM_BASE_URL"]


@pytest.mark.parametrize("name", ["gpt-4o", "openai", "openai/", "/gpt-4o", "closedai/gpt", ""])
def test_what_is_no_model_is_told_how_one_is_written(name: str) -> None:
    with pytest.raises(UserError, match=r"provider/name.*openai, anthropic, google, vllm, control"):
        Registry(None, {}).model(name)


@pytest.mark.parametrize("name", ["openai/gpt-4o", "anthropic/claude", "google/gemini-2.0-flash"])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_key_names_its_variable(name: str, value: str | None) -> None:
    model = Registry(None, {}).model(name)
    environ = {} if value is None else {model.key_env: value}
    with pytest.raises(UserError, match=f"{model.key_env} is not set.*export {model.key_env}="):
        Registry(None, environ).key(model)


def test_a_key_is_found_stripped_and_not_needed_everywhere() -> None:
    environ = VLLM | {"OPENAI_API_KEY": " sk-abc \n"}
    registry = Registry(None, environ)
    assert registry.key(registry.model("openai/gpt-4o")) == "sk-abc"
    assert registry.key(registry.model("vllm/base")) == ""
    assert registry.key(registry.model("control/longer")) == ""
    assert Registry(None, environ | {"VLLM_API_KEY": "x"}).key(registry.model("vllm/base")) == "x"


@pytest.mark.parametrize("key", ["“sk-abc”", "sk-abc def", "sk-abc\ndef", "schlüssel"])
def test_what_can_be_no_key_is_told_and_not_shown(key: str) -> None:
    registry = Registry(None, {"OPENAI_API_KEY": key})
    with pytest.raises(UserError, match="OPENAI_API_KEY holds no key") as caught:
        registry.key(registry.model("openai/gpt-4o"))
    assert key not in str(caught.value)


# ---- control and emulated models -------------------------------------------------------------------------


def test_control_judges_are_models_too() -> None:
    registry = Registry(None, {})
    assert registry.model("control/ratings") == rules.model("ratings")
    with pytest.raises(UserError, match=r"'control/oracle'.*control/ratings, control/longer"):
        registry.model("control/oracle")


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
    ("text", "told"),
    [
        ("[[modle]]\nx = 1", "modle: is not known here"),
        ("model = 3", "model: has another form"),
        ("provider = []", "provider: has another form"),
        ("model = [1]", "[[model]] 1: is no table"),
        ("[[model]]\nseed = true", "[[model]] 1: has no match"),
        ("[[model]]\nmatch = 1", "[[model]] 1: has no match"),
        ('[[model]]\nmatch = "a/*"\nspeed = 1', "[[model]] 1: speed: is not known"),
        ('[[model]]\nmatch = "a/*"\nseed = "yes"', "seed: must be bool. Found: 'yes'"),
        ('[[model]]\nmatch = "a/*"\nseed = 1', "seed: must be bool. Found: 1"),
        ('[[model]]\nmatch = "a/*"\nverdict = "guess"', "must be one of logprobs, choice, json, text"),
        ('[[model]]\nmatch = "a/*"\nverdict_tokens = 0', "verdict_tokens: must be 1 or more"),
        ('[[model]]\nmatch = "a/*"\nmax_top_logprobs = -1', "max_top_logprobs: must be 0 or more"),
        ('[[model]]\nmatch = "a/*"\nextra = "x"', "extra: must be dict"),
        ("[provider]\nx = 3", "[provider.x]: is no table"),
        ('[provider.x]\nprotocol = "smtp"', "[provider.x]: has no protocol. Found: 'smtp'"),
        ('[provider.x]\nprotocol = "control"', "[provider.x]: has no protocol"),
        ('[provider.x]\nbase_url = "http://h"', "[provider.x]: has no protocol. Found: None"),
        ('[provider.openai]\nkey = "abc"', "[provider.openai] key: is not known"),
        ("[provider.openai]\nbase_url = 3", "[provider.openai] base_url: must be str. Found: 3"),
    ],
)
def test_a_fault_is_told_where_it_stands(write: Write, text: str, told: str) -> None:
    assert told in faults_of(write(text))


def test_every_fault_is_told_at_once(write: Write) -> None:
    faults = faults_of(
        write(
            'colour = "red"\n[provider.x]\nprotocol = "smtp"\n[[model]]\nseed = 1\n'
            '[[model]]\nmatch = "a/*"\nspeed = 1\n'
        )
    )
    for told in ("colour", "'smtp'", "[[model]] 1: has no match", "[[model]] 1: seed", "[[model]] 2: speed"):
        assert told in faults


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, write: Write) -> None:
    with pytest.raises(UserError, match=r"absent\.toml: the file of models cannot be read"):
        Registry(tmp_path / "absent.toml", {})
    with pytest.raises(UserError, match=r"mine\.toml.*line 1"):
        Registry(write("match = = 1"), {})
    write("").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="cannot be read"):
        Registry(tmp_path / "mine.toml", {})
