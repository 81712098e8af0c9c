"""The weights of `control/ratings` and `control/author` as shipped, and what they are worth."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from agents.control_judges import ratings_model, rules
from agents.hashing import content_id
from agents.messages import Message
from agents.types import Comparison, Dialogue, Response, Split
from harness.data.dataset import RESPONDERS, Dataset, load, sample
from harness.data.splits import dialogues_in_split
from scripts.fit_control_judge import WEIGHTS_FILE, agreement, fit, fit_weights, main, rated_pairs

pytest.importorskip("sklearn", reason="fitting needs scikit-learn (a development dependency)")

AUTHOR_FLOOR = 0.596  # the training mean of the responder, on the 1,462 rated test pairs
LONGER_FLOOR = 0.471
TEST_PAIRS = 1462


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(WEIGHTS_FILE.read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def real(real_dataset: Path) -> Dataset:
    return load(str(real_dataset))


@pytest.fixture(scope="module")
def refitted(real: Dataset) -> dict[str, Any]:
    return fit(real)


def share(name: str, dataset: Dataset) -> tuple[float, int]:
    """Agreement of a control judge, asked as it is in a run, with the rated test pairs; their number."""
    right, count = 0.0, 0
    for dialogue in dialogues_in_split(dataset, Split.TEST):
        rated = dataset.rated[dialogue.id]
        for a, b in combinations(RESPONDERS, 2):
            if rated[a] == rated[b]:
                continue
            pair = [Response(dialogue.key, f"dataset:{r}", dataset.texts[r][dialogue.id], "") for r in (a, b)]
            said = asked(name, Comparison(dialogue, *pair))
            right += {"tie": 0.5, "1": float(rated[a] > rated[b]), "2": float(rated[a] < rated[b])}[said]
            count += 1
    return right / count, count


def asked(name: str, comparison: Comparison) -> str:
    text = json.dumps(rules.question(name, comparison))
    return rules.answer(rules.model(name), Message("user", text).content).text


# -- laws ----------------------------------------------------------------------------------------------


def test_the_fit_is_antisymmetric_and_finds_a_planted_taste() -> None:
    draws = np.random.default_rng(7)
    differences = draws.normal(size=(400, 3)) * [1.0, 10.0, 1.0]
    differences[:, 2] = 0.0  # a feature that never differs
    better = np.sign(2 * differences[:, 0] - 0.1 * differences[:, 1])
    weights = fit_weights(differences, better)
    assert weights[0] > 0 > weights[1]
    assert weights[2] == 0
    assert agreement(differences @ weights, better) > 0.95
    assert np.allclose(weights, fit_weights(-differences, -better))


def test_no_preference_counts_one_half() -> None:
    better = np.array([1.0, -1.0, 1.0, -1.0])
    assert agreement(np.array([2.0, -0.1, 0.0, 5.0]), better) == 0.625
    assert agreement(-np.array([2.0, -0.1, 0.0, 5.0]), -better) == 0.625


def test_pairs_have_different_ratings() -> None:
    dataset = sample()
    differences, better, record_data = rated_pairs(dataset, list(dataset.dialogues))
    expected = sum(a != b for of in dataset.rated.values() for a, b in combinations(of.values(), 2))
    assert len(differences) == len(better) == len(record_data) == expected
    assert set(better) == {-1.0, 1.0}
    assert differences.shape[1] == len(ratings_model.FEATURES)


# -- what is shipped -----------------------------------------------------------------------------------


def test_the_shipped_file_has_every_feature_in_order_and_its_own_id(shipped: dict[str, Any]) -> None:
    assert tuple(shipped["features"]) == ratings_model.FEATURES
    assert set(shipped["author_means"]) == {f"dataset:{name}" for name in RESPONDERS}
    record_data = {"features": shipped["features"], "author_means": shipped["author_means"]}
    assert shipped["id"] == content_id("weights-1", [rules.VERSION, record_data])
    assert shipped["id"] in rules.model("ratings").identity


def test_the_shipped_file_contains_only_numbers_of_the_dataset(shipped: dict[str, Any]) -> None:
    values = [*shipped["features"].values(), *shipped["author_means"].values()]
    assert all(isinstance(value, float) for value in values)


def test_refitting_gives_the_shipped_weights(shipped: dict[str, Any], refitted: dict[str, Any]) -> None:
    assert tuple(refitted["features"]) == tuple(shipped["features"])
    for name, weight in shipped["features"].items():
        assert refitted["features"][name] == pytest.approx(weight, rel=0.02, abs=0.005), name
    assert refitted["author_means"] == shipped["author_means"]
    for name, value in shipped["made"].items():
        close = pytest.approx(value, abs=0.002) if isinstance(value, float) else value
        assert refitted["made"][name] == close, name


def test_only_training_dialogues_decide_the_weights(real: Dataset, refitted: dict[str, Any]) -> None:
    worst = {dialogue.id for dialogue in dialogues_in_split(real, Split.TEST)}
    texts = {
        name: {key: "Nonsense!!!" if key in worst else text for key, text in of.items()}
        for name, of in real.texts.items()
    }
    other = fit(Dataset(real.source, real.sha256, real.dialogues, texts, real.ratings))
    assert other["features"] == refitted["features"]
    assert other["author_means"] == refitted["author_means"]


def test_the_accuracies_are_as_recorded(shipped: dict[str, Any], real: Dataset) -> None:
    accuracy, pairs = share("ratings", real)
    assert pairs == shipped["made"]["test_pairs"] == TEST_PAIRS
    assert accuracy == pytest.approx(shipped["made"]["ratings_test"], abs=0.002)
    assert accuracy > 0.5
    author, _ = share("author", real)
    assert author == pytest.approx(shipped["made"]["author_test"], abs=0.002)
    assert round(author, 3) == AUTHOR_FLOOR
    assert share("first", real)[0] == pytest.approx(0.5, abs=0.1)
    assert share("longer", real)[0] == pytest.approx(LONGER_FLOOR, abs=0.003)


def test_the_responders_means_from_the_csv(real_dataset: Path, shipped: dict[str, Any]) -> None:
    given: dict[str, list[int]] = defaultdict(list)
    with real_dataset.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            values = {name: int(row[f"rating_{column}"]) for name, column in RESPONDERS.items()}
            if list(values.values()).count(3) >= 2:
                for name, value in values.items():
                    given[f"dataset:{name}"].append(value)
    means = {name: sum(values) / len(values) for name, values in given.items()}
    assert means == pytest.approx(shipped["author_means"], abs=1e-6)


def test_the_script_writes_what_it_fits(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--data", "sample", "--out", str(tmp_path / "weights.json")])
    assert done.exit_code == 0, done.output
    written = json.loads((tmp_path / "weights.json").read_text())
    assert written["made"]["data_sha256"] == sample().sha256
    assert json.loads(done.output) == written["made"]
    assert tuple(written["features"]) == ratings_model.FEATURES


def test_a_response_against_itself_is_a_tie() -> None:
    dialogue = Dialogue("a", "My exam.", "I passed!")
    same = [Response(dialogue.key, author, "Well done!", "") for author in ("a", "b")]
    assert asked("ratings", Comparison(dialogue, *same)) == "tie"
