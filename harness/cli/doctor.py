"""Command `empathy doctor MODEL…`: check models with one small request each."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options.common import call_options, json_option, run, take_request_options
from harness.terminal.output import print_json, print_line, print_text

if TYPE_CHECKING:
    from harness.workflows.doctor import ModelDiagnosis


@click.command()
@click.argument("names", metavar="MODEL...", nargs=-1, required=True)
@json_option
@call_options
def doctor(names: tuple[str, ...], as_json: bool, **rest: Any) -> None:
    """Send one small judge request to each model and show what it accepts.

    \b
    empathy doctor openai/gpt-6-luna google/gemini-3.5-flash-lite
    OPENAI_BASE_URL=https://gateway.example/v1 empathy doctor openai/my-deployment

    Prints the answer, the latency, the rate limits in the response headers, rejected parameters, and an entry
    for a file of models (--models FILE). Costs a few hundred tokens per model. Exits with 1 if a model gave
    no answer.
    """
    from harness.workflows.doctor import diagnose_models

    requests = take_request_options(rest)
    diagnoses = run(diagnose_models(names, requests))
    if as_json:
        from harness.workflows.doctor import doctor_document

        print_json(doctor_document(diagnoses))
    else:
        _print(diagnoses)
    if any(diagnosis.error for diagnosis in diagnoses):
        sys.exit(1)


def _print(diagnoses: list[ModelDiagnosis]) -> None:
    from harness.workflows.doctor import facts

    for diagnosis in diagnoses:
        print_line(diagnosis.model)
        for name, value in facts(diagnosis).items():
            print_line(f"  {name + ':':<20}{value}")
        if not diagnosis.error:
            print_text("\n  An entry for a file of models (--models FILE):\n")
            print_text("\n".join(f"    {line}" for line in diagnosis.entry().splitlines()))
        print_line()
