"""HTML page of a judge audit: the accuracy of each judge against human ratings, in one self-contained
file.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from agents.output_escape import html_page
from results.analysis.judge_audit import AuditSummary, JudgeAuditResult
from results.render.charts import IntervalEstimate, interval_plot
from results.render.format import EMULATED_NOTE, format_percent
from results.render.judge_audit import (
    audit_cells,
    caveats,
    format_decimal,
    format_estimate,
    format_points,
    format_within,
    page_title,
    reliability_findings,
)
from results.statistics.judge_accuracy import JudgeBias

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:80rem;margin:2rem auto;padding:0 1rem;color:#111;
background:#fff}
table{border-collapse:collapse;font-size:.8rem;margin:1rem 0}th,td{padding:.2rem .45rem;text-align:right;
border-bottom:1px solid #ddd;white-space:nowrap;font-variant-numeric:tabular-nums}th{vertical-align:bottom}
th:first-child,td:first-child{text-align:left}.floor{color:#666}.scroll{overflow-x:auto}
.note{color:#555;font-size:.85rem;max-width:60rem}.drawing{max-width:44rem;margin:1.5rem 0}
.side{display:flex;flex-wrap:wrap;gap:0 3rem;align-items:flex-start}
.plot{font-size:13px}.plot text{paint-order:stroke;stroke:#fff;stroke-width:4px}
.emulated{border:2px solid #D55E00;padding:.4rem .8rem;max-width:60rem}
.plot-label,.plot-tick,.plot-end{fill-opacity:.75}
.plot-interval{stroke:#0072B2}.plot-rate{fill:#0072B2}
@media(prefers-color-scheme:dark){body{background:#111;color:#eee}th,td{border-color:#444}
.floor,.note{color:#aaa}.plot text{stroke:#111}.plot-interval{stroke:#56B4E9}.plot-rate{fill:#56B4E9}}
@media print{body{max-width:none;margin:0}.scroll{overflow:visible}table{font-size:.7rem}}
"""
ENDS = ("\u2190 the lower rated", "the higher rated \u2192")


def page(summaries: Sequence[AuditSummary]) -> str:
    """Render the page for one or both splits."""
    parts = [Markup("<h1>What these judges may be trusted for</h1>")]
    if any(EMULATED_NOTE in caveats(summary) for summary in summaries):
        parts.append(Markup("<p class=emulated>{}</p>").format(EMULATED_NOTE))
    for summary in summaries:
        parts.append(Markup("<h2>{}</h2>").format(page_title(summary)))
        parts.append(_drawing(summary))
        parts.append(_table(summary))
        parts += [Markup("<p class=note>{}</p>").format(note) for note in _general(summary)]
        parts += [_judge(entry) for entry in summary.judges]
    body = Markup("\n").join(parts)
    return html_page(
        Markup(
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
            'content="width=device-width"><title>Judges against human ratings</title><style>{}</style></head>'
            "<body>\n{}\n</body></html>\n"
        ).format(Markup(STYLE), body)
    )


def _general(summary: AuditSummary) -> list[str]:
    """Return the notes that concern no single judge."""
    own = {EMULATED_NOTE, *(line for entry in summary.judges for line in reliability_findings(entry))}
    return [note for note in caveats(summary) if note not in own]


def _drawing(summary: AuditSummary) -> Markup:
    """Plot every agreement with its interval: judges, then baselines."""
    every = (*summary.judges, *summary.baselines)
    estimates = [
        IntervalEstimate(
            entry.name,
            agreement.value,
            agreement.low,
            agreement.high,
            format_estimate(agreement),
            note="nothing to be read",
        )
        for entry in every
        for agreement in (entry.audit.agreement,)
    ]
    summary_text = "; ".join(f"{entry.name} {entry.label}" for entry in estimates)
    plot = interval_plot(
        estimates,
        name=f"agreement-{summary.split}",
        title="Agreement with human ratings",
        described=f"Share of verdicts for the response rated higher, 95 % intervals: {summary_text}.",
        ends=ENDS,
    )
    caption = "Agreement with the human ratings: judges, then floors; 95 % intervals; dashed: chance."
    return Markup('<div class="drawing"><p class=note>{}</p>{}</div>').format(caption, plot)


def _table(summary: AuditSummary) -> Markup:
    every = (*summary.judges, *summary.baselines)
    columns = [audit_cells(entry) for entry in every]
    heads = [name for name in columns[0] if any(cells[name] not in ("-", "") for cells in columns)]
    head = Markup("").join(Markup("<th>{}</th>").format(name) for name in heads)
    rows = Markup("\n").join(
        Markup("<tr{}><td>{}</td>{}</tr>").format(
            Markup(' class="floor"') if entry.is_baseline else "",
            entry.name,
            Markup("").join(Markup("<td>{}</td>").format(cells[name]) for name in heads),
        )
        for entry, cells in zip(every, columns, strict=True)
    )
    return Markup('<div class="scroll"><table><tr><th>judge</th>{}</tr>\n{}</table></div>').format(head, rows)


def _judge(entry: JudgeAuditResult) -> Markup:
    audit = entry.audit
    lines = [Markup("<h3>{}</h3><ul>").format(entry.name)]
    lines += [
        Markup("<li>{}</li>").format(line.removeprefix(f"{entry.name}: "))
        for line in reliability_findings(entry)
    ]
    facts = [
        ("agreement", format_estimate(audit.agreement)),
        ("more than with ratings permuted within raters, points", format_within(audit.within)),
        ("where the ratings are 1 and 3", format_estimate(audit.rating_gap_2)),
        *((name, format_estimate(group)) for name, group in audit.groups.items()),
        ("first-position rate", format_percent(audit.first_position_rate)),
        ("verdicts for the longer response, more than ratings", format_points(audit.length.difference)),
    ]
    if isinstance(audit.own_family, JudgeBias):
        facts.append(
            (
                f"verdicts for its family ({entry.family}), more than ratings",
                format_points(audit.own_family.difference),
            )
        )
    facts += [
        (f"more agreement than {name}, points", format_points(more)) for name, more in entry.over.items()
    ]
    table = Markup("").join(Markup("<tr><td>{}</td><td>{}</td></tr>").format(*fact) for fact in facts)
    responders = Markup("").join(
        Markup("<tr><td>{} – {}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>").format(
            pair.first,
            pair.second,
            format_estimate(pair.agreement),
            format_percent(pair.humans),
            format_percent(pair.judge),
            format_decimal(pair.kappa),
        )
        for pair in audit.pairs
    )
    return Markup(
        '{}</ul><div class="side"><table>{}</table><table><tr><th>responders</th><th>agreement</th>'
        "<th>people: first</th><th>judge: first</th><th>κ</th></tr>{}</table></div>"
    ).format(Markup("").join(lines), table, responders)
