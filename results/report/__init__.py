"""Reports of a judging run or study from the database alone: HTML, Markdown, CSV and JSON.

    html = await render(store, await find_run(store, "tiny"))

The HTML report is one self-contained file without network requests. The same database gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from results.db.store import Store
from results.report.context import ReportContext
from results.report.data_export import to_csv, to_json
from results.report.html import page
from results.report.loader import build_context
from results.report.markdown import to_markdown
from results.report.run_lookup import find_run

FORMS: Mapping[str, Callable[[ReportContext], str]] = {
    "html": page,
    "md": to_markdown,
    "csv": to_csv,
    "json": to_json,
}


async def render(
    store: Store,
    run_id: str,
    *,
    seed: int | None = None,
    now_text: str = "",
    form: str = "html",
    snapshots: Collection[str] = (),
) -> str:
    """Render the report of a run as the text of one file.

    Args:
        run_id: the complete id; `find_run` resolves abbreviations.
        seed: seed of the bootstrap and of the choice of examples; None for the run's own, which gives the
            numbers that the run printed.
        now_text: time of creation to show; "" shows none, so that the same database gives the same bytes.
        form: one of `FORMS`: html, md, csv or json.
        snapshots: answering models that alone count (see `results.queries.contests.load_contests`).

    Raises:
        UserError: the run does not exist or has no contests, or the database cannot be read.
    """
    material = await build_context(store, run_id, seed=seed, snapshots=snapshots)
    return page(material, now_text=now_text) if form == "html" else FORMS[form](material)


__all__ = ["FORMS", "ReportContext", "build_context", "find_run", "page", "render"]
