"""Specification of a training set, validated on creation, and the command that makes its responses."""

from __future__ import annotations

from dataclasses import dataclass

from agents.author_names import AuthorName
from agents.errors import Fault, UserError
from agents.types import DEFAULT_PRESET, Fidelity, Method, Strategy
from finetune.dialogue_selection import COMBINED, LLMS, LOW_RATED
from harness.data.command_hints import command, improve_command


@dataclass(frozen=True)
class TrainingSetSpec:
    """Specification of a training set.

    Attributes:
        method: "direct", "over-human", "over-llm" or "low-rated".
        llm: for direct: an LLM of the dataset, "combined", or an author with stored responses.
        strategy, teacher: for over-human and over-llm: how the responses were improved.
        initial: for over-llm: author of the initial responses; "" for the teacher.
        tag: the `--preset` of `empathy improve`.
        seed: for over-llm: seed of the split into SFT and DPO; None for that of the fidelity.
        hold_out: whether the development dialogues are kept out of training, in separate files.
        partial: whether to build if responses are missing; the manifest counts them.
    """

    method: str
    llm: str = COMBINED
    strategy: Strategy | None = None
    teacher: str = ""
    initial: str = ""
    tag: str = ""
    fidelity: Fidelity = Fidelity.PAPER
    seed: int | None = None
    hold_out: bool = False
    partial: bool = False

    def __post_init__(self) -> None:
        is_improved = self.method in (Method.OVER_HUMAN, Method.OVER_LLM)
        faults = []
        if is_improved and self.strategy is None:
            faults.append(
                Fault(
                    "missing for this method",
                    "--strategy",
                    remedy=f"Choose one of: {', '.join(Strategy)}.",
                    code="option.missing",
                )
            )
        if is_improved and not self.teacher:
            faults.append(
                Fault(
                    "missing for this method",
                    "--teacher",
                    remedy="Name a model, for example openai/gpt-6-luna.",
                    code="option.missing",
                )
            )
        if not is_improved and (self.strategy is not None or self.teacher):
            faults.append(
                Fault(
                    "only for the methods over-human and over-llm",
                    "--strategy, --teacher",
                    code="option.not-applicable",
                )
            )
        if self.initial and self.method != Method.OVER_LLM:
            faults.append(
                Fault(
                    "only for the method over-llm",
                    "--initial-responses",
                    self.initial,
                    code="option.not-applicable",
                )
            )
        if self.llm != COMBINED and self.method != Method.DIRECT:
            faults.append(
                Fault("only for the method direct", "--llm", self.llm, code="option.not-applicable")
            )
        if self.seed is not None and self.method != Method.OVER_LLM:
            faults.append(
                Fault("only for the method over-llm", "--seed", str(self.seed), code="option.not-applicable")
            )
        if faults:
            raise UserError(
                f"invalid options for the method {self.method}", code="training-set.invalid", faults=faults
            )

    @property
    def needs_store(self) -> bool:
        """Whether stored responses are needed besides those of the dataset."""
        if self.method == Method.DIRECT:
            return self.llm not in (*LLMS, COMBINED)
        return self.method != LOW_RATED

    @property
    def over(self) -> str:
        """The kind of initial responses, as in the names of presets."""
        if self.method == Method.OVER_HUMAN:
            return "human"
        return self.initial if self.initial not in ("", self.teacher) else "llm"

    @property
    def command(self) -> str:
        """The command that generates the needed responses."""
        if self.method == Method.DIRECT:
            return command(*_split_preset(self.llm), split="train")
        return improve_command(self.teacher, str(self.strategy), self.over, self.fidelity, self.tag)


def _split_preset(author: str) -> tuple[str, str]:
    """Split `author@preset` into author and preset."""
    parsed = AuthorName.parse(author)
    return parsed.bare, parsed.preset or DEFAULT_PRESET
