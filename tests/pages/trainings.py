"""Trainings that the tests of the Encoders page find on the small survey."""

from __future__ import annotations

import json

from streamlit.testing.v1 import AppTest

from core.config import PretrainConfig
from core.survey import RunFolder
from core.vocabulary import JobKind
from pages._shared.encoders_words import (
    networks,
    run_words,
)
from tests.pages.kit import open_page

ASKED = {
    "surveys": ["tiny"],
    "minutes": 5.0,
    "by_rule": ["batch_size", "learning_rate"],
    "bands": 3,
    **PretrainConfig().as_dict(),
}


ENDED = {
    "ending": "stopped early at step 40",
    "best_step": 30,
    "best_quality": {"neighbour_consistency": 0.5},
    "notes": ["The batch was halved."],
    "steps": 50,
    "batch_size": 8,
}


def draw(view: str = "embeddings", survey: str = "") -> AppTest:
    return open_page("encoders", {"view": view} | ({"survey": survey} if survey else {}))


def train(
    survey,
    method: str = "vicreg",
    steps: int = 50,
    kept: float | None = None,
    quality: dict[str, float] | None = None,
    **more,
) -> str:
    """Write a finished pretraining run; `kept` of the neighbours on held-out objects, or a whole
    `quality` of the weights kept."""
    config = PretrainConfig(method=method).as_dict() | {"surveys": {survey.name: "x"}}
    with RunFolder(survey, JobKind.PRETRAIN, config | more) as run:
        records = [
            {"step": 1, "loss": 3.0, "variance": 1.0, "learning_rate": 1e-3, "seconds": 2.0},
            {"step": 10, "loss": 1.0, "variance": 0.5, "learning_rate": 1e-4, "seconds": 9.0},
            {"step": 10, "quality": {"neighbour_consistency": 0.5, "<b>odd": 1.0}},
        ]
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (run.path / "metrics.jsonl").write_text(lines)
        run.result.update(ENDED, steps=steps)
        if kept is not None:
            run.result["best_quality"] = {"neighbour_consistency": kept}
        if quality is not None:
            run.result["best_quality"] = quality
    return run.run_id


def called(survey, run_id: str) -> str:
    """The name of a training."""
    return next(run_words(run) for run in networks(survey) if run.run_id == run_id)
