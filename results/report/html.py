"""From a run's material to the text of its page; pure, and the same bytes for the same material.

The page's style and script stand in it under a content security policy that names them by hash and allows
nothing else.
"""

from __future__ import annotations

from markupsafe import Markup

from agents.output_escape import html_page
from results.report.conclusions import EMULATED_NOTE, TINY_NOTE, counted
from results.report.context import ReportContext
from results.report.sections import SECTIONS
from results.report.templates import asset, policy, render_template

_QUESTION = "Which response shows more empathy? Judged in both orders."


def page(material: ReportContext, *, now_text: str = "") -> str:
    """The text of the page.

    Args:
        material: what `build_context` read.
        now_text: when the page was made, as it is to be shown, or "".
    """
    style, script = asset("style.css"), asset("page.js")
    sections = [section for make in SECTIONS if (section := make(material)) is not None]
    whole = render_template(
        "template",
        banners=banners(material),
        kicker=_QUESTION,
        title=title(material),
        facts=facts(material),
        sections=sections,
        now_text=now_text,
        style=Markup(style),
        script=Markup(script),
        policy=policy(style, script),
    )
    return html_page(whole)


def banners(material: ReportContext) -> list[str]:
    """What must be known before anything is read."""
    return [
        note for note, due in ((EMULATED_NOTE, material.is_emulated), (TINY_NOTE, material.is_tiny)) if due
    ]


def title(material: ReportContext) -> str:
    """The study's, or who met whom."""
    if material.study:
        return material.study
    pairs = [f"{pair.a.name} against {pair.b.name}" for pair in material.pairs]
    return "; ".join(pairs) or f"Run {material.run_id}"


def facts(material: ReportContext) -> list[str]:
    """The page in a few words: how many contests, dialogues, judges."""
    if not material.pairs:
        return []
    contest = material.pairs[0].judged[0].contest
    judges = dict.fromkeys(one.contest.judge for pair in material.pairs for one in pair.speaking)
    told = [counted(len(contest.dialogues), "dialogue"), f"judged by {', '.join(judges)}"]
    if len(material.pairs) > 1:
        told.insert(0, counted(len(material.pairs), "contest"))
    if material.spec.get("split"):
        told.append(f"{material.spec['split']} split")
    if material.spec.get("fidelity"):
        told.append(f"fidelity “{material.spec['fidelity']}”")
    return told
