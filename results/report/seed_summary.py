"""What several training seeds of one recipe say together: a claim about a strategy, not a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from results.queries.checkpoints import CheckpointRecord
from results.queries.contests import Contest
from results.statistics import NotEstimable, StrategyEstimate, strategy_rate


@dataclass(frozen=True, slots=True)
class SeedSummary:
    """One recipe's students, alike but for their seed, against one opponent under one judge.

    Attributes:
        recipe: method, strategy and step, in words.
        opponent, judge: as people write them.
        found: the win rate over dialogues and training seeds, or why there is none.
    """

    recipe: str
    opponent: str
    judge: str
    found: StrategyEstimate | NotEstimable


def summarize_seeds(
    contests: Sequence[Contest], trained: Mapping[str, CheckpointRecord], seed: int
) -> tuple[SeedSummary, ...]:
    """Every recipe with two or more training seeds; the student is A in these contests.

    Args:
        trained: the students that the database knows, by author.
        seed: of the resampling.
    """
    groups: dict[tuple[str, str, str], dict[int, Contest]] = {}
    for contest in contests:
        known = trained.get(contest.a.author)
        if known is not None and "seed" in known.settings:
            place = (_alike(known), contest.b.id, contest.judge_id)
            groups.setdefault(place, {})[int(known.settings["seed"])] = contest
    found = []
    for of in groups.values():
        if len(of) > 1:
            first = next(iter(of.values()))
            rate = strategy_rate([of[each].columns for each in sorted(of)], seed=seed)
            found.append(SeedSummary(_recipe(trained[first.a.author]), first.b.name, first.judge, rate))
    return tuple(sorted(found, key=lambda one: (one.recipe, one.opponent, one.judge)))


def _alike(student: CheckpointRecord) -> str:
    """Everything of a training that is not its seed."""
    data = dict(student.record.get("data") or {})
    told = {name: data.get(name) for name in ("id", "method", "strategy", "taught_by", "fidelity")}
    settings = {name: value for name, value in student.settings.items() if name != "seed"}
    every = [student.base, student.stage, told, settings]
    return orjson.dumps(every, option=orjson.OPT_SORT_KEYS).decode()


def _recipe(student: CheckpointRecord) -> str:
    data = student.record.get("data") or {}
    words = [str(data[name]) for name in ("method", "strategy") if data.get(name)]
    return f"{' '.join(words)} {student.stage.upper()} on {student.base.rpartition('/')[2]}".strip()
