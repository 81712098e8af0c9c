"""Figures with matplotlib in one style, whatever the user's settings of it.

The one module that touches matplotlib's settings. A figure of the same data has the same bytes: no user's
`matplotlibrc`, no `MPLBACKEND`, no style and no TeX changes it, and no display is needed. Names are text and
not mathematics: a `$` in one is a dollar sign.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.errors import UserError
from agents.output_escape import html_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SALT = "empathy"  # the ids within an SVG depend on it alone: the same data, the same bytes
STYLE: Mapping[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "svg.fonttype": "path",
    "svg.hashsalt": SALT,
    "text.parse_math": False,
    "text.usetex": False,
    "axes.formatter.use_locale": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
FORMATS = ("png", "svg", "pdf")
_NO_DATE = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}


def figure_format(path: Path, where: str = "") -> str:
    """The format that a file's ending names: one of `FORMATS`.

    Args:
        path: the file that is to be written.
        where: the option that names it, for the error.

    Raises:
        UserError: it names none.
    """
    ending = path.suffix.removeprefix(".").lower()
    if ending not in FORMATS:
        raise UserError(
            "unknown figure format",
            code="export.unknown-format",
            where=where or str(path),
            found=str(path),
            remedy=f"Use one of the file extensions {', '.join(f'.{name}' for name in FORMATS)}.",
        )
    return ending


Formats = Mapping[str, Mapping[str, Any]]
"""What `savefig` takes for each format, such as `{"png": {"dpi": 160}}`."""


def render_figure(draw: Callable[[], Figure], formats: Formats, **style: Any) -> dict[str, bytes]:
    """A figure as the bytes of a file in each format.

    Args:
        draw: makes the figure; it is called, and the figure written, within the style.
        formats: those that are wanted, and how.
        style: settings of matplotlib beside `STYLE`, their dots as double underscores: `font__size=9`.

    Raises:
        UserError: matplotlib's own settings cannot be read.
    """
    found = {}
    with _styled({name.replace("__", "."): value for name, value in style.items()}):
        figure = draw()
        for form, options in formats.items():
            out = io.BytesIO()
            figure.savefig(out, format=form, metadata=dict(_NO_DATE[form]), **options)
            found[form] = html_page(out.getvalue().decode()).encode() if form == "svg" else out.getvalue()
    return found


@contextmanager
def _styled(more: Mapping[str, Any]) -> Iterator[None]:
    """matplotlib with its defaults, `STYLE` and these settings; the user's own are there again afterwards."""
    mpl = _matplotlib()
    with mpl.rc_context(), _quiet():
        mpl.rcdefaults()
        mpl.rcParams.update({**STYLE, **more})
        yield


def _matplotlib() -> Any:
    """The library; what it says of its settings, its cache and the backend that is wanted is not heard."""
    wanted = os.environ.pop("MPLBACKEND", None)
    try:
        with _quiet():
            import matplotlib as mpl
    except (OSError, UnicodeError) as error:
        raise UserError(
            "matplotlib cannot read its settings",
            code="export.matplotlib-settings",
            where="matplotlibrc",
            found=str(error),
            remedy="Correct or remove that file; figures do not depend on it.",
        ) from error
    finally:
        if wanted is not None:
            os.environ["MPLBACKEND"] = wanted
    return mpl


@contextmanager
def _quiet() -> Iterator[None]:
    """matplotlib's warnings (a folder it cannot write, a glyph no font has) are not the command's."""
    import warnings

    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        logger.setLevel(level)
