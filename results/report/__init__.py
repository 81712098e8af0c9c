"""A judging run, or a whole study, told from the database alone: a page, Markdown, a table, data.

    html = await render(store, await find_run(store, "tiny"))

The page is one file: its style and its script stand in it, and it asks the network for nothing. The same
database gives the same bytes. Knows nothing of models, limits or the dataset.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from results.db.store import Store
from results.report.context import ReportContext
from results.report.data_export import as_json, to_csv
from results.report.html import page
from results.report.loader import build_context
from results.report.markdown import to_markdown
from results.report.run_lookup import find_run

FORMS: Mapping[str, Callable[[ReportContext], str]] = {
    "html": page,
    "md": to_markdown,
    "csv": to_csv,
    "json": as_json,
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
    """The report of a run, as the text of one file.

    Args:
        run_id: the whole id; see `find_run` for what people write.
        seed: of the resampling and of the choice of examples; None takes the run's own, which gives the
            numbers that the run itself printed.
        now_text: when the page was made, as it is to be shown; "" shows nothing, so that the same database
            gives the same bytes.
        form: one of `FORMS`: html, md, csv or json.
        snapshots: answering names that alone are counted (see `results.queries.contests.load_contests`).

    Raises:
        UserError: there is no such run, it judges nothing, or the database cannot be read.
    """
    material = await build_context(store, run_id, seed=seed, snapshots=snapshots)
    return page(material, now_text=now_text) if form == "html" else FORMS[form](material)


__all__ = ["FORMS", "ReportContext", "build_context", "find_run", "page", "render"]
