"""Escaping of untrusted text for every output format.

Names of authors, models and files, responses and providers' messages come from outside. Terminals interpret
escape sequences and direction marks, Markdown and LaTeX interpret punctuation, and spreadsheets execute cells
that begin with an equals sign. Every writer of a format escapes its texts with the function for that format:

| output | function |
|---|---|
| terminals, and the characters of every other format | `visible_text` |
| Markdown | `markdown_text`, `markdown_row`, `markdown_code` |
| LaTeX | `latex_text` |
| CSV | `csv_text`, `csv_rows` |
| JSON | `json_bytes`, `json_lines` |

| HTML | `html_page` |

HTML is escaped by the templates (jinja2, markupsafe); `html_page` is the last step for every page.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

# Invisible characters with an effect on terminals, browsers or readers: controls (C0 except tab and newline,
# DEL, C1), direction marks, zero-width characters, fillers, tags and lone surrogates.
_HIDDEN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Joiners belong to some scripts and to emoji; anywhere else they are hidden characters.
_JOINED_SCRIPTS = "\u0600-\u109f\u1780-\u17ff"
_EMOJI = "\u2190-\u2bff\ufe0f\U0001f000-\U0001faff"
_JOINER = f"(?<![{_JOINED_SCRIPTS}{_EMOJI}])[\u200c\u200d]|[\u200c\u200d](?![{_JOINED_SCRIPTS}{_EMOJI}])"
_LOOKS_ESCAPED = r"\\(?=x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})"
_TO_SHOW = re.compile(f"[{_HIDDEN}]|{_JOINER}|{_LOOKS_ESCAPED}")
_UNSEEN = re.compile(f"[{_HIDDEN}]|{_JOINER}")
_BREAKS = re.compile(r"[\t\n]")
# Replacements for typographic characters that the output encoding lacks; other characters are escaped.
_PLAINER = str.maketrans(
    {"–": "-", "—": "-", "−": "-", "‑": "-", "…": "...", "“": '"', "”": '"', "’": "'", "×": "x", "≈": "~"}
    | {"±": "+-", "≤": "<=", "≥": ">=", "½": "1/2", "·": "-", "←": "<-", "→": "->"}
)

_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~$&])")
_MARKDOWN_START = re.compile(r"^([#+\-=]|\d{1,9}(?=[.)]))")
_FORMULA = re.compile(r"^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "−": "$-$",
    "†": r"\dag{}",
}
_LATEX_ACTIVE = re.compile("[" + re.escape("".join(_LATEX)) + "]")
_LATEX_MINUS = re.compile(r"(?<![\w.])-(?=\d)")  # of a number, and not within a name


def visible_text(text: object, *, one_line: bool = False, encoding: str = "utf-8") -> str:
    r"""Escape the hidden characters of a text as Python does.

    Texts that differ in hidden characters remain different: a backslash that looks like an escape is doubled.

    Args:
        text: any value; its `str` is escaped.
        one_line: whether to escape tabs and newlines, for names in lines and tables.
        encoding: encoding of the output; characters that it lacks are replaced or escaped.

    >>> visible_text("a\x1b[31mb\u202ec")
    'a\\x1b[31mb\\u202ec'
    """
    shown = _TO_SHOW.sub(_escape, str(text).replace("\r\n", "\n"))
    shown = _BREAKS.sub(_escape, shown) if one_line else shown
    try:
        shown.encode(encoding)
    except UnicodeEncodeError:
        return shown.translate(_PLAINER).encode(encoding, "backslashreplace").decode(encoding)
    return shown


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if match[0] == "\\":
        return "\\\\"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def markdown_text(text: object, *, starts_block: bool = True) -> str:
    """Return a text on one line with every Markdown, HTML and TeX mark escaped.

    Args:
        text: any value; runs of white space become one space.
        starts_block: whether the text may start a paragraph or list item, where `#` and `1.` are active;
            False in a table cell.
    """
    line = " ".join(visible_text(str(text).replace("\u00a0", " ")).split())
    plain = _MARKDOWN.sub(r"\\\1", line)
    return _MARKDOWN_START.sub(_start, plain) if starts_block else plain


def _start(match: re.Match[str]) -> str:
    return f"{match[0]}\\" if match[0].isdigit() else f"\\{match[0]}"


def markdown_row(cells: Iterable[object]) -> str:
    """Format a row of a Markdown table."""
    return "| " + " | ".join(markdown_text(cell, starts_block=False) for cell in cells) + " |"


def markdown_code(text: object) -> str:
    """Format a text as a Markdown code block, with a fence longer than any run of backticks in it."""
    shown = visible_text(text)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    return f"{fence}\n{shown}\n{fence}"


def html_page(markup: object) -> str:
    """Escape the hidden characters of an HTML page whose texts are already escaped.

    >>> html_page("<p>a\u202eb</p>")
    '<p>a\\u202eb</p>'
    """
    return _UNSEEN.sub(_escape, str(markup))


def latex_text(text: object) -> str:
    """Escape a text for LaTeX; typeset the minus sign of numbers in math mode."""
    shown = visible_text(text, one_line=True)
    return _LATEX_MINUS.sub("$-$", _LATEX_ACTIVE.sub(lambda match: _LATEX[match[0]], shown))


def csv_text(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Format CSV with a heading; prefix texts that a spreadsheet would run as a formula by an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(_csv_cell, heads))
    writer.writerows([_csv_cell(cell) for cell in row] for row in rows)
    return out.getvalue()


def csv_rows(heads: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Format CSV with a heading from rows by column name; omit columns that are not in `heads`."""
    return csv_text(heads, ([row[head] for head in heads] for row in rows))


def _csv_cell(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    shown = visible_text(cell)
    return f"'{shown}" if _FORMULA.match(shown) else shown


def json_bytes(data: Any, *, indented: bool = True) -> bytes:
    """Format JSON with a final newline; hidden characters become JSON escapes, which keeps the values.

    Dataclasses, NumPy arrays, and keys that are not strings are supported.
    """
    import orjson

    options = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
    try:
        text = orjson.dumps(data, option=options | (orjson.OPT_INDENT_2 if indented else 0)).decode()
    except orjson.JSONEncodeError:  # file names that are not UTF-8 contain lone surrogates
        text = json.dumps(data, indent=2 if indented else None, default=_plain) + "\n"
    return _UNSEEN.sub(_json_escape, text).encode()


def json_lines(rows: Iterable[Any]) -> bytes:
    """Format JSON Lines: one value per line."""
    return b"".join(json_bytes(row, indented=False) for row in rows)


def _plain(value: Any) -> Any:
    """Return a dataclass, array or number of NumPy as plain data."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value.tolist()


def _json_escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
