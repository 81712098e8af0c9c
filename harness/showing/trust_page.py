"""The page on trust: what each judge may be trusted for, from its audit. One self-contained HTML file."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from harness.findings.audited import Audits, AuditSummary
from harness.showing.audited import columns_of, decimal, estimate, notes, page_title, points, trust
from harness.wording import percent
from results.statistics.audit import Leaning

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;color:#111;
background:#fff}
table{border-collapse:collapse;font-size:.85rem;margin:1rem 0}th,td{padding:.2rem .5rem;text-align:right;
border-bottom:1px solid #ddd}th:first-child,td:first-child{text-align:left}.floor{color:#666}
.scroll{overflow-x:auto}.note{color:#555;font-size:.85rem}
@media(prefers-color-scheme:dark){body{background:#111;color:#eee}th,td{border-color:#444}
.floor,.note{color:#aaa}}
"""


def page(summaries: Sequence[AuditSummary]) -> str:
    """The page, for one split or both."""
    parts = [Markup("<h1>What these judges may be trusted for</h1>")]
    for summary in summaries:
        parts.append(Markup("<h2>{}</h2>").format(page_title(summary)))
        parts += [Markup("<p class=note>{}</p>").format(note) for note in _general(summary)]
        parts.append(_table(summary))
        parts += [_judge(one) for one in summary.judges]
    body = Markup("\n").join(parts)
    return str(
        Markup(
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
            'content="width=device-width"><title>Judges against human ratings</title><style>{}</style></head>'
            "<body>\n{}\n</body></html>\n"
        ).format(Markup(STYLE), body)
    )


def _general(summary: AuditSummary) -> list[str]:
    """The notes that are about no single judge."""
    own = {line for one in summary.judges for line in trust(one)}
    return [note for note in notes(summary) if note not in own]


def _table(summary: AuditSummary) -> Markup:
    every = (*summary.judges, *summary.floors)
    heads = columns_of(every[0])
    head = Markup("").join(
        Markup("<th>{}</th>").format(name.replace("-\n", "").replace("\n", " ")) for name in heads
    )
    rows = Markup("\n").join(
        Markup("<tr{}><td>{}</td>{}</tr>").format(
            Markup(' class="floor"') if one.is_floor else "",
            one.name,
            Markup("").join(Markup("<td>{}</td>").format(cell) for cell in columns_of(one).values()),
        )
        for one in every
    )
    return Markup('<div class="scroll"><table><tr><th>judge</th>{}</tr>\n{}</table></div>').format(head, rows)


def _judge(one: Audits) -> Markup:
    found = one.audit
    lines = [Markup("<h3>{}</h3><ul>").format(one.name)]
    lines += [Markup("<li>{}</li>").format(line.removeprefix(f"{one.name}: ")) for line in trust(one)]
    facts = [
        ("agreement", estimate(found.agreement)),
        ("on rater-centred ratings", estimate(found.centred)),
        ("where the ratings are 1 and 3", estimate(found.gap_2)),
        *((name, estimate(group)) for name, group in found.groups.items()),
        ("verdicts for the first place", percent(found.position_preference)),
        ("verdicts for the longer response, more than ratings", points(found.length.difference)),
    ]
    if isinstance(found.own_family, Leaning):
        facts.append(
            (
                f"verdicts for its family ({one.family}), more than ratings",
                points(found.own_family.difference),
            )
        )
    facts += [(f"more agreement than {name}, points", points(more)) for name, more in one.over.items()]
    table = Markup("").join(Markup("<tr><td>{}</td><td>{}</td></tr>").format(*fact) for fact in facts)
    responders = Markup("").join(
        Markup("<tr><td>{} – {}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>").format(
            pair.first,
            pair.second,
            estimate(pair.agreement),
            percent(pair.humans),
            percent(pair.judge),
            decimal(pair.kappa),
        )
        for pair in found.pairs
    )
    return Markup(
        "{}</ul><table>{}</table><table><tr><th>responders</th><th>agreement</th><th>people: first</th>"
        "<th>judge: first</th><th>κ</th></tr>{}</table>"
    ).format(Markup("").join(lines), table, responders)
