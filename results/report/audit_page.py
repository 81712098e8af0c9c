"""The page on trust: what each judge may be trusted for, from its audit. One self-contained HTML file."""

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
    """The page, for one split or both."""
    parts = [Markup("<h1>What these judges may be trusted for</h1>")]
    if any(EMULATED_NOTE in caveats(summary) for summary in summaries):
        parts.append(Markup("<p class=emulated>{}</p>").format(EMULATED_NOTE))
    for summary in summaries:
        parts.append(Markup("<h2>{}</h2>").format(page_title(summary)))
        parts.append(_drawing(summary))
        parts.append(_table(summary))
        parts += [Markup("<p class=note>{}</p>").format(note) for note in _general(summary)]
        parts += [_judge(one) for one in summary.judges]
    body = Markup("\n").join(parts)
    return html_page(
        Markup(
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
            'content="width=device-width"><title>Judges against human ratings</title><style>{}</style></head>'
            "<body>\n{}\n</body></html>\n"
        ).format(Markup(STYLE), body)
    )


def _general(summary: AuditSummary) -> list[str]:
    """The notes that are about no single judge."""
    own = {EMULATED_NOTE, *(line for one in summary.judges for line in reliability_findings(one))}
    return [note for note in caveats(summary) if note not in own]


def _drawing(summary: AuditSummary) -> Markup:
    """Everybody's agreement, with its interval: judges, then floors."""
    every = (*summary.judges, *summary.baselines)
    estimates = [
        IntervalEstimate(
            one.name, found.value, found.low, found.high, format_estimate(found), note="nothing to be read"
        )
        for one in every
        for found in (one.audit.agreement,)
    ]
    told = "; ".join(f"{one.name} {one.label}" for one in estimates)
    plot = interval_plot(
        estimates,
        name=f"agreement-{summary.split}",
        title="Agreement with human ratings",
        described=f"Share of verdicts for the response rated higher, 95 % intervals: {told}.",
        ends=ENDS,
    )
    caption = "Agreement with the human ratings: judges, then floors; 95 % intervals; dashed: chance."
    return Markup('<div class="drawing"><p class=note>{}</p>{}</div>').format(caption, plot)


def _table(summary: AuditSummary) -> Markup:
    every = (*summary.judges, *summary.baselines)
    columns = [audit_cells(one) for one in every]
    heads = [name for name in columns[0] if any(of[name] not in ("-", "") for of in columns)]
    head = Markup("").join(Markup("<th>{}</th>").format(name) for name in heads)
    rows = Markup("\n").join(
        Markup("<tr{}><td>{}</td>{}</tr>").format(
            Markup(' class="floor"') if one.is_baseline else "",
            one.name,
            Markup("").join(Markup("<td>{}</td>").format(of[name]) for name in heads),
        )
        for one, of in zip(every, columns, strict=True)
    )
    return Markup('<div class="scroll"><table><tr><th>judge</th>{}</tr>\n{}</table></div>').format(head, rows)


def _judge(one: JudgeAuditResult) -> Markup:
    found = one.audit
    lines = [Markup("<h3>{}</h3><ul>").format(one.name)]
    lines += [
        Markup("<li>{}</li>").format(line.removeprefix(f"{one.name}: ")) for line in reliability_findings(one)
    ]
    facts = [
        ("agreement", format_estimate(found.agreement)),
        ("more than with ratings permuted within raters, points", format_within(found.within)),
        ("where the ratings are 1 and 3", format_estimate(found.rating_gap_2)),
        *((name, format_estimate(group)) for name, group in found.groups.items()),
        ("verdicts for the first place", format_percent(found.first_position_rate)),
        ("verdicts for the longer response, more than ratings", format_points(found.length.difference)),
    ]
    if isinstance(found.own_family, JudgeBias):
        facts.append(
            (
                f"verdicts for its family ({one.family}), more than ratings",
                format_points(found.own_family.difference),
            )
        )
    facts += [(f"more agreement than {name}, points", format_points(more)) for name, more in one.over.items()]
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
        for pair in found.pairs
    )
    return Markup(
        '{}</ul><div class="side"><table>{}</table><table><tr><th>responders</th><th>agreement</th>'
        "<th>people: first</th><th>judge: first</th><th>κ</th></tr>{}</table></div>"
    ).format(Markup("").join(lines), table, responders)
