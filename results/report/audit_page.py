"""HTML page of a judge audit: the accuracy of each judge against human ratings, self-contained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from agents.output_escape import html_page
from results.analysis.judge_audit import AuditSummary, JudgeAuditResult
from results.render.charts import IntervalEstimate, interval_plot
from results.render.columns import columns
from results.render.format import EMULATED_NOTE, format_value
from results.render.judge_audit import AUDIT_COLUMNS, audit_table, general_caveats, reliability_findings
from results.render.table import Column, Table
from results.render.writers.html import html_list, html_table, html_text, readable
from results.report.sections.section import Block, Section
from results.report.templates import asset, policy, render_template
from results.statistics.cluster_bootstrap import ClusteredEstimate
from results.statistics.judge_accuracy import JudgeBias
from results.statistics.not_estimable import NotEstimable, estimated

TITLE = "Judges against human ratings"
ENDS = ("\u2190 the lower rated", "the higher rated \u2192")
CAPTION = "Agreement with the human ratings: judges, then baselines; 95 % intervals; dashed: chance."


def page(summaries: Sequence[AuditSummary]) -> str:
    """Render the page for one or both splits."""
    style = asset("style.css")
    emulated = any(EMULATED_NOTE in general_caveats(summary) for summary in summaries)
    page_sections = [section for summary in summaries for section in _sections(summary)]
    whole = render_template(
        "template",
        banners=[EMULATED_NOTE] if emulated else [],
        kicker="How often does each judge prefer the response that people rated higher?",
        title=TITLE,
        facts=[],
        sections=page_sections,
        now_text="",
        style=Markup(style),
        script="",
        policy=policy(style, ""),
    )
    return html_page(whole)


def _sections(summary: AuditSummary) -> Iterator[Section]:
    """Yield the section of a split, then one per judge."""
    name = f"audit-{summary.split}"
    optional = {column.key for column in AUDIT_COLUMNS}
    table = audit_table(summary).without_empty_columns(optional)
    notes = [note for note in general_caveats(summary) if note != EMULATED_NOTE]
    html = _drawing(summary) + html_table(table, name) + html_list(notes, "caveats-short")
    yield Section(name, f"{TITLE}: {summary.split} split", (Block(html),))
    for number, result in enumerate(summary.judges):
        findings = (line.removeprefix(f"{result.name}: ") for line in reliability_findings(result))
        judge = f"{name}-{number}"
        tables = html_table(_estimates(result), judge) + html_table(_responders(result), judge)
        title = readable(f"{result.name}, {summary.split} split")
        yield Section(judge, title, (Block(html_list(findings) + tables),))


def _drawing(summary: AuditSummary) -> Markup:
    """Plot every agreement with its interval: judges, then baselines."""
    estimates = []
    for result in (*summary.judges, *summary.baselines):
        agreement = _triple(result.audit.agreement)
        label = format_value(agreement, "percent_estimate")
        estimates.append(IntervalEstimate(readable(result.name), *agreement, label, note="no complete pair"))
    described = "; ".join(f"{estimate.name} {estimate.label}" for estimate in estimates)
    plot = interval_plot(
        estimates,
        name=f"agreement-{summary.split}",
        title="Agreement with human ratings",
        described=f"Share of verdicts for the response rated higher, 95 % intervals: {described}.",
        ends=ENDS,
    )
    return Markup('<figure><figcaption>{}</figcaption><div class="drawing">{}</div></figure>\n').format(
        html_text(CAPTION), plot
    )


def _triple(estimate: ClusteredEstimate) -> tuple[float | None, float | None, float | None]:
    """Return an estimate with its interval."""
    return estimate.value, estimate.low, estimate.high


def _estimates(result: JudgeAuditResult) -> Table:
    """Return one estimate per row."""
    audit, within = result.audit, result.audit.within
    table = Table(columns=[Column("metric", " "), Column("value", " ", "text", "right")])

    def add(name: str, unit: str, value: object) -> None:
        table.add_metric(name, unit, [value])

    add("agreement", "percent_estimate", _triple(audit.agreement))
    excess = None if isinstance(within, NotEstimable) else (within.excess, within.p)
    add("more than with ratings permuted within raters, points", "points_p", excess)
    add("where the ratings are 1 and 3", "percent_estimate", _triple(audit.rating_gap_2))
    for name, group in audit.groups.items():
        add(name, "percent_estimate", _triple(group))
    add("first-position rate", "percent", audit.first_position_rate)
    longer = _triple(audit.length.difference)
    add("verdicts for the longer response, more than ratings, points", "points_estimate", longer)
    if isinstance(audit.own_family, JudgeBias):
        name = f"verdicts for its family ({result.family}), more than ratings, points"
        add(name, "points_estimate", _triple(audit.own_family.difference))
    for name, more in result.over.items():
        add(f"more agreement than {name}, points", "points_estimate", _triple(more))
    return table


def _responders(result: JudgeAuditResult) -> Table:
    """Return the agreement by pair of responders."""
    shown = columns(
        *("responders", Column("agreement", unit="percent_estimate")),
        *(Column("humans", "people: first", "percent"), Column("judge", "judge: first", "percent"), "kappa"),
    )
    table = Table(columns=shown)
    for pair in result.audit.pairs:
        names = f"{pair.first} – {pair.second}"
        table.add_row(names, _triple(pair.agreement), pair.humans, pair.judge, estimated(pair.kappa))
    return table
