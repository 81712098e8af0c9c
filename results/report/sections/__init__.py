"""Sections of the HTML report, one module and one template each.

A section function returns None if there is nothing to show. Runs and studies use the same sections. No
numbers are computed here.
"""

from __future__ import annotations

from results.report.sections.answer import answer
from results.report.sections.caveats import caveats
from results.report.sections.controls import controls
from results.report.sections.cost import cost
from results.report.sections.examples import examples
from results.report.sections.judges import judges
from results.report.sections.manifest import manifest
from results.report.sections.numbers import numbers
from results.report.sections.overview import overview
from results.report.sections.responses import responses
from results.report.sections.section import Section
from results.report.sections.seeds import seeds
from results.report.sections.table1 import table_1
from results.report.sections.training import training

SECTIONS = (
    answer,
    overview,
    controls,
    seeds,
    table_1,
    numbers,
    caveats,
    judges,
    responses,
    training,
    examples,
    cost,
    manifest,
)

__all__ = ["SECTIONS", "Section"]
