"""Studies: configuration, stages, scheduler and cache."""

from pathlib import Path

FOLDER = Path("runs/studies")
