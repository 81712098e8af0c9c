"""Plot of the loss curves of one training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.figure_style import render_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_losses(metrics: Sequence[Mapping[str, Any]], target: Path, title: str) -> None:
    """Write a PNG with the loss by step and, for DPO, the reward margin of chosen over rejected below it."""
    target.write_bytes(render_figure(partial(_draw_figure, metrics, title), {"png": {"dpi": 120}})["png"])


def _draw_figure(metrics: Sequence[Mapping[str, Any]], title: str) -> Figure:
    from matplotlib.figure import Figure

    curves = [("loss", "loss (nats)"), ("rewards/margins", "reward margin")]
    present = [(key, label) for key, label in curves if any(key in row for row in metrics)]
    figure = Figure(figsize=(7.0, 1.2 + 2.4 * max(len(present), 1)), layout="constrained")
    figure.suptitle(title)
    for position, (key, label) in enumerate(present, 1):
        axes = figure.add_subplot(len(present), 1, position)
        points = [(row["step"], float(row[key])) for row in metrics if key in row]
        axes.plot([step for step, _ in points], [value for _, value in points], linewidth=1.2)
        axes.set_xlabel("optimizer step")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
    return figure
