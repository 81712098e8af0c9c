"""Win rates with intervals: one pair in full, several pairs grouped by opponent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from agents.author_names import STUDENT
from results.render.charts import ForestMark, ForestRow, forest_plot
from results.render.columns import columns
from results.render.format import format_level, format_percent
from results.render.table import Column, Table
from results.render.writers.html import readable
from results.render.writers.markdown import markdown_table
from results.report.author_roles import AuthorRole
from results.report.context import AuthorPair, ReportContext
from results.report.sections.chart_data import figure_of
from results.report.sections.section import Block, Section
from results.report.templates import render_template

_ROLES = {
    AuthorRole.BASE: "untrained, not cut",
    AuthorRole.TRUNCATED_BASE: "untrained, cut to its first turn and 97 words",
    AuthorRole.LOW_RATED: "format control: trained on low-rated responses",
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """Forest plot of all authors against one opponent."""

    opponent: str
    role: str
    drawing: Markup


def overview(material: ReportContext) -> Section | None:
    """Render the plots."""
    if not material.pairs:
        return None
    if len(material.pairs) == 1:
        blocks = (Block(figure_of(material.pairs[0], 0)), Block(markdown=markdown_table(_rates(material))))
        return Section("win-rates", "Win rate", blocks)
    judges = judge_names(material.pairs)
    series = {judge_id: at for at, judge_id in enumerate(judges)}
    by_opponent: dict[str, list[AuthorPair]] = {}
    for pair in material.pairs:
        by_opponent.setdefault(pair.b.id, []).append(pair)
    drawings = []
    for at, (set_id, pairs) in enumerate(
        sorted(by_opponent.items(), key=lambda item: _place(material, item[0]))
    ):
        opponent = material.authors[set_id]
        rows = [_row(pair, series) for pair in pairs]
        title = readable(f"Win rates against {opponent.name}")
        described = "; ".join(f"{row.name}: {', '.join(mark.label for mark in row.marks)}" for row in rows)
        drawing = forest_plot(rows, name=f"forest-{at}", title=title, described=described)
        drawings.append(Drawing(opponent.name, _ROLES.get(opponent.role, ""), drawing))
    hard = material.pairs[0].judged[0].hard
    controls = any(judged_contest.is_control for pair in material.pairs for judged_contest in pair.judged)
    html = render_template(
        "overview",
        judges=judges.values(),
        drawings=drawings,
        level=format_level(hard.level),
        scope=hard.scope,
        more="Control judges stand with every number below." if controls else "",
    )
    return Section("win-rates", "Win rates", (Block(html), Block(markdown=markdown_table(_rates(material)))))


def _place(material: ReportContext, set_id: str) -> tuple[int, str]:
    """Return the sort key of an opponent: bases first, then format controls, then others."""
    author = material.authors[set_id]
    return (list(_ROLES).index(author.role) if author.role in _ROLES else len(_ROLES), author.name)


def judge_names(pairs: Sequence[AuthorPair]) -> dict[str, str]:
    """Return the judges that count, name by id, ordered by name."""
    names = {
        judged_contest.contest.judge_id: judged_contest.contest.judge
        for pair in pairs
        for judged_contest in pair.speaking
    }
    return dict(sorted(names.items(), key=lambda item: (item[1], item[0])))


def _row(pair: AuthorPair, series: Mapping[str, int]) -> ForestRow:
    marks = [
        ForestMark(
            series[judged_contest.contest.judge_id],
            judged_contest.hard.rate,
            judged_contest.hard.low,
            judged_contest.hard.high,
            format_percent(judged_contest.hard.rate)
            if judged_contest.hard.rate is not None
            else "no rate yet",
        )
        for judged_contest in pair.speaking
    ]
    return ForestRow(
        readable(pair.a.name.removeprefix(f"{STUDENT}:")), tuple(sorted(marks, key=lambda mark: mark.series))
    )


def _rates(material: ReportContext) -> Table:
    """Return a row per contest and judge."""
    shown = columns(
        *(Column("a", "A"), Column("b", "B"), "judge", Column("win_rate", "A wins", "percent"), "interval"),
        *("order_robust", "n", "consistency", "first_position_rate", "unscored"),
    )
    table = Table(columns=shown)
    for pair in material.pairs:
        for judged in pair.judged:
            rate = judged.hard
            table.add_row(
                pair.a.name,
                pair.b.name,
                judged.contest.judge,
                rate.rate,
                (rate.low, rate.high),
                rate.order_robust,
                rate.n,
                rate.consistency,
                rate.first_position_rate,
                judged.unscored,
            )
    return table
