"""Interval charts: well-formed and escaped SVG with every mark at its value."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.figures import OKABE_ITO
from results.render.charts import IntervalEstimate, interval_plot, symbol

SVG = "{http://www.w3.org/2000/svg}"
shares = st.floats(0.0, 1.0)


def drawn(*estimates: IntervalEstimate) -> ElementTree.Element:
    text = interval_plot(estimates, name="p", title="Title <1>", described='"quoted" & more')
    return ElementTree.fromstring(str(text))


def test_a_chart_has_a_title_and_a_description() -> None:
    plot = drawn(IntervalEstimate("judge", 0.6, 0.5, 0.7, "60 %"))
    assert plot.get("role") == "img"
    texts = {item.get("id"): item.text for item in plot.iter() if item.get("id")}
    assert texts == {"p-title": "Title <1>", "p-description": '"quoted" & more'}
    assert plot.get("aria-labelledby") == "p-title p-description"


@given(rate=shares, low=shares, high=shares, a=shares, b=shares)
def test_marks_are_at_their_values(rate: float, low: float, high: float, a: float, b: float) -> None:
    plot = drawn(IntervalEstimate("judge", rate, low, high, "", a_first=a, b_first=b))
    (dot,) = plot.iter(SVG + "circle")
    assert dot.get("cx") == f"{100 * rate:.2f}%"
    lines = [item for item in plot.iter(SVG + "line") if item.get("class") == "plot-interval"]
    assert {lines[0].get("x1"), lines[0].get("x2")} == {f"{100 * low:.2f}%", f"{100 * high:.2f}%"}
    marks = [item.get("x") for item in plot.iter(SVG + "svg") if item.find(SVG + "path") is not None]
    assert marks == [f"{100 * a:.2f}%", f"{100 * b:.2f}%"]


def test_one_half_is_marked() -> None:
    plot = drawn(IntervalEstimate("judge", 0.6, 0.5, 0.7, ""))
    (half,) = [item for item in plot.iter(SVG + "line") if item.get("class") == "plot-half"]
    assert half.get("x1") == half.get("x2") == "50.00%"


def test_a_missing_rate_shows_a_note() -> None:
    plot = drawn(
        IntervalEstimate("judge", None, None, None, "", bound_low=0.1, bound_high=0.9, note="no rate yet")
    )
    assert not list(plot.iter(SVG + "circle"))
    assert "no rate yet" in [item.text for item in plot.iter(SVG + "text")]
    (bounds,) = [item for item in plot.iter(SVG + "line") if item.get("class") == "plot-bounds"]
    assert (bounds.get("x1"), bounds.get("x2")) == ("10.00%", "90.00%")


def test_names_are_wrapped_and_escaped() -> None:
    name = "provider/a-very-long-model-name-that-goes-on-and-on (judge/<pairwise> & more)"
    plot = drawn(IntervalEstimate(name, 0.6, 0.5, 0.7, "60 %"))
    lines = [item.text or "" for item in plot.iter(SVG + "text") if item.get("class") == "plot-name"]
    assert len(lines) > 1
    assert "".join(lines).replace(" ", "") == name.replace(" ", "")


def test_no_estimates_is_an_empty_axis() -> None:
    assert not list(drawn().iter(SVG + "circle"))


@pytest.mark.parametrize("kind", ["estimate", "bounds", "a_first", "b_first"])
def test_legend_symbols_are_well_formed(kind: str) -> None:
    assert ElementTree.fromstring(str(symbol(kind))).get("aria-hidden") == "true"


def test_page_colours_are_readable() -> None:
    from importlib import resources

    style = resources.files("results.report").joinpath("style.css").read_text(encoding="utf-8").lower()
    for name in ("blue", "orange", "sky blue", "yellow"):
        assert OKABE_ITO[name].lower() in style
    for block in _blocks(style):
        for ink, ground in (
            ("ink", "page"),
            ("ink", "raised"),
            ("quiet", "page"),
            ("quiet", "raised"),
            ("link", "page"),
            ("on-a", "a"),
            ("on-b", "b"),
            ("on-warn", "warn"),
        ):
            assert contrast(block[ink], block[ground]) >= 4.5, (ink, ground)
        assert contrast(block["a"], block["page"]) >= 3.0


def _blocks(style: str) -> list[dict[str, str]]:
    """Return the colours of the page: light, dark and print, each over the light ones."""
    import re

    result = []
    for body in re.findall(r":root \{(.*?)\}", style, flags=re.DOTALL):
        result.append(dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", body)))
    assert len(result) == 3
    return [{**result[0], **block} for block in result]


def contrast(first: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2, in [1, 21]."""

    def luminance(colour: str) -> float:
        parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(first), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
