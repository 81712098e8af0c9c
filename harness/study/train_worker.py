"""What needs torch is done in a child process: it frees the card's memory, and a crash is one stage's alone.

The child reads its job as one line of JSON from standard input and then watches that pipe: its end is the
parent's end. On standard output it says, a line of JSON each, how far it is and how it ended.

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

Tell = Callable[[str], None]
LOG_TAIL_CHARACTERS = 300


async def run_in_subprocess(
    job: Mapping[str, Any], log: Path, tell: Tell, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Do a job in a child process; its result.

    Args:
        log: where the child's standard error goes (libraries' warnings, a traceback).
        environment: variables for the child, where the user's own say nothing of them.

    Raises:
        UserError: what the child found wrong.
        EmpathyError: it ended without a word.
    """
    with _opened(log) as errors:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "harness.study.train_worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**(environment or {}), **os.environ},
            start_new_session=True,  # an interrupt at the terminal reaches the parent alone
        )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.write(json.dumps(dict(job)).encode() + b"\n")
        with contextlib.suppress(ConnectionError):
            await child.stdin.drain()
        async for line in child.stdout:
            told = json.loads(line)
            if "done" in told:
                return dict(told["done"])
            if "wrong" in told:
                raise UserError(**told["wrong"])
            tell(str(told["tell"]))
        await child.wait()
        raise EmpathyError(f"the child process ended with {child.returncode}; see {log}: {_last_words(log)}")
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
        child.stdin.close()
        await child.wait()


def _opened(log: Path) -> BinaryIO:
    log.parent.mkdir(parents=True, exist_ok=True)
    return log.open("ab")


def _last_words(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace").strip()[-LOG_TAIL_CHARACTERS:]


def main() -> None:
    """The child."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no line of ours

    def say(line: Mapping[str, Any]) -> None:
        out.write(json.dumps(dict(line)) + "\n")
        out.flush()

    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        say({"done": JOBS[job.pop("do")](job, lambda line: say({"tell": line}))})
    except UserError as error:
        fault = error.fault
        found = "; ".join([fault.found, *map(str, error.faults)]).strip("; ")
        fields = {"what": fault.what, "where": fault.where, "remedy": fault.remedy, "code": fault.code}
        say({"wrong": {**fields, "found": found}})


def _die_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def _base(job: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Find a base, or build a tiny one: where it is, and its weights' id."""
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
    found = locate_model(name, job["revision"])
    check_weights(found.folder)
    return {
        "base": name,
        "revision": found.base.revision,
        "weights": found.base.weights,
        "at": str(found.folder),
    }


def _train(job: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """One step of fine-tuning: the checkpoint's id, losses, and what its record says."""
    from finetune.config import TrainingConfig
    from finetune.dpo import train_dpo
    from finetune.pipeline import TrainOptions
    from finetune.sft import train_sft
    from finetune.trainer import TrainingStep

    def watch(step: TrainingStep) -> None:
        tell(f"step {step.step:,} of {step.steps:,}, loss {step.loss:.3f}, {step.seconds_left:,.0f} s left")

    options = TrainOptions(on_step=watch, on_message=tell, cpu=job["cpu"], new_tokens=job["new_tokens"])
    data, out, settings = Path(job["data"]), Path(job["out"]), TrainingConfig(**job["settings"])
    if job["parent"]:
        made = train_dpo(
            Path(job["parent"]), data, out, settings, base=job["base"], name=job["name"], options=options
        )
    else:
        base, revision, form = job["base"], job["revision"], job["form"]
        made = train_sft(
            base, data, out, settings, revision=revision, form=form, name=job["name"], options=options
        )
    told = made.record
    names = ("losses", "margins", "seconds", "steps", "health", "device")
    return {"id": made.id, **{name: told[name] for name in names}}


JOBS: dict[str, Callable[[dict[str, Any], Tell], dict[str, Any]]] = {"base": _base, "train": _train}

if __name__ == "__main__":
    main()
