"""Which training dataset to build, checked when it is said; and the command that makes what it needs."""

from __future__ import annotations

from dataclasses import dataclass

from agents.errors import Fault, UserError
from agents.types import DEFAULT_PRESET, Fidelity, Method, Strategy
from finetune.dialogue_selection import COMBINED, LLMS, LOW_RATED
from harness.data.command_hints import command, improving


@dataclass(frozen=True)
class TrainingSetSpec:
    """Which dataset is to be built.

    Attributes:
        method: "direct", "over-human", "over-llm" or "low-rated".
        llm: for direct: one of the dataset's LLMs, "combined", or any author with stored responses.
        strategy, teacher: for over-human and over-llm.
        initial: for over-llm: whose responses were improved; "" for the teacher's own.
        tag: as given to `empathy improve --preset`.
        seed: of over-llm's partition; None for the fidelity's own.
        hold_out: keep the development dialogues out of training, in rows of their own.
        partial: build although responses are missing; they are counted.
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
        improving = self.method in (Method.OVER_HUMAN, Method.OVER_LLM)
        faults = []
        if improving and self.strategy is None:
            faults.append(
                Fault(
                    "missing for this method",
                    "--strategy",
                    remedy=f"Choose one of: {', '.join(Strategy)}.",
                    code="option.missing",
                )
            )
        if improving and not self.teacher:
            faults.append(
                Fault(
                    "missing for this method",
                    "--teacher",
                    remedy="Name a model, for example openai/gpt-6-luna.",
                    code="option.missing",
                )
            )
        if not improving and (self.strategy is not None or self.teacher):
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
        """Whether responses beside the dataset's own are needed."""
        if self.method == Method.DIRECT:
            return self.llm not in (*LLMS, COMBINED)
        return self.method != LOW_RATED

    @property
    def over(self) -> str:
        """What is improved, as a preset's name has it."""
        if self.method == Method.OVER_HUMAN:
            return "human"
        return self.initial if self.initial not in ("", self.teacher) else "llm"

    @property
    def command(self) -> str:
        """The command that makes the responses that are needed."""
        if self.method == Method.DIRECT:
            return command(*_parts(self.llm), split="train")
        return improving(self.teacher, str(self.strategy), self.over, self.fidelity, self.tag)


def _parts(author: str) -> tuple[str, str]:
    """`author@preset` → (author, preset)."""
    bare, _, preset = author.partition("@")
    return bare, preset or DEFAULT_PRESET
