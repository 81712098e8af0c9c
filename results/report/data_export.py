"""Report data for programs (JSON) and spreadsheets (CSV, one line per contest and judge).

The same numbers as in the report, unrounded; shares in [0, 1], money in US dollars, times in seconds.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from agents.output_escape import csv_rows
from results.queries.checkpoints import CheckpointRecord
from results.render.estimable import estimable
from results.render.judge_audit import audited_verdicts
from results.render.judge_panel import agreement_document
from results.render.writers.json import json_document
from results.report.author_descriptions import ReportAuthor
from results.report.conclusions import caveats
from results.report.context import AuthorPair, JudgedContest, ReportContext
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
from results.statistics import LengthControl, NotEstimable, SingleOrder

_FLAT = (
    *("a", "b", "judge", "control", "emulated", "win_rate", "low", "high", "level", "interval", "n"),
    *("incomplete", "bound_low", "bound_high", "soft", "soft_low", "soft_high", "ties", "consistency"),
    *("first_position_rate", "repetition_stability", "a_first", "b_first", "unscored", "not_judged"),
    *("retried_judgments", "words_a", "words_b", "a_longer", "longer_wins", "at_equal_length", "cost_usd"),
    *("order_robust_low", "order_robust_high", "worst_case_low", "worst_case_high"),
)


def to_json(material: ReportContext) -> str:
    """Return all data as indented JSON."""
    return json_document(to_dict(material)).decode()


def to_csv(material: ReportContext) -> str:
    """Return the contests as CSV with a header."""
    return csv_rows(
        _FLAT, (_flat(pair, judged_contest) for pair in material.pairs for judged_contest in pair.judged)
    )


def _flat(pair: AuthorPair, judged_contest: JudgedContest) -> dict[str, Any]:
    """Return a contest as one value per column."""
    row = contest_data(pair, judged_contest)
    single = {name: row[name]["rate"] for name in ("a_first", "b_first")}
    unscored = sum(row["unscored"].values())
    return row | single | {"unscored": unscored, "at_equal_length": row["at_equal_length"].get("rate")}


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
        "contests": [contest_data(pair, judged) for pair in material.pairs for judged in pair.judged],
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
        "audits": [
            {
                "run": audit.data.run_id,
                "split": audit.split,
                "pairs": len(audit.data.pairs),
                "dialogues": len(audit.data.dialogues),
                "judges": [
                    {
                        "judge": judge.name,
                        "baseline": judge.is_baseline,
                        "unscored": dict(judge.verdicts.unscored) if judge.verdicts else {},
                        **audited_verdicts(judge.audit),
                    }
                    for judge in (*audit.judges, *audit.baselines)
                ],
            }
            for audit in material.audits
        ],
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


def contest_data(pair: AuthorPair, judged_contest: JudgedContest) -> dict[str, Any]:
    """Return the data of a contest under one judge."""
    hard, soft, contest, lengths = (
        judged_contest.hard,
        judged_contest.soft,
        judged_contest.contest,
        judged_contest.lengths,
    )
    return {
        "a": pair.a.name,
        "b": pair.b.name,
        "judge": contest.judge,
        "judge_id": contest.judge_id,
        "control": judged_contest.is_control,
        "emulated": judged_contest.is_emulated,
        "same_family": [same_family.to_dict() for same_family in contest.same_family],
        "win_rate": hard.rate,
        "low": hard.low,
        "high": hard.high,
        "level": hard.level,
        "interval": hard.interval_method,
        "scope": hard.scope,
        "n": hard.n,
        "incomplete": hard.incomplete,
        "bound_low": hard.bound_low,
        "bound_high": hard.bound_high,
        "soft": soft.rate if soft else None,
        "soft_low": soft.low if soft else None,
        "soft_high": soft.high if soft else None,
        "order_robust_low": hard.order_robust_low,
        "order_robust_high": hard.order_robust_high,
        "worst_case_low": hard.missing_lost.low if hard.missing_lost else None,
        "worst_case_high": hard.missing_won.high if hard.missing_won else None,
        "ties": hard.ties,
        "consistency": hard.consistency,
        "first_position_rate": hard.first_position_rate,
        "repetition_stability": hard.repetition_stability,
        "a_first": _single(hard.a_first),
        "b_first": _single(hard.b_first),
        "unscored": dict(hard.unscored),
        "not_judged": hard.not_judged,
        "retried_judgments": contest.asked_again,
        "answering_models": dict(contest.answering_models),
        "several_answering_models": len(contest.answering_models) > 1,
        "answers_left_out": contest.left_out,
        "parser_versions": contest.readings.to_dict(),
        "words_a": lengths.words_a,
        "words_b": lengths.words_b,
        "a_longer": lengths.a_longer,
        "longer_wins": lengths.longer_wins,
        "at_equal_length": _control(lengths.control),
        "cost_usd": contest.cost_usd,
    }


def _single(order: SingleOrder) -> dict[str, Any]:
    return {"rate": order.rate, "low": order.low, "high": order.high, "n": order.n}


def _control(control: LengthControl | NotEstimable) -> dict[str, Any]:
    return {"not_estimable": control.reason} if isinstance(control, NotEstimable) else asdict(control)


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
