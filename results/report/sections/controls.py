"""Students against format controls beside students against their base: the effect of format."""

from __future__ import annotations

from results.render.format import format_percent, format_range
from results.render.table import Column, Table
from results.report.author_roles import AuthorRole
from results.report.conclusions import NO_CONTROLS_NOTE, UNCUT_NOTE
from results.report.context import ReportContext
from results.report.sections.section import Section, bullets, paragraph, tabulated
from results.report.study_conclusions import JudgeRate, judge_rate, student_pairs

INTRODUCTION = (
    "A base model continues past its response, and a student may have learned only to stop. Format "
    "controls have the format of a good response but no training on good content: a student fine-tuned on "
    "low-rated human responses, and the base truncated to its first turn and 97 words. A win over the "
    "base but not over these is due to format."
)
_HEADS = {
    AuthorRole.BASE: "against its base, not cut",
    AuthorRole.TRUNCATED_BASE: "against the base, cut",
    AuthorRole.LOW_RATED: "against the low-rated student",
}
_SIGNS = {1: "▲", -1: "▼", 0: "○"}


def controls(material: ReportContext) -> Section | None:
    """Return the section; None if no student met a base or a control."""
    table = _table(material)
    if table is None:
        return None
    blocks = (paragraph(INTRODUCTION), tabulated(table, "controls"), bullets(_notes(material)))
    return Section("controls", "Student against format controls", blocks)


def _table(material: ReportContext) -> Table | None:
    """Return a row per student and judge, a column per kind of opponent."""
    met = {role: student_pairs(material, role) for role in _HEADS}
    columns = [role for role, pairs in met.items() if pairs]
    if not columns:
        return None
    rates: dict[tuple[str, str], dict[AuthorRole, list[JudgeRate]]] = {}
    for role in columns:
        for pair, mirrored in met[role]:
            for judged in pair.speaking:
                if seen := judge_rate(judged, mirrored=mirrored):
                    rates.setdefault((seen.name, seen.judge), {}).setdefault(role, []).append(seen)
    heads = [Column(role.name.lower(), _HEADS[role], "lines", "right") for role in columns]
    table = Table(columns=[Column("student"), Column("judge"), *heads])
    for (name, judge), by_role in sorted(rates.items()):
        table.add_row(name, judge, *(tuple(map(_format_rate, by_role.get(role, ()))) for role in columns))
    return table


def _notes(material: ReportContext) -> list[str]:
    """Return the notes for the reader of the table."""
    notes = ["▲ the student is preferred, ▼ the opponent is, ○ the interval leaves it open."]
    if student_pairs(material, AuthorRole.BASE):
        notes.append(f"The base that is not cut {UNCUT_NOTE}")
    if not (
        student_pairs(material, AuthorRole.TRUNCATED_BASE) or student_pairs(material, AuthorRole.LOW_RATED)
    ):
        notes.append(NO_CONTROLS_NOTE)
    return notes


def _format_rate(seen: JudgeRate) -> str:
    interval, robust = format_range(seen.low, seen.high), format_range(*seen.order_robust)
    return f"{_SIGNS[seen.direction]} {format_percent(seen.rate)} ({interval}; order-robust {robust})"
