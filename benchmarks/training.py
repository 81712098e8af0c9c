"""`python -m benchmarks.training`: training speed compared with a plain trl script, and peak memory.

    side by side    SFT and DPO, this project and plain trl in turn, each run in its own process; medians
    peak            on a GPU with its memory capped at 24,564 MiB (--card-mib), on the dataset's longest rows

    python -m benchmarks.training                                     a tiny model, on any machine
    python -m benchmarks.training --random meta-llama/Llama-3.1-8B    random weights of that shape, on a GPU
    python -m benchmarks.training --base DIR --data DIR

Without `--base` the benchmark builds a tiny model: then it shows the overhead over trl for a model that costs
almost nothing, not a real model's speed. Random weights compute as fast as real ones and take the same
memory; they use the tiny model's tokenizer, whose rows are longer than those of the real one.
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
TRAINERS = ("this project", "plain trl")


@dataclass(frozen=True, slots=True)
class TrainingSpeed:
    """Result of one training run after its first step: tokens per second, tokens per CPU second, peak bytes
    on a GPU.

    If the CPU computes and is shared with other work, only the second number is meaningful.
    """

    tokens_per_second: float
    tokens_per_cpu_second: float
    allocated: int
    reserved: int


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """Peak memory of one stage on a GPU against the plan, in GiB, without the CUDA context that torch does
    not count.
    """

    stage: Stage
    longest: int
    planned: float
    allocated: float
    reserved: float

    @property
    def error(self) -> float:
        """(planned − used) / used, where used is what torch reserved plus half a GiB for the context."""
        used = self.reserved + CONTEXT_GIB
        return (self.planned - used) / used

    def describe(self) -> str:
        """Return the result as one line."""
        return (
            f"{self.stage}, rows of {self.longest} tokens: planned {self.planned:.2f} GiB; torch allocated "
            f"{self.allocated:.2f} and reserved {self.reserved:.2f}; the plan's error {self.error:+.1%}"
        )


def main() -> None:
    """Run the benchmark and print the results."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--base", default="", help="folder of a base model; a tiny model by default")
    options.add_argument("--random", default="", help="use random weights of this base model's shape")
    options.add_argument("--data", default="", help="dataset folder; one of the sample dataset by default")
    options.add_argument("--dtype", default="", choices=["", "bf16", "fp16", "fp32"])
    options.add_argument("--steps", type=int, default=STEPS)
    options.add_argument("--repeats", type=int, default=REPEATS)
    options.add_argument("--card-mib", type=int, default=RTX_4090_MIB)
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        base = arguments.base or str(
            random_base(arguments.random, folder) if arguments.random else _tiny(folder)
        )
        data = Path(arguments.data) if arguments.data else _sample(folder)
        dtype: Any = arguments.dtype or ("bf16" if arguments.base or arguments.random else "fp32")
        settings = TrainingConfig(dtype=dtype, max_steps=arguments.steps)
        started_at = time.monotonic()
        speed = side_by_side(base, data, settings, folder, arguments.repeats)
        Console(width=100).print(_speeds(speed, arguments.steps, dtype))
        for peak in peaks(base, data, settings, folder, arguments.card_mib):
            print(peak.describe())
        print(f"{time.monotonic() - started_at:.0f} s")


def side_by_side(
    base: str, data: Path, settings: TrainingConfig, folder: Path, repeats: int
) -> dict[tuple[Stage, str], list[TrainingSpeed]]:
    """Return every run, by stage and trainer."""
    parent = folder / "sft-this-0"  # trained first; DPO starts from it
    runs: dict[tuple[Stage, str], list[TrainingSpeed]] = {
        (stage, trainer): [] for stage in STAGES for trainer in TRAINERS
    }
    for repeat in range(repeats):
        for stage in STAGES:
            for trainer in TRAINERS if repeat % 2 == 0 else TRAINERS[::-1]:
                out = folder / f"{stage}-{trainer.split()[0]}-{repeat}"
                run = child(trainer, stage, base, data, settings, out, parent)
                runs[stage, trainer].append(run)
                print(f"{stage}, {trainer}: {run}", file=sys.stderr, flush=True)
    return runs


def peaks(
    base: str, data: Path, settings: TrainingConfig, folder: Path, card_mib: int = RTX_4090_MIB
) -> list[PeakMemory]:
    """Return the peak memory of both stages on the longest rows with capped memory; [] without a GPU."""
    import torch

    if not torch.cuda.is_available():
        print("no GPU: peak memory is not measured", file=sys.stderr)
        return []
    longest = longest_rows(data, folder / "longest")
    parent = folder / "peak-sft"  # trained first; DPO starts from it
    shape, lengths = (
        parse_decoder_config(load_base_config(base)),
        sequence_lengths(read_dataset(longest), base, settings)[0],
    )
    results = []
    for stage in STAGES:
        stage_lengths = lengths[stage]
        planned = plan_stage(
            shape, settings, stage, stage_lengths.rows, stage_lengths.completion_tokens, card_mib
        ).memory.total
        run = child(TRAINERS[0], stage, base, longest, settings, folder / f"peak-{stage}", parent, card_mib)
        gib = [each / GIB for each in (planned, run.allocated, run.reserved)]
        results.append(PeakMemory(stage, max(stage_lengths.rows), *gib))
    return results


def longest_rows(data: Path, out: Path, rows: int = LONGEST_ROWS) -> Path:
    """Write a dataset folder with the longest rows of another, by characters, of each stage."""
    manifest = json.loads((data / "manifest.json").read_text(encoding="utf-8"))
    out.mkdir(parents=True)
    files = {}
    for stage in STAGES:
        lines = (data / f"{stage}.jsonl").read_text(encoding="utf-8").removesuffix("\n").split("\n")
        text = "".join(f"{line}\n" for line in sorted(lines, key=_characters, reverse=True)[:rows])
        (out / f"{stage}.jsonl").write_text(text, encoding="utf-8")
        files[f"{stage}.jsonl"] = f"sha256:{sha256(text.encode()).hexdigest()}"
    manifest_text = json.dumps({**manifest, "files": files, "held_out": {}})
    (out / "manifest.json").write_text(manifest_text, encoding="utf-8")
    return out


def child(
    trainer: str,
    stage: Stage,
    base: str,
    data: Path,
    settings: TrainingConfig,
    out: Path,
    parent: Path,
    card_mib: int = 0,
) -> TrainingSpeed:
    """Run one training in its own process; `card_mib` > 0 caps its memory."""
    job = {
        "trainer": trainer,
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
        sys.exit(f"benchmarks.training: {trainer}, {stage} failed\n{done.stderr[-3000:]}")
    return TrainingSpeed(**json.loads(done.stdout.strip().rsplit("\n", 1)[-1]))


def random_base(name: str, folder: Path) -> Path:
    """Save a base model of a known shape with random bf16 weights, and the tiny model's tokenizer.

    It is created in its own process, so that the GPU memory is released.
    """
    folder, tokenizer = folder / "random", _tiny(folder)
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
    """Run one training: reads a job as JSON from standard input and writes a `TrainingSpeed` to standard
    output.
    """
    import torch

    from finetune.dependencies import require_training_libraries

    job = json.loads(sys.stdin.read())
    require_training_libraries()
    settings, measurements = TrainingConfig(**job["settings"]), []
    cuda = torch.cuda.is_available()
    if cuda and job["card_mib"]:
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, job["card_mib"] * 2**20 / total))

    def log(step: int, logs: Mapping[str, Any]) -> None:
        measurements.append((time.monotonic(), time.process_time(), float(logs["num_tokens"])))
        if cuda and step == settings.max_steps:
            peak.extend([torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()])

    peak: list[int] = []
    data, out = Path(job["data"]), Path(job["out"])
    if job["trainer"] == TRAINERS[0]:
        _train_with_project(job, data, out, settings, log)
    else:
        from benchmarks import plain_trl

        plain_trl.train(job["stage"], job["base"], data, out, job["parent"], settings, log)
    seconds, cpu_seconds, tokens = (
        last - first for first, last in zip(measurements[0], measurements[-1], strict=True)
    )
    allocated, reserved = peak or (0, 0)
    print(json.dumps(asdict(TrainingSpeed(tokens / seconds, tokens / cpu_seconds, allocated, reserved))))


def _train_with_project(
    job: Mapping[str, Any], data: Path, out: Path, settings: TrainingConfig, log: Any
) -> None:
    from finetune.dpo import train_dpo
    from finetune.pipeline import TrainOptions
    from finetune.sft import train_sft

    options = TrainOptions(on_step=lambda step: log(step.step, {"num_tokens": step.tokens}), new_tokens=1)
    if job["stage"] == "sft":
        train_sft(job["base"], data, out, settings, options=options)
    else:
        train_dpo(Path(job["parent"]), data, out, settings, base=job["base"], options=options)


def _tiny(folder: Path) -> Path:
    from finetune import tiny_model

    folder = folder / "tiny"
    return folder if folder.is_dir() else tiny_model.build_tiny_model(folder)


def _sample(folder: Path) -> Path:
    """Write a dataset folder for direct distillation from all LLMs of the sample dataset."""
    folder = folder / "data"
    asyncio.run(build(load("sample"), None, TrainingSetSpec("direct"))).write(folder, Library(), ())
    return folder


def _characters(line: str) -> int:
    row = json.loads(line)
    answers = [row[name] for name in ("completion", "chosen", "rejected") if name in row]
    return len(row["prompt"]) + max(map(len, answers))


def _speeds(runs: Mapping[tuple[Stage, str], Sequence[TrainingSpeed]], steps: int, dtype: str) -> Table:
    table = Table(
        "stage", "tokens per", *TRAINERS, "this project / plain", title=f"{steps} steps, {dtype}, medians"
    )
    for stage in STAGES:
        for unit, name in (("second", "tokens_per_second"), ("second of CPU", "tokens_per_cpu_second")):
            project, plain = (
                statistics.median(getattr(run, name) for run in runs[stage, trainer]) for trainer in TRAINERS
            )
            table.add_row(stage, unit, f"{project:,.0f}", f"{plain:,.0f}", f"{project / plain:.3f}")
    return table


if __name__ == "__main__":
    _child() if sys.argv[1:] == ["--child"] else main()
