"""Command `empathy doctor MODEL…`: check models with one small request each."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options.common import call_options, json_option, run, take_request_options
from harness.terminal.output import print_json, print_line, print_text

if TYPE_CHECKING:
    from harness.workflows.doctor import ModelDiagnosis
    from harness.workflows.request_options import RequestOptions


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
    calls = take_request_options(rest)
    diagnoses = run(_diagnose_all(calls, tuple(dict.fromkeys(names))))
    if as_json:
        from harness.workflows.doctor import doctor_document

        print_json(doctor_document(diagnoses))
    else:
        _print(diagnoses)
    if any(diagnosis.error for diagnosis in diagnoses):
        sys.exit(1)


async def _diagnose_all(calls: RequestOptions, names: tuple[str, ...]) -> list[ModelDiagnosis]:
    from agents.clients.http import HttpClient, open_session
    from agents.clients.model_list import fetch_shutdown_dates
    from agents.clients.proxy import check_proxies
    from agents.clients.sdk import SdkClient
    from agents.models.retirement import check_not_retired, warnings, with_provider_dates
    from harness.engine.prices import lookup_price
    from harness.workflows.doctor import diagnose

    settings = calls.settings()
    with calls.models(names) as (registry, named):
        check_not_retired(dict.fromkeys(named, 1), calls.allow_retired)
        keys = {model.id: key for model, key in registry.keys(named).items()}
        dates = await fetch_shutdown_dates(registry.keys(named))
        models = [with_provider_dates(model, dates) for model in named]
        check_not_retired(dict.fromkeys(models, 1), calls.allow_retired)
        for warning in warnings(models) if dates else ():
            settings.warn(warning)
        check_proxies(model.base_url for model in models if model.base_url)
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(open_session())

            def open_client(model: Any) -> Any:
                key, seconds = keys[model.id], settings.request_timeout(model)
                if settings.client == "sdk":
                    return SdkClient(model, key, seconds)
                return HttpClient(model, key, session, seconds)

            return [
                await diagnose(model, open_client, lookup_price(model, dict(settings.prices)))
                for model in models
            ]


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
