"""Tables and renderings as plain text, as a terminal of a given width shows them."""

from __future__ import annotations

from io import StringIO

from harness.terminal import output
from results.render.table import Table


def table_text(table: Table, width: int | None = None) -> str:
    """Return a table as printed."""
    out = StringIO()
    console = output._console(out)
    for part in output.to_renderables(table, width):
        console.print(part, soft_wrap=True)
    return out.getvalue()
