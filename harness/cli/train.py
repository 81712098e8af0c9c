"""`empathy train`: fine-tune a student in two steps, plan it, merge it, build a tiny one.

Results go to stdout (one line, or the whole record with `--json`), progress and warnings to stderr. Torch is
imported by what runs, never by `--help`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

import click

from agents.errors import UserError
from agents.student import Form, rendering
from agents.vocabulary import Fidelity
from finetune.checkpoint import Checkpoint
from finetune.encoding import prepare_examples, prepare_pairs
from finetune.plan import CARD_MIB, StagePlan, config_of, plan_stage, shape_of
from finetune.reading import DatasetFolder, read
from finetune.running import Step
from finetune.settings import SOURCES, Settings, settings_of
from finetune.training import How

Command = TypeVar("Command", bound=Callable[..., Any])
FOLDER = click.Path(path_type=Path, file_okay=False)
CHARACTERS_PER_TOKEN = 4.2  # of English under LLaMA-3's and Mistral's tokenizers, where theirs is not at hand
SECONDS_BETWEEN_LINES = 10.0


@click.group()
def train() -> None:
    """Fine-tune a student (SFT, then DPO), plan it, merge it."""


def _settings_options(command: Command) -> Command:
    """One flag per setting; only those given count, over the fidelity's defaults."""
    for one in reversed(fields(Settings)):
        flag = f"--{one.name.replace('_', '-')}"
        assert one.default is not MISSING
        help_ = f"Default {one.default}; {SOURCES[one.name]}."
        if isinstance(one.default, bool):
            option = click.option(f"{flag}/--no-{flag[2:]}", one.name, default=None, help=help_)
        else:
            option = click.option(flag, one.name, type=type(one.default), default=None, help=help_)
        command = option(command)
    choice = click.Choice([str(fidelity) for fidelity in Fidelity])
    return click.option("--fidelity", type=choice, default="paper", show_default=True)(command)


def _how_options(command: Command) -> Command:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the whole record."),
        click.option("--restart", is_flag=True, help="Throw unfinished work away and begin anew."),
        click.option("--cpu", is_flag=True, help="Leave the card alone."),
        click.option("--report-to", multiple=True, help="trackio, tensorboard or wandb; may be repeated."),
    ):
        command = option(command)
    return command


def _base_options(command: Command) -> Command:
    forms = click.Choice(["auto", *(str(form) for form in Form)])
    for option in (
        click.option(
            "--form", type=forms, default="auto", show_default=True, help="Plain text or chat template."
        ),
        click.option("--revision", default="", help="Of the base on the Hub: a commit, tag or branch."),
    ):
        command = option(command)
    return command


@train.command()
@click.option("--base", required=True, help="A folder, or a model on the Hub.")
@click.option("--data", type=FOLDER, required=True, help="A dataset's folder.")
@click.option("--out", type=FOLDER, required=True, help="The checkpoint's folder.")
@click.option("--name", default="", help="Of the checkpoint; the folder's name by default.")
@_base_options
@_how_options
@_settings_options
def sft(base: str, data: Path, out: Path, name: str, form: str, revision: str, **rest: Any) -> None:
    """Step one: supervised fine-tuning of a base model."""
    how, settings, as_json = _taken(rest)
    from finetune.sft import train_sft

    _show(train_sft(base, data, out, settings, revision=revision, form=form, name=name, how=how), as_json)


@train.command()
@click.option("--from", "parent", type=FOLDER, required=True, help="The SFT step's checkpoint.")
@click.option("--data", type=FOLDER, required=True, help="A dataset's folder.")
@click.option("--out", type=FOLDER, required=True, help="The checkpoint's folder.")
@click.option("--base", default="", help="Where the base lies now, if elsewhere.")
@click.option("--name", default="", help="Of the checkpoint; the folder's name by default.")
@_how_options
@_settings_options
def dpo(parent: Path, data: Path, out: Path, base: str, name: str, **rest: Any) -> None:
    """Step two: preference optimisation of an SFT checkpoint."""
    how, settings, as_json = _taken(rest)
    from finetune.dpo import train_dpo

    _show(train_dpo(parent, data, out, settings, base=base, name=name, how=how), as_json)


@train.command("two-step")
@click.option("--base", required=True, help="A folder, or a model on the Hub.")
@click.option("--data", type=FOLDER, required=True, help="A dataset's folder.")
@click.option(
    "--out", type=FOLDER, required=True, help="The checkpoint's folder; the first step's is OUT-sft."
)
@click.option("--name", default="", help="Of the checkpoint; the folder's name by default.")
@click.option("--seeds", default="", help="Several trainings, `1,2,3`, into OUT-seed-1 and so on.")
@_base_options
@_how_options
@_settings_options
def two_step(
    base: str, data: Path, out: Path, name: str, seeds: str, form: str, revision: str, **rest: Any
) -> None:
    """Both steps, resumable between and within."""
    how, settings, as_json = _taken(rest)
    from finetune.two_step import train_seeds, train_two_step

    if not seeds:
        made = train_two_step(base, data, out, settings, revision=revision, form=form, name=name, how=how)
        _show(made, as_json)
        return
    for one in train_seeds(base, data, out, _seeds(seeds), settings, revision=revision, form=form, how=how):
        _show(one, as_json)


@train.command()
@click.argument("checkpoint", type=FOLDER)
@click.option("--out", type=FOLDER, required=True, help="The merged model's folder.")
@click.option("--base", default="", help="Where the base lies now, if elsewhere.")
@click.option(
    "--dtype", type=click.Choice(["", "bf16", "fp16", "fp32"]), default="", help="The base's by default."
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole record.")
def merge(checkpoint: Path, out: Path, base: str, dtype: str, as_json: bool) -> None:
    """Merge an adapter into its base; its logits are compared before anything is written."""
    from finetune.merge import merge as merge_now

    record = merge_now(checkpoint, out, base=base, dtype=dtype, tell=_tell)
    if as_json:
        click.echo(json.dumps(record, indent=2, ensure_ascii=False))
    else:
        click.echo(f"{out}: {record['name']} merged, {record['weights']}")


@train.command()
@click.option("--base", required=True, help="A folder, or a model on the Hub.")
@click.option("--data", type=FOLDER, required=True, help="A dataset's folder.")
@click.option("--card-mib", type=int, default=CARD_MIB, show_default=True, help="The card's memory in MiB.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@_settings_options
def plan(base: str, data: Path, card_mib: int, as_json: bool, **rest: Any) -> None:
    """Memory and steps before you start, and what to turn on if it does not fit."""
    settings = _settings(rest)
    folder = read(data)
    shape = shape_of(config_of(base))
    lengths, measured = _lengths(folder, base, settings)
    stages = [plan_stage(shape, settings, name, *one, card_mib) for name, one in lengths.items() if one[0]]
    if as_json:
        told = [_told(stage) for stage in stages]
        click.echo(
            json.dumps({"base": base, "card_mib": card_mib, "measured": measured, "stages": told}, indent=2)
        )
        return
    click.echo(f"{base}: {shape.parameters:,} parameters; a card of {card_mib / 1024:.2f} GiB")
    if not measured:
        click.echo("Lengths are estimated from characters: the base's tokenizer is not at hand.")
    for stage in stages:
        _print_stage(stage, settings)


@train.command()
@click.option("--out", type=FOLDER, required=True, help="The model's folder; must not exist yet.")
@click.option("--kind", type=click.Choice(["llama", "mistral"]), default="llama", show_default=True)
@click.option("--chat", is_flag=True, help="With a chat template, as an instruct model.")
@click.option("--seed", type=int, default=1, show_default=True)
def tiny(out: Path, kind: str, chat: bool, seed: int) -> None:
    """Build a tiny student from nothing: half a million parameters of noise, for trying things out."""
    from finetune.tiny import KINDS, build

    click.echo(str(build(out, next(one for one in KINDS if one == kind), chat=chat, seed=seed)))


class Progress:
    """Steps on stderr: one line rewritten on a terminal, else a line now and then."""

    def __init__(self, every_seconds: float = SECONDS_BETWEEN_LINES) -> None:
        self._terminal = sys.stderr.isatty()
        self._every = every_seconds
        self._last = float("-inf")

    def __call__(self, step: Step) -> None:
        """Show this step, if it is time."""
        now, ends = time.monotonic(), step.step >= step.steps
        if not self._terminal and not ends and now - self._last < self._every:
            return
        self._last = now
        margin = f", margin {step.margin:.3f}" if step.margin is not None else ""
        line = (
            f"{step.stage} {step.step:,}/{step.steps:,}: loss {step.loss:.4f}{margin}, "
            f"{step.tokens_per_second:,.0f} tokens/s, {_clock(step.seconds_left)} left"
        )
        click.echo(f"\r\x1b[2K{line}" if self._terminal else line, err=True, nl=ends or not self._terminal)


def _taken(rest: dict[str, Any]) -> tuple[How, Settings, bool]:
    how = How(
        watch=Progress(),
        tell=_tell,
        report_to=tuple(rest.pop("report_to")),
        restart=rest.pop("restart"),
        cpu=rest.pop("cpu"),
    )
    as_json = bool(rest.pop("as_json"))
    return how, _settings(rest), as_json


def _settings(rest: dict[str, Any]) -> Settings:
    fidelity = Fidelity(rest.pop("fidelity"))
    return settings_of({key: value for key, value in rest.items() if value is not None}, fidelity)


def _seeds(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise UserError(
            "seeds are whole numbers", where="--seeds", found=repr(text), remedy="1,2,3"
        ) from None


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _show(made: Checkpoint, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(dict(made.record), indent=2, ensure_ascii=False))
        return
    losses = made.record["losses"]
    told = (
        f"loss {losses['first']:.4f} to {losses['last']:.4f} in {made.record['steps']:,} steps"
        if losses
        else ""
    )
    click.echo(f"{made.path}: {made.stage} checkpoint {made.name}, {told}")


def _lengths(
    data: DatasetFolder, base: str, settings: Settings
) -> tuple[dict[Any, tuple[tuple[int, ...], tuple[int, ...]]], bool]:
    """Tokens of every row and of its completions, by stage; and whether they were counted or estimated."""
    try:
        from finetune.loading import chosen_form, load_tokenizer, locate_tokenizer

        tokenizer = load_tokenizer(locate_tokenizer(base))
        words = rendering(chosen_form("auto", tokenizer))
        found: dict[Any, tuple[tuple[int, ...], tuple[int, ...]]] = {}
        if data.sft:
            rows = prepare_examples(data.sft, tokenizer, words, settings.max_length)
            found["sft"] = (rows.lengths, rows.completion_tokens)
        if data.dpo:
            rows = prepare_pairs(data.dpo, tokenizer, words, settings.max_length)
            found["dpo"] = (rows.lengths, rows.completion_tokens)
        return found, True
    except (ImportError, UserError):
        return _estimated(data), False


def _estimated(data: DatasetFolder) -> dict[Any, tuple[tuple[int, ...], tuple[int, ...]]]:
    def tokens(*texts: str) -> int:
        return round(sum(map(len, texts)) / CHARACTERS_PER_TOKEN) + 2

    sft = [(tokens(one.turn, one.response), tokens(one.response)) for one in data.sft]
    dpo = [
        (tokens(one.turn, max(one.chosen, one.rejected, key=len)), tokens(one.chosen, one.rejected))
        for one in data.dpo
    ]
    split = {"sft": sft, "dpo": dpo}
    return {name: (tuple(a for a, _ in rows), tuple(b for _, b in rows)) for name, rows in split.items()}


def _told(stage: StagePlan) -> dict[str, Any]:
    plain = ("stage", "rows", "steps", "longest", "tokens", "tokens_per_pass", "teraflop", "fits")
    return {
        **{name: getattr(stage, name) for name in plain},
        "gib": stage.memory.gib(),
        "ways": list(stage.ways),
    }


def _print_stage(stage: StagePlan, settings: Settings) -> None:
    click.echo(
        f"\n{stage.stage}: {stage.rows:,} rows, longest {stage.longest} tokens, {stage.steps:,} steps of "
        f"{settings.effective_batch} rows, {stage.tokens:,} tokens, {stage.teraflop:,.0f} TFLOP"
    )
    for name, gib in stage.memory.gib().items():
        click.echo(f"  {name:<12}{gib:>8.2f} GiB")
    if stage.fits:
        click.echo("  fits")
    else:
        click.echo("  does not fit; turn on: " + "; ".join(stage.ways))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
