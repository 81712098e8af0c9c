"""One HTML page that tells a judging run, from the database alone.

    html = await render(store, run_id)

The page is one file: its style and its script stand in it, and it asks the network for nothing. The same
database gives the same bytes. Knows nothing of models, limits or the dataset.
"""

from __future__ import annotations

from results.report.finding import find_run
from results.report.gathering import Material, gather
from results.report.page import page
from results.store import Store


async def render(store: Store, run_id: str, *, seed: int | None = None, now_text: str = "") -> str:
    """The report of a run, as the text of one HTML file.

    Args:
        run_id: the whole id; see `find_run` for what people write.
        seed: of the resampling and of the choice of examples; None takes the run's own, which gives the
            numbers that the run itself printed.
        now_text: when the page was made, as it is to be shown; "" shows nothing, so that the same database
            gives the same bytes.

    Raises:
        UserError: there is no such run, it judges nothing, or the database cannot be read.
    """
    return page(await gather(store, run_id, seed=seed), now_text=now_text)


__all__ = ["Material", "find_run", "gather", "page", "render"]
