"""A dataset's folder: written whole or not at all, byte for byte the same for the same input.

    DIR/manifest.json               what it is, how it was made, how many rows, each file's SHA-256
    DIR/README.md                   a dataset card in the Hub's format
    DIR/sft.jsonl, dpo.jsonl        trl's plain form: prompt, completion | prompt, chosen, rejected
    DIR/conversational/…            trl's conversational form, for a model with a chat template
    DIR/llama-factory/…             LLaMA-Factory's sharegpt form, with its dataset_info.json
    DIR/held-out-sft.jsonl, …       the same forms of dialogues kept out of training, where there are any

A row carries its dialogue's id and its roles beside what the trainers read. Knows no tokenizer: whether a
row fits a student is asked when it is trained.
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
    """How a dataset came to be; all of it goes into the manifest.

    Attributes:
        method, llm, strategy, teacher: as chosen; "" where it does not apply.
        seed: of the partition or of the held-out dialogues; None where none was used.
        source: what the dialogues and responses came from, by content (`{"dataset": "sha256:…"}`).
        prompts: name → version of every prompt that made a response.
        run: id of the run that made the responses, or "".
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
        """A short name: `over-llm, all-dimensions, openai/gpt-6.1-sol`."""
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
    """Write the folder and give back its manifest.

    Args:
        folder: must not exist, or be empty.
        held_out: rows of dialogues kept out of training, for the check after it.
        forms: which forms beside the plain one.
        forbidden: ids of test dialogues; none of them may be in any row.

    Raises:
        UserError: the folder holds something, a form is unknown, there are no rows, a test dialogue or a
            held-out one is among those trained on.
    """
    _check_before_writing(folder, rows, held_out, forms, set(forbidden))
    turns = {name: rendering.turn(dialogue) for name, dialogue in dialogues.items()}
    files: dict[str, str] = {}
    files |= _plain("", rows, turns) | _plain("held-out-", held_out, turns)
    if "trl" in forms:
        files |= _conversational("", rows, turns) | _conversational("held-out-", held_out, turns)
    if "llama-factory" in forms:
        files |= _llama_factory(rows, turns)
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
        "rows": _counts(rows),
        "held_out": _counts(held_out) if held_out else {},
        "excluded": rows.count_excluded_by_reason(),
        "over_97_words": rows.count_over_word_limit(),
        "files": {
            name: f"sha256:{sha256(text.encode()).hexdigest()}" for name, text in sorted(files.items())
        },
    }
    files[MANIFEST] = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    files["README.md"] = dataset_card(manifest, origin.name)
    _write_whole(folder, files)
    return manifest


def dataset_id(manifest: Mapping[str, Any]) -> str:
    """Content id of a dataset: of its manifest, which holds every file's hash."""
    return content_id("dataset-1", dict(manifest))


def teacher_names(manifest: Mapping[str, Any]) -> list[str]:
    """Whose responses a student learns from, people's aside; empty where the manifest names nobody.

    The teacher, whose responses it improved, the LLMs of direct distillation.
    """
    source = manifest.get("source") or {}
    named = (manifest.get("teacher"), source.get("initial responses of"), manifest.get("llm"))
    every = [each for name in named if name for each in (LLMS if name == COMBINED else (name,))]
    return list(dict.fromkeys(every))


def to_parquet(folder: Path) -> list[Path]:
    """The plain form as Parquet beside it, through `datasets`; none for a stage without rows.

    Raises:
        UserError: `datasets` is missing.
    """
    check_parquet()
    from datasets import Dataset
    from datasets.utils.logging import disable_progress_bar

    disable_progress_bar()
    made = []
    for source in sorted(folder.glob("*.jsonl")):
        rows = [json.loads(line) for line in source.read_text(encoding="utf-8").split("\n") if line]
        if rows:
            target = source.with_suffix(".parquet")
            unfinished = folder / f".{target.name}"
            Dataset.from_list(rows).to_parquet(str(unfinished))
            unfinished.replace(target)
            made.append(target)
    return made


def check_parquet() -> None:
    """Whether Parquet can be written.

    Raises:
        UserError: `datasets` is missing.
    """
    if find_spec("datasets") is None:
        raise UserError(
            "Parquet is written through `datasets`, which is not installed",
            where="--format",
            found="parquet",
            remedy="Install with: pip install -e '.[train]'",
        )


def _counts(rows: TrainingRows) -> dict[str, int]:
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
            "no such form", where="--format", found=repr(unknown[0]), remedy=f"Choose: {FORMATS}."
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError("there is something already", where=where, remedy="Name a new folder with --out.")
    if not rows.sft and not rows.dpo:
        why = ", ".join(f"{reason} ({count})" for reason, count in rows.count_excluded_by_reason().items())
        raise UserError("there is not one row to train on", where=where, found=why or "no dialogues")
    trained, kept = rows.dialogues(), held_out.dialogues() if held_out else set()
    for what, leaked in (
        ("test dialogues are among the training rows", (trained | kept) & forbidden),
        ("held-out dialogues are among the training rows", trained & kept),
    ):
        if leaked:
            raise UserError(what, where=where, found=f"{len(leaked)}, first {min(leaked)}")


def _plain(prefix: str, rows: TrainingRows | None, turns: Mapping[str, str]) -> dict[str, str]:
    return _both(
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


def _conversational(prefix: str, rows: TrainingRows | None, turns: Mapping[str, str]) -> dict[str, str]:
    def says(role: str, text: str) -> list[dict[str, str]]:
        return [{"role": role, "content": text}]

    return _both(
        f"conversational/{prefix}",
        rows,
        lambda row: {
            "dialogue": row.dialogue,
            "role": row.role,
            "prompt": says("user", turns[row.dialogue]),
            "completion": says("assistant", row.text),
        },
        lambda row: {
            "dialogue": row.dialogue,
            "chosen_role": row.chosen_role,
            "rejected_role": row.rejected_role,
            "prompt": says("user", turns[row.dialogue]),
            "chosen": says("assistant", row.chosen),
            "rejected": says("assistant", row.rejected),
        },
    )


def _both(
    prefix: str,
    rows: TrainingRows | None,
    of_example: Callable[[SftRow], dict[str, Any]],
    of_pair: Callable[[DpoRow], dict[str, Any]],
) -> dict[str, str]:
    if rows is None:
        return {}
    return {
        f"{prefix}sft.jsonl": _lines(of_example(row) for row in rows.sft),
        f"{prefix}dpo.jsonl": _lines(of_pair(row) for row in rows.dpo),
    }


def _llama_factory(rows: TrainingRows, turns: Mapping[str, str]) -> dict[str, str]:
    """LLaMA-Factory's own form and its index; the published scripts use the same two shapes."""
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


def _lines(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _write_whole(folder: Path, files: Mapping[str, str]) -> None:
    """Every file into a folder beside the target, then one rename: nothing is ever half-written."""
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
        raise UserError("the dataset could not be written", where=str(folder), found=str(error)) from error
