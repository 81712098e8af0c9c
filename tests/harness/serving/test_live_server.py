"""Loading of adapters into a running server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents.models.spec import ApiProtocol, Model
from harness.serving.live_server import cached_adapters, load_missing_adapters
from serve.lora_adapter import LoraAdapter, read_adapter
from serve.vllm_server import VllmServer
from tests.errors import user_error
from tests.serve.test_lora_adapter import write


class RecordingServer(VllmServer):
    """Server double that records the adapters it loads and unloads."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self.there: dict[str, dict[str, Any]] = {"base": {"root": "base"}}
        self.calls: list[str] = []

    def models(self) -> dict[str, dict[str, Any]]:
        return dict(self.there)

    def load(self, name: str, folder: Path) -> None:
        assert name not in self.there
        self.there[name] = {"root": str(folder.resolve())}
        self.calls.append(f"load {name}")

    def unload(self, name: str) -> None:
        del self.there[name]
        self.calls.append(f"unload {name}")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def student(value: float, folder: str = "a") -> LoraAdapter:
    return read_adapter("student:a", write(Path(folder), value))


MODELS = [Model("vllm", name, ApiProtocol.OPENAI_COMPLETIONS) for name in ("base", "student:a")]


@pytest.mark.parametrize("trusted", [True, False])
def test_missing_adapters_are_loaded_once_and_retrained_ones_replaced(trusted: bool) -> None:
    server = RecordingServer()
    for _ in range(2):
        load_missing_adapters(server, [student(1.0)], MODELS, trusted=trusted)
    assert server.calls == ["load student:a"]
    path = server.there["student:a"]["root"]
    load_missing_adapters(server, [student(2.0, "b")], MODELS, trusted=trusted)
    assert server.calls[1:] == ["unload student:a", "load student:a"]
    assert server.there["student:a"]["root"] != path  # otherwise the server would keep its prefix cache


def test_adapters_of_a_foreign_server_are_kept() -> None:
    server = RecordingServer()
    server.load("student:a", Path("theirs"))
    load_missing_adapters(server, [student(1.0)], MODELS, trusted=False)
    assert server.calls == ["load student:a"]
    load_missing_adapters(server, [student(1.0)], MODELS, trusted=True)
    assert server.there["student:a"]["root"] == str(cached_adapters([student(1.0)])[0].folder.resolve())


def test_server_without_the_model_is_refused() -> None:
    with user_error("server.model-not-served", found="another"):
        load_missing_adapters(
            RecordingServer(), [], [Model("vllm", "another", ApiProtocol.OPENAI_COMPLETIONS)], trusted=False
        )
