"""Judges that are Python functions of the caller.

A function judge gets a dialogue and the texts of two responses, and returns "first", "second", "tie" or None:

    def longer(dialogue, first, second):
        return "first" if len(first) > len(second) else "second"

It is a judge like any other: it sees every pair in both orders, its verdicts are stored, and only missing
ones are requested again. Its identity covers its name and its version: the attribute `version`, or else the
content id of its source code with its defaults and the values that it closes over. Globals and imported
modules that the function uses are not covered; set `version` where they matter.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import sys
import textwrap
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import CodeType
from typing import Any

import orjson

from agents.clients.base import ModelRequest
from agents.errors import CallError, Failure, UserError
from agents.hashing import content_id
from agents.messages import Completion, FinishReason, Usage
from agents.models.spec import ApiProtocol, Capabilities, Model
from agents.types import Comparison, Dialogue

PROVIDER = "function"
JudgeFunction = Callable[[Dialogue, str, str], "str | Awaitable[str | None] | None"]
_ANSWERS = {"first": "1", "second": "2", "tie": "tie"}
NO_ANSWER = "no answer"  # the completion for None, which states no verdict
_NAME = re.compile(r"[\w.@+-]+")


@dataclass(frozen=True, eq=False)
class FunctionJudge:
    """Judge function with its model, whose identity states the function's version.

    Attributes:
        function: the function; synchronous ones run one at a time in a thread.
        model: the model `function/NAME`.
    """

    function: JudgeFunction
    model: Model

    @classmethod
    def from_function(cls, function: JudgeFunction) -> FunctionJudge:
        """Return the judge of a function.

        Raises:
            UserError: it has no usable name, or no version and no code of its own.
        """
        name = str(getattr(function, "name", "") or getattr(function, "__name__", "")).strip("<>")
        if not _NAME.fullmatch(name):
            raise UserError(
                "the judge function has no usable name",
                code="judge.function-name",
                found=repr(name or function),
                remedy="Set its attribute `name` to letters, digits and . - + @.",
            )
        version = str(getattr(function, "version", "")) or _source_version(function, name)
        identity = f"function-1 {version}"
        return cls(function, Model(PROVIDER, name, ApiProtocol.CONTROL, Capabilities(), identity=identity))


def _source_version(function: JudgeFunction, name: str) -> str:
    """Return the content id of a function's source, defaults and closed-over values.

    Raises:
        UserError: it is another callable than a function, or a value is not plain data.
    """
    try:
        code = function.__code__
        bound = [function.__defaults__, function.__kwdefaults__]
        nonlocals = inspect.getclosurevars(function).nonlocals
        values = orjson.dumps([bound, nonlocals], option=orjson.OPT_SORT_KEYS).decode()
    except (AttributeError, TypeError, ValueError, orjson.JSONEncodeError) as error:
        raise UserError(
            "the judge function has no version",
            code="judge.function-version",
            found=f"{name}: {error}",
            remedy="Set its attribute `version` to a text that changes whenever its verdicts may change.",
        ) from error
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):  # defined by exec
        source = _describe_code(code)
    return content_id("source-1", [source, values])


def _describe_code(code: CodeType) -> str:
    """Return the content of a code object, which depends on the version of Python."""
    constants = [
        _describe_code(constant) if isinstance(constant, CodeType) else repr(constant)
        for constant in code.co_consts
    ]
    return f"{sys.version_info[:2]} {code.co_code.hex()} {code.co_names} {code.co_varnames} {constants}"


def question(comparison: Comparison) -> dict[str, Any]:
    """Return the content of a function judge's request: all that the function gets."""
    dialogue = comparison.dialogue
    return {
        "dialogue": {
            "id": dialogue.id,
            "situation": dialogue.situation,
            "utterance": dialogue.utterance,
            "emotion": dialogue.emotion,
            "sentiment": dialogue.sentiment,
            "part": dialogue.part,
        },
        "first": comparison.first.text,
        "second": comparison.second.text,
    }


class FunctionJudgeClient:
    """Client whose completions are the verdicts of a judge function."""

    def __init__(self, judge: FunctionJudge) -> None:
        self._function = judge.function
        self._is_async = inspect.iscoroutinefunction(judge.function)
        self._thread = ThreadPoolExecutor(1, "judge-function")

    async def complete(self, call: ModelRequest) -> Completion:
        """Call the function.

        Raises:
            CallError: it raised an exception, or returned something else than a verdict or None.
        """
        content = orjson.loads(call.messages[0].content)
        arguments = (Dialogue(**content["dialogue"]), content["first"], content["second"])
        try:
            if self._is_async:
                answer = self._function(*arguments)
            else:
                answer = await asyncio.get_running_loop().run_in_executor(
                    self._thread, self._function, *arguments
                )
            verdict = await answer if inspect.isawaitable(answer) else answer
        except Exception as error:
            raise CallError(Failure.FUNCTION, f"{type(error).__name__}: {error}") from error
        if verdict is not None and verdict not in _ANSWERS:
            message = f"the judge function returned {verdict!r}, not 'first', 'second', 'tie' or None"
            raise CallError(Failure.FUNCTION, message)
        text = NO_ANSWER if verdict is None else _ANSWERS[verdict]
        return Completion(text, FinishReason.STOP, Usage(0, 0), model=call.model.name)

    async def close(self) -> None:
        """End the thread of synchronous functions. Idempotent."""
        self._thread.shutdown(wait=False)
