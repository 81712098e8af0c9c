"""Texts that an output obeys where nothing prevents it: names of authors, models and files, and responses."""

from __future__ import annotations

HOSTILE = (
    "responses[a].jsonl",
    "[bold]mistral[/INST]-x",
    "[link=https://example.org]x[/link]",
    ":two: :smiley:",
    "llama|it",
    "`code` *star* _under_ ~~gone~~ [x](javascript:alert(1)) ![i](//e)",
    "# heading",
    "1. first",
    "- item",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "&lt;b&gt; &amp;",
    "{{7*7}} {% raw %} ${7*7}",
    "$\\frac{1}{0}$ \\input{/etc/passwd} 100%",
    '=HYPERLINK("http://e")',
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1+1",
    "\uff1d1+1",
    "\x1b[31mred\x1b[0m",
    "\x1b]8;;http://e\x07link\x1b]8;;\x07",
    "\x9b2J\x9d0;title\x9c",
    "\x00\x07\x08\x0b\x7f\r",
    "\u202eevil\u202c \u2066x\u2069 \u200e\u200f\u061c",
    "zero\u200bwidth\ufeff\xad",
    "two\nlines\u2028three\u2029four",
    "\\u202e \\x1b spelled",
    "模型🙂 של ولد é",
    "a-name-without-any-space/" + "x" * 200,
    "many words " * 30,
    " ",
)
"""Each is hostile to some output; joined, they are hostile to all."""
