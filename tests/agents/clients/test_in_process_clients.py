"""Clients without a server: functions and control judges."""

from __future__ import annotations

from agents.clients.base import ModelClient, ModelRequest
from agents.clients.control_judge import ControlClient
from agents.clients.function import FunctionClient
from agents.control_judges import rules
from agents.judge import Judge
from agents.messages import Completion, FinishReason, Message, Sampling, Usage
from agents.models.spec import ApiProtocol, Model
from agents.types import Comparison, Dialogue, Judgment, Preference, Response, Verdict
from prompts import Library

MODEL = Model("test", "m", ApiProtocol.OPENAI_CHAT)


async def test_a_function_is_a_client() -> None:
    client: ModelClient = FunctionClient(lambda messages: messages[-1].content.upper())
    call = ModelRequest(MODEL, (Message("system", "Be brief."), Message("user", "Oh dear.")), Sampling(9))
    assert await client.complete(call) == Completion(
        "OH DEAR.", FinishReason.STOP, Usage(input_tokens=4, output_tokens=2), model="m"
    )
    await client.close()
    await client.close()


async def test_control_judges_answer_in_this_process() -> None:
    client: ModelClient = ControlClient()
    dialogue = Dialogue("d", "I moved.", "I moved house.")
    short, long = (Response(dialogue.key, "file:x", text, "s") for text in ("Nice.", "How was it for you?"))
    judge = Judge(rules.model("longer"), Library()["judge/pairwise"])
    call = judge.call(Comparison(dialogue, short, long))
    assert call.read is not None
    judgment = call.read(await client.complete(call), call.key)
    assert isinstance(judgment, Judgment)
    assert judgment.outcome == Verdict(Preference.SECOND)
    await client.close()
