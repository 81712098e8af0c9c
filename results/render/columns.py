"""Columns that several tables share: a key has the same heading and unit everywhere."""

from __future__ import annotations

from collections.abc import Mapping

from results.render.table import Column

SHARED: Mapping[str, Column] = {
    column.key: column
    for column in (
        Column("win_rate", unit="percent", style="bold"),
        Column("interval", "95 %", "percent_range"),
        Column("order_robust", "order-robust", "percent_range"),
        Column("bounds", unit="percent_range"),
        Column("difference", unit="points"),
        Column("soft", unit="percent"),
        Column("n", unit="count"),
        Column("incomplete", unit="count"),
        Column("ties", unit="percent"),
        Column("consistency", unit="percent"),
        Column("first_position_rate", "first position", "percent"),
        Column("repetition_stability", "repeats agree", "percent"),
        Column("agreement", unit="percent"),
        Column("kappa", "κ", "decimal"),
        Column("strength", unit="strength"),
        Column("p", unit="p"),
        Column("p_adjusted", "p, Holm", "p"),
        Column("mde", "MDE", "unsigned_points"),
        Column("same_family", alignment="right"),
        Column("unscored", unit="unscored"),
        Column("retried", unit="count"),
        Column("requests", unit="count"),
        Column("input_tokens", "tokens in", "whole"),
        Column("output_tokens", "tokens out", "whole"),
        Column("cost_usd", "cost", "usd"),
    )
}


def columns(*names: str | Column) -> list[Column]:
    """Return shared columns by key; other keys are columns of texts."""
    return [name if isinstance(name, Column) else SHARED.get(name) or Column(name) for name in names]
