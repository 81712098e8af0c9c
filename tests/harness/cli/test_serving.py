"""`serve plan`, `respond student:…`, `bench` and its gate, with a stand-in for whatever answers."""

from __future__ import annotations

import contextlib
import json
import re
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from agents.clients.base import ModelRequest
from agents.messages import Completion, FinishReason
from agents.student_prompt import rendering
from finetune.checkpoint import hash_file, weights_id
from harness.serving import live_server
from harness.serving import options as serving_options
from harness.serving.backends import InferenceBackend
from harness.workflows import generate_students
from tests.harness.cli.contests import contests

Run = Callable[..., Any]
CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 512,
    "max_position_embeddings": 2048,
    "dtype": "float32",
}


def adapter(folder: Path, value: float) -> None:
    """A LoRA adapter of one layer."""
    at = "base_model.model.model.layers.0.self_attn.q_proj.lora"
    shapes, header, end = {f"{at}_A.weight": [8, 64], f"{at}_B.weight": [64, 8]}, {}, 0
    for name, shape in shapes.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + 2048]}
        end += 2048
    record_data = json.dumps(header).encode()
    content = struct.pack("<Q", len(record_data)) + record_data + struct.pack("<f", value) * 1024
    (folder / "adapter_model.safetensors").write_bytes(content)
    config = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(config))


def base_weights(path: Path) -> None:
    """What `adapter` stands on."""
    header = {
        "model.layers.0.self_attn.q_proj.weight": {
            "dtype": "F32",
            "shape": [64, 64],
            "data_offsets": [0, 16384],
        }
    }
    record_data = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(record_data)) + record_data + bytes(16384))


def student(name: str, value: float = 1.0) -> Path:
    """A checkpoint of `tiny-base`, in the working folder."""
    folder, base = Path("checkpoints") / name, Path("tiny-base")
    folder.mkdir(parents=True)
    adapter(folder, value)
    record = {
        "kind": "empathy-checkpoint",
        "version": 1,
        "name": name,
        "stage": "dpo",
        "base": {"name": str(base), "revision": "", "weights": weights_id(base)},
        "form": "plain",
        "rendering": rendering().id,
        "adapter": hash_file(folder / "adapter_model.safetensors"),
        "data": {},
        "settings": {},
        "parent": None,
    }
    (folder / "checkpoint.json").write_text(json.dumps(record))
    return folder


@pytest.fixture
def asked(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> list[ModelRequest]:
    """A base and two students; what they are asked. A student says more than its base, `brief` less."""
    base = Path("tiny-base")
    base.mkdir()
    (base / "config.json").write_text(json.dumps(CONFIG))
    (base / "tokenizer.json").write_text("{}")
    base_weights(base / "model.safetensors")
    student("long", 1.0)
    student("brief", 2.0)
    calls: list[ModelRequest] = []
    words = {"student:long": 40, "base:tiny-base": 20, "student:brief": 5}

    class Client:
        async def complete(self, call: ModelRequest) -> Completion:
            calls.append(call)
            return Completion(" word" * words[call.model.name], FinishReason.STOP)

        async def close(self) -> None:
            """Nothing."""

    @contextlib.asynccontextmanager
    async def opened(
        who: Any, part: Sequence[Any], how: Any, models: Any, dtype: str
    ) -> AsyncIterator[InferenceBackend]:
        yield InferenceBackend(lambda model: Client())

    monkeypatch.setattr(generate_students, "open_backend", opened)
    return calls


def test_a_memory_plan_for_the_default_gpu(empathy: Run) -> None:
    record_data = empathy("serve", "plan", "--base", "meta-llama/Llama-3.1-8B", "--adapters", "4", "--json")
    assert record_data.code == 0
    assert record_data.data["weights_gib"] == 14.96
    assert record_data.data["cache_kib_per_token"] == 128
    assert record_data.data["memory_gib"] == 23.99
    assert record_data.data["max_loras"] == 4
    small = empathy("serve", "plan", "--base", "meta-llama/Llama-3.1-8B", "--memory-mib", "16000")
    assert small.code == 1
    assert "Suggestions: " in small.out


def test_a_plan_reads_adapters_expanded_by_the_shell(empathy: Run, asked: list[ModelRequest]) -> None:
    words = ("serve", "plan", "--base", "tiny-base", "--students", "checkpoints/brief", "checkpoints/long")
    record_data = empathy(*words, "--dtype", "fp32", "--json")
    assert (
        record_data.data["max_loras"],
        record_data.data["max_lora_rank"],
        record_data.data["max_model_len"],
    ) == (2, 8, 2048)
    assert empathy("serve", "plan", "--students", "nowhere").code == 2
    adapter(Path("checkpoints/long"), float("nan"))
    broken = empathy(*words)
    assert broken.code == 2
    assert "adapter.non-finite-weights" in broken.codes


def test_serve_names_a_missing_dependency(empathy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve.vllm_server.find_spec", lambda name: None)
    record_data = empathy("serve", "--base", "tiny-base")
    assert record_data.code == 2
    assert "pip install" in record_data.err
    assert "serve plan" in empathy("serve", "--help").out


def test_students_respond_and_everything_is_remembered(empathy: Run, asked: list[ModelRequest]) -> None:
    words = ("respond", "student:long", "base", "--data", "sample", "--limit", "4", "--quiet", "--json")
    record_data = empathy(*words)
    assert record_data.code == 0, record_data.err
    assert [one["author"] for one in record_data.data["response_sets"]] == ["student:long", "base:tiny-base"]
    made = json.loads(record_data.data["response_sets"][0]["provenance"])
    assert made["cut"] == "first-turn-97-words-2"
    assert "the model's own" not in made["sampling"].values()
    assert len(asked) == 8
    assert empathy(*words).data["models"]["vllm/student:long"]["made"] == 0
    assert len(asked) == 8
    dry = empathy("respond", "student:brief", "--data", "sample", "--limit", "4", "--dry-run", "--json")
    assert [one["calls"] for one in dry.data["models"]] == [4]


def test_mistakes_of_respond(empathy: Run, asked: list[ModelRequest]) -> None:
    known = ("--data", "sample", "--quiet")
    for words, record_data in (
        (("respond", "student:nobody"), "checkpoint.unknown-student"),
        (("respond", "base", "--preset", "mine"), "--preset"),
        (("respond", "base", "--temperature", "1"), "option.conflict"),
        (("respond", "base", "--offline", "--with", "transformers"), "option.conflict"),
        (("respond", "base", "--students", "nowhere"), "--students"),
    ):
        done = empathy(*words, *known)
        assert done.code == 2
        assert record_data in done.err
        assert "Traceback" not in done.err


BENCH = ("--judge", "control/longer", "--data", "sample", "--split", "train", "--limit", "24", "--quiet")


@pytest.mark.parametrize(
    ("name", "bound", "code"), [("long", "0.55", 0), ("brief", "0.55", 1), ("long", "0.999", 3)]
)
def test_a_gate(empathy: Run, asked: list[ModelRequest], name: str, bound: str, code: int) -> None:
    done = empathy("bench", f"checkpoints/{name}", *BENCH, "--require", f"win_rate>{bound}")
    assert done.code == code, done.err
    assert "interval [" in done.out


def test_a_gate_as_data(empathy: Run, asked: list[ModelRequest]) -> None:
    done = empathy("bench", "checkpoints/long", *BENCH, "--require", "win_rate>0.55", "--json")
    gate = done.data["gates"]["win_rate>0.55"]
    ((judge, held),) = gate["judges"].items()
    contest = contests(done.data["contests"]["base"])[0]
    assert judge == contest["judge"]
    assert (gate["bound"], gate["decision"]) == (0.55, "passed")
    assert held["missing_lost"] == {"low": contest["low"], "high": contest["high"]}


def test_a_bench_reuses_what_is_known_and_writes_its_pages(empathy: Run, asked: list[ModelRequest]) -> None:
    words = (
        "bench",
        "checkpoints/long",
        *BENCH,
        "--against",
        "dataset:human",
        "--report",
        "new.html",
        "--json",
    )
    record_data = empathy(*words)
    assert record_data.code == 0, record_data.err
    assert list(record_data.data["contests"]) == ["base", "dataset:human"]
    assert record_data.data["contests"]["base"]["spec"]["split"] == "train"
    assert Path("new.html").is_file()
    assert Path("new-dataset-human.html").is_file()
    assert len(asked) == 48
    assert empathy(*words).data["contests"] != {}
    assert len(asked) == 48


def test_against_a_model_that_is_asked(empathy: Run, asked: list[ModelRequest]) -> None:
    words = ("bench", "checkpoints/long", *BENCH, "--against", "openai/gpt-4o", "--emulate", "--json")
    record_data = empathy(*words, "--require", "openai/gpt-4o.win_rate>0.9999")
    assert record_data.code in (1, 3), record_data.err
    assert list(record_data.data["contests"]) == ["base", "openai/gpt-4o"]


def test_the_leaderboard(empathy: Run, asked: list[ModelRequest]) -> None:
    done = empathy("bench", "--watch", "checkpoints", "--once", *BENCH, "--require", "win_rate>0.5")
    assert done.code == 0, done.err
    board = json.loads(Path("checkpoints/leaderboard.json").read_text())
    assert [row["student"] for row in board] == ["student:long", "student:brief"]
    assert [row["decision"] for row in board] == ["passed", "failed"]


def test_a_broken_checkpoint_is_reported_once_and_read_again_once_repaired(
    empathy: Run, asked: list[ModelRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Path("checkpoints/brief/checkpoint.json")
    whole, looks = record.read_text(), []
    record.write_text("{")

    def look(seconds: float) -> None:  # between two looks
        looks.append(seconds)
        if len(looks) == 2:
            record.write_text(whole)
        if len(looks) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr("harness.cli.bench_watch.time.sleep", look)
    done = empathy("bench", "--watch", "checkpoints", *BENCH)
    assert done.code == 130
    assert done.codes == ["checkpoint.invalid-record"]
    ranked = re.findall(r"│ *(\d) *│(student:\w+)", done.out)
    assert ranked == [("1", "student:long"), ("1", "student:long"), ("2", "student:brief")]


def test_mistakes_of_bench(empathy: Run, asked: list[ModelRequest]) -> None:
    seen = empathy("bench", "checkpoints/long", *BENCH[:4], "--quiet", "--no-report")
    assert "may have seen" in seen.err
    for words, record_data in (
        (("bench", *BENCH), "usage.one-of"),
        (("bench", "nowhere", *BENCH), "checkpoint.not-found"),
        (("bench", "checkpoints/long", *BENCH, "--require", "win_rate"), "--require"),
        (("bench", "checkpoints/long", *BENCH, "--require", "x.win_rate>0.5"), "Opponents: base"),
    ):
        done = empathy(*words)
        assert done.code == 2
        assert record_data in done.err


def test_a_running_server_of_another_dtype(
    empathy: Run, asked: list[ModelRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        serving_options, "find_running_server", lambda who: ("http://127.0.0.1:1", "key", "fp32")
    )
    words = ("respond", "student:long", "--data", "sample", "--limit", "1", "--json")
    record_data = empathy(*words, "--preset", "released")
    assert record_data.code == 2
    assert "--preset released" in record_data.err
    assert "--dtype fp32" in record_data.err
    record_data = empathy(*words, "--preset", "released", "--dtype", "fp32")
    assert "http://127.0.0.1:1" in record_data.err
    made = json.loads(record_data.data["response_sets"][0]["provenance"])
    assert made["run"] == {**made["run"], "dtype": "fp32", "how": "adapter", "backend": "vllm"}
    again = empathy(*words, "--preset", "released", "--with", "transformers", "--dtype", "bf16")
    assert again.code == 2  # the same name, made in another way: it says in which
    assert "run backend vllm, here transformers; run dtype fp32, here bf16" in again.err


def test_a_bench_against_the_truncated_base_and_another_student(
    empathy: Run, asked: list[ModelRequest]
) -> None:
    words = ("bench", "checkpoints/long", *BENCH, "--against", "base-cut", "--against", "student:brief")
    record_data = empathy(*words, "--preset", "paper", "--no-report", "--json")
    assert record_data.code == 0, record_data.err
    assert list(record_data.data["contests"]) == ["base", "base-cut", "student:brief"]
    assert len(asked) == 3 * 24  # nothing more is asked for the base cut
    names = [contests(one)[0]["b"] for one in record_data.data["contests"].values()]
    assert names == ["base:tiny-base@paper", "base-cut:tiny-base@paper", "student:brief@paper"]
    assert not list(Path().glob("*.html"))


def test_written_names_of_base_and_preset_give_the_stored_ones(
    empathy: Run, asked: list[ModelRequest]
) -> None:
    words = ("respond", "--data", "sample", "--limit", "2", "--quiet", "--json")
    written = empathy(*words, "base-truncated", "student:long", "--preset", "truncated")
    assert written.code == 0, written.err
    assert len(asked) == 2 * 2  # the truncated base and the student
    stored = empathy(*words, "base-cut", "student:long", "--preset", "cut")
    assert stored.data["response_sets"] == written.data["response_sets"]
    assert len(asked) == 2 * 2
    named = [row["author"] for row in written.data["response_sets"]]
    assert named == ["student:long", "base-cut:tiny-base"]
    extended = empathy(*words, "student:brief", "--preset", "truncated-second")
    assert [row["author"] for row in extended.data["response_sets"]] == ["student:brief@cut-second"]
    for name in ("base-truncated", "base-truncated:tiny-base@truncated", "base-cut"):
        judged = empathy(
            "judge", name, "student:brief@truncated-second", *BENCH[:4], "--limit", "2", "--json"
        )
        assert judged.code == 0, judged.err
        assert contests(judged.data)[0]["b"] in ("base-cut:tiny-base", "student:brief@cut-second")
    bench = empathy(
        "bench", "checkpoints/long", *BENCH, "--against", "base-truncated", "--no-report", "--json"
    )
    assert list(bench.data["contests"]) == ["base", "base-cut"]


def test_a_second_server_of_one_base_is_not_started(
    empathy: Run, asked: list[ModelRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.vllm_server.find_spec", lambda name: name)
    monkeypatch.setattr(live_server, "find_running_server", lambda who: ("http://127.0.0.1:1", "key", "fp32"))
    record_data = empathy("serve", "--students", "checkpoints/long", "checkpoints/brief")
    assert record_data.code == 2
    assert "running already" in record_data.err
