"""Results over several training seeds of one recipe, which support claims about a strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from results.queries.checkpoints import CheckpointRecord
from results.queries.contests import Contest
from results.statistics import NotEstimable, StrategyEstimate, strategy_rate


@dataclass(frozen=True, slots=True)
class SeedSummary:
    """Students of one recipe, different only in their seed, against one opponent under one judge.

    Attributes:
        recipe: method, strategy and stage, in words.
        opponent, judge: display names.
        found: win rate over dialogues and training seeds, or the reason why there is none.
    """

    recipe: str
    opponent: str
    judge: str
    found: StrategyEstimate | NotEstimable


def summarize_seeds(
    contests: Sequence[Contest], trained: Mapping[str, CheckpointRecord], seed: int
) -> tuple[SeedSummary, ...]:
    """Summarise every recipe with two or more training seeds; the student is A in these contests.

    Args:
        trained: checkpoint records by author.
        seed: seed of the bootstrap.
    """
    groups: dict[tuple[str, str, str], dict[int, Contest]] = {}
    for contest in contests:
        known = trained.get(contest.a.author)
        if known is not None and "seed" in known.settings:
            place = (_recipe_key(known), contest.b.id, contest.judge_id)
            groups.setdefault(place, {})[int(known.settings["seed"])] = contest
    summaries = []
    for by_seed in groups.values():
        if len(by_seed) > 1:
            first = next(iter(by_seed.values()))
            rate = strategy_rate([by_seed[each].columns for each in sorted(by_seed)], seed=seed)
            summaries.append(SeedSummary(_recipe(trained[first.a.author]), first.b.name, first.judge, rate))
    return tuple(sorted(summaries, key=lambda summary: (summary.recipe, summary.opponent, summary.judge)))


def _recipe_key(student: CheckpointRecord) -> str:
    """Return everything of a training except its seed."""
    data = dict(student.record.get("data") or {})
    settings_text = {name: data.get(name) for name in ("id", "method", "strategy", "taught_by", "fidelity")}
    settings = {name: value for name, value in student.settings.items() if name != "seed"}
    every = [student.base, student.stage, settings_text, settings]
    return orjson.dumps(every, option=orjson.OPT_SORT_KEYS).decode()


def _recipe(student: CheckpointRecord) -> str:
    data = student.record.get("data") or {}
    words = [str(data[name]) for name in ("method", "strategy") if data.get(name)]
    return f"{' '.join(words)} {student.stage.upper()} on {student.base.rpartition('/')[2]}".strip()
