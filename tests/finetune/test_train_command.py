"""The commands `empathy train …`: help without torch, plan, tiny, two-step, merge; results on stdout."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.errors import UserError
from finetune.checkpoint import Checkpoint, read_checkpoint
from finetune.post_training_check import PostTrainingCheck
from finetune.trainer import TrainingStep
from harness.cli.train import train
from harness.cli.training_progress import Progress
from harness.workflows.training_tables import render_checkpoint
from results.db.store import Store
from results.queries.checkpoints import CheckpointRecord, lineage, load_checkpoints

ROOT = Path(__file__).resolve().parents[2]
TWO = ("two-step", "--base", "x", "--out", "y", "--data")


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(train, list(arguments), catch_exceptions=True)


def test_help_imports_no_torch() -> None:
    code = (
        "import sys, harness.cli.train\n"
        "heavy = {'torch', 'transformers', 'trl', 'peft', 'datasets', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("sft", "dpo", "two-step", "merge", "plan", "tiny"):
        shown = _run(command, "--help")
        assert shown.exit_code == 0, shown.output
    assert "paper, section 4.2" in " ".join(_run("sft", "--help").output.split())


def test_plan_needs_neither_weights_nor_network(dataset: Path) -> None:
    shown = _run("plan", "--base", "meta-llama/Llama-3.1-8B", "--data", str(dataset), "--json")
    assert shown.exit_code == 0, shown.output
    plan = json.loads(shown.stdout)
    assert [stage["stage"] for stage in plan["stages"]] == ["sft", "dpo"]
    assert all(stage["fits"] and stage["memory_gib"]["weights"] == 14.96 for stage in plan["stages"])
    text = _run("plan", "--base", "mistralai/Mistral-7B-v0.3", "--data", str(dataset), "--card-mib", "9000")
    assert "--precompute-reference" in text.stdout and "7,248,023,552 parameters" in text.stdout


def test_mistakes_are_reported_with_codes(tmp_path: Path, dataset: Path) -> None:
    for arguments, code in (
        (("plan", "--base", "x", "--data", str(tmp_path)), "training-set.no-manifest"),
        (("plan", "--base", "x/y", "--data", str(dataset), "--rank", "0"), "training.out-of-range"),
        ((*TWO, str(dataset), "--seeds", "1,1"), "option.invalid-value"),
        ((*TWO, str(dataset), "--seeds", "1,2", "--push-to-hub", "me/x"), "option.conflict"),
        (
            ("merge", "student:nobody", "--out", "x", "--db", str(tmp_path / "no.db")),
            "checkpoint.unknown-student",
        ),
    ):
        shown = _run(*arguments)
        assert isinstance(shown.exception, UserError)
        assert code in shown.exception.codes


def test_progress_without_a_terminal_prints_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    show = Progress(every_seconds=1e9)
    for number in range(1, 101):
        show(TrainingStep("dpo", number, 100, 0.5, 1000 * number, 10.0 * number, number, 1.25))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "dpo 1/100: loss 0.5000, margin 1.250, 100 tokens/s, 16:30 left",
        "dpo 100/100: loss 0.5000, margin 1.250, 100 tokens/s, 0:00 left",
    ]


def test_a_checkpoint_is_summarized_in_four_lines() -> None:
    health = PostTrainingCheck("held out", 16, 2.5, 2.1, 2.0, 3.0, 3.0, 21.6, 0.25, 0.5, 128, ("collapse",))
    record = {
        "name": "kind",
        "stage": "dpo",
        "losses": {"first": 0.69314, "last": 0.4},
        "margins": {"first": 0.0, "last": 1.25},
        "steps": 1200,
        "health": health.to_dict(),
    }
    assert list(render_checkpoint(Checkpoint(Path("c/kind"), record)).conclusions) == [
        "c/kind: dpo checkpoint kind, loss 0.6931 to 0.4000 in 1,200 steps, margin 0.000 to 1.250",
        "  16 dialogues held out: loss 2.000 (base 2.500, parent 2.100)",
        "  responses: 22 words, 50% distinct, 25% cut at 128 tokens",
        "  general text: loss 3.000 (base 3.000), perplexity × 1.00",
    ]
    bare = {**record, "health": {}, "margins": {}}
    (alone,) = render_checkpoint(Checkpoint(Path("c/kind"), bare)).conclusions
    assert alone.endswith("in 1,200 steps")


async def _lineage(name: str) -> list[CheckpointRecord]:
    """Return a student and its ancestors from the default database."""
    async with await Store.open("runs/empathy.sqlite", create=False) as store:
        return await store.read(
            lambda connection: lineage(connection, load_checkpoints(connection, [name])[0])
        )


@pytest.mark.train
def test_tiny_model_is_trained_in_two_steps_and_merged(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    shown = _run("tiny", "--out", "models/tiny")
    assert (shown.exit_code, shown.stdout.strip()) == (0, str(Path("models/tiny"))), shown.output
    recipe = ["--dtype", "fp32", "--max-steps", "2", "--accumulation", "1", "--cpu"]
    shown = _run(
        "two-step",
        "--base",
        "models/tiny",
        "--data",
        str(dataset),
        "--out",
        "checkpoints/s",
        "--json",
        *recipe,
    )
    assert shown.exit_code == 0, shown.output
    record = json.loads(shown.stdout)["record"]
    assert (record["stage"], record["steps"], record["parent"]["name"]) == ("dpo", 2, "s-sft")
    assert record["base"]["name"] == "models/tiny"
    assert "dpo 2/2: loss" in shown.stderr
    released = _run(
        "dpo", "--from", "checkpoints/s-sft", "--data", str(dataset), "--out", "checkpoints/r", "--json",
        "--fidelity", "released", *recipe,
    )  # fmt: skip
    assert json.loads(released.stdout)["record"]["settings"]["reference"] == "base"
    ancestors = asyncio.run(_lineage("s"))
    assert [(checkpoint.name, checkpoint.stage, len(checkpoint.curve())) for checkpoint in ancestors] == [
        ("s-sft", "sft", 2),
        ("s", "dpo", 2),
    ]
    assert ancestors[-1].record == record
    assert ancestors[-1].curve("rewards/margins")[0] == (1, 0.0)
    monkeypatch.setenv("EMPATHY_CHECKPOINTS", "elsewhere")  # found at the location in the database
    shown = _run("merge", "student:s", "--out", "merged/s")
    assert shown.exit_code == 0, shown.output
    assert "s merged, weights-1:" in shown.stdout
    shown = _run(
        "sft", "--base", "models/tiny", "--data", str(dataset), "--out", "checkpoints/low",
        "--name", "control", "--seeds", "3,4", *recipe,
    )  # fmt: skip
    assert shown.exit_code == 0, shown.output
    controls = [read_checkpoint(Path(f"checkpoints/low-seed-{seed}")) for seed in (3, 4)]
    assert [checkpoint.name for checkpoint in controls] == ["control-seed-3", "control-seed-4"]
    assert controls[0].record["adapter"] != controls[1].record["adapter"]
    planned = _run("plan", "--base", "models/tiny", "--data", str(dataset), "--json", *recipe[:6])
    assert json.loads(planned.stdout)["measured"] is True
    again = _run(
        "two-step", "--base", "models/tiny", "--data", str(dataset), "--out", "checkpoints/s", *recipe
    )
    assert "nothing to do" in again.stderr and again.exit_code == 0
