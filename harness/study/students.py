"""Serving a base and its students, and asking them: the seam between a study and `serve/`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from agents.errors import UserError
from harness.planning import Chosen
from harness.study.doing import Tell
from harness.study.file import Learner
from harness.study.stages import Made, Ready
from harness.study.world import World


@asynccontextmanager
async def session_of(
    world: World, learner: Learner, preset: str, tell: Tell, group: Sequence[Ready]
) -> AsyncIterator[Any]:
    """A base and the students of these stages, served together while the block runs."""
    raise UserError("serving is not here yet")
    yield


async def generate_students(world: World, chosen: Chosen, preset: str, ready: Ready) -> Made:
    """The responses of one base or student to the chosen dialogues."""
    raise UserError("serving is not here yet")
