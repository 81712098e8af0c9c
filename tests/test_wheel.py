"""Built wheel: its content, its metadata, and the program installed from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("harness", "agents", "prompts", "finetune", "serve", "results")
RUN = "import sys; from harness.cli import main; main(sys.argv[1:])"

pytest.importorskip("build", reason="building a wheel needs build and hatchling (development dependencies)")
pytest.importorskip("pip", reason="installing a wheel needs pip")
pytest.importorskip("hatchling", reason="building a wheel needs build and hatchling")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and return its path."""
    out = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [built] = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel alone into a folder and return the folder."""
    place = tmp_path_factory.mktemp("installed")
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    done = subprocess.run(
        [*words, "--target", str(place), str(wheel)], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return place


def run(installed: Path, place: Path, *words: str, code: str = RUN) -> str:
    """Run code with the installed wheel first on the path; return its standard output."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("EMPATHY_")}
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=place,
        env=environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_exactly_the_files_of_the_packages(wheel: Path) -> None:
    source_files = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == source_files
    for name in (
        "prompts/respond.md",
        "prompts/judge/pairwise.md",
        "agents/models/models.toml",
        "agents/control_judges/weights.json",
        "harness/data/sample/dialogues.csv",
        "results/report/template.html.j2",
        "results/report/sections/answer.html.j2",
        "results/report/style.css",
        "results/report/page.js",
    ):
        assert name in packed


def test_the_metadata_names_the_project_its_extras_and_its_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        read = {Path(name).name: name for name in archive.namelist() if ".dist-info/" in name}
        metadata = Parser().parsestr(archive.read(read["METADATA"]).decode())
        entries = archive.read(read["entry_points.txt"]).decode()
    assert metadata["Name"] == "empathy-harness"
    assert metadata["Requires-Python"] == ">=3.11"
    assert {"train", "serve", "postgres", "dev"} <= set(metadata.get_all("Provides-Extra", []))
    assert "empathy = harness.cli:main" in entries


def test_every_package_is_imported_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    code = "import agents, finetune, harness, prompts, results, serve as s; print(*map(lambda m: m.__file__, "
    files = run(installed, tmp_path, code=code + "(agents, finetune, harness, prompts, results, s)))").split()
    assert len(files) == 6
    assert all(Path(file).is_relative_to(installed) for file in files)


def test_packed_prompts_sample_weights_and_models_are_used(installed: Path, tmp_path: Path) -> None:
    prompts = json.loads(run(installed, tmp_path, "prompts", "list", "--json"))["prompts"]
    names = {prompt["name"] for prompt in prompts}
    assert {"respond", "judge/pairwise"} <= names
    assert json.loads(run(installed, tmp_path, "data", "describe", "--data", "sample", "--json"))["test"] > 0
    controls = ("--judge", "control/ratings", "--judge", "control/author", "--judge", "openai/gpt-4o")
    words = ("judge", "dataset:gpt-4", "dataset:human", "--data", "sample", *controls, "--emulate", "--quiet")
    values = json.loads(run(installed, tmp_path, *words, "--limit", "2", "--json", "--report", "page.html"))
    assert [judge["n"] for judge in values["contests"]] == [2, 2, 2]
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for piece in ("<style>", "<script", "<svg", values["run"]):
        assert piece in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "runs"]


def test_the_installed_command_runs_the_demo(installed: Path, tmp_path: Path) -> None:
    script = installed / "bin" / "empathy"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("EMPATHY_")}
    done = subprocess.run(
        [script, "demo", "--judging", "--out", "here"],
        cwd=tmp_path,
        env=environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "sample, 64 dialogues" in done.stderr
    assert (tmp_path / "here" / "report.html").is_file()
