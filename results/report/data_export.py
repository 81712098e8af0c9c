"""Report data for programs (JSON) and spreadsheets (CSV, one line per contest and judge).

The same numbers as in the report, unrounded; shares in [0, 1], money in US dollars, times in seconds.
"""

from __future__ import annotations

from typing import Any

import orjson

from agents.output_escape import csv_rows
from results.queries.checkpoints import CheckpointRecord
from results.render.contest import contest_document
from results.render.documents import ContestDocument, flatten
from results.render.estimable import estimable
from results.render.judge_audit import split_audit_document
from results.render.judge_panel import agreement_document
from results.render.writers.json import json_document
from results.report.author_descriptions import ReportAuthor
from results.report.conclusions import caveats
from results.report.context import AuthorPair, ReportContext
from results.report.documents import (
    ExampleDocument,
    ReportAuthorDocument,
    ReportDocument,
    Table1CellDocument,
    TrainingStepDocument,
)
from results.report.examples import DialogueExample
from results.report.html import banners, title
from results.report.study_conclusions import headline_lines
from results.report.table1_grid import Table1Entry


def to_json(material: ReportContext) -> str:
    """Return all data as indented JSON."""
    return json_document(to_dict(material)).decode()


def to_csv(material: ReportContext) -> str:
    """Return the contests as CSV with a header: their documents with one value per column, and counts and
    lists as JSON.
    """
    rows = [
        {name: _cell_text(value) for name, value in flatten(document, ContestDocument).items()}
        for document in _contests(material)
    ]
    return csv_rows(list(flatten(None, ContestDocument)), rows)


def _cell_text(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def _contests(material: ReportContext) -> list[ContestDocument]:
    return [contest_document(judged) for pair in material.pairs for judged in pair.judged]


def to_dict(material: ReportContext) -> ReportDocument:
    """Return all data of the report."""
    headline = headline_lines(material)
    return {
        "document": "report",
        "title": title(material),
        "run": material.run_id,
        "emulated": material.is_emulated,
        "tiny": material.is_tiny,
        "notes": [*banners(material), *(caveats(material) if material.pairs else ())],
        "answer": None if headline is None else {"sentence": headline.sentence, "also": list(headline.also)},
        "contests": _contests(material),
        "table_1": None
        if material.grid is None
        else {
            "cells": [
                _cell(line.base, line.judge, line.step, entry)
                for line in material.grid.lines
                for entry in line.entries
            ],
            "notes": list(material.grid.notes),
        },
        "training_seeds": [
            {
                "recipe": summary.recipe,
                "opponent": summary.opponent,
                "judge": summary.judge,
                **estimable(summary.found),
            }
            for summary in material.seeds
        ],
        "agreement": [
            {"judges": [agreement.one, agreement.other], **agreement_document(agreement.found)}
            for agreement in material.agreements.pairs
        ],
        "alpha": None if material.agreements.alpha is None else estimable(material.agreements.alpha),
        "audits": [split_audit_document(audit) for audit in material.audits],
        "authors": [_author(author, material.looks.get(key, 0)) for key, author in material.authors.items()],
        "students": [
            {"author": student.author, "steps": [_student(step) for step in student.line]}
            for student in material.trained
        ],
        "spending": material.spending,
        "failures": list(material.failures),
        "examples": [_example(pair, example) for pair in material.pairs for example in pair.examples.shown],
        "manifest": {
            "spec": dict(material.spec),
            "seed": material.seed,
            "created_at": material.created_at,
            "invocations": list(material.invocations),
            "prompts": list(material.prompts),
            "judges": {
                judged.contest.judge_id: {"judge": judged.contest.judge, "sampling": dict(judged.sampling)}
                for pair in material.pairs
                for judged in pair.judged
            },
        },
    }


def _cell(base: str, judge: str, step: str, entry: Table1Entry) -> Table1CellDocument:
    return {
        "base": base,
        "judge": judge,
        "step": step,
        "method": entry.method,
        "strategy": entry.strategy,
        "ours": entry.ours,
        "published": entry.published,
        "compared": entry.compared,
    }


def _author(author: ReportAuthor, looks: int) -> ReportAuthorDocument:
    return {
        "author": author.name,
        "response_set": author.response_set.id,
        "role": author.role,
        "tiny": author.is_tiny,
        "provenance": author.response_set.made,
        "test_set_uses": looks,
        "endings": author.endings,
        "profile": author.profile,
    }


def _student(step: CheckpointRecord) -> TrainingStepDocument:
    return {"id": step.id, "stage": step.stage, "record": dict(step.record), "metrics": list(step.metrics)}


def _example(pair: AuthorPair, example: DialogueExample) -> ExampleDocument:
    dialogue = example.dialogue
    return {
        "a": pair.a.name,
        "b": pair.b.name,
        "dialogue": dialogue.id,
        "emotion": dialogue.emotion,
        "situation": dialogue.situation,
        "utterance": dialogue.utterance,
        "response_a": example.a,
        "response_b": example.b,
        "kind": example.kind,
        "judges_disagree": example.disagree,
        "verdicts": [
            {
                "judge": opinion.judge,
                "score_a": opinion.score,
                "a_first": list(opinion.a_first),
                "b_first": list(opinion.b_first),
            }
            for opinion in example.opinions
        ],
    }
