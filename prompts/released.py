"""Prompts of the paper's scripts, extracted from files that the user has fetched.

The paper's repository (`REPOSITORY` at `COMMIT`) has no licence, so this package contains only the SHA-256 of
its files, and users fetch them with `empathy prompts fetch`. Scripts are parsed and never executed. A prompt
is a string constant, or an f-string over the parts of a dialogue:

    prompt = [{"role": "system", "content": "…"}, {"role": "user", "content": "…" + f"Context: {context} …"}]
    prompt = "…" + f"Context: {context[i]} …"

Fidelity `released` sends these prompts byte for byte: texts are neither trimmed nor escaped.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from prompts.prompt import Prompt, PromptError, PromptFault, prompt_version
from prompts.text_files import NotTextError, decode

REPOSITORY = "henryjxie/Distilling-Empathy-from-Large-Language-Models"
COMMIT = "0f404bafbe9db6cb26df09bb415af45418289a0a"
DEFAULT_FOLDER = Path("data/released-prompts")
ENVIRONMENT = "EMPATHY_RELEASED_PROMPTS"
REMEDY = "Run `empathy prompts fetch` (without a network: `empathy prompts fetch --from DIR`)."

GPT4O_JUDGE = "win-rate-evaluation/win_rate_gpt4o.py"
GEMINI_JUDGE = "win-rate-evaluation/win_rate_gemini.py"
GEMINI_BATCH_JUDGE = "win-rate-evaluation/win_rate_gemini_batch.py"
LLAMA_BASE = "model-testing/base_llama.py"
MISTRAL_BASE = "model-testing/base_mistral.py"
LLAMA_STUDENT = "model-testing/fine_tuned_llama.py"
MISTRAL_STUDENT = "model-testing/fine_tuned_mistral.py"
INITIAL = "empathy-improvement-over-llm-responses/m3_1_batch_generate_inital_response.py"
IMPROVEMENTS = "empathy-improvement-over-human-responses/m2_2_create_batch_prompting_datasets.py"
SEQUENTIAL = "empathy-improvement-over-human-responses/m2_6_improve_three_dimensions_sequentially.py"

FILES: dict[str, str] = {
    GPT4O_JUDGE: "3b7eec69f0e8d62378ad72a4156b47793cdb8a0618c1a1b981233824f6b6504e",
    GEMINI_JUDGE: "1e9c5aee05a89c048cf060fdcae1651b8ec00f89fedcc71b5cfc9e39dce2d35d",
    GEMINI_BATCH_JUDGE: "01a8ce9bfecb74e153b5eeb8832281ff554a0b954e1ce2b5133777cbefa13ea4",
    LLAMA_BASE: "4cdcfb60965ddaa52f4444ec5002c628f973edee10e314dcaa9db1df3015a741",
    MISTRAL_BASE: "8536fc804f950142e8765212ef2e0abafaa08e304104d3bcf549684ee22c5a5a",
    LLAMA_STUDENT: "827a114532b6e75a386f095b40d2f2a28978a32b1908b27859c5ba33406b2f1d",
    MISTRAL_STUDENT: "42451d4385cf3baf3bb01ebdedb8b5dd1356ab6661562675ea39b94d5eb2c279",
    INITIAL: "8960b114196bf9681542cfa68af45045e47be45d09168fd5acc6c44e523bbf2d",
    IMPROVEMENTS: "3a6ce4f291a661568ae7527fd78d37f4101c25f3b807201489ff6936c24617ac",
    SEQUENTIAL: "6cbb13b69a715d9ed2bc6257bbd94c7962620a6e08b4f69825a4522cc182c725",
}
"""Path in the repository → SHA-256 of the file at `COMMIT`."""


@dataclass(frozen=True, slots=True)
class PromptLocation:
    """Location of a prompt in the paper's repository.

    Attributes:
        file: path in the repository.
        number: index among the conversations of the file, from 0.
        title: short description.
        answers: the allowed answers; () for free text.
        paper: its number in the paper, or "".
    """

    file: str
    number: int
    title: str
    answers: tuple[str, ...] = ()
    paper: str = ""


_ONE_OR_TWO = ("1", "2")
PROMPTS: dict[str, PromptLocation] = {
    "released/judge/gpt-4o": PromptLocation(GPT4O_JUDGE, 0, "How GPT-4o was asked to judge", _ONE_OR_TWO),
    "released/judge/gemini": PromptLocation(GEMINI_JUDGE, 0, "How Gemini was asked to judge", _ONE_OR_TWO),
    "released/judge/gemini-batch": PromptLocation(
        GEMINI_BATCH_JUDGE, 0, "The same, as its batch script indents it", _ONE_OR_TWO
    ),
    "released/respond/llama-base": PromptLocation(LLAMA_BASE, 0, "How LLaMA's base was asked to respond"),
    "released/respond/mistral-base": PromptLocation(
        MISTRAL_BASE, 0, "How Mistral's base was asked to respond"
    ),
    "released/respond/llama-student": PromptLocation(
        LLAMA_STUDENT, 0, "How LLaMA's students were asked to respond"
    ),
    "released/respond/mistral-student": PromptLocation(
        MISTRAL_STUDENT, 0, "How Mistral's students were asked to respond"
    ),
    "released/respond/teacher": PromptLocation(INITIAL, 0, "How GPT-4o was asked for initial responses"),
    "released/improve/naive": PromptLocation(IMPROVEMENTS, 0, "Naive improvement", paper="N"),
    "released/improve/all-dimensions": PromptLocation(
        IMPROVEMENTS, 1, "Improve all three dimensions", paper="2"
    ),
    "released/improve/lacking-dimension": PromptLocation(
        IMPROVEMENTS, 2, "Improve the dimension that is lacking most", paper="4"
    ),
    "released/improve/cognitive": PromptLocation(
        IMPROVEMENTS, 3, "Improve the cognitive dimension", paper="1.1"
    ),
    "released/improve/affective": PromptLocation(
        IMPROVEMENTS, 4, "Improve the affective dimension", paper="1.2"
    ),
    "released/improve/compassionate": PromptLocation(
        IMPROVEMENTS, 5, "Improve the compassionate dimension", paper="1.3"
    ),
    "released/improve/sequential": PromptLocation(
        SEQUENTIAL, 2, "Improve the three dimensions in one conversation", paper="3"
    ),
}
VARIABLES = {
    "context": "context",
    "situation": "context",
    "speaker_utterance": "utterance",
    "speaker_uttr": "utterance",
    "response": "response",
    "response_human": "response",
    "initial_response": "response",
    "response_1": "response_1",
    "response_2": "response_2",
}
"""Name of a dialogue's part in the scripts → variable of our prompts."""


def place(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder to which the scripts are fetched: $EMPATHY_RELEASED_PROMPTS, or a default."""
    return Path(environ.get(ENVIRONMENT) or DEFAULT_FOLDER)


def load(folder: Path) -> dict[str, Prompt]:
    """Load all released prompts by name from a folder with the files of the repository.

    Raises:
        PromptError: files are missing or differ from the published ones; it lists every such file.
    """
    contents: dict[str, bytes] = {}
    faults: list[PromptFault] = []
    for name in FILES:
        try:
            contents[name] = (folder / name).read_bytes()
        except OSError as error:
            what = "the prompt file cannot be read"
            faults.append(PromptFault(what, str(folder / name), str(error.strerror), code="file.unreadable"))
            continue
        if difference := file_fault(name, contents[name]):
            what = "not the published file"
            faults.append(PromptFault(what, str(folder / name), difference, code="prompt.not-published-file"))
    if faults:
        what = "the released prompts are missing"
        summary = PromptFault(what, str(folder), remedy=REMEDY, code="prompt.released-missing")
        raise PromptError([summary, *faults])
    return {name: _prompt(name, where, contents[where.file], folder) for name, where in PROMPTS.items()}


def file_fault(name: str, content: bytes) -> str:
    """Return how a file's content differs from the published file of this name; "" if it does not."""
    digest = sha256(content).hexdigest()
    if digest == FILES[name]:
        return ""
    return f"{len(content):,} bytes, sha256 {digest}; expected {FILES[name]}"


def _prompt(name: str, where: PromptLocation, content: bytes, folder: Path) -> Prompt:
    """Build the prompt at a location from the content of its file."""
    source = str(folder / where.file)
    try:
        conversations = extract_conversations(decode(content))
    except (SyntaxError, NotTextError) as error:
        what = "the script cannot be parsed"
        raise PromptError([PromptFault(what, source, str(error), code="prompt.invalid-script")]) from error
    if where.number >= len(conversations):
        what = f"the script has no prompt number {where.number + 1}"
        fault = PromptFault(what, source, f"{len(conversations)} prompts", code="prompt.invalid-script")
        raise PromptError([fault])
    messages = conversations[where.number]
    system = "".join(text for role, text, _ in messages if role == "system")
    turns = tuple(text for role, text, _ in messages if role == "user")
    used = dict.fromkeys(
        variable for role, _, variables in messages if role == "user" for variable in variables
    )
    version = prompt_version(turns, tuple(used), where.answers, system, exact=True)
    return Prompt(
        name,
        where.title,
        where.paper,
        tuple(used),
        where.answers,
        turns,
        version,
        source,
        system,
        is_exact=True,
    )


ScriptMessage = tuple[str, str, tuple[str, ...]]
"""Role, text with our variables in braces, and the names of the variables."""


def extract_conversations(source: str) -> list[tuple[ScriptMessage, ...]]:
    """Return every prompt in the source of a script, in source order.

    Raises:
        PromptError: a prompt contains anything but constants and the parts of a dialogue.
        SyntaxError: the source is not Python.
    """
    conversations: list[tuple[int, int, tuple[ScriptMessage, ...]]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.List) and (messages := _messages(node)):
            conversations.append((node.lineno, node.col_offset, messages))
        elif isinstance(node, ast.Assign) and _is_prompt(node):
            conversations.append((node.lineno, node.col_offset, (("user", *_text(node.value)),)))
    return [messages for _, _, messages in sorted(conversations, key=lambda each: each[:2])]


def _is_prompt(node: ast.Assign) -> bool:
    """Return whether a statement assigns a text to the name `prompt`."""
    (target, *others) = node.targets
    named = isinstance(target, ast.Name) and target.id == "prompt" and not others
    return named and isinstance(node.value, ast.Constant | ast.JoinedStr | ast.BinOp)


def _messages(node: ast.List) -> tuple[ScriptMessage, ...]:
    """Return the messages of a list of `{"role": …, "content": …}`; () for any other list."""
    messages: list[ScriptMessage] = []
    for element in node.elts:
        if not isinstance(element, ast.Dict):
            return ()
        keys = {key.value: value for key, value in _pairs(element)}
        role = keys.get("role")
        if not isinstance(role, ast.Constant) or "content" not in keys:
            return ()
        if role.value == "assistant":  # the model's completion of the previous turn
            messages.append(("assistant", "", ()))
        else:
            messages.append((str(role.value), *_text(keys["content"])))
    return tuple(messages)


def _pairs(node: ast.Dict) -> Iterator[tuple[ast.Constant, ast.expr]]:
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Constant):
            yield key, value


def _text(node: ast.expr) -> tuple[str, tuple[str, ...]]:
    """Return the text of a string expression with our variables in braces, and their names."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        (left, first), (right, second) = _text(node.left), _text(node.right)
        return left + right, first + second
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if "{{" in node.value:
            what = "the text contains {{, which would start a variable"
            where = f"line {node.lineno}"
            raise PromptError([PromptFault(what, where, code="prompt.invalid-script")])
        return node.value, ()
    if isinstance(node, ast.JoinedStr):
        texts = [_text(value) for value in node.values]
        return "".join(text for text, _ in texts), tuple(name for _, names in texts for name in names)
    if isinstance(node, ast.FormattedValue) and node.conversion == -1 and node.format_spec is None:
        variable = _variable(node.value)
        return f"{{{{{variable}}}}}", (variable,)
    what = "the prompt contains more than constants and the parts of a dialogue"
    raise PromptError([PromptFault(what, f"line {node.lineno}", code="prompt.invalid-script")])


def _variable(node: ast.expr) -> str:
    """Return our variable for an expression such as `context`, `context[i]` or `row["situation"]`."""
    name = ""
    if isinstance(node, ast.Subscript):
        inner = node.slice
        constant = isinstance(inner, ast.Constant) and isinstance(inner.value, str)
        name = str(inner.value) if constant and isinstance(inner, ast.Constant) else ast.unparse(node.value)
    elif isinstance(node, ast.Name):
        name = node.id
    if name not in VARIABLES:
        what, where = "the expression is not a part of a dialogue", f"line {node.lineno}"
        raise PromptError([PromptFault(what, where, ast.unparse(node), code="prompt.invalid-script")])
    return VARIABLES[name]
