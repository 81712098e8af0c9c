"""`python -m benchmarks.training`: how fast a student is trained beside a plain trl script; what it needs.

    side by side    SFT and DPO, ours and plain trl, in turn, each run a process of its own; medians
    peak            on a card: its memory capped at 24,564 MiB (--card-mib), on the dataset's longest rows

    python -m benchmarks.training                                     the tiny student, wherever you are
    python -m benchmarks.training --random meta-llama/Llama-3.1-8B    random weights of that shape, on a card
    python -m benchmarks.training --base DIR --data DIR

Where no base is named it is the tiny student, built here: then it says what we add to trl on top of a model
that costs nearly nothing, and nothing of a real model's speed. Random weights compute as fast as real ones
and take the same memory; their tokenizer is the tiny one's, whose rows are longer than the real one's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from agents.model_files.decoder_config import parse_decoder_config
from finetune.config import TrainingConfig
from finetune.dataset_reader import read_dataset
from finetune.memory_plan import GIB, RTX_4090_MIB, load_base_config, plan_stage
from finetune.sequence_lengths import Stage, sequence_lengths
from harness.data.dataset import load
from harness.data.training_set_spec import TrainingSetSpec
from harness.workflows.build_dataset import build
from prompts import Library

STEPS, REPEATS, LONGEST_ROWS, CONTEXT_GIB = 8, 3, 64, 0.5
STAGES: tuple[Stage, ...] = ("sft", "dpo")
WHO = ("ours", "plain trl")


@dataclass(frozen=True, slots=True)
class Ran:
    """One training after its first step: tokens per second, and of CPU; on a card the peak in bytes.

    Where the CPU computes and has other work too, only the second says anything.
    """

    tokens_per_second: float
    tokens_per_cpu_second: float
    allocated: int
    reserved: int


@dataclass(frozen=True, slots=True)
class Peak:
    """One stage's peak on a card against the plan's, in GiB; the context that torch does not count aside."""

    stage: Stage
    longest: int
    planned: float
    allocated: float
    reserved: float

    @property
    def error(self) -> float:
        """(planned − used) / used, used being what torch reserved and the context's half GiB."""
        used = self.reserved + CONTEXT_GIB
        return (self.planned - used) / used

    def told(self) -> str:
        """One line."""
        return (
            f"{self.stage}, rows of {self.longest} tokens: planned {self.planned:.2f} GiB; torch allocated "
            f"{self.allocated:.2f} and reserved {self.reserved:.2f}; the plan's error {self.error:+.1%}"
        )


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--base", default="", help="a model's folder; the tiny student where none is named")
    options.add_argument("--random", default="", help="random weights of this base's shape, made here")
    options.add_argument(
        "--data", default="", help="a dataset's folder; one of the sample where none is named"
    )
    options.add_argument("--dtype", default="", choices=["", "bf16", "fp16", "fp32"])
    options.add_argument("--steps", type=int, default=STEPS)
    options.add_argument("--repeats", type=int, default=REPEATS)
    options.add_argument("--card-mib", type=int, default=RTX_4090_MIB)
    told = options.parse_args()
    with tempfile.TemporaryDirectory() as work:
        place = Path(work)
        base = told.base or str(random_base(told.random, place) if told.random else _tiny(place))
        data = Path(told.data) if told.data else _sample(place)
        dtype = told.dtype or ("bf16" if told.base or told.random else "fp32")
        settings = TrainingConfig(dtype=dtype, max_steps=told.steps)
        began = time.monotonic()
        speed = side_by_side(base, data, settings, place, told.repeats)
        Console(width=100).print(_speeds(speed, told.steps, dtype))
        for peak in peaks(base, data, settings, place, told.card_mib):
            print(peak.told())
        print(f"{time.monotonic() - began:.0f} s")


def side_by_side(
    base: str, data: Path, settings: TrainingConfig, place: Path, repeats: int
) -> dict[tuple[Stage, str], list[Ran]]:
    """Every run, by stage and who trained."""
    parent = place / "sft-ours-0"  # which is trained first, and DPO goes on from
    found: dict[tuple[Stage, str], list[Ran]] = {(stage, who): [] for stage in STAGES for who in WHO}
    for again in range(repeats):
        for stage in STAGES:
            for who in WHO if again % 2 == 0 else WHO[::-1]:
                out = place / f"{stage}-{who.split()[0]}-{again}"
                ran = child(who, stage, base, data, settings, out, parent)
                found[stage, who].append(ran)
                print(f"{stage}, {who}: {ran}", file=sys.stderr, flush=True)
    return found


def peaks(
    base: str, data: Path, settings: TrainingConfig, place: Path, card_mib: int = RTX_4090_MIB
) -> list[Peak]:
    """Peak memory of both stages on the longest rows, the card capped; [] where there is no card."""
    import torch

    if not torch.cuda.is_available():
        print("no card: peak memory is not measured", file=sys.stderr)
        return []
    longest = longest_rows(data, place / "longest")
    parent = place / "peak-sft"  # which is trained first, and DPO goes on from
    shape, lengths = (
        parse_decoder_config(load_base_config(base)),
        sequence_lengths(read_dataset(longest), base, settings)[0],
    )
    made = []
    for stage in STAGES:
        of = lengths[stage]
        planned = plan_stage(shape, settings, stage, of.rows, of.completion_tokens, card_mib).memory.total
        ran = child("ours", stage, base, longest, settings, place / f"peak-{stage}", parent, card_mib)
        gib = [each / GIB for each in (planned, ran.allocated, ran.reserved)]
        made.append(Peak(stage, max(of.rows), *gib))
    return made


def longest_rows(data: Path, out: Path, rows: int = LONGEST_ROWS) -> Path:
    """A dataset's folder with the longest rows of another, by characters, of each stage."""
    manifest = json.loads((data / "manifest.json").read_text(encoding="utf-8"))
    out.mkdir(parents=True)
    files = {}
    for stage in STAGES:
        lines = (data / f"{stage}.jsonl").read_text(encoding="utf-8").removesuffix("\n").split("\n")
        text = "".join(f"{line}\n" for line in sorted(lines, key=_characters, reverse=True)[:rows])
        (out / f"{stage}.jsonl").write_text(text, encoding="utf-8")
        files[f"{stage}.jsonl"] = f"sha256:{sha256(text.encode()).hexdigest()}"
    whole = json.dumps({**manifest, "files": files, "held_out": {}})
    (out / "manifest.json").write_text(whole, encoding="utf-8")
    return out


def child(
    who: str,
    stage: Stage,
    base: str,
    data: Path,
    settings: TrainingConfig,
    out: Path,
    parent: Path,
    card_mib: int = 0,
) -> Ran:
    """One training in a process of its own; `card_mib` caps its memory where it is above 0."""
    job = {
        "who": who,
        "stage": stage,
        "base": base,
        "data": str(data),
        "out": str(out),
        "parent": str(parent),
        "settings": asdict(settings),
        "card_mib": card_mib,
    }
    command = [sys.executable, "-m", "benchmarks.training", "--child"]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"benchmarks.training: {who}, {stage} failed\n{done.stderr[-3000:]}")
    return Ran(**json.loads(done.stdout.strip().rsplit("\n", 1)[-1]))


def random_base(name: str, place: Path) -> Path:
    """A base of a known shape with random weights in bf16, and the tiny student's tokenizer.

    Made in a process of its own, which gives the card back.
    """
    folder, tokenizer = place / "random", _tiny(place)
    making = get_context("spawn").Process(target=_make_random, args=(name, folder))
    making.start()
    making.join()
    if making.exitcode:
        sys.exit(f"benchmarks.training: {name} could not be made")
    for file in tokenizer.glob("tokenizer*"):
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def _make_random(name: str, folder: Path) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        **dict(load_base_config(name)), max_position_embeddings=8192, tie_word_embeddings=False
    )
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = LlamaForCausalLM(config)
    model.save_pretrained(folder)


def _child() -> None:
    """The process of one training: a job as JSON on standard input, a `Ran` on standard output."""
    import torch

    from finetune.dependencies import require_training_libraries

    job = json.loads(sys.stdin.read())
    require_training_libraries()
    settings, seen = TrainingConfig(**job["settings"]), []
    cuda = torch.cuda.is_available()
    if cuda and job["card_mib"]:
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, job["card_mib"] * 2**20 / total))

    def log(step: int, logs: Mapping[str, Any]) -> None:
        seen.append((time.monotonic(), time.process_time(), float(logs["num_tokens"])))
        if cuda and step == settings.max_steps:
            peak.extend([torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()])

    peak: list[int] = []
    data, out = Path(job["data"]), Path(job["out"])
    if job["who"] == "ours":
        _ours(job, data, out, settings, log)
    else:
        from benchmarks import plain_trl

        plain_trl.train(job["stage"], job["base"], data, out, job["parent"], settings, log)
    seconds, of_cpu, tokens = (last - first for first, last in zip(seen[0], seen[-1], strict=True))
    allocated, reserved = peak or (0, 0)
    print(json.dumps(asdict(Ran(tokens / seconds, tokens / of_cpu, allocated, reserved))))


def _ours(job: Mapping[str, Any], data: Path, out: Path, settings: TrainingConfig, log: Any) -> None:
    from finetune.dpo import train_dpo
    from finetune.pipeline import TrainOptions
    from finetune.sft import train_sft

    options = TrainOptions(on_step=lambda step: log(step.step, {"num_tokens": step.tokens}), new_tokens=1)
    if job["stage"] == "sft":
        train_sft(job["base"], data, out, settings, options=options)
    else:
        train_dpo(Path(job["parent"]), data, out, settings, base=job["base"], options=options)


def _tiny(place: Path) -> Path:
    from finetune import tiny_model

    folder = place / "tiny"
    return folder if folder.is_dir() else tiny_model.build_tiny_model(folder)


def _sample(place: Path) -> Path:
    """Direct distillation from all LLMs of the written sample."""
    folder = place / "data"
    asyncio.run(build(load("sample"), None, TrainingSetSpec("direct"))).write(folder, Library(), ())
    return folder


def _characters(line: str) -> int:
    row = json.loads(line)
    said = [row[name] for name in ("completion", "chosen", "rejected") if name in row]
    return len(row["prompt"]) + max(map(len, said))


def _speeds(found: Mapping[tuple[Stage, str], Sequence[Ran]], steps: int, dtype: str) -> Table:
    table = Table("stage", "tokens per", *WHO, "ours / plain", title=f"{steps} steps, {dtype}, medians")
    for stage in STAGES:
        for of, name in (("second", "tokens_per_second"), ("second of CPU", "tokens_per_cpu_second")):
            ours, plain = (statistics.median(getattr(ran, name) for ran in found[stage, who]) for who in WHO)
            table.add_row(stage, of, f"{ours:,.0f}", f"{plain:,.0f}", f"{ours / plain:.3f}")
    return table


if __name__ == "__main__":
    _child() if sys.argv[1:] == ["--child"] else main()
