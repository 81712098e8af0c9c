"""Command `empathy emulate`: emulated providers on this machine, for rehearsals without cost."""

from __future__ import annotations

from typing import Any

import click

from agents.errors import UserError
from harness.cli.options.common import run
from harness.terminal.output import print_message, print_table


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8901, show_default=True, help="0: any free.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of all answers and faults.")
@click.option("--rpm", type=float, help="Limit of requests per minute and model.")
@click.option("--tpm", type=float, help="Limit of tokens per minute and model.")
@click.option("--latency-ms", type=float, default=300.0, show_default=True, help="To an answer.")
@click.option(
    "--latency-sigma", type=float, default=0.0, show_default=True, help="Lognormal spread of the latency."
)
@click.option("--errors-500", type=float, default=0.0, help="Share of requests that fail with 500.")
@click.option("--resets", type=float, default=0.0, help="Share of requests whose connection is reset.")
@click.option("--malformed", type=float, default=0.0, help="Share of responses with an invalid body.")
@click.option("--hangs", type=float, default=0.0, help="Share of requests that are never answered.")
@click.option("--refusals", type=float, default=0.0, help="Share of requests that are refused by the model.")
@click.option(
    "--fault",
    "faults",
    metavar="NAME=SHARE",
    multiple=True,
    help="Named fault and its share of requests, such as overloaded=0.2; repeat for more.",
)
@click.option(
    "--outage",
    metavar="START,SECONDS",
    help="Answer 503 for this many seconds, from START seconds after the first request.",
)
@click.option("--list-faults", is_flag=True, help="List the named faults and exit.")
@click.option(
    "--position-bias", type=float, help="Position bias of every judge. [default: that of each model]"
)
@click.option("--bias-on", type=click.Choice(["probability", "logit"]), help="The scale it adds on.")
@click.option(
    "--mean-preference", type=float, help="Preference of every judge for the more empathetic response."
)
@click.option("--other-model", metavar="NAME", help="Model name in answers from --other-model-after on.")
@click.option(
    "--other-model-after", type=int, metavar="N", help="Number of the first request with --other-model."
)
@click.option(
    "--snapshot-suffix", metavar="TEXT", help="Suffix of the model name in answers, such as -2024-08-06."
)
@click.option("--retired", metavar="NAMES", help="Models that are answered with 404, separated by commas.")
@click.option("--shutdown-date", metavar="DATE", help="Stated of OpenAI's models in the list of models.")
@click.option("--sunset", metavar="DATE", help="Stated in a header of every answer.")
@click.option("--lean", is_flag=True, help="Use the minimal, fast server for benchmarks.")
def emulate(
    host: str,
    port: int,
    rpm: float | None,
    tpm: float | None,
    faults: tuple[str, ...],
    outage: str | None,
    list_faults: bool,
    **latency_options: Any,
) -> None:
    """Serve the protocols of OpenAI, Anthropic and Gemini on this machine until Ctrl-C.

    Point clients at it with OPENAI_BASE_URL=http://127.0.0.1:8901/v1,
    ANTHROPIC_BASE_URL=http://127.0.0.1:8901 and GEMINI_BASE_URL=http://127.0.0.1:8901/v1beta, with any key.
    Models are named emulated-gpt-6-luna and so on.
    """
    from harness.emulator.config import EmulatorConfig

    if list_faults:
        _list_faults()
        return
    shares, window = _parse_shares(faults), _parse_outage(outage)
    options = EmulatorConfig(
        requests_per_minute=rpm, tokens_per_minute=tpm, faults=shares, **window, **latency_options
    )
    run(_serve(options, host, port))


def _list_faults() -> None:
    from harness.emulator.provider_faults import TABLE
    from results.render.table import Column, Table

    table = Table(columns=[Column(key) for key in ("fault", "effect", "share of", "protocols")])
    for fault in TABLE.values():
        table.add_row(fault.name, fault.summary, f"{fault.scope}s", ", ".join(fault.protocols))
    print_table(table)


def _parse_shares(texts: tuple[str, ...]) -> dict[str, float]:
    """Parse faults written as `overloaded=0.2`; the configuration checks their names."""
    shares: dict[str, float] = {}
    for text in texts:
        name, _, share = text.partition("=")
        try:
            shares[name.strip()] = float(share)
        except ValueError:
            raise UserError(
                "the fault is not written as NAME=SHARE",
                code="option.invalid-value",
                where="--fault",
                found=repr(text),
                remedy="Write a share from 0 to 1, for example --fault overloaded=0.2.",
            ) from None
    return shares


def _parse_outage(text: str | None) -> dict[str, Any]:
    """Parse an outage: `10,60` is one of 60 s that begins 10 s after the first request."""
    if text is None:
        return {}
    try:
        start, seconds = (float(number) for number in text.split(","))
    except ValueError:
        raise UserError(
            "the outage is not written as START,SECONDS",
            code="option.invalid-value",
            where="--outage",
            found=repr(text),
            remedy="Write two numbers of seconds, for example --outage 10,60.",
        ) from None
    return {"outage_start": start, "outage_seconds": seconds}


async def _serve(options: Any, host: str, port: int) -> None:
    from harness.emulator.models import MODELS
    from harness.emulator.server import serve
    from harness.interrupt import SignalInterrupt

    running, interrupt = await serve(options, host, port), SignalInterrupt()
    with interrupt.listening():
        print_message(f"Emulating at {running.url}  ({options.definition_hash}); press Ctrl-C to stop.")
        print_message(f"Models: {', '.join(MODELS)}; and all other gpt, o, gemini and claude models")
        await interrupt.wait()
    await running.close()
