"""Registry of the JSON documents that commands print, and their JSON Schema.

Each document is a `TypedDict` beside the code that builds it. Its field `document` holds its name; the
command line adds `schema_version`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import takewhile
from operator import or_
from typing import Annotated, Any, Generic, get_origin

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema
from typing_extensions import TypedDict

from harness.cli.bench_watch import BenchRankingDocument
from harness.cli.documents import ErrorDocument
from harness.data.dataset_summary import DatasetDocument
from harness.data.method_selection import SplitDocument
from harness.serving.server_tables import ServerDocument
from harness.study.estimate_tables import StudyEstimateDocument
from harness.study.status_tables import StudiesDocument, StudyDocument
from harness.workflows.bench_tables import BenchDocument
from harness.workflows.cost_tables import (
    AuditEstimateDocument,
    GenerationEstimateDocument,
    JudgingEstimateDocument,
)
from harness.workflows.doctor import DoctorDocument
from harness.workflows.generation_tables import GenerationDocument
from harness.workflows.profile import ProfilesDocument
from harness.workflows.prompt_tables import PromptsDocument
from harness.workflows.training_set_tables import (
    InspectionDocument,
    TrainingSetDifferenceDocument,
    TrainingSetDocument,
)
from harness.workflows.training_tables import CheckpointDocument, MergedModelDocument, TrainingPlanDocument
from results.paper.replication_tables import Table1Document
from results.render.cheap_gold import CheapGoldDocument
from results.render.comparison_data import ComparisonDocument, MultiComparisonDocument, TrainingSeedsDocument
from results.render.controlled_ranking import ControlledRankingDocument
from results.render.documents import JudgingDocument
from results.render.format import SCHEMA_VERSION
from results.render.judge_audit import AuditDocument
from results.render.judge_panel import JudgePanelDocument
from results.render.leaderboard import LeaderboardDocument
from results.render.reparse import ReparseDocument
from results.render.variance import VarianceDocument
from results.report.documents import ReportDocument
from serve.memory_plan import ServePlanDocument

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class DocumentType:
    """A kind of JSON document.

    Attributes:
        type: its `TypedDict`; the field `document` is a literal, the name.
        commands: the commands that print it.
    """

    type: type
    commands: tuple[str, ...]


DOCUMENTS: Mapping[str, DocumentType] = {
    "audit": DocumentType(AuditDocument, ("empathy audit --json",)),
    "audit_estimate": DocumentType(AuditEstimateDocument, ("empathy audit --dry-run --json",)),
    "bench": DocumentType(BenchDocument, ("empathy bench --json",)),
    "bench_ranking": DocumentType(BenchRankingDocument, ("empathy bench --watch --json",)),
    "cheap_gold": DocumentType(CheapGoldDocument, ("empathy judge --cheap --gold --json",)),
    "checkpoint": DocumentType(CheckpointDocument, ("empathy train --json",)),
    "comparison": DocumentType(ComparisonDocument, ("empathy compare A B --json",)),
    "controlled_ranking": DocumentType(
        ControlledRankingDocument, ("empathy leaderboard --controlled --json",)
    ),
    "dataset": DocumentType(DatasetDocument, ("empathy data describe --json",)),
    "doctor": DocumentType(DoctorDocument, ("empathy doctor --json",)),
    "error": DocumentType(ErrorDocument, ("every command with --json",)),
    "generation": DocumentType(GenerationDocument, ("empathy improve --json", "empathy respond --json")),
    "generation_estimate": DocumentType(
        GenerationEstimateDocument, ("empathy improve --dry-run --json", "empathy respond --dry-run --json")
    ),
    "judge_panel": DocumentType(JudgePanelDocument, ("empathy rejudge --json",)),
    "judging": DocumentType(JudgingDocument, ("empathy judge --json",)),
    "judging_estimate": DocumentType(JudgingEstimateDocument, ("empathy judge --dry-run --json",)),
    "leaderboard": DocumentType(LeaderboardDocument, ("empathy leaderboard --json",)),
    "merged_model": DocumentType(MergedModelDocument, ("empathy train merge --json",)),
    "multi_comparison": DocumentType(MultiComparisonDocument, ("empathy compare --all --json",)),
    "profiles": DocumentType(ProfilesDocument, ("empathy profile --json",)),
    "prompts": DocumentType(PromptsDocument, ("empathy prompts list --json",)),
    "report": DocumentType(ReportDocument, ("empathy report --format json",)),
    "reparse": DocumentType(ReparseDocument, ("empathy rejudge --reparse --json",)),
    "serve_plan": DocumentType(ServePlanDocument, ("empathy serve plan --json",)),
    "server": DocumentType(ServerDocument, ("empathy serve --json",)),
    "split": DocumentType(SplitDocument, ("empathy data split --json",)),
    "studies": DocumentType(StudiesDocument, ("empathy status --json",)),
    "study": DocumentType(StudyDocument, ("empathy run STUDY --json", "empathy status STUDY --json")),
    "study_estimate": DocumentType(StudyEstimateDocument, ("empathy plan --json",)),
    "table_1": DocumentType(Table1Document, ("empathy paper table1 --json",)),
    "training_plan": DocumentType(TrainingPlanDocument, ("empathy train plan --json",)),
    "training_seeds": DocumentType(TrainingSeedsDocument, ("empathy compare A1,A2 B1,B2 --json",)),
    "training_set": DocumentType(TrainingSetDocument, ("empathy data build --json",)),
    "training_set_difference": DocumentType(
        TrainingSetDifferenceDocument, ("empathy data inspect --compare --json",)
    ),
    "training_set_inspection": DocumentType(InspectionDocument, ("empathy data inspect --json",)),
    "variance": DocumentType(VarianceDocument, ("empathy compare --variance --json",)),
}
"""Every document by its name."""


def document_adapter(names: tuple[str, ...] = tuple(DOCUMENTS)) -> TypeAdapter[Any]:
    """Return the adapter of a list with one of these documents; unknown keys are refused."""
    union = reduce(or_, (DOCUMENTS[name].type for name in names))
    document = Annotated[union, Field(discriminator="document")] if len(names) > 1 else union
    return TypeAdapter(tuple[document], config=ConfigDict(extra="forbid", strict=True))  # type: ignore[valid-type]


def result_schema(names: tuple[str, ...] = tuple(DOCUMENTS)) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of these documents; by default of all.

    Raises:
        KeyError: an unknown name.
    """
    schema = document_adapter(names).json_schema(schema_generator=_SchemaGenerator, mode="serialization")
    definitions = schema["$defs"]
    for name in names:
        kind = DOCUMENTS[name]
        definition = definitions[kind.type.__name__]
        definition["properties"] = {
            "schema_version": {
                "const": SCHEMA_VERSION,
                "description": "Raised when a key changes its name or meaning.",
            },
            **definition["properties"],
        }
        definition["properties"]["document"]["description"] = "Kind of document."
        definition["required"] = ["schema_version", *definition["required"]]
        definition["description"] += f" Printed by: {', '.join(kind.commands)}."
    return {
        "$schema": DIALECT,
        "title": "Results of empathy",
        "description": "Shares are in [0, 1], differences in [-1, 1], money in US dollars, times in seconds.",
        **schema["prefixItems"][0],
        "$defs": definitions,
    }


class _SchemaGenerator(GenerateJsonSchema):
    """Generator that takes descriptions of fields from the section "Attributes" of docstrings."""

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> dict[str, Any]:
        """Return the schema of a `TypedDict` with descriptions."""
        return _described(super().typed_dict_schema(schema), schema["cls"])

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> dict[str, Any]:
        """Return the schema of a dataclass with descriptions."""
        return {**_described(super().dataclass_schema(schema), schema["cls"]), "additionalProperties": False}

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Leave out titles of fields, which only repeat their names."""
        return False


def _described(schema: dict[str, Any], kind: type) -> dict[str, Any]:
    """Return the schema of a `TypedDict` or dataclass with its description and those of its fields."""
    text = (kind.__doc__ or "").partition("Attributes:")[0]
    descriptions = field_descriptions(kind)
    properties = {
        name: {**field, **({"description": descriptions[name]} if name in descriptions else {})}
        for name, field in schema["properties"].items()
    }
    return {**schema, "description": " ".join(text.split()), "properties": properties}


def field_descriptions(kind: type) -> dict[str, str]:
    """Return the description of each field of a class, from the section "Attributes" of its docstring and of
    those of its bases. One line can describe several fields: `low, high: ends of the interval`.
    """
    descriptions: dict[str, str] = {}
    for base in getattr(kind, "__orig_bases__", kind.__bases__):
        generic = get_origin(base) or base
        if generic not in (TypedDict, Generic, object):
            descriptions |= field_descriptions(generic)
    section = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
    names: list[str] = []
    for line in takewhile(lambda line: line.startswith("    "), section.splitlines()):
        head, colon, text = line.strip().partition(": ")
        if not line.startswith("     ") and colon:
            names = head.split(", ")
            descriptions |= dict.fromkeys(names, text)
        else:
            descriptions |= {name: f"{descriptions[name]} {line.strip()}" for name in names}
    return descriptions
