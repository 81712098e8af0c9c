"""Finish reasons of all protocols and compatible servers, in one table.

Spellings are compared without case, spaces, dashes and underscores, and without a prefix such as
`FINISH_REASON_` or a detail after a colon (`content_filter: PROHIBITED_CONTENT`). An unknown reason becomes
`FinishReason.OTHER`, whose text may be truncated.
"""

from __future__ import annotations

import re
from functools import lru_cache

from agents.errors import CallError, Failure
from agents.messages import FinishReason

_STOP = (
    "stop stopsequence stopstring stoptoken endturn endofturn endoftext eos eostoken complete completed done"
)
_LENGTH = (
    "length maxtokens maxlength maxoutputtokens maxnewtokens maxtokensreached modellength tokenlimit "
    "modelcontextwindowexceeded contextlength contextlengthexceeded"
)
_FILTERED = (
    "contentfilter contentfiltered filter filtered sensitive safety recitation blocklist prohibitedcontent "
    "spii moderation moderated flagged contentpolicy contentpolicyviolation guardrailintervened guardrail "
    "blocked imagesafety jailbreak violation risk"
)
_REFUSAL = "refusal refused"
_NO_ANSWER = (
    "error networkerror servererror internalerror insufficientsystemresource overloaded unavailable abort "
    "aborted cancelled canceled timeout malformedfunctioncall unexpectedtoolcall failed"
)
_KINDS = {
    spelling: finish
    for spellings, finish in (
        (_STOP, FinishReason.STOP),
        (_LENGTH, FinishReason.LENGTH),
        (_FILTERED, FinishReason.FILTERED),
        (_REFUSAL, FinishReason.REFUSAL),
        (_NO_ANSWER, None),
    )
    for spelling in spellings.split()
}
_PREFIX = re.compile(r"^finish[_ -]?reason[_ -]?", re.IGNORECASE)


@lru_cache(maxsize=256)
def parse_finish_reason(reason: str) -> FinishReason:
    """Parse a finish reason; "" is `FinishReason.OTHER`.

    Raises:
        CallError: SERVER if the reason means that the generation failed.
    """
    spelling = _PREFIX.sub("", reason).split(":")[0]
    spelling = re.sub(r"[\s_-]", "", spelling).lower()
    kind = _KINDS.get(spelling, FinishReason.OTHER)
    if kind is None:
        raise CallError(
            Failure.SERVER,
            f"the generation failed: finish reason {reason[:60]!r}.",
            status=200,
            charged=True,
        )
    return kind
