"""Patterns that classify the messages and codes of provider errors, shared by all providers.

The HTTP status is not sufficient: providers reject prompts, accounts and parameters, and report overload,
with the same 400, 403 or even 200. Codes are compared as whole words. Text of the request that an error
repeats is never matched (see `agents.protocols.error_mapping`).
"""

from __future__ import annotations

import re

_FILTER_CODES = re.compile(
    r"\b(?:content_?filter(?:ed|_error|ing)?|content_?policy(?:_violation)?|responsibleaipolicyviolation"
    r"|data_?inspection_?failed|moderation(?:_blocked|_error|_failed)?|prompt_?blocked|blocked_prompt"
    r"|prohibited_content|safety(?:_error|_violation)?|guardrail_intervened|content_?sensitive"
    r"|sensitive_(?:content|words?)|unsafe_content|content_moderation|inappropriate_content)\b",
    re.IGNORECASE,
)
_FILTER_WORDS = re.compile(
    r"content[ _-](?:management|filter|moderation|safety|usage|polic)|\bmoderat(?:ion|ed)\b|\bflagged\b"
    r"|\bfiltered\b|safety (?:system|filter|setting|polic|reason|guideline)"
    r"|\b(?:harmful|unsafe|inappropriate)\b"
    r"|(?:prohibited|sensitive|objectionable|restricted) (?:content|words?|topics?|information)"
    r"|violat\w* (?:of )?(?:(?:our|the|its|their|\w+['’]s) )?(?:usage|content|use|safety|acceptable|service)"
    r"|usage polic|responsible ai|\bguardrails?\b|\bjailbreak|self[- ]harm"
    r"|(?:prompt|input|request|response|output|completion) (?:was |is |has been )?(?:blocked|censored)"
    r"|敏感|违规|违反|不安全|不合规|審査|审核",
    re.IGNORECASE,
)
_ACCOUNT_PUNISHED = re.compile(
    r"\b(?:account|organi[sz]ation|project|api[- ]?key|subscription|workspace)\b[^.]{0,60}"
    r"\b(?:suspend|deactivat|disabl|terminat|flagged|banned|blocked|restricted|revoked|violat)",
    re.IGNORECASE,
)
_ACCOUNT_WORDS = re.compile(
    r"api[ _-]?key|access[ _]token|credential|authenticat|unauthori[sz]ed|not authori[sz]ed|\bpermission"
    r"|\baccount\b|\borgani[sz]ation\b|\bproject\b|\bsubscription\b|\bcountry\b|\bregion\b|\bterritor"
    r"|\blocation\b|\bworkspace\b|\btenant\b|(?:invalid|expired|missing) (?:bearer )?token|\bip address"
    r"|(?:does not|doesn['’]t|do not|don['’]t) have access|\bsign(?:ed)? in\b|\blog(?:ged)? ?in\b",
    re.IGNORECASE,
)
_KEY_WORDS = re.compile(
    r"(?:invalid|incorrect|wrong|missing|expired|no|valid|provide\w*|unknown) (?:an? )?(?:\w+ )?api[ _-]?key"
    r"|api[ _-]?key (?:is |was )?(?:not |in|expired|missing|required)|invalid_api_key|authentication_error"
    r"|unauthenticated",
    re.IGNORECASE,
)
_TRUNCATED = re.compile(
    r"(?:could not|couldn['’]t|unable to|cannot) finish"
    r"|(?:output|length|token)s? limit (?:was |has been |is )?(?:reached|exceeded|hit)"
    r"|max(?:imum)?[_ ](?:(?:output|completion|new)[_ ])?tokens (?:limit )?(?:was|were|has been|is)?\s*"
    r"(?:reached|exceeded|hit)\b"
    r"|reached (?:the |its )?(?:max\w*|limit of)[ _](?:\w+[ _])?tokens",
    re.IGNORECASE,
)
_NO_MONEY = re.compile(
    r"insufficient[ _](?:quota|balance|credit|fund)|credit balance|exceeded your current quota|out of credit"
    r"|not enough credit|\bbilling|spend(?:ing)?[ _-]limit|payment required|arrear|余额不足|欠费",
    re.IGNORECASE,
)
_DAY = re.compile(
    r"per[ _-]?day|perday|\bdaily\b|\b[rt]pd\b|/ ?day\b|\ba day\b|24[ -]?h(?:our)?s?\b|\btoday\b|每日|每天",
    re.IGNORECASE,
)
_MINUTE = re.compile(r"per[ _-]?min|perminute|\b[rt]pm\b|per[ _-]?sec|retryinfo", re.IGNORECASE)
_RATE = re.compile(r"rate[ _-]?limit|too[ _]many[ _]requests|throttl|resource_exhausted", re.IGNORECASE)
_BUSY = re.compile(
    r"overload|unavailable|capacity|try again (?:later|in a)|\bbusy\b|warming up"
    r"|is (?:currently |still )?loading|server_busy"
    r"|no (?:healthy|available) (?:upstream|backend|instance|channel|server)",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"\bmodels?\b[^.]{0,100}\b(?:does not exist|doesn['’]t exist|not found|not a valid|is invalid"
    r"|decommissioned|deprecated|retired|shut ?down|no longer|not supported|unknown|not available|not exist)"
    r"|model_not_found|model_decommissioned|invalid_model|not_found_error"
    r"|(?:no such|unknown|invalid|unsupported) model\b",
    re.IGNORECASE,
)
_NO_PATH = re.compile(
    r"(?:unexpected|unknown|invalid|no such|unsupported) (?:endpoint|url|path|route|method)"
    r"|(?:endpoint|url|path|route|page|resource) (?:was |is |could )?not (?:be )?(?:found|exist)"
    r"|cannot (?:post|get) /|\bnot found\b",
    re.IGNORECASE,
)
_PARAMETER = re.compile(
    r"support|recogni[sz]ed|unknown|unexpected|not permitted"
    r"|not (?:be )?(?:allowed|available|accepted|valid|enabled|compatible|implemented)"
    r"|extra_forbidden|deprecated|cannot be|can['’]t be|must be|should be|\bonly\b"
    r"|less than|greater than|additional propert|invalid|out of range|incompatible|\bremove\b",
    re.IGNORECASE,
)


def is_filter_code(codes: str) -> bool:
    """Return whether the codes name a content filter or moderation."""
    return _FILTER_CODES.search(codes) is not None


def is_filter(words: str) -> bool:
    """Return whether the message rejects the content of the request rather than the account."""
    return _FILTER_WORDS.search(words) is not None and _ACCOUNT_PUNISHED.search(words) is None


def is_about_account(words: str) -> bool:
    """Return whether the message is about the key, the account, the project or the country."""
    return _ACCOUNT_WORDS.search(words) is not None


def is_about_key(words: str) -> bool:
    """Return whether the message states that the key is missing or invalid."""
    return _KEY_WORDS.search(words) is not None


def is_truncation(words: str) -> bool:
    """Return whether the message states that the output limit was reached."""
    return _TRUNCATED.search(words) is not None


def is_out_of_money(words: str) -> bool:
    """Return whether the message states that the balance or credit is used up."""
    return _NO_MONEY.search(words) is not None


def is_daily(words: str) -> bool:
    """Return whether the message names a limit per day."""
    return _DAY.search(words) is not None


def is_by_the_minute(words: str) -> bool:
    """Return whether the message names a limit per minute or second."""
    return _MINUTE.search(words) is not None


def is_rate_limit(words: str) -> bool:
    """Return whether the message states a rate limit."""
    return _RATE.search(words) is not None


def is_busy(words: str) -> bool:
    """Return whether the message states that the endpoint is overloaded."""
    return _BUSY.search(words) is not None


def is_unknown_model(words: str) -> bool:
    """Return whether the message states that the model does not exist."""
    return _NO_MODEL.search(words) is not None


def is_unknown_path(words: str) -> bool:
    """Return whether the message states that the path does not exist."""
    return _NO_PATH.search(words) is not None


def is_about_a_parameter(words: str) -> bool:
    """Return whether the message rejects a parameter of the request."""
    return _PARAMETER.search(words) is not None
