"""The paper's claims as rows and as Markdown: ours beside the published, and where text and table
disagree."""

from __future__ import annotations

from collections.abc import Sequence

from results.paper.contrasts import Contrast, ContrastEstimate

TEXT_AGAINST_TABLE = (
    "Section 5.3 says of LLaMA by GPT-4o that SFT then DPO is better than SFT alone for all strategies "
    "except prompt 3; the table has it better for prompt 3 too (70.8 against 69.6).",
    "Figure 9's text says that over-LLM consistently outperforms over-human; the table has prompt 3 after "
    "DPO the other way (70.8 against 71.2).",
)


def to_rows(found: Sequence[Contrast]) -> list[dict[str, object]]:
    """Every contrast as plain data; values in [−1, 1]."""
    rows = []
    for one in found:
        row: dict[str, object] = {
            "claim": one.claim,
            "study": one.study,
            "section": one.section,
            "above": one.threshold,
            "note": one.note,
        }
        for name, of, verdict in zip(
            ("ours", "published"), (one.ours, one.published), one.verdicts, strict=True
        ):
            row[name] = of.value if of else None
            row |= {f"{name}_low": of.low if of else None, f"{name}_high": of.high if of else None}
            row |= {f"{name}_cells": of.cells if of else None, f"{name}_n": of.n if of else None}
            row[f"{name}_verdict"] = verdict
        rows.append(row)
    return rows


def to_markdown(found: Sequence[Contrast]) -> str:
    """A table, points and percent; what text and table disagree on below."""
    lines = ["| claim | study | section | above | ours | published |", "|:--|:--|:--|--:|:--|:--|"]
    lines += [
        f"| {one.claim} | {one.study} | {one.section} | {100 * one.threshold:g} | "
        f"{_told(one.ours, one.verdicts[0])} | {_told(one.published, one.verdicts[1])} |"
        for one in found
    ]
    notes = [f"{one.claim}; {one.study}: {one.note}." for one in found if one.note]
    told = "\n".join(f"- {note}" for note in (*TEXT_AGAINST_TABLE, *notes))
    intervals = (
        "In points; intervals hold for all claims at once, over dialogues (ours), over 250 dialogues a "
        "cell taken for independent (published). They are about these checkpoints."
    )
    return "## The paper's claims\n\n" + "\n".join(lines) + f"\n\n{intervals}\n\n{told}\n"


def _told(one: ContrastEstimate | None, verdict: str) -> str:
    if one is None:
        return verdict
    return f"{100 * one.value:.1f} [{100 * one.low:.1f}, {100 * one.high:.1f}], {one.cells} cells: {verdict}"
