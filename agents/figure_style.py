"""Rendering of matplotlib figures in one style, independent of the user's settings.

A figure of the same data has the same bytes, whatever `matplotlibrc`, `MPLBACKEND`, style or TeX the user
has; no display is needed. A `$` in a name is a dollar sign and does not start a formula.
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

SALT = "empathy"  # fixed seed of the ids within an SVG, so that its bytes are reproducible
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
    """Return the format of a file by its extension, one of `FORMATS`.

    Args:
        path: the file to write.
        where: the option that names the file, for the error message.

    Raises:
        UserError: the extension is not supported.
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
"""Arguments of `savefig` by format, such as `{"png": {"dpi": 160}}`."""


def render_figure(draw: Callable[[], Figure], formats: Formats, **style: Any) -> dict[str, bytes]:
    """Render a figure in several formats; return the bytes of each file by format.

    Args:
        draw: creates the figure; called with the style applied.
        formats: the formats to render, with arguments of `savefig`.
        style: matplotlib settings in addition to `STYLE`, with double underscores for dots: `font__size=9`.

    Raises:
        UserError: matplotlib's settings cannot be read.
    """
    rendered = {}
    with _styled({name.replace("__", "."): value for name, value in style.items()}):
        figure = draw()
        for form, options in formats.items():
            out = io.BytesIO()
            figure.savefig(out, format=form, metadata=dict(_NO_DATE[form]), **options)
            rendered[form] = html_page(out.getvalue().decode()).encode() if form == "svg" else out.getvalue()
    return rendered


@contextmanager
def _styled(more: Mapping[str, Any]) -> Iterator[None]:
    """Apply matplotlib's defaults, `STYLE` and these settings; restore the user's settings afterwards."""
    mpl = _matplotlib()
    with mpl.rc_context(), _quiet():
        mpl.rcdefaults()
        mpl.rcParams.update({**STYLE, **more})
        yield


def _matplotlib() -> Any:
    """Import matplotlib without its warnings about settings, cache and backend."""
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
    """Suppress matplotlib's warnings, such as those about its cache folder or missing glyphs."""
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
