"""From a run's material to the text of its page; pure, and the same bytes for the same material.

Every text that a model or a person wrote passes through the template's escaping. The page's style and
script stand in it under a content security policy that names them by hash and allows nothing else.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from results import plots
from results.report.examples import EXAMPLES, SHARES, Example, Kind
from results.report.gathering import Judged, Material, Pair
from results.report.measures import Group, groups_of
from results.report.opinions import Opinion, Outcome
from results.report.wording import (
    EMULATED_NOTE,
    Answer,
    answer,
    author_name,
    caveats,
    counted,
    moment,
    money,
    percent,
    whole_percent,
)

LONG = 1_200  # characters of a response that are shown before it is folded
LONGEST = 20_000  # characters of a response that are in the page at all

OUTCOMES = {
    Outcome.A: "A throughout",
    Outcome.B: "B throughout",
    Outcome.DIFFER: "verdicts differ",
    Outcome.TIE: "ties",
    Outcome.UNSCORED: "unscored",
    Outcome.OPEN: "not judged yet",
}


@dataclass(frozen=True)
class PairView:
    """A pair of authors as the template needs it."""

    at: int
    pair: Pair
    a: str
    b: str
    answer: Answer
    groups: tuple[Group, ...]
    plot: Markup
    caveats: tuple[str, ...]


def page(material: Material, *, now_text: str = "") -> str:
    """The text of the page.

    Args:
        material: what `gather` read.
        now_text: when the page was made, as it is to be shown, or "".
    """
    views = [_view(at, material, pair) for at, pair in enumerate(material.pairs)]
    style, script = _asset("style.css"), _asset("page.js")
    return _template().render(
        material=material,
        views=views,
        title=_title(material),
        now_text=now_text,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
        emulated_note=EMULATED_NOTE,
        emotions=sorted({one.dialogue.emotion for one in _shown(material)} - {""}),
        outcomes=OUTCOMES,
        kinds=tuple(Kind),
        shares={kind: f"{round(100 * share)}\u00a0%" for kind, share in SHARES.items()},
        examples=len(_shown(material)),
        resamples=material.pairs[0].judged[0].hard.resamples if material.pairs else 0,
        most_examples=EXAMPLES,
    )


def _view(at: int, material: Material, pair: Pair) -> PairView:
    a, b = author_name(pair.a), author_name(pair.b)
    return PairView(
        at=at,
        pair=pair,
        a=a,
        b=b,
        answer=answer(pair, material.seed),
        groups=groups_of(pair.judged, a),
        plot=_plot(at, pair, a, b),
        caveats=tuple(caveats(material, pair)),
    )


def _plot(at: int, pair: Pair, a: str, b: str) -> Markup:
    estimates = [_estimate(judged) for judged in pair.judged]
    described = "; ".join(f"{one.name}: {one.told or one.note}" for one in estimates)
    return plots.interval_plot(
        estimates,
        name=f"plot-{at}",
        title=readable(f"Win rate of {a} over {b}, by judge"),
        described=f"{described}. The line at 50 % is no preference.",
    )


def _estimate(judged: Judged) -> plots.Estimate:
    hard = judged.hard
    return plots.Estimate(
        name=readable(judged.contest.judge),
        rate=hard.rate,
        low=hard.low,
        high=hard.high,
        told=percent(hard.rate) if hard.rate is not None else "",
        bound_low=hard.bound_low if hard.incomplete else None,
        bound_high=hard.bound_high if hard.incomplete else None,
        a_first=hard.a_first.rate,
        b_first=hard.b_first.rate,
        note="no rate yet",
    )


def _title(material: Material) -> str:
    pairs = [f"{author_name(pair.a)} against {author_name(pair.b)}" for pair in material.pairs]
    return "; ".join(pairs) or f"Run {material.run_id}"


def _shown(material: Material) -> list[Example]:
    return [example for pair in material.pairs for example in pair.examples.shown]


def _outcomes_of(example: Example, at: int) -> str:
    """What the page's filter reads: judge by its place, with the outcome."""
    return " ".join(f"{at}-{judge}:{one.outcome}" for judge, one in enumerate(example.opinions))


def _score(opinion: Opinion) -> str:
    return "–" if opinion.score is None else f"{opinion.score:.2f}".rstrip("0").rstrip(".")


def readable(text: object) -> str:
    """A text with nothing in it that HTML does not allow: such characters become visible replacements."""
    return "".join(
        "\ufffd"
        if (char < " " and char not in "\t\n") or 0x7F <= ord(char) <= 0x9F or _unpaired(char)
        else char
        for char in str(text).replace("\r\n", "\n").replace("\r", "\n")
    )


def _unpaired(char: str) -> bool:
    return 0xD800 <= ord(char) <= 0xDFFF


def as_json(value: Mapping[str, Any]) -> str:
    """Indented, keys sorted, readable in any language."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)


def plain_json(value: object) -> str:
    """A parameter's value as JSON; escaping is the template's."""
    return json.dumps(value, ensure_ascii=False)


def _policy(style: str, script: str) -> str:
    """Only this style and this script; nothing is fetched, sent or framed."""
    hashes = [b64encode(sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


@cache
def _asset(name: str) -> str:
    text = resources.files("results.report").joinpath(name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_written
    )
    environment.filters |= {
        "whole_percent": whole_percent,
        "money": money,
        "moment": moment,
        "as_json": as_json,
        "tojson_plain": plain_json,
        "score": _score,
        "outcomes_of": _outcomes_of,
    }
    environment.globals |= {"counted": counted, "symbol": plots.symbol}
    environment.globals |= {"LONG": LONG, "LONGEST": LONGEST}
    return environment.from_string(_asset("template.html.j2"))


def _written(value: Any) -> Any:
    """What the template writes: our own markup as it is, everything else in readable characters."""
    return value if isinstance(value, Markup) else readable(value)
