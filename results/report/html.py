"""HTML report: a pure function of the report context, with the same bytes for the same context.

Style and script are inlined under a content security policy that allows them by hash and nothing else.
"""

from __future__ import annotations

from markupsafe import Markup

from agents.output_escape import html_page
from results.render.format import EMULATED_NOTE, format_count
from results.report.conclusions import TINY_NOTE
from results.report.context import ReportContext
from results.report.sections import SECTIONS, Section
from results.report.templates import asset, policy, render_template

_QUESTION = "Which response shows more empathy? Judged in both orders."


def page(material: ReportContext, *, now_text: str = "") -> str:
    """Render the report.

    Args:
        material: result of `build_context`.
        now_text: time of creation to show, or "".
    """
    style, script = asset("style.css"), asset("page.js")
    whole = render_template(
        "template",
        banners=banners(material),
        kicker=_QUESTION,
        title=title(material),
        facts=facts(material),
        sections=sections(material),
        now_text=now_text,
        style=Markup(style),
        script=Markup(script),
        policy=policy(style, script),
    )
    return html_page(whole)


def sections(material: ReportContext) -> list[Section]:
    """Return the sections that have something to show."""
    return [section for make in SECTIONS if (section := make(material)) is not None]


def banners(material: ReportContext) -> list[str]:
    """Return the warnings shown above everything else."""
    return [
        note for note, due in ((EMULATED_NOTE, material.is_emulated), (TINY_NOTE, material.is_tiny)) if due
    ]


def title(material: ReportContext) -> str:
    """Return the study's title, or the authors."""
    if material.study:
        return material.study
    pairs = [f"{pair.a.name} against {pair.b.name}" for pair in material.pairs]
    return "; ".join(pairs) or f"Run {material.run_id}"


def facts(material: ReportContext) -> list[str]:
    """Return the numbers of contests, dialogues and judges as short phrases."""
    if not material.pairs:
        return []
    contest = material.pairs[0].judged[0].contest
    judges = dict.fromkeys(judged.contest.judge for pair in material.pairs for judged in pair.speaking)
    phrases = [format_count(len(contest.dialogues), "dialogue"), f"judged by {', '.join(judges)}"]
    if len(material.pairs) > 1:
        phrases.insert(0, format_count(len(material.pairs), "contest"))
    if material.spec.get("split"):
        phrases.append(f"{material.spec['split']} split")
    if material.spec.get("fidelity"):
        phrases.append(f"fidelity “{material.spec['fidelity']}”")
    return phrases
