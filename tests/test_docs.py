"""What README and ARCHITECTURE promise is there, and the reverse."""

import re
from pathlib import Path

import pytest

from core.discovery import SAMPLERS
from core.representation import ENCODERS
from core.run import _parser
from core.survey import DEMOS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def jobs():
    actions = [a for a in _parser()._actions if a.metavar == "JOB"]
    return set(actions[0].choices or ())


def test_every_job_in_readme_exists():
    named = set(re.findall(r"python -m core\.run ([a-z][a-z-]*)", README))
    assert named
    assert named <= jobs()


@pytest.mark.parametrize("demo", sorted(DEMOS))
def test_every_embedded_survey_is_in_readme(demo):
    assert f"core.run demo {demo}" in README


def test_every_sampler_and_encoder_of_the_figures_exists():
    rows = re.findall(r"^\| (fusion|vicreg|pca|structure) +\| ([a-z_]+) +\|", README, re.M)
    samplers = {sampler for _, sampler in rows}
    assert "default" in samplers
    assert samplers <= {"default", *SAMPLERS}
    assert {encoder for encoder, _ in rows} <= set(ENCODERS)


def test_every_make_target_in_readme_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"\bmake ([a-z-]+)\b", README)):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_every_benchmark_in_readme_exists():
    named = set(re.findall(r"python -m benchmarks\.([a-z_]+)", README))
    assert named
    for name in named:
        assert (ROOT / "benchmarks" / f"{name}.py").is_file()


def test_every_link_and_picture_in_readme_exists():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).is_file(), target


def test_every_key_in_the_guide_is_the_default_of_an_action():
    guide = (ROOT / "docs" / "label-page.md").read_text("utf-8")
    keymap = (ROOT / "pages" / "components" / "labeller" / "keymap.js").read_text("utf-8")
    keys = set(re.findall(r"\bkey: \"(.)\"", keymap))
    named = re.findall(r"\*\*(.)\*\*", guide)
    assert len(named) > 25
    assert [key for key in named if key.lower() not in keys] == []


def test_every_room_is_in_architecture():
    for folder in sorted((ROOT / "core").iterdir()):
        if folder.is_dir() and folder.name != "__pycache__":
            assert f"{folder.name}/" in ARCHITECTURE, folder.name
