"""`empathy judge A B --cheap M --gold M --gold-share S`: options and output of the two-judge way."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from agents.errors import UserError
from agents.judge import Judge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.cli.options import CallOptions
    from harness.data.splits import Split
    from harness.findings.gilding import Gilded
    from harness.runs.running import Settings
    from prompts import Prompt

DEFAULT_SHARE = 0.2


class UnlessCheapAndGold(click.Option):
    """An option that is required, but not beside a cheap judge and a gold one."""

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        """Required or not, by what else was given."""
        self.required = not {"cheap", "gold", "gold_share"} & set(opts)
        return super().handle_parse_result(ctx, opts, args)


def cheap_gold_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--cheap`, `--gold`, `--gold-share`."""
    options = [
        click.option("--cheap", metavar="MODEL", help="With --gold: a cheap judge, on every dialogue."),
        click.option("--gold", metavar="MODEL", help="An expensive judge, on a random share of dialogues."),
        click.option("--gold-share", type=float, metavar="S", help=f"The share. [default: {DEFAULT_SHARE}]"),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def check(
    judges: tuple[str, ...], cheap: str | None, gold: str | None, share: float | None, alone: tuple[Any, ...]
) -> bool:
    """Whether the two-judge way is asked for.

    Raises:
        UserError: only one of the two, the same twice, or what does not go with it.
    """
    if cheap is None and gold is None and share is None:
        return False
    if cheap is None or gold is None or cheap == gold:
        raise UserError(
            "a cheap judge and a gold one go together",
            where="--cheap, --gold",
            found=f"--cheap {cheap}, --gold {gold}",
            remedy="Name two different judges.",
        )
    if judges or any(alone):
        raise UserError(
            "a cheap judge and a gold one give one estimate",
            where="--cheap, --gold",
            found="--judge, --until, --without-kin, --by, --length-control, --report or --dry-run beside it",
            remedy="Leave those away; both runs are stored, and each can be reported by itself.",
        )
    return True


def judge_cheap_and_gold(
    a: str,
    b: str,
    cheap: str,
    gold: str,
    share: float,
    *,
    calls: CallOptions,
    settings: Settings,
    prompt: Prompt,
    temperature: float | None,
    data: str | None,
    db: str,
    split: Split,
    limit: int | None,
    samples: int,
    seed: int,
    retry_unscored: bool,
    as_json: bool,
) -> None:
    """Ask both, combine, print, and exit as the runs ended."""
    from harness.cli.ending import agree, leave
    from harness.cli.options import run

    async def main() -> Gilded:
        from harness.data.authors import author_of
        from harness.data.dataset import load
        from harness.findings.gilding import gild, gold_plan
        from harness.runs.judging import plan_judging
        from results.store import Store

        dataset = load(data)
        with calls.models((cheap, gold)) as (registry, models):
            first, second = (Judge(model, prompt, temperature) for model in models)
            async with await Store.open(db) as store:
                plan = plan_judging(
                    dataset,
                    await author_of(a, dataset, store),
                    await author_of(b, dataset, store),
                    [first],
                    split=split,
                    limit=limit,
                    samples=samples,
                    seed=seed,
                )
                of_gold = gold_plan(plan, second, share)
                if not calls.yes and not calls.emulate:
                    await agree(store, plan, settings)
                    await agree(store, of_gold, settings)
                return await gild(store, registry, plan, of_gold, settings, retry_unscored=retry_unscored)

    done = run(main())
    show(done, as_json)
    leave(done.cheap)
    leave(done.gold)


def show(done: Gilded, as_json: bool) -> None:
    """The estimate beside either judge's own: to stdout."""
    import orjson

    from harness.showing import judged as presenting
    from harness.wording import between, money, percent
    from results.statistics.refusal import Refusal

    found = done.estimate
    if as_json:
        told = {
            "estimate": {"refused": str(found)} if isinstance(found, Refusal) else asdict(found),
            "saved": asdict(done.saved),
            "gold_share": done.share,
            "cheap": presenting.as_data(done.cheap),
            "gold": presenting.as_data(done.gold),
        }
        sys.stdout.buffer.write(orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n")
        sys.stdout.buffer.flush()
        return
    for name, summary in (("cheap", done.cheap), ("gold", done.gold)):
        one = summary.judges[0]
        rate = one.hard
        click.echo(
            f"{name}: {one.contest.judge}: {percent(rate.rate)} ({between(rate.low, rate.high)}), "
            f"n = {rate.n}, {money(one.contest.cost_usd)}"
        )
    if isinstance(found, Refusal):
        click.echo(str(found))
        return
    click.echo(
        f"What {done.gold.judges[0].contest.judge} would have said: {percent(found.rate)} "
        f"({between(found.low, found.high)}), {found.method}"
    )
    click.echo(
        f"    {found.n_gold} gold dialogues of {found.n}, worth {found.effective:.0f}; "
        f"weight of the cheap judge {found.weight:.2f}; {found.scope}"
    )
    if found.note:
        click.echo(f"    {found.note}")
    if done.saved.paid is not None:
        click.echo(
            f"    paid {money(done.saved.paid)}; gold on every dialogue {money(done.saved.gold_everywhere)}; "
            f"gold alone as precise {money(done.saved.gold_alike)}"
        )
