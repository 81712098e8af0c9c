"""Configuration of a study, table by table (`config_loader.py` reads the file).

[data]        dialogues                                          (the paper's section 4.1)
[teaching]    teachers and training methods                      (section 5)
[[student]]   base models to fine-tune
[training]    fine-tuning                                        (section 4.2)
[generation]  generation of the students' and bases' responses
[judging]     contests and judges                                (section 4.3)
[selection]   selection of the best student, if needed
[limits]      rate limits; [budget] the limit on the cost
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from agents.judge import DEFAULT_PROMPT
from agents.types import Fidelity, Split
from finetune.config import TrainingConfig as TrainingSettings
from harness.engine.limits import Limits

STEPS = ("sft", "dpo")
# words for authors in contests; "base-truncated" is accepted for "base-cut"
STUDENT, BASE, TRUNCATED_BASE, BEST = "student", "base", "base-cut", "best"
PRESETS = ("truncated", "paper", "released")
# vLLM server, vLLM in this process, transformers; auto: the server if vLLM is installed, else transformers
BACKENDS = ("server", "offline", "transformers", "auto")
DEVICES = ("auto", "cpu")
PROMPT_STYLES = ("auto", "plain", "chat")
TINY = "tiny:"  # prefix of base models that are built locally: tiny:llama, tiny:mistral


@dataclass(frozen=True)
class Data:
    """Dialogues of the study.

    Attributes:
        source: path of the dataset's CSV file, "sample", or "" for the default path.
        split: split that is judged.
        limit, train_limit: size of a seeded random subset of the judged and the training dialogues; 0 for
            all.
        hold_out: whether the development dialogues are kept out of training.
        seed: seed of the subsets and of the order of the dialogues.
    """

    source: str = ""
    split: Split = Split.TEST
    limit: int = 0
    train_limit: int = 0
    hold_out: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Teaching:
    """Teachers and training methods.

    Attributes:
        teachers: models that improve responses.
        methods, strategies: training methods and improvement strategies; every method is combined with every
            strategy, except "direct", which has none.
        llms: for the method "direct": LLMs of the dataset whose responses are used, or "combined".
        temperature: sampling temperature of the teachers; None for their default.
        partition_seed: for over-llm: seed of the split into SFT and DPO; None for that of the fidelity.
    """

    teachers: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()
    llms: tuple[str, ...] = ()
    temperature: float | None = None
    partition_seed: int | None = None


@dataclass(frozen=True)
class StudentSpec:
    """Base model to fine-tune.

    Attributes:
        name: short name within the study.
        base: folder or name on the Hub.
        revision: commit, tag or branch on the Hub.
        form: prompt style, "auto", "plain" or "chat".
    """

    name: str
    base: str
    revision: str = ""
    form: str = "auto"


@dataclass(frozen=True)
class Training:
    """Fine-tuning of the students.

    Attributes:
        steps: steps whose students are judged.
        seeds: training seeds.
        device: "auto" or "cpu".
        sft, dpo: training configuration of each step.
    """

    steps: tuple[str, ...] = STEPS
    seeds: tuple[int, ...] = (42,)
    device: str = "auto"
    sft: TrainingSettings = field(default_factory=TrainingSettings)
    dpo: TrainingSettings = field(default_factory=TrainingSettings)


@dataclass(frozen=True)
class GenerationSection:
    """Generation of the students' and bases' responses.

    Attributes:
        preset: sampling and truncation preset.
        through: inference backend.
    """

    preset: str = "cut"
    through: str = "server"


@dataclass(frozen=True)
class Judging:
    """Contests and judges.

    Attributes:
        judges: models and control judges.
        contests: pairs (A, B) of authors or of the words "student", "base", …
        prompt: name of the judge prompt.
        samples: number of verdicts per comparison.
        seed: seed of the bootstrap.
    """

    judges: tuple[str, ...]
    contests: tuple[tuple[str, str], ...]
    prompt: str = DEFAULT_PROMPT
    samples: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Selection:
    """Selection of `best` among the students of each base model, by one judge against one opponent."""

    judge: str
    against: str = BASE
    split: Split = Split.DEVELOPMENT


@dataclass(frozen=True)
class Study:
    """One experiment.

    Attributes:
        name: name of the file without its suffix.
        source: path of the file.
        title, about: title and description.
        limits: rate limits of every endpoint (key "") and of single models (key: model name).
        budget_usd: limit on the cost of the whole study; None for no limit.
        emulate: whether all requests go to the emulator.
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
    generation: GenerationSection
    judging: Judging
    selection: Selection | None = None
    limits: Mapping[str, Limits] = field(default_factory=dict)
    budget_usd: float | None = None
    emulate: bool = False

    def judged_by(self, judges: tuple[str, ...]) -> Study:
        """Return the same study with other judges; the first one also selects the best student."""
        chosen = replace(self.selection, judge=judges[0]) if self.selection else None
        return replace(self, judging=replace(self.judging, judges=judges), selection=chosen)

    def words(self) -> set[str]:
        """Return every author that a contest names."""
        return {author for contest in self.judging.contests for author in contest}
