"""A dataset's folder: the same bytes for the same input, whole or not at all, every fault told when read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agents.errors import UserError
from agents.student_prompt import RESPONSE_CUE, rendering
from agents.types import Dialogue, Fidelity
from finetune.dataset_folder import DatasetOrigin, dataset_id, to_parquet, write_dataset
from finetune.dataset_reader import check_has_rows, read_dataset
from finetune.training_rows import DpoRow, SftRow, TrainingRows

ORIGIN = DatasetOrigin("over-human", Fidelity.PAPER, strategy="naive", teacher="control/writer", seed=7)
MakeDialogues = Callable[[int], dict[str, Dialogue]]
MakeRows = Callable[[dict[str, Dialogue]], TrainingRows]


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_same_input_gives_the_same_bytes(
    tmp_path: Path, make_dialogues: MakeDialogues, make_rows: MakeRows
) -> None:
    dialogues = make_dialogues(9)
    for name in ("a", "b"):
        write_dataset(tmp_path / name, make_rows(dialogues), dialogues, rendering(), ORIGIN)
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b")
    assert str(tmp_path) not in "".join(text.decode() for text in _bytes(tmp_path / "a").values())


def test_a_card_says_on_top_that_its_teacher_was_emulated(
    tmp_path: Path, make_dialogues: MakeDialogues, make_rows: MakeRows
) -> None:
    dialogues = make_dialogues(3)
    for name, teacher in (("real", "openai/gpt-4o"), ("rehearsed", "openai/emulated-gpt-4o")):
        origin = replace(ORIGIN, teacher=teacher)
        write_dataset(tmp_path / name, make_rows(dialogues), dialogues, rendering(), origin)
        card = (tmp_path / name / "README.md").read_text(encoding="utf-8")
        assert ("**EMULATED**: made with openai/emulated-gpt-4o" in card) == (name == "rehearsed")


def test_parquet_holds_the_plain_form(dataset: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="Parquet is written through `datasets`")
    made = to_parquet(dataset)
    assert sorted(path.name for path in made) == [path.name for path in sorted(dataset.glob("*.parquet"))]
    before = {path.name: path.read_bytes() for path in made}
    for path in made:
        lines = path.with_suffix(".jsonl").read_text(encoding="utf-8").split("\n")
        assert datasets.Dataset.from_parquet(str(path)).to_list() == [
            json.loads(line) for line in lines if line
        ]
    assert {path.name: path.read_bytes() for path in to_parquet(dataset)} == before


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    odd = "I\u2028see \u0085 “that” \\ {{context}} 😀"
    dialogue = Dialogue("d1", " My cat\u2028ran away. ", "She\nis back!")
    other = Dialogue("d2", "It rained.", "All day.")
    rows = TrainingRows((SftRow("d1", "human", odd),), (DpoRow("d1", "improved", "human", odd, "Oh."),), ())
    held = TrainingRows((SftRow("d2", "human", "Oh dear."),), (), ())
    manifest = write_dataset(
        tmp_path / "d", rows, {"d1": dialogue, "d2": other}, rendering(), ORIGIN, held_out=held
    )
    data = read_dataset(tmp_path / "d")
    turn = rendering().turn(dialogue)
    assert [(one.dialogue, one.turn, one.response) for one in data.sft] == [("d1", turn, odd)]
    assert [(one.turn, one.chosen, one.rejected) for one in data.dpo] == [(turn, odd, "Oh.")]
    assert [one.response for one in data.held_out_sft] == ["Oh dear."]
    assert data.id == dataset_id(manifest)


def test_three_forms_say_the_same(dataset: Path) -> None:
    plain = [json.loads(line) for line in (dataset / "dpo.jsonl").read_text().split("\n") if line]
    talk = [
        json.loads(line) for line in (dataset / "conversational/dpo.jsonl").read_text().split("\n") if line
    ]
    factory = json.loads((dataset / "llama-factory/dpo.json").read_text())
    info = json.loads((dataset / "llama-factory/dataset_info.json").read_text())
    assert len(plain) == len(talk) == len(factory) > 0
    for one, two, three in zip(plain, talk, factory, strict=True):
        assert one["prompt"] == two["prompt"][0]["content"] + RESPONSE_CUE
        assert two["prompt"][0]["content"] == three["conversations"][0]["value"]
        for side in ("chosen", "rejected"):
            assert one[side] == " " + two[side][0]["content"] == " " + three[side]["value"]
        assert not one["prompt"].endswith(" ")
    assert info["empathy_dpo"]["ranking"] is True
    assert {one["formatting"] for one in info.values()} == {"sharegpt"}
    assert all((dataset / "llama-factory" / one["file_name"]).is_file() for one in info.values())


def test_manifest_counts_what_is_there(dataset: Path) -> None:
    manifest = json.loads((dataset / "manifest.json").read_text())
    for stage in ("sft", "dpo"):
        lines = (dataset / f"{stage}.jsonl").read_text().count("\n")
        held = (dataset / f"held-out-{stage}.jsonl").read_text().count("\n")
        assert (manifest["rows"][stage], manifest["held_out"][stage]) == (lines, held)
    data = read_dataset(dataset)
    assert not {one.dialogue for one in data.sft + data.dpo} & {
        one.dialogue for one in data.held_out_sft + data.held_out_dpo
    }
    card = (dataset / "README.md").read_text()
    assert card.startswith("---\nlicense: cc-by-nc-4.0\n")
    assert "config_name: dpo" in card


def test_no_test_dialogue_and_nothing_half_written(
    tmp_path: Path, make_dialogues: MakeDialogues, make_rows: MakeRows
) -> None:
    dialogues = make_dialogues(4)
    rows = make_rows(dialogues)
    with pytest.raises(UserError, match="test dialogues"):
        write_dataset(tmp_path / "d", rows, dialogues, rendering(), ORIGIN, forbidden={"t1"})
    with pytest.raises(UserError, match="held-out dialogues"):
        write_dataset(tmp_path / "d", rows, dialogues, rendering(), ORIGIN, held_out=rows)
    with pytest.raises(UserError, match="not one row"):
        write_dataset(tmp_path / "d", TrainingRows((), (), ()), dialogues, rendering(), ORIGIN)
    with pytest.raises(UserError, match="no such form"):
        write_dataset(tmp_path / "d", rows, dialogues, rendering(), ORIGIN, forms=["csv"])
    assert list(tmp_path.iterdir()) == []
    write_dataset(tmp_path / "d", rows, dialogues, rendering(), ORIGIN)
    with pytest.raises(UserError, match="something already"):
        write_dataset(tmp_path / "d", rows, dialogues, rendering(), ORIGIN)


def test_every_fault_is_told_at_once(
    tmp_path: Path, make_dialogues: MakeDialogues, make_rows: MakeRows
) -> None:
    dialogues = make_dialogues(6)
    write_dataset(tmp_path / "d", make_rows(dialogues), dialogues, rendering(), ORIGIN)
    sft, dpo = tmp_path / "d/sft.jsonl", tmp_path / "d/dpo.jsonl"
    sft.write_text("no json\n[]\n" + sft.read_text())
    rows = [json.loads(line) for line in dpo.read_text().split("\n") if line]
    rows[0]["rejected"] = rows[0]["chosen"]
    rows[1]["prompt"] = "Say: "
    rows[2]["chosen"] = " "
    dpo.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "d/llama-factory/sft.json").unlink()
    with pytest.raises(UserError) as told:
        read_dataset(tmp_path / "d")
    faults = [str(fault) for fault in told.value.faults]
    assert len(faults) == 8  # two files changed, one missing, two bad lines, three bad pairs
    assert any("sft.jsonl:1: is not JSON" in fault for fault in faults)
    assert any("dpo.jsonl:1: chosen and rejected are the same" in fault for fault in faults)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"kind": "other", "version": 1}'])
def test_another_kind_of_folder(tmp_path: Path, content: str) -> None:
    with pytest.raises(UserError, match="no such dataset folder"):
        read_dataset(tmp_path / "nowhere")
    with pytest.raises(UserError, match="not a dataset's folder"):
        read_dataset(tmp_path)
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(UserError, match=r"cannot be read|another kind"):
        read_dataset(tmp_path)


def test_a_dataset_without_pairs_cannot_train_dpo(tmp_path: Path) -> None:
    dialogues = {"d": Dialogue("d", "s", "u")}
    write_dataset(
        tmp_path / "d", TrainingRows((SftRow("d", "human", "Oh."),), (), ()), dialogues, rendering(), ORIGIN
    )
    data = read_dataset(tmp_path / "d")
    check_has_rows(data, "sft")
    with pytest.raises(UserError, match=r"no DPO rows.*empathy train sft"):
        check_has_rows(data, "dpo")
