"""Tables of the paper's claims: our estimates beside the published ones, as rows and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from results.paper.contrasts import Contrast, ContrastEstimate

TEXT_AGAINST_TABLE = (
    "Section 5.3: for LLaMA judged by GPT-4o, SFT then DPO is better than SFT alone for all strategies "
    "except prompt 3. In the table it is better for prompt 3 too (70.8 against 69.6).",
    "Text of Figure 9: over-LLM consistently outperforms over-human. In the table it does not for prompt 3 "
    "after DPO (70.8 against 71.2).",
)


def to_rows(contrasts: Sequence[Contrast]) -> list[dict[str, object]]:
    """Return every contrast as a dict; values in [−1, 1]."""
    rows = []
    for contrast in contrasts:
        row: dict[str, object] = {
            "claim": contrast.claim,
            "study": contrast.study,
            "section": contrast.section,
            "above": contrast.threshold,
            "note": contrast.note,
        }
        for name, estimate, verdict in zip(
            ("ours", "published"), (contrast.ours, contrast.published), contrast.verdicts, strict=True
        ):
            row[name] = estimate.value if estimate else None
            row |= {
                f"{name}_low": estimate.low if estimate else None,
                f"{name}_high": estimate.high if estimate else None,
            }
            row |= {
                f"{name}_cells": estimate.cells if estimate else None,
                f"{name}_n": estimate.n if estimate else None,
            }
            row[f"{name}_verdict"] = verdict
        rows.append(row)
    return rows


def to_markdown(contrasts: Sequence[Contrast]) -> str:
    """Return a Markdown table in points and percent, with notes below."""
    lines = ["| claim | study | section | above | ours | published |", "|:--|:--|:--|--:|:--|:--|"]
    lines += [
        f"| {contrast.claim} | {contrast.study} | {contrast.section} | {100 * contrast.threshold:g} | "
        f"{_format_estimate(contrast.ours, contrast.verdicts[0])} | "
        f"{_format_estimate(contrast.published, contrast.verdicts[1])} |"
        for contrast in contrasts
    ]
    notes = [
        f"{contrast.claim}; {contrast.study}: {contrast.note}." for contrast in contrasts if contrast.note
    ]
    notes_list = "\n".join(f"- {note}" for note in (*TEXT_AGAINST_TABLE, *notes))
    intervals = (
        "In points, with simultaneous intervals: over dialogues (ours), over 250 independent dialogues per "
        "cell (published). They concern these checkpoints only."
    )
    return "## The paper's claims\n\n" + "\n".join(lines) + f"\n\n{intervals}\n\n{notes_list}\n"


def _format_estimate(estimate: ContrastEstimate | None, verdict: str) -> str:
    if estimate is None:
        return verdict
    interval = f"[{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"
    return f"{100 * estimate.value:.1f} {interval}, {estimate.cells} cells: {verdict}"
