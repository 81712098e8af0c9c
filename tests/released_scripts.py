"""Made-up scripts of the same form as the paper's: what is tested of fidelity `released` holds for any of it.

The paper's own texts have no licence and are nowhere in this project; only their hashes are.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from prompts import released

JUDGE_OF_MESSAGES = """
import os
def call(context, speaker_utterance, response_1, response_2):
    prompt = [
        {"role": "system", "content": "Say 1 or 2. " + \\
        "Say no more."},
        {"role": "user", "content": "Made-up words about kindness. " + \\
            "More of them, with a curly ’ mark. "
            "And a line end. \\n" + \\
            f"Context: {context} \\n" + \\
            f"Speaker Utterance: {speaker_utterance} \\n"
            f"Response 1: {response_1} \\n" + \\
            f"Response 2: {response_2}"}
        ]
    return prompt
results = []
"""
JUDGE_OF_ONE_TEXT = '''
def call(context, speaker_utterance, response_1, response_2):

    prompt = f"""
    System: made up. \\
    Still the same line.

    Context: {context}~

    Speaker Utterance: {speaker_utterance}~

    Response 1: {response_1}~

    Response 2: {response_2}
    """
    return prompt
'''.replace("~", " ")  # ends of lines that are spaces
RESPOND = """
def call(context, speaker_utterance, i=0):
    prompt = "Made up for MARK. " + \\
            "Answer kindly.\\n" + \\
            f"Context: {context[i]} \\n" + \\
            f"Speaker Utterance: {speaker_utterance[i]} \\n" + \\
            "Response: "
    return prompt
"""
INITIAL = """
def call(row):
    prompts = []
    prompts.append({"custom_id": f"response_{1}", "body": {"model": "m", "messages": [
        {"role": "user", "content": "Made up.\\n" + f"Context: {row['situation']} \\n"
            + f"Speaker Utterance: {row['speaker_uttr']} \\n" + "Response:"}]}})
    return prompts[-1]["body"]["messages"]
"""
_IMPROVE = """
    prompts.append({"custom_id": f"response_{1}", "body": {"model": "m", "messages": [
        {"role": "user", "content":
            "Below is a made-up NAME. " + \\
            "Improve it. \\n"
            + f"Context: {row['situation']} \\n"
            + f"Speaker Utterance: {row['speaker_uttr']} \\n"
            + f"Response: {row['response_human']} \\n"
            + "Improved Response:"}]}})
"""
STRATEGIES = ("naive", "all-dimensions", "lacking-dimension", "cognitive", "affective", "compassionate")
IMPROVE = (
    "def call(row):\n    prompts = []\n"
    + "".join(_IMPROVE.replace("NAME", name) for name in STRATEGIES * 2)
    + "    return [each['body']['messages'] for each in prompts]\n"
)
_FIRST = """{"role": "user", "content": "Below is a made-up cognitive. " + \\
            "Improve it. \\n"
            f"Context: {context} \\n" + \\
            f"Speaker Utterance: {speaker_utterance} \\n" + \\
            f"Response: {response} \\n" + \\
            "Improved Response:"}"""
_LATER = """{"role": "assistant", "content": f"{ANSWER}"},
        {"role": "user", "content": "Improve it again: NAME. \\n" + "Improved Response:"}"""
_SECOND = _LATER.replace("ANSWER", "first").replace("NAME", "affective")
_THIRD = _LATER.replace("ANSWER", "second").replace("NAME", "compassionate")
SEQUENTIAL = f"""
def call(context, speaker_utterance, response, first="", second=""):
    prompt = [{_FIRST}]
    prompt = [{_FIRST},
        {_SECOND}]
    prompt = [{_FIRST},
        {_SECOND},
        {_THIRD}]
    return prompt
"""
SCRIPTS = {
    released.GPT4O_JUDGE: JUDGE_OF_MESSAGES,
    released.GEMINI_JUDGE: JUDGE_OF_ONE_TEXT,
    released.GEMINI_BATCH_JUDGE: JUDGE_OF_ONE_TEXT.replace("made up", "made up in a batch"),
    released.LLAMA_BASE: RESPOND.replace("MARK", "a base"),
    released.MISTRAL_BASE: RESPOND.replace("MARK", "another base"),
    released.LLAMA_STUDENT: RESPOND.replace("MARK", "a student"),
    released.MISTRAL_STUDENT: RESPOND.replace("MARK", "another student"),
    released.INITIAL: INITIAL,
    released.IMPROVEMENTS: IMPROVE,
    released.SEQUENTIAL: SEQUENTIAL,
}


def write_scripts(folder: Path) -> dict[str, str]:
    """Write every made-up script; path in the repository → its SHA-256."""
    for name, text in SCRIPTS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    return {name: sha256(text.encode()).hexdigest() for name, text in SCRIPTS.items()}


def said_by(name: str, **values: Any) -> Any:
    """What Python makes of a made-up script: its prompt, or its messages."""
    namespace: dict[str, Any] = {}
    exec(compile(SCRIPTS[name], name, "exec"), namespace)
    return namespace["call"](**values)
