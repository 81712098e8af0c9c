"""Study files: read completely, or refused with every fault and its line."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import UserError
from agents.types import Fidelity, Split
from harness.study.config_loader import load, shipped
from harness.study.toml_locations import key_lines
from tests.errors import user_error

BAD = """titel = "x"
fidelity = "papers"
[data]
splt = "test"
limit = 0
[teaching]
methods = ["over-human"]
[training]
learning_rat = 5
seeds = []
epochs = -1
[training.dpo]
beta = -1
[limits."openai/gpt-4o"]
requests_per_minute = -5
foo = 1
[judging]
judges = ["gpt"]
contests = [["student", "base"]]
"""
LINES = {
    "titel": 1,
    "fidelity": 2,
    "data.splt": 4,
    "data.limit": 5,
    "teaching.teachers": 6,
    "teaching.strategies": 6,
    "training.learning_rat": 9,
    "training.seeds": 10,
    "training.epochs": 11,
    "training.dpo.beta": 13,
    "limits.openai/gpt-4o": 14,
    "limits.openai/gpt-4o.foo": 16,
    "judging.judges": 18,
    "judging.contests": 19,
}


def refused(path: Path, text: str) -> UserError:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load(str(path))
    return caught.value


def test_all_faults_are_reported_at_once_with_their_lines(tmp_path: Path) -> None:
    error = refused(tmp_path / "bad.toml", BAD)
    places = [fault.where.removeprefix(f"{tmp_path / 'bad.toml'}:") for fault in error.faults]
    assert places == [f"{line}: {name}" for name, line in LINES.items()]
    assert "Did you mean title?" in str(error)


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("a = ", "file.not-toml", ""),
        (
            '[judging]\njudges=["control/first"]\ncontests=[["dataset:human","dataset:human"]]',
            "contest.same-author",
            "3: judging.contests",
        ),
        (
            '[judging]\njudges=["control/first"]\ncontests=[["human","dataset:human"]]',
            "author.invalid-name",
            "3: judging.contests",
        ),
        (
            '[judging]\njudges=["control/first"]\ncontests=[["base","dataset:human"]]',
            "study.inconsistent",
            "3: judging.contests",
        ),
        (
            '[[student]]\nname="a"\nbase="x/y"\n[judging]\njudges=["control/first"]\ncontests=[["best","base"]]',
            "study.inconsistent",
            "selection",
        ),
        (
            '[[student]]\nname="a"\nbase="x/y"\n[[student]]\nname="a"\nbase="x/z"\n[judging]\n'
            'judges=["control/first"]\ncontests=[["base","dataset:human"]]',
            "study.duplicate-name",
            "4: student",
        ),
        ("judging = 3", "study.wrong-type", "1: judging"),
        ("[training]\nseed = 3", "study.unknown-key", "2: training.seed"),
        ('[generation]\npreset = "loud"', "study.unknown-value", "2: generation.preset"),
        ("[budget]\nusd = 0", "study.out-of-range", "2: budget.usd"),
    ],
)
def test_a_fault_has_a_code_and_a_line(tmp_path: Path, text: str, code: str, line: str) -> None:
    error = refused(tmp_path / "bad.toml", text)
    assert code in error.codes
    places = [fault.where for fault in (error.fault, *error.faults) if fault.code == code]
    separator = ":" if line[:1].isdigit() else ": "
    assert not line or f"{tmp_path / 'bad.toml'}{separator}{line}" in places


def test_choosing_needs_a_development_split(tmp_path: Path) -> None:
    text = resources.files("harness.studies").joinpath("figure-10.toml").read_text(encoding="utf-8")
    error = refused(tmp_path / "best.toml", text.replace("hold_out = true", "hold_out = false"))
    assert "hold_out = true" in str(error)


def test_an_unknown_study_is_refused() -> None:
    with user_error("study.not-found", found="'paper-lama'") as error:
        load("paper-lama")
    assert "paper-llama" in error.fault.remedy


def test_every_shipped_study_is_valid() -> None:
    assert shipped() == ["figure-1", "figure-10", "figure-6", "paper-llama", "paper-mistral", "tiny"]
    for name in shipped():
        study = load(name)
        assert study.name == name
        assert study.words() & {"low-rated", "base-cut"}, "each carries a format control"


def test_the_papers_study_has_the_papers_settings() -> None:
    study = load("paper-llama")
    assert study.fidelity is Fidelity.PAPER
    assert study.data.split is Split.TEST
    assert study.judging.judges == ("openai/gpt-6-luna", "google/gemini-3.5-flash-lite")
    assert len(study.teaching.strategies) == 7
    sft, dpo = study.training.sft, study.training.dpo
    assert (sft.rank, sft.learning_rate, sft.epochs, sft.dtype, sft.batch_size) == (8, 5e-5, 3.0, "bf16", 2)
    assert (dpo.beta, dpo.loss) == (0.1, "sigmoid")


def test_the_example_in_the_documentation_is_valid(tmp_path: Path) -> None:
    document = Path(__file__).resolve().parents[3] / "docs" / "studies.md"
    _, _, rest = document.read_text(encoding="utf-8").partition("```toml\n")
    path = tmp_path / "example.toml"
    path.write_text(rest.partition("```")[0], encoding="utf-8")
    study = load(str(path))
    assert study.training.seeds == (42, 43, 44)
    assert study.limits["openai/gpt-6-luna"].tokens_per_minute == 30_000
    assert study.budget_usd == 150


def test_several_judges_can_choose() -> None:
    study = load("figure-10").judged_by(("openai/gpt-4o",))
    assert study.judging.judges == ("openai/gpt-4o",)
    assert study.selection is not None
    assert study.selection.judge == "openai/gpt-4o"


NAMES = st.from_regex(r"[a-z]{1,6}", fullmatch=True)


@given(
    st.lists(st.tuples(NAMES, st.lists(NAMES, max_size=3, unique=True)), max_size=5, unique_by=lambda t: t[0])
)
def test_key_lines_match_the_text(tables: list[tuple[str, list[str]]]) -> None:
    written = ["# a comment = 1"]
    wanted = {}
    for name, keys in tables:
        written.append(f"[{name}]")
        wanted[name,] = len(written)
        for key in keys:
            written += [f"{key} = [  # [brackets] = in a comment", '  "a = 1", "[b]",', "]"]
            wanted[name, key] = len(written) - 2
    text = "\n".join(written)
    tomllib.loads(text)
    assert key_lines(text) == wanted
