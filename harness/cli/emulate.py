"""`empathy emulate`: emulated providers on this machine, to rehearse a study before money is spent."""

from __future__ import annotations

from typing import Any

import click

from agents.errors import UserError
from harness.cli.options.common import run
from harness.terminal.output import print_line, print_message


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8901, show_default=True, help="0: any free.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of every answer and fault.")
@click.option("--rpm", type=float, help="Requests a minute, per model.")
@click.option("--tpm", type=float, help="Tokens a minute, per model.")
@click.option("--latency-ms", type=float, default=300.0, show_default=True, help="To an answer.")
@click.option("--latency-sigma", type=float, default=0.0, show_default=True, help="Lognormal spread of it.")
@click.option("--errors-500", type=float, default=0.0, help="Share of attempts that end in a 500.")
@click.option("--resets", type=float, default=0.0, help="Share whose connection is reset.")
@click.option("--malformed", type=float, default=0.0, help="Share whose body is broken.")
@click.option("--hangs", type=float, default=0.0, help="Share that is never answered.")
@click.option("--refusals", type=float, default=0.0, help="Share of questions that are declined.")
@click.option(
    "--fault",
    "faults",
    metavar="NAME=SHARE",
    multiple=True,
    help="A named fault and the share it strikes, as overloaded=0.2; may be repeated.",
)
@click.option("--outage", metavar="START,SECONDS", help="Answer 503 from START s after the first request on.")
@click.option("--list-faults", is_flag=True, help="List the named faults and exit.")
@click.option("--position-bias", type=float, help="Of every judge, instead of each model's own.")
@click.option("--bias-on", type=click.Choice(["probability", "logit"]), help="The scale it adds on.")
@click.option("--mean-preference", type=float, help="Of every judge, for the more empathetic response.")
@click.option("--other-model", metavar="NAME", help="The name in answers, from --other-model-after on.")
@click.option("--other-model-after", type=int, metavar="N", help="The first request that it answers.")
@click.option("--snapshot-suffix", metavar="TEXT", help="Behind the name in answers, as -2024-08-06.")
@click.option("--retired", metavar="NAMES", help="Models that are answered with a 404, with commas.")
@click.option("--shutdown-date", metavar="DATE", help="Stated of OpenAI's models in the list of models.")
@click.option("--sunset", metavar="DATE", help="Stated in a header of every answer.")
@click.option("--lean", is_flag=True, help="The bare, fast server for benchmarks.")
def emulate(
    host: str,
    port: int,
    rpm: float | None,
    tpm: float | None,
    faults: tuple[str, ...],
    outage: str | None,
    list_faults: bool,
    **given: Any,
) -> None:
    """Serve OpenAI's, Anthropic's and Gemini's protocols on this machine until Ctrl-C.

    Point clients at it with OPENAI_BASE_URL=http://127.0.0.1:8901/v1,
    ANTHROPIC_BASE_URL=http://127.0.0.1:8901 and GEMINI_BASE_URL=http://127.0.0.1:8901/v1beta; any key will
    do. Models are named emulated-gpt-6-luna and so on.
    """
    from harness.emulator.config import EmulatorConfig

    if list_faults:
        _list_faults()
        return
    shares, window = _shares(faults), _window(outage)
    options = EmulatorConfig(requests_per_minute=rpm, tokens_per_minute=tpm, faults=shares, **window, **given)
    run(_serve(options, host, port))


def _list_faults() -> None:
    from harness.emulator.provider_faults import TABLE

    width = max(map(len, TABLE))
    for fault in TABLE.values():
        print_line(f"{fault.name:<{width}}  {fault.summary} (share of {fault.scope}s)")
        print_line(f"{'':<{width}}  {', '.join(fault.protocols)}")


def _shares(texts: tuple[str, ...]) -> dict[str, float]:
    """`overloaded=0.2`: the share of each named fault; whether there is such a fault, the options check."""
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


def _window(text: str | None) -> dict[str, Any]:
    """`10,60`: an outage of 60 s that begins 10 s after the first request."""
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
    import asyncio
    import signal

    from harness.emulator.models import MODELS
    from harness.emulator.server import serve

    running = await serve(options, host, port)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    print_message(f"Emulating at {running.url}  ({options.definition_hash}); Ctrl-C stops.")
    print_message(f"Models: {', '.join(MODELS)}; other gpt, o, gemini and claude models by their names")
    await stopped.wait()
    await running.close()
