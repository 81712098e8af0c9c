"""Section on provenance: everything that identifies the numbers, and the command that reproduces them."""

from __future__ import annotations

from agents.output_escape import markdown_code
from results.render.writers.markdown import markdown_list
from results.report.context import ReportContext
from results.report.sections.section import Block, Section
from results.report.templates import render_template

_FIDELITY = {
    "paper": "what the paper's text says; what it leaves open is recorded with every set and every student.",
    "released": "the published scripts where they differ from the text: DPO filter of direct distillation, "
    "method 3's originals and rejected responses are the human ones, sequential improvement in one growing "
    "conversation, the scripts' own prompts for judges, teachers and bases, generation settings by base, the "
    "base as DPO's reference. How students were prompted in training is not recorded: ours are trained and "
    "asked with our rendering.",
    "ours": "differs from the paper's text: exact duplicates of training rows are dropped, improved "
    "responses over 97 words are requested once more, one explicit generation setting for all authors "
    "with 97 words at most, and DPO's reference is the SFT model.",
}


def manifest(material: ReportContext) -> Section:
    """The section that every page ends with."""
    judged = {contest.contest.judge_id: contest for pair in material.pairs for contest in pair.judged}
    first = material.pairs[0].judged[0] if material.pairs else None
    html = render_template(
        "manifest",
        material=material,
        judges=judged.values(),
        commands={
            command: [invocation for invocation in material.invocations if invocation.command == command]
            for command in dict.fromkeys(invocation.command for invocation in material.invocations)
        },
        contest=first.contest if first else None,
        resamples=first.hard.resamples if first else 0,
        fidelity=_FIDELITY.get(str(material.spec.get("fidelity", "")), ""),
        page_command=page_command(material),
    )
    commands = (markdown_code(invocation.command) for invocation in material.invocations)
    made = markdown_list([f"run {material.run_id}", f"page: {page_command(material)}"])
    return Section("made", "How this was made", (Block(html, "\n\n".join([made, *commands])),), "manifest")


def page_command(material: ReportContext) -> str:
    """Return the command that reproduces the page."""
    return f"empathy report {material.spec.get('name') or material.run_id.removeprefix('run-1:')[:10]}"
