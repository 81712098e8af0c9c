"""Baseline: a plain aiohttp loop that sends the same requests and does nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import aiohttp


async def send_all(url: str, bodies: Sequence[bytes], in_flight: int) -> int:
    """Send every body with `in_flight` workers; return the number of responses."""
    queue = iter(bodies)
    answered = 0

    async def worker(session: aiohttp.ClientSession) -> None:
        nonlocal answered
        for body in queue:
            async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as response:
                await response.json()
            answered += 1

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(worker(session) for _ in range(in_flight)))
    return answered
