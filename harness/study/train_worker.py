"""Subprocess for jobs that need torch; it frees the GPU memory, and a crash affects only one stage.

The subprocess reads its job as one line of JSON from standard input and exits when that pipe closes, which is
when the parent ends. It writes its progress and its result to standard output, as lines of JSON.

    python -m harness.study.train_worker < '{"do": "sft", "base": …, "data": …, "out": …, "settings": {…}}'
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from agents.errors import EmpathyError, UserError

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
    with _open_log(log) as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "harness.study.train_worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**(environment or {}), **os.environ},
            start_new_session=True,  # an interrupt at the terminal must reach only the parent
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(dict(job)).encode() + b"\n")
        with contextlib.suppress(ConnectionError):
            await process.stdin.drain()
        async for line in process.stdout:
            message = json.loads(line)
            if "done" in message:
                return dict(message["done"])
            if "wrong" in message:
                raise UserError(**message["wrong"])
            tell(str(message["tell"]))
        await process.wait()
        raise EmpathyError(f"the child process ended with {process.returncode}; see {log}: {_log_tail(log)}")
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        process.stdin.close()
        await process.wait()


def _open_log(log: Path) -> BinaryIO:
    log.parent.mkdir(parents=True, exist_ok=True)
    return log.open("ab")


def _log_tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace").strip()[-LOG_TAIL_CHARACTERS:]


def main() -> None:
    """Run the job of standard input."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # output of libraries must not mix with the messages

    def send(line: Mapping[str, Any]) -> None:
        output.write(json.dumps(dict(line)) + "\n")
        output.flush()

    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    try:
        send({"done": JOBS[job.pop("do")](job, lambda line: send({"tell": line}))})
    except UserError as error:
        fault = error.fault
        found_text = "; ".join([fault.found, *map(str, error.faults)]).strip("; ")
        fields = {"what": fault.what, "where": fault.where, "remedy": fault.remedy, "code": fault.code}
        send({"wrong": {**fields, "found": found_text}})


def _exit_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


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
