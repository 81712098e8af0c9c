"""The real vLLM (CPU build) with a tiny base model and two students."""

from __future__ import annotations

import asyncio
import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.clients.base import ModelRequest
from agents.clients.http import HttpClient, open_session
from agents.judge import Judge
from agents.messages import Completion, Sampling
from agents.models.spec import ApiProtocol, Capabilities, Model
from agents.student_prompt import rendering
from agents.types import Comparison, Dialogue, Response, Verdict
from harness.cli import main
from prompts import Library
from serve.lora_adapter import LoraAdapter, read_adapter
from serve.memory_plan import ServePlan, ServingRequest, lora_module_arguments, plan_memory, vllm_command
from serve.null_adapter import NULL_ADAPTER_SUFFIX, with_null_adapter
from serve.sampling_presets import read_json, resolve_preset
from serve.transformers_engine import TransformersEngine
from serve.vllm_server import LOOPBACK, VllmServer, free_port, running_server

pytest.importorskip("vllm")
pytestmark = pytest.mark.vllm

BASE = "base:tiny-base"


def planned(folder: Path, adapters: Sequence[LoraAdapter] = (), spare: int = 0) -> ServePlan:
    request = ServingRequest("cpu", "fp32", 8000, spare_loras=spare)
    return plan_memory(read_json(folder / "config.json"), adapters, request)


@pytest.fixture(scope="module")
def server(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    """Server of the base model and the student `glad`, with space for another adapter."""
    place = tmp_path_factory.mktemp("vllm")
    glad = read_adapter("student:glad", tiny.students["glad"])
    name, adapters = with_null_adapter(tiny.base, BASE, [glad], "cpu", place / "shelf")
    plan, port = planned(tiny.base, adapters, spare=1), free_port()
    command = [*vllm_command(plan, tiny.base, name, LOOPBACK, port), *lora_module_arguments(adapters)]
    with running_server(
        command, LOOPBACK, port, environment=plan.environment(), log=place / "log"
    ) as running:
        yield running


def model_at(server: VllmServer, name: str) -> Model:
    capabilities = Capabilities(seed=True, max_top_logprobs=20, verdict="choice", verdict_tokens=5)
    return Model("vllm", name, ApiProtocol.OPENAI_COMPLETIONS, capabilities, f"{server.url}/v1", identity="x")


def ask(server: VllmServer, *calls: ModelRequest) -> list[Completion]:
    async def main() -> list[Completion]:
        session = open_session()
        clients = [HttpClient(call.model, server.key, session) for call in calls]
        try:
            pending = [client.complete(call) for client, call in zip(clients, calls, strict=True)]
            return await asyncio.gather(*pending)
        finally:
            for client in clients:
                await client.close()
            await session.close()

    return asyncio.run(main())


def greedy(model: Model, dialogue: Dialogue, tokens: int = 12) -> ModelRequest:
    return ModelRequest(model, rendering().messages(dialogue), Sampling(tokens, temperature=0.0, seed=1))


# Runs in another process, so that modules imported by the tests do not affect vLLM.
READ_ARGUMENTS = """
import json, sys
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser

arguments = AsyncEngineArgs.from_cli_args(make_arg_parser(FlexibleArgumentParser()).parse_args(sys.argv[1:]))
names = ("max_num_seqs", "max_model_len", "max_loras", "max_lora_rank")
print(json.dumps({name: getattr(arguments, name) for name in names}))
"""


def test_vllm_accepts_the_plans_arguments(tiny: Any) -> None:
    students = [read_adapter(f"student:{name}", folder) for name, folder in tiny.students.items()]
    for plan in (planned(tiny.base, students), planned(tiny.base)):
        arguments = vllm_command(plan, tiny.base, BASE, LOOPBACK, 8001)[3:]
        done = subprocess.run(
            [sys.executable, "-c", READ_ARGUMENTS, *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        read = json.loads(done.stdout.splitlines()[-1])
        assert (read["max_num_seqs"], read["max_model_len"]) == (plan.max_num_seqs, plan.max_model_len)
        if plan.max_loras:
            assert (read["max_loras"], read["max_lora_rank"]) == (plan.max_loras, plan.max_lora_rank)


def test_planned_cache_is_close_to_vllms(server: VllmServer, tiny: Any) -> None:
    assert server.log is not None
    match = re.search(r"KV cache size: ([\d,]+) tokens", server.log.read_text(errors="replace"))
    assert match is not None
    tokens = int(match[1].replace(",", ""))
    assert abs(planned(tiny.base).cache_tokens - tokens) <= tokens / 10


def test_one_server_serves_base_and_two_students(
    server: VllmServer, tiny: Any, dialogues: list[Dialogue]
) -> None:
    assert set(server.models()) == {BASE + NULL_ADAPTER_SUFFIX, BASE, "student:glad"}
    server.load("student:sorry", tiny.students["sorry"])  # into the running server
    names = (BASE, "student:glad", "student:sorry")
    assert set(server.models()) == {BASE + NULL_ADAPTER_SUFFIX, *names}
    calls = [greedy(model_at(server, name), dialogue) for dialogue in dialogues for name in names]
    texts = [answer.text for answer in ask(server, *calls)]  # in the same batches
    texts_by_name = {name: texts[index :: len(names)] for index, name in enumerate(names)}
    assert len({tuple(texts) for texts in texts_by_name.values()}) == 3
    server.unload("student:sorry")
    assert "student:sorry" not in server.models()
    # responses do not depend on the batch: transformers gives the same ones
    places = {f"student:{name}": folder for name, folder in tiny.students.items()}
    engine = TransformersEngine(tiny.base, BASE, places, dtype="fp32", device="cpu")
    elsewhere = [answer.text for answer in engine(calls) if isinstance(answer, Completion)]
    assert {name: elsewhere[index :: len(names)] for index, name in enumerate(names)} == texts_by_name


def test_adapter_and_merged_model_give_the_same_text(
    server: VllmServer, tiny: Any, dialogues: list[Dialogue], tmp_path: Path
) -> None:
    from finetune.merge_lora import merge_adapter

    calls = [greedy(model_at(server, "student:glad"), dialogue) for dialogue in dialogues]
    beside = [answer.text for answer in ask(server, *calls)]
    folder = tmp_path / "merged"
    merge_adapter(tiny.students["glad"], folder, base=str(tiny.base), dtype="fp32")
    plan, port = planned(folder), free_port()
    command = vllm_command(plan, folder, "student:glad", LOOPBACK, port)
    with running_server(
        command, LOOPBACK, port, environment=plan.environment(), log=tmp_path / "log"
    ) as merged:
        again = [greedy(model_at(merged, "student:glad"), dialogue) for dialogue in dialogues]
        assert [answer.text for answer in ask(merged, *again)] == beside


def test_a_tiny_model_can_judge(server: VllmServer, dialogues: list[Dialogue]) -> None:
    judge = Judge(model_at(server, "student:glad"), Library()["judge/pairwise"])
    dialogue = dialogues[0]
    pair = Comparison(
        dialogue, Response(dialogue.key, "a", "So glad!", "s"), Response(dialogue.key, "b", "Oh no.", "t")
    )
    calls = [judge.call(order) for order in pair.both_orders()]
    answers = ask(server, *calls)
    for call, answer in zip(calls, answers, strict=True):
        assert answer.text in ("1", "2")
        assert answer.logprobs
        assert call.read is not None
        assert isinstance(call.read(answer, call.key).outcome, Verdict)


def test_seeded_sampling_is_reproducible(server: VllmServer, tiny: Any, dialogues: list[Dialogue]) -> None:
    preset = resolve_preset("cut", "student", read_json(tiny.base / "config.json"), {})
    sampling = Sampling(
        16, temperature=preset.temperature, top_p=preset.top_p, seed=preset.seed, stop=preset.stop
    )
    capabilities = replace(model_at(server, BASE).capabilities, extra=preset.extra)
    models = [replace(model_at(server, name), capabilities=capabilities) for name in (BASE, "student:glad")]
    calls = [
        ModelRequest(model, rendering().messages(dialogue), sampling)
        for model in models
        for dialogue in dialogues * 8
    ]
    assert len(ask(server, *calls)) == len(calls)  # rounding in a large batch may change a sampled token
    alone = [ask(server, calls[0])[0].text for _ in range(3)]
    assert len(set(alone)) == 1  # same request, same seed


def test_in_process_engine_equals_the_server(
    server: VllmServer, tiny: Any, dialogues: list[Dialogue]
) -> None:
    names = (BASE, "student:glad")
    calls = [greedy(model_at(server, name), dialogue) for dialogue in dialogues for name in names]
    by_server = [answer.text for answer in ask(server, *calls)]
    places = {f"student:{name}": str(folder) for name, folder in tiny.students.items()}
    code = f"""
import json, sys
from pathlib import Path
from agents.types import Dialogue
from serve.lora_adapter import read_adapter
from serve.null_adapter import with_null_adapter
from serve.memory_plan import ServingRequest, plan_memory
from serve.sampling_presets import read_json
from serve.vllm_engine import VllmEngine
from agents.clients.base import ModelRequest
from agents.messages import Sampling
from agents.models.spec import ApiProtocol, Capabilities, Model
from agents.student_prompt import rendering
def main():
    base, folders = Path({str(tiny.base)!r}), {places!r}
    folders = {{name: Path(folder) for name, folder in folders.items()}}
    adapters = [read_adapter(*each) for each in folders.items()]
    name, adapters = with_null_adapter(base, {BASE!r}, adapters, "cpu", base.parent / "shelf")
    plan = plan_memory(read_json(base / "config.json"), adapters, ServingRequest("cpu", "fp32", 8000))
    engine = VllmEngine(plan, base, name, {{adapter.name: adapter.folder for adapter in adapters}})
    protocol, capabilities = ApiProtocol.OPENAI_COMPLETIONS, Capabilities(seed=True)
    models = [Model("vllm", name, protocol, capabilities) for name in {names!r}]
    dialogues = [Dialogue(*each) for each in {[(d.id, d.situation, d.utterance) for d in dialogues]!r}]
    sampling = Sampling(12, temperature=0.0, seed=1)
    calls = [ModelRequest(model, rendering().messages(d), sampling) for d in dialogues for model in models]
    print("TEXTS" + json.dumps([answer.text for answer in engine(calls)]))
    engine.close()
if __name__ == "__main__":
    main()
"""
    script = tiny.base.parent / "offline.py"
    script.write_text(code)
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert "TEXTS" in done.stdout, done.stderr[-3000:]
    assert json.loads(done.stdout.partition("TEXTS")[2].splitlines()[0]) == by_server


def test_the_server_stops_when_its_parent_is_killed(tiny: Any, tmp_path: Path) -> None:
    plan, port = planned(tiny.base), free_port()
    words = vllm_command(plan, tiny.base, BASE, LOOPBACK, port)
    script = (
        "import time\nfrom pathlib import Path\nfrom serve.vllm_server import running_server\n"
        f"with running_server({words!r}, '127.0.0.1', {port}, environment={plan.environment()!r}, "
        f"log=Path({str(tmp_path / 'log')!r})) as server:\n"
        "    print(server.pid, flush=True)\n    time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    watchdog = int(parent.stdout.readline())
    below = _below(watchdog)
    assert len(below) >= 2  # the server and its engine
    parent.send_signal(signal.SIGKILL)
    parent.wait(30)
    parent.stdout.close()
    for pid in (watchdog, *below):
        try:
            watched = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        assert select.select([watched], [], [], 40)[0], (tmp_path / "log").read_text()[-2000:]
        os.close(watched)


def _below(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children] + [pid for child in children for pid in _below(int(child))]


def test_a_bench_with_a_tiny_judge(
    server: VllmServer, tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in (
        ("EMPATHY_SERVE_KEY", server.key),
        ("VLLM_API_KEY", server.key),
        ("VLLM_BASE_URL", f"{server.url}/v1"),
    ):
        monkeypatch.setenv(name, value)
    Path("models.toml").write_text('[provider.vllm]\nprotocol = "openai-completions"\n')
    words = ["bench", str(tiny.students["glad"]), "--base", str(tiny.base), "--url", server.url, "--quiet"]
    words += [
        "--judge",
        "vllm/student:glad",
        "--models",
        "models.toml",
        "--data",
        "sample",
        "--split",
        "train",
    ]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--limit", "6", "--require", "win_rate>0.99", "--json"])
    output = json.loads(capsys.readouterr().out)
    (judge,) = output["contests"]["base"]["contests"]
    assert judge["n"] >= 3  # dialogues with an empty response are not judged
    assert not judge["unscored"]
    assert judge["soft"] is not None  # its log-probabilities are read
    assert ended.value.code in (1, 3)
    assert Path("bench-glad.html").is_file()
