"""The floor: a plain aiohttp loop that asks the same questions and does nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import aiohttp


async def ask_all(url: str, bodies: Sequence[bytes], in_flight: int) -> int:
    """Ask every body with `in_flight` workers; how many answers came."""
    waiting = iter(bodies)
    answered = 0

    async def worker(session: aiohttp.ClientSession) -> None:
        nonlocal answered
        for body in waiting:
            async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as response:
                await response.json()
            answered += 1

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(worker(session) for _ in range(in_flight)))
    return answered
