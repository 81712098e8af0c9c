"""Training-set folders: deterministic, written completely or not at all, all faults reported when read."""

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
from tests.errors import user_error

ORIGIN = DatasetOrigin("over-human", Fidelity.PAPER, strategy="naive", teacher="control/writer", seed=7)
MakeDialogues = Callable[[int], dict[str, Dialogue]]
MakeRows = Callable[[dict[str, Dialogue]], TrainingRows]


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_same_input_gives_same_bytes(
    tmp_path: Path, make_dialogues: MakeDialogues, make_rows: MakeRows
) -> None:
    dialogues = make_dialogues(9)
    for name in ("a", "b"):
        write_dataset(tmp_path / name, make_rows(dialogues), dialogues, rendering(), ORIGIN)
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b")
    assert str(tmp_path) not in "".join(text.decode() for text in _bytes(tmp_path / "a").values())


def test_card_of_emulated_responses_has_a_notice(
    tmp_path: Path, make_dialogues: MakeDialogues, make_rows: MakeRows
) -> None:
    dialogues = make_dialogues(3)
    for name, teacher in (("real", "openai/gpt-4o"), ("emulated", "openai/emulated-gpt-4o")):
        origin = replace(ORIGIN, teacher=teacher)
        write_dataset(tmp_path / name, make_rows(dialogues), dialogues, rendering(), origin)
        card = (tmp_path / name / "README.md").read_text(encoding="utf-8")
        assert ("**EMULATED**" in card and "openai/emulated-gpt-4o, a model" in card) == (name == "emulated")


def test_parquet_holds_the_plain_format(dataset: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="Parquet is written through `datasets`")
    paths = to_parquet(dataset)
    assert sorted(path.name for path in paths) == [path.name for path in sorted(dataset.glob("*.parquet"))]
    before = {path.name: path.read_bytes() for path in paths}
    for path in paths:
        lines = path.with_suffix(".jsonl").read_text(encoding="utf-8").split("\n")
        assert datasets.Dataset.from_parquet(str(path)).to_list() == [
            json.loads(line) for line in lines if line
        ]
    assert {path.name: path.read_bytes() for path in to_parquet(dataset)} == before


def test_rows_are_read_back_unchanged(tmp_path: Path) -> None:
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
    assert [(row.dialogue, row.turn, row.response) for row in data.sft] == [("d1", turn, odd)]
    assert [(row.turn, row.chosen, row.rejected) for row in data.dpo] == [(turn, odd, "Oh.")]
    assert [row.response for row in data.held_out_sft] == ["Oh dear."]
    assert data.id == dataset_id(manifest)


def test_three_formats_hold_the_same_texts(dataset: Path) -> None:
    plain = [json.loads(line) for line in (dataset / "dpo.jsonl").read_text().split("\n") if line]
    talk = [
        json.loads(line) for line in (dataset / "conversational/dpo.jsonl").read_text().split("\n") if line
    ]
    factory = json.loads((dataset / "llama-factory/dpo.json").read_text())
    info = json.loads((dataset / "llama-factory/dataset_info.json").read_text())
    assert len(plain) == len(talk) == len(factory) > 0
    for plain_row, chat_row, factory_row in zip(plain, talk, factory, strict=True):
        assert plain_row["prompt"] == chat_row["prompt"][0]["content"] + RESPONSE_CUE
        assert chat_row["prompt"][0]["content"] == factory_row["conversations"][0]["value"]
        for side in ("chosen", "rejected"):
            assert plain_row[side] == " " + chat_row[side][0]["content"] == " " + factory_row[side]["value"]
        assert not plain_row["prompt"].endswith(" ")
    assert info["empathy_dpo"]["ranking"] is True
    assert {entry["formatting"] for entry in info.values()} == {"sharegpt"}
    assert all((dataset / "llama-factory" / entry["file_name"]).is_file() for entry in info.values())


def test_manifest_counts_the_rows_in_the_files(dataset: Path) -> None:
    manifest = json.loads((dataset / "manifest.json").read_text())
    for stage in ("sft", "dpo"):
        lines = (dataset / f"{stage}.jsonl").read_text().count("\n")
        held = (dataset / f"held-out-{stage}.jsonl").read_text().count("\n")
        assert (manifest["rows"][stage], manifest["held_out"][stage]) == (lines, held)
    data = read_dataset(dataset)
    assert not {row.dialogue for row in data.sft + data.dpo} & {
        row.dialogue for row in data.held_out_sft + data.held_out_dpo
    }
    card = (dataset / "README.md").read_text()
    assert card.startswith("---\nlicense: cc-by-nc-4.0\n")
    assert "config_name: dpo" in card


def test_invalid_input_is_refused_and_nothing_is_written(
    tmp_path: Path, make_dialogues: MakeDialogues, make_rows: MakeRows
) -> None:
    dialogues = make_dialogues(4)
    rows = make_rows(dialogues)
    with user_error("training-set.test-dialogues"):
        write_dataset(tmp_path / "d", rows, dialogues, rendering(), ORIGIN, forbidden={"t1"})
    with user_error("training-set.held-out-dialogues"):
        write_dataset(tmp_path / "d", rows, dialogues, rendering(), ORIGIN, held_out=rows)
    with user_error("training-set.no-rows"):
        write_dataset(tmp_path / "d", TrainingRows((), (), ()), dialogues, rendering(), ORIGIN)
    with user_error("training-set.unknown-format"):
        write_dataset(tmp_path / "d", rows, dialogues, rendering(), ORIGIN, forms=["csv"])
    assert list(tmp_path.iterdir()) == []
    write_dataset(tmp_path / "d", rows, dialogues, rendering(), ORIGIN)
    with user_error("file.exists"):
        write_dataset(tmp_path / "d", rows, dialogues, rendering(), ORIGIN)


def test_all_faults_of_a_folder_are_reported_at_once(
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
    with user_error("training-set.unusable") as error:
        read_dataset(tmp_path / "d")
    faults = [str(fault) for fault in error.faults]
    assert len(faults) == 8  # two files changed, one missing, two bad lines, three bad pairs
    assert sum("training-set.file-changed" in fault for fault in faults) == 2
    assert sum("file.unreadable" in fault for fault in faults) == 1
    assert any("sft.jsonl:1" in fault for fault in faults)
    assert any("dpo.jsonl:1" in fault and "chosen and rejected" in fault for fault in faults)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"kind": "other", "version": 1}'])
def test_other_folders_are_refused(tmp_path: Path, content: str) -> None:
    with user_error("training-set.not-found"):
        read_dataset(tmp_path / "nowhere")
    with user_error("training-set.no-manifest"):
        read_dataset(tmp_path)
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(UserError) as error:
        read_dataset(tmp_path)
    assert str(tmp_path / "manifest.json") in error.value.fault.where


def test_a_dataset_without_pairs_cannot_train_dpo(tmp_path: Path) -> None:
    dialogues = {"d": Dialogue("d", "s", "u")}
    write_dataset(
        tmp_path / "d", TrainingRows((SftRow("d", "human", "Oh."),), (), ()), dialogues, rendering(), ORIGIN
    )
    data = read_dataset(tmp_path / "d")
    check_has_rows(data, "sft")
    with user_error("training-set.no-stage-rows") as error:
        check_has_rows(data, "dpo")
    assert "empathy train sft" in error.fault.remedy
