"""Subprocess for jobs that need torch; it frees the GPU memory, and a crash affects only one stage.

It reads its job as one line of JSON from standard input, and writes its progress and its result to standard
output, as lines of JSON.

    python -m harness.study.train_worker < '{"do": "sft", "base": …, "data": …, "out": …, "settings": {…}}'
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agents.errors import EmpathyError, UserError
from serve.child_process import ChildProcess, call_when_parent_ends, read_first_line

ReportLine = Callable[[str], None]
LOG_TAIL_CHARACTERS = 300


async def run_in_subprocess(
    job: Mapping[str, Any], log: Path, tell: ReportLine, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Run a job in a subprocess and return its result.

    Args:
        log: file for the subprocess's standard error (warnings, a traceback).
        tell: called with lines of progress.
        environment: default environment variables of the subprocess.

    Raises:
        UserError: as raised in the subprocess.
        EmpathyError: if the subprocess ended without a result.
    """
    child = ChildProcess(
        (sys.executable, "-m", "harness.study.train_worker"),
        first_line=json.dumps(dict(job)),
        environment={**(environment or {}), **os.environ},
        log=log,
        grace_seconds=0.0,
    )
    with child:
        while line := await asyncio.to_thread(child.read_line):
            message = json.loads(line)
            if "done" in message:
                return dict(message["done"])
            if "wrong" in message:
                raise UserError(**message["wrong"])
            tell(str(message["tell"]))
        tail = child.log_tail()[-LOG_TAIL_CHARACTERS:]
        raise EmpathyError(f"the child process ended with {child.wait()}; see {log}: {tail}")


def main() -> None:
    """Run the job of standard input."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # output of libraries must not mix with the messages

    def send(line: Mapping[str, Any]) -> None:
        output.write(json.dumps(dict(line)) + "\n")
        output.flush()

    job = json.loads(read_first_line())
    call_when_parent_ends(lambda: os._exit(1))
    try:
        send({"done": JOBS[job.pop("do")](job, lambda line: send({"tell": line}))})
    except UserError as error:
        fault = error.fault
        found_text = "; ".join([fault.found, *map(str, error.faults)]).strip("; ")
        fields = {"what": fault.what, "where": fault.where, "remedy": fault.remedy, "code": fault.code}
        send({"wrong": {**fields, "found": found_text}})


def _find_base(job: dict[str, Any], tell: ReportLine) -> dict[str, Any]:
    """Locate or build a base model; return its location and the id of its weights."""
    from finetune.dependencies import require_training_libraries
    from finetune.model_loader import check_weights, locate_model
    from finetune.tiny_model import build_tiny_model

    require_training_libraries()
    name, folder = str(job["base"]), Path(job["new"])
    if kind := job.get("tiny"):
        tell(f"building a tiny {kind}")
        if not folder.is_dir():
            build_tiny_model(folder, kind)
        name = str(folder)
    model = locate_model(name, job["revision"])
    check_weights(model.folder)
    return {
        "base": name,
        "revision": model.base.revision,
        "weights": model.base.weights,
        "at": str(model.folder),
    }


def _train(job: dict[str, Any], tell: ReportLine) -> dict[str, Any]:
    """Run one training step; return the checkpoint's id, its losses and parts of its record."""
    from finetune.config import TrainingConfig
    from finetune.dpo import train_dpo
    from finetune.pipeline import TrainOptions
    from finetune.sft import train_sft
    from finetune.trainer import TrainingStep

    def report_step(step: TrainingStep) -> None:
        tell(f"step {step.step:,} of {step.steps:,}, loss {step.loss:.3f}, {step.seconds_left:,.0f} s left")

    options = TrainOptions(on_step=report_step, on_message=tell, cpu=job["cpu"], new_tokens=job["new_tokens"])
    data, out, settings = Path(job["data"]), Path(job["out"]), TrainingConfig(**job["settings"])
    if job["parent"]:
        checkpoint = train_dpo(
            Path(job["parent"]), data, out, settings, base=job["base"], name=job["name"], options=options
        )
    else:
        base, revision, form = job["base"], job["revision"], job["form"]
        checkpoint = train_sft(
            base, data, out, settings, revision=revision, form=form, name=job["name"], options=options
        )
    record = checkpoint.record
    names = ("losses", "margins", "seconds", "steps", "health", "device")
    return {"id": checkpoint.id, **{name: record[name] for name in names}}


JOBS: dict[str, Callable[[dict[str, Any], ReportLine], dict[str, Any]]] = {
    "base": _find_base,
    "train": _train,
}

if __name__ == "__main__":
    main()
