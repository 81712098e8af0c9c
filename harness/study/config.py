"""A study as values: what its file says, table by table (`loading.py` reads it).

    [data]        which dialogues                        (the paper's section 4.1)
    [teaching]    who teaches, by which methods          (section 5)
    [[student]]   which base models learn
    [training]    how they are fine-tuned                (section 4.2)
    [generation]  how everybody responds on the test split
    [judging]     who is judged against whom, by whom    (section 4.3)
    [selection]   how the best is chosen, where one is
    [limits]      what must not be exceeded; [budget] what may be spent

Pure values: nothing is read, asked or computed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from agents.judge import DEFAULT_PROMPT
from agents.types import Fidelity, Split
from finetune.config import TrainingConfig as TrainingSettings
from harness.engine.limits import Limits

STEPS = ("sft", "dpo")
STUDENT, BASE, TRUNCATED_BASE, BEST = "student", "base", "base-cut", "best"  # a contest's words for authors
PRESETS = ("cut", "paper", "released")
# vLLM's server, vLLM in the process, plain transformers; auto: the server where vLLM is installed, else those
THROUGH = ("server", "offline", "transformers", "auto")
DEVICES = ("auto", "cpu")
FORMS = ("auto", "plain", "chat")
TINY = "tiny:"  # a base that is built on the spot: tiny:llama, tiny:mistral


@dataclass(frozen=True)
class Data:
    """Which dialogues.

    Attributes:
        source: the CSV's path, "sample", or "" for where the dataset usually is.
        split: what is judged on.  limit, train_limit: a seeded random subset of so many; 0 for all.
        hold_out: the development dialogues are kept out of training.
        seed: of the subsets and of the dialogues' order.
    """

    source: str = ""
    split: Split = Split.TEST
    limit: int = 0
    train_limit: int = 0
    hold_out: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Teaching:
    """Who teaches what, and how.

    Attributes:
        teachers: models, for the methods that improve.
        methods, strategies: each with each; direct knows no strategy.
        llms: for direct: whose responses teach (the dataset's four, "combined").
        temperature: of the teachers; None leaves it to the model.
        partition_seed: of over-llm; None for the fidelity's own.
    """

    teachers: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()
    llms: tuple[str, ...] = ()
    temperature: float | None = None
    partition_seed: int | None = None


@dataclass(frozen=True)
class StudentSpec:
    """A base model that learns: its short name in the study, and what it is."""

    name: str
    base: str
    revision: str = ""
    form: str = "auto"


@dataclass(frozen=True)
class Training:
    """How students are fine-tuned: the steps that are judged, the seeds, the numbers of each step."""

    steps: tuple[str, ...] = STEPS
    seeds: tuple[int, ...] = (42,)
    device: str = "auto"
    sft: TrainingSettings = field(default_factory=TrainingSettings)
    dpo: TrainingSettings = field(default_factory=TrainingSettings)


@dataclass(frozen=True)
class Generation:
    """How base and students respond: a preset of serving, and what serves them."""

    preset: str = "cut"
    through: str = "server"


@dataclass(frozen=True)
class Judging:
    """Who is judged against whom, by whom.

    Attributes:
        judges: models and controls.  contests: pairs (A, B) of words and authors.
        prompt: how judges are asked.  samples: repetitions.  seed: of the resampling.
    """

    judges: tuple[str, ...]
    contests: tuple[tuple[str, str], ...]
    prompt: str = DEFAULT_PROMPT
    samples: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Selection:
    """How `best` is chosen: of every learner's students, by one judge, against one opponent."""

    judge: str
    against: str = BASE
    split: Split = Split.DEVELOPMENT


@dataclass(frozen=True)
class Study:
    """One experiment.

    Attributes:
        name: the file's.  source: where it stands.  title, about: for people.
        limits: of every lane, under "", and of single models.  budget_usd: of the whole study.
        emulate: every model that is asked is the emulator's stand-in.
    """

    name: str
    source: str
    title: str
    about: str
    fidelity: Fidelity
    data: Data
    teaching: Teaching
    student_specs: tuple[StudentSpec, ...]
    training: Training
    generation: Generation
    judging: Judging
    selection: Selection | None = None
    limits: Mapping[str, Limits] = field(default_factory=dict)
    budget_usd: float | None = None
    emulate: bool = False

    def judged_by(self, judges: tuple[str, ...]) -> Study:
        """The same study with other judges, who choose the best as well where one is chosen."""
        chosen = replace(self.selection, judge=judges[0]) if self.selection else None
        return replace(self, judging=replace(self.judging, judges=judges), selection=chosen)

    def words(self) -> set[str]:
        """Every author that a contest names."""
        return {one for contest in self.judging.contests for one in contest}
