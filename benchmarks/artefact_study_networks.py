"""The embeddings that the artefact study compares, trained and made where they are missing."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.config import PretrainConfig
from core.errors import NotReady
from core.representation import (
    METHODS,
    Embedding,
    embed,
    finished_embeddings,
    load_embedding,
)
from core.representation.inputs.pictures import PictureSource
from core.representation.methods import save_method
from core.representation.training.loop import Trainer
from core.run import pretrain_network
from core.survey import Survey, finished_runs
from core.vocabulary import JobKind
from core.workspace import Workspace


@dataclass(frozen=True)
class Entry:
    """One of the compared embeddings.

    Attributes
    ----------
    encoder
        Its name.
    steps
        Of the training on this survey; 0 for none.
    to_the_end
        Whether the weights after the last step are taken. The job `pretrain` keeps those that
        rebuild held-out pictures best; when the study was measured it kept those whose codes keep
        most neighbours in turned views, and of the maps of the convolutional autoencoder these
        were the ones that hardly learnt to copy.
    """

    encoder: str
    steps: int = 0
    to_the_end: bool = False


ENTRIES = {
    "dense autoencoder": Entry("dense_autoencoder", 250),
    "convolutional autoencoder": Entry("autoencoder", 250, to_the_end=True),
    "convolutional, weights of the job": Entry("autoencoder", 500),
    "default fusion": Entry("fusion"),
}


class Spent:
    """Processor minutes of this process and those it started, by what they were spent on. They
    are kept beside what was made with them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def minutes(self) -> dict[str, float]:
        found: dict[str, float] = json.loads(self.path.read_text()) if self.path.exists() else {}
        return found

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        before = _processor_seconds()
        yield
        minutes = round((_processor_seconds() - before) / 60, 2)
        self.path.write_text(json.dumps({**self.minutes, what: minutes}))
        print(f"{what}: {minutes} processor minutes", flush=True)


def _processor_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def embedded(workspace: Workspace, survey: Survey, title: str, spent: Spent) -> Embedding:
    """The embedding of an entry, trained and made if it is not there."""
    entry = ENTRIES[title]
    options: dict[str, str] = {}
    if entry.to_the_end:
        name = f"{survey.name}-{entry.encoder}-{entry.steps}"
        folder = workspace.root / "artefact_study" / name
        if not folder.exists():
            with spent.on(f"training, {title}"):
                _train_to_the_end(survey, entry, folder)
        options["weights"] = str(folder)
    elif entry.steps:
        if trained(survey, entry) is None:
            with spent.on(f"training, {title}"):
                pretrain_network(workspace, [survey.name], _config(entry))
        run = trained(survey, entry)
        if run is None:
            raise NotReady(f"The training of {title} took other steps than were asked for.")
        options["weights"] = run
    for record in finished_embeddings(survey):
        if record.encoder == entry.encoder and record.options == options:
            return load_embedding(survey, run_id=record.run_id)
    with spent.on(f"embedding, {title}"):
        return embed(survey, entry.encoder, options=options)


def trained(survey: Survey, entry: Entry) -> str | None:
    """The newest run that trained the network of an entry for so many steps."""
    for run in finished_runs(survey, JobKind.PRETRAIN):
        if (run.config.get("method"), run.config.get("steps")) == (entry.encoder, entry.steps):
            return run.run_id
    return None


def _config(entry: Entry) -> PretrainConfig:
    method = METHODS[entry.encoder]
    return PretrainConfig(
        method=entry.encoder,
        steps=entry.steps,
        batch_size=method.batch_size,
        learning_rate=method.learning_rate,
    )


def _train_to_the_end(survey: Survey, entry: Entry, folder: Path) -> None:
    """As the job trains, but nothing is evaluated and the last weights are written."""
    config, bands = _config(entry), len(survey.manifest.bands)
    spec = METHODS[entry.encoder].input_spec(bands)
    source = PictureSource([survey], bands, scaling=spec.scaling)
    trainer = Trainer(source, len(source), config, bands=bands, groups=source.groups)
    for step in range(config.steps):
        record = trainer.step(step)
        if record is None:
            raise NotReady(f"The loss diverged at step {step}; train with another seed.")
        if step % 25 == 0 or step == config.steps - 1:
            print(f"step {step} of {config.steps}, loss {record['loss']:.3f}", flush=True)
    partial = folder.with_name(folder.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    save_method(trainer.method, partial, {"config": config.as_dict()})
    partial.rename(folder)
