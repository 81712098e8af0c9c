"""Writer of training-set folders.

    DIR/manifest.json               origin of the data, row counts, SHA-256 of every file
    DIR/README.md                   dataset card in the Hub's format
    DIR/sft.jsonl, dpo.jsonl        trl's plain format: prompt, completion | prompt, chosen, rejected
    DIR/conversational/…            trl's conversational format, for a model with a chat template
    DIR/llama-factory/…             LLaMA-Factory's sharegpt format, with its dataset_info.json
    DIR/held-out-sft.jsonl, …       the same formats for dialogues held out of training, if there are any

A folder is written completely or not at all, and the same input gives the same bytes. Besides the fields that
trainers read, a row holds its dialogue's id and its roles. Row lengths are checked later, in training,
because they depend on the student's tokenizer.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agents.errors import UserError
from agents.hashing import content_id
from agents.student_prompt import PromptFormat, PromptStyle, plain_completion, plain_prompt
from agents.types import Dialogue, Fidelity
from finetune.dialogue_selection import COMBINED, LLMS
from finetune.hub_cards import dataset_card
from finetune.training_rows import DpoRow, SftRow, TrainingRows

KIND = "empathy-dataset"
VERSION = 1
MANIFEST = "manifest.json"
FORMATS = ("trl", "llama-factory")
STAGES = ("sft", "dpo")


@dataclass(frozen=True, slots=True)
class DatasetOrigin:
    """Origin of a training set; everything here is written to the manifest.

    Attributes:
        method, llm, strategy, teacher: as chosen by the user; "" if not applicable.
        fidelity: variant of the experiment that is reproduced.
        seed: seed of the partition or of the held-out dialogues; None if none was used.
        source: content ids of the dialogues and responses (`{"dataset": "sha256:…"}`).
        prompts: name and version of every prompt that produced a response.
        run: id of the run that generated the responses, or "".
    """

    method: str
    fidelity: Fidelity
    llm: str = ""
    strategy: str = ""
    teacher: str = ""
    seed: int | None = None
    source: Mapping[str, str] = field(default_factory=dict)
    prompts: Mapping[str, str] = field(default_factory=dict)
    run: str = ""

    @property
    def name(self) -> str:
        """Short name: `over-llm, all-dimensions, openai/gpt-6.1-sol`."""
        return ", ".join(part for part in (self.method, self.llm, self.strategy, self.teacher) if part)


def write_dataset(
    folder: Path,
    rows: TrainingRows,
    dialogues: Mapping[str, Dialogue],
    rendering: PromptFormat,
    origin: DatasetOrigin,
    *,
    held_out: TrainingRows | None = None,
    forms: Sequence[str] = FORMATS,
    forbidden: Iterable[str] = (),
) -> dict[str, Any]:
    """Write a training-set folder and return its manifest.

    Args:
        folder: must not exist, or be empty.
        dialogues: dialogues by id; must contain every dialogue of the rows.
        rendering: prompt format of the rows.
        held_out: rows of dialogues held out of training, for the check after training.
        forms: formats to write besides the plain one, from `FORMATS`.
        forbidden: ids of test dialogues; no row may belong to one of them.

    Raises:
        UserError: the folder is not empty, a format is unknown, there are no rows, or a test or held-out
            dialogue is among the training rows.
    """
    _check_before_writing(folder, rows, held_out, forms, set(forbidden))
    turns = {name: rendering.turn(dialogue) for name, dialogue in dialogues.items()}
    files: dict[str, str] = {}
    files |= _plain_files("", rows, turns) | _plain_files("held-out-", held_out, turns)
    if "trl" in forms:
        files |= _conversational_files("", rows, turns) | _conversational_files("held-out-", held_out, turns)
    if "llama-factory" in forms:
        files |= _llama_factory_files(rows, turns)
    manifest = {
        "kind": KIND,
        "version": VERSION,
        "method": origin.method,
        "llm": origin.llm,
        "strategy": origin.strategy,
        "teacher": origin.teacher,
        "fidelity": str(origin.fidelity),
        "seed": origin.seed,
        "prompt": {"name": rendering.prompt.name, "version": rendering.prompt.version},
        "rendering": PromptFormat(rendering.prompt, PromptStyle.PLAIN).id,
        "prompts": dict(origin.prompts),
        "source": dict(origin.source),
        "run": origin.run,
        "rows": _count_rows(rows),
        "held_out": _count_rows(held_out) if held_out else {},
        "excluded": rows.count_excluded_by_reason(),
        "over_97_words": rows.count_over_word_limit(),
        "files": {
            name: f"sha256:{sha256(text.encode()).hexdigest()}" for name, text in sorted(files.items())
        },
    }
    files[MANIFEST] = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    files["README.md"] = dataset_card(manifest, origin.name)
    _write_atomically(folder, files)
    return manifest


def dataset_id(manifest: Mapping[str, Any]) -> str:
    """Return the content id of a training set: that of its manifest, which holds every file's hash."""
    return content_id("dataset-1", dict(manifest))


def teacher_names(manifest: Mapping[str, Any]) -> list[str]:
    """Return the models whose responses a student learns from; [] if the manifest names none.

    These are the teacher, the model whose responses it improved, and the LLMs of direct distillation.
    """
    source = manifest.get("source") or {}
    recorded = (manifest.get("teacher"), source.get("initial responses of"), manifest.get("llm"))
    names = [model for name in recorded if name for model in (LLMS if name == COMBINED else (name,))]
    return list(dict.fromkeys(names))


def to_parquet(folder: Path) -> list[Path]:
    """Write the plain files as Parquet beside them and return the new paths; skip files without rows.

    Raises:
        UserError: the library `datasets` is missing.
    """
    check_parquet()
    from datasets import Dataset
    from datasets.utils.logging import disable_progress_bar

    disable_progress_bar()
    written = []
    for source in sorted(folder.glob("*.jsonl")):
        rows = [json.loads(line) for line in source.read_text(encoding="utf-8").split("\n") if line]
        if rows:
            target = source.with_suffix(".parquet")
            unfinished = folder / f".{target.name}"
            Dataset.from_list(rows).to_parquet(str(unfinished))
            unfinished.replace(target)
            written.append(target)
    return written


def check_parquet() -> None:
    """Check that Parquet files can be written.

    Raises:
        UserError: the library `datasets` is missing.
    """
    if find_spec("datasets") is None:
        raise UserError(
            "writing Parquet needs the library `datasets`, which is not installed",
            code="training.missing-libraries",
            where="--format",
            found="parquet",
            remedy="Install it with: pip install -e '.[train]'",
        )


def _count_rows(rows: TrainingRows) -> dict[str, int]:
    return {
        "sft": len(rows.sft),
        "dpo": len(rows.dpo),
        "sft_dialogues": len({row.dialogue for row in rows.sft}),
        "dpo_dialogues": len({row.dialogue for row in rows.dpo}),
    }


def _check_before_writing(
    folder: Path, rows: TrainingRows, held_out: TrainingRows | None, forms: Sequence[str], forbidden: set[str]
) -> None:
    where = str(folder)
    unknown = [form for form in forms if form not in FORMATS]
    if unknown:
        raise UserError(
            "unknown training-set format",
            code="training-set.unknown-format",
            where="--format",
            found=repr(unknown[0]),
            remedy=f"Choose from: {', '.join(FORMATS)}.",
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            "output folder is not empty",
            code="file.exists",
            where=where,
            remedy="Pass a new folder with --out.",
        )
    if not rows.sft and not rows.dpo:
        reasons = ", ".join(
            f"{reason} ({count})" for reason, count in rows.count_excluded_by_reason().items()
        )
        raise UserError(
            "no training rows left",
            code="training-set.no-rows",
            where=where,
            found=reasons or "no dialogues",
            remedy="Generate the missing responses, or choose another method.",
        )
    trained, held = rows.dialogues(), held_out.dialogues() if held_out else set()
    if leaked := (trained | held) & forbidden:
        raise UserError(
            "test dialogues are among the training rows",
            code="training-set.test-dialogues",
            where=where,
            found=f"{len(leaked)}, first {min(leaked)}",
            remedy="Build the training set from the training split only.",
        )
    if leaked := trained & held:
        raise UserError(
            "held-out dialogues are among the training rows",
            code="training-set.held-out-dialogues",
            where=where,
            found=f"{len(leaked)}, first {min(leaked)}",
            remedy="Hold out other dialogues.",
        )


def _plain_files(prefix: str, rows: TrainingRows | None, turns: Mapping[str, str]) -> dict[str, str]:
    return _stage_files(
        prefix,
        rows,
        lambda row: {
            "dialogue": row.dialogue,
            "role": row.role,
            "prompt": plain_prompt(turns[row.dialogue]),
            "completion": plain_completion(row.text),
        },
        lambda row: {
            "dialogue": row.dialogue,
            "chosen_role": row.chosen_role,
            "rejected_role": row.rejected_role,
            "prompt": plain_prompt(turns[row.dialogue]),
            "chosen": plain_completion(row.chosen),
            "rejected": plain_completion(row.rejected),
        },
    )


def _conversational_files(prefix: str, rows: TrainingRows | None, turns: Mapping[str, str]) -> dict[str, str]:
    def message(role: str, text: str) -> list[dict[str, str]]:
        return [{"role": role, "content": text}]

    return _stage_files(
        f"conversational/{prefix}",
        rows,
        lambda row: {
            "dialogue": row.dialogue,
            "role": row.role,
            "prompt": message("user", turns[row.dialogue]),
            "completion": message("assistant", row.text),
        },
        lambda row: {
            "dialogue": row.dialogue,
            "chosen_role": row.chosen_role,
            "rejected_role": row.rejected_role,
            "prompt": message("user", turns[row.dialogue]),
            "chosen": message("assistant", row.chosen),
            "rejected": message("assistant", row.rejected),
        },
    )


def _stage_files(
    prefix: str,
    rows: TrainingRows | None,
    example_to_dict: Callable[[SftRow], dict[str, Any]],
    pair_to_dict: Callable[[DpoRow], dict[str, Any]],
) -> dict[str, str]:
    if rows is None:
        return {}
    return {
        f"{prefix}sft.jsonl": _json_lines(example_to_dict(row) for row in rows.sft),
        f"{prefix}dpo.jsonl": _json_lines(pair_to_dict(row) for row in rows.dpo),
    }


def _llama_factory_files(rows: TrainingRows, turns: Mapping[str, str]) -> dict[str, str]:
    """Return LLaMA-Factory's data files and index; the published scripts use the same two layouts."""
    sft = [
        {
            "messages": [
                {"role": "user", "content": turns[row.dialogue]},
                {"role": "assistant", "content": row.text},
            ]
        }
        for row in rows.sft
    ]
    dpo = [
        {
            "conversations": [{"from": "human", "value": turns[row.dialogue]}],
            "chosen": {"from": "gpt", "value": row.chosen},
            "rejected": {"from": "gpt", "value": row.rejected},
        }
        for row in rows.dpo
    ]
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    info = {
        "empathy_sft": {
            "file_name": "sft.json",
            "formatting": "sharegpt",
            "columns": {"messages": "messages"},
            "tags": tags,
        },
        "empathy_dpo": {
            "file_name": "dpo.json",
            "ranking": True,
            "formatting": "sharegpt",
            "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
        },
    }
    return {
        f"llama-factory/{name}": json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        for name, content in (("sft.json", sft), ("dpo.json", dpo), ("dataset_info.json", info))
    }


def _json_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _write_atomically(folder: Path, files: Mapping[str, str]) -> None:
    """Write every file into a temporary folder beside the target, then rename it."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        try:
            work.chmod(0o755)
            for name, text in files.items():
                path = work / name
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8", newline="\n")
            if folder.exists():
                folder.rmdir()
            work.replace(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise UserError(
            "cannot write the training set",
            code="file.not-writable",
            where=str(folder),
            found=str(error),
        ) from error
