"""Figure style: neither the user's matplotlib settings nor names change a figure."""

from __future__ import annotations

import os
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from agents.errors import UserError
from agents.figures import figure_format, render_figure
from tests.hostile import HOSTILE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAW = """
import hashlib, sys
from agents.figures import render_figure
from tests.agents.test_figures import bars
figures = render_figure(lambda: bars("a name with $x^2$ and 95 %"), {"svg": {}, "png": {}, "pdf": {}})
for form, content in figures.items():
    print(form, hashlib.sha256(content).hexdigest())
"""
SETTINGS = (
    "text.usetex: True",
    "font.family: serif\nfont.size: 20",
    "figure.figsize: 3, 3\nfigure.dpi: 30\nsavefig.dpi: 30\nsavefig.bbox: tight\nsavefig.facecolor: red",
    "axes.grid: True\naxes.prop_cycle: cycler('color', ['r'])\naxes.spines.top: True",
    "axes.formatter.use_locale: True",
    "svg.fonttype: none\npdf.fonttype: 42\npath.sketch: 1, 100, 2\nlines.linewidth: 9",
    "backend: TkAgg\ninteractive: True",
    "no.such.setting: 1\nfont.size: not a number",
)


def bars(name: str) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 2), layout="constrained")
    axes = figure.subplots()
    axes.bar(["a", "b"], [1, 2], label=name)
    axes.set_title(name)
    axes.legend()
    return figure


def drawn_with(place: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", DRAW],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    return drawn_with(tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("settings", SETTINGS)
def test_no_setting_of_the_user_changes_a_byte(tmp_path: Path, plain: str, settings: str) -> None:
    (tmp_path / "matplotlibrc").write_text(settings + "\n", encoding="utf-8")
    assert drawn_with(tmp_path) == plain


@pytest.mark.parametrize(
    "environment",
    [
        {"MPLBACKEND": "nonsense", "DISPLAY": ""},
        {"MPLBACKEND": "TkAgg"},
        {"HOME": "/proc", "MPLCONFIGDIR": "/proc/x"},
        {"LC_ALL": "de_DE.UTF-8"},
    ],
)
def test_no_environment_changes_a_byte(tmp_path: Path, plain: str, environment: dict[str, str]) -> None:
    assert drawn_with(tmp_path, **environment) == plain


def test_the_users_settings_are_there_again_afterwards() -> None:
    import matplotlib as mpl

    with mpl.rc_context({"font.size": 31, "text.usetex": True}):
        render_figure(lambda: bars("x"), {"svg": {}}, font__size=9)
        assert (mpl.rcParams["font.size"], mpl.rcParams["text.usetex"]) == (31, True)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_is_mathematics_or_ends_the_drawing(name: str) -> None:
    svg = render_figure(lambda: bars(name), {"svg": {}})["svg"]
    ElementTree.fromstring(svg)
    assert not {char for char in svg.decode() if unicodedata.category(char) in ("Cc", "Cf", "Zl")} - {
        "\n",
        "\t",
    }


def test_a_file_is_written_as_its_ending_says() -> None:
    assert [figure_format(Path(f"a.{ending}")) for ending in ("png", "SVG", "pdf")] == ["png", "svg", "pdf"]
    for name in ("a", "a.xyz", ".png"):
        with pytest.raises(UserError):
            figure_format(Path(name))
