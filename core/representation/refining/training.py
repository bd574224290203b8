"""The training by labels: short, resumable, the same again from a seed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.errors import BadInput, Cancelled
from core.progress import Progress, silent
from core.representation.augmentation import ViewRecipe, preset
from core.representation.device import autocast, best_device
from core.representation.inputs.pictures import PictureSource
from core.representation.methods.method import Method
from core.representation.refining.labels import Labels, drawn
from core.representation.refining.refiner import JOINT, Refiner, Shown, way_named
from core.representation.training.checkpoint import load_checkpoint, save_checkpoint
from core.representation.training.interrupts import held_back
from core.representation.training.order import Order
from core.representation.training.views import as_seen, random_numbers, views_of

LABELLED = 16
"""Labelled objects a step, as AnomalyMatch takes."""

USUAL = 256
"""Objects by which the scatter of the codes is measured."""

CHECKPOINT_SECONDS = 20.0
RECORDS = 100
TIMED_STEPS = 3
WARM_UP = 0.05

_WEAK, _STRONG = "weak", "strong"
_HIDES = ("neighbours", "artefacts")
"""Pasted into a picture they may make another class of it, where the class is said by a label."""

Record = dict[str, Any]


@dataclass(frozen=True)
class RefineSettings:
    """How labels are taught.

    Attributes
    ----------
    way
        A name in `WAYS`.
    steps
        Of the optimiser (AdamW, warm-up and cosine).
    batch_size
        Objects without a label a step, for each of the two losses that use them.
    learning_rate, new_learning_rate
        At their peak: of the network as it was, and of what starts anew.
    """

    way: str = JOINT
    steps: int = 100
    batch_size: int = 64
    learning_rate: float = 5e-4
    new_learning_rate: float = 1.5e-3
    weight_decay: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        way_named(self.way)
        if self.steps < 1 or self.seed < 0:
            raise BadInput(
                "Teaching labels takes 1 step or more and a seed of 0 or more, but came"
                f" {self.steps} and {self.seed}; change them."
            )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Steps:
    """The network that came of a training, and a record of the losses every few steps."""

    network: Method
    history: list[Record]


def teach(
    source: PictureSource,
    network: Method,
    labels: Labels,
    settings: RefineSettings,
    *,
    checkpoint: Path | None = None,
    progress: Progress = silent,
    enough: Callable[[], bool] = lambda: False,
) -> Steps:
    """Teach a network the labels; what comes back is the moving average of its weights.

    Parameters
    ----------
    source
        The pictures of the survey, labelled or not; nothing but `labels` says what is in them.
    network
        Where it starts; it is changed.
    labels
        Finds and others, one of each at least.
    checkpoint
        Folder in which the state is kept every few seconds, and from which the same training goes
        on to the weights of an unbroken one.
    progress
        May raise `Cancelled`; the state is written before it goes on its way.
    enough
        Asked after each step; True ends the training there, for timing.

    Raises
    ------
    BadInput
        All labels are finds, or none is; or the loss is no number.
    """
    if labels.n_rarer < 1:
        raise BadInput(
            "A network is taught finds and others, but the labels are all of one kind; answer"
            " objects of both kinds."
        )
    trainer = _Trainer(source, network, labels, settings)
    if checkpoint is not None:
        trainer.restore(checkpoint)
    trainer.run(checkpoint, progress, enough)
    kept = trainer.refiner.kept.network
    assert isinstance(kept, Method)
    return Steps(kept.to("cpu").eval(), trainer.history)


def planned_steps(
    source: PictureSource,
    network: Method,
    labels: Labels,
    settings: RefineSettings,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Steps of one training that fit into so many seconds of `clock`, by timing a few here and
    now; 1 at least. The network is changed."""
    began = clock()
    times: list[float] = []

    def enough() -> bool:
        times.append(clock())
        return len(times) > TIMED_STEPS or (len(times) > 1 and times[-1] - began > seconds / 10)

    trial = replace(settings, steps=1000)
    teach(source, network, labels, trial, enough=enough)
    each = max(1e-4, (times[-1] - times[0]) / (len(times) - 1))
    return max(1, int(seconds / each))


class _Trainer:
    def __init__(
        self, source: PictureSource, network: Method, labels: Labels, settings: RefineSettings
    ) -> None:
        self.source, self.labels, self.settings = source, labels, settings
        self.order = Order(np.arange(len(source)), settings.seed, source.block)
        self.batch = min(settings.batch_size, len(source))
        torch.manual_seed(settings.seed)
        network.to(best_device()).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.refiner = Refiner(
            network, way_named(settings.way), labels.n_rarer, self._usual(network)
        )
        self.refiner.to(best_device())
        self.optimiser = torch.optim.AdamW(
            [
                {"params": self.refiner.known, "peak": settings.learning_rate},
                {"params": self.refiner.new, "peak": settings.new_learning_rate},
            ],
            weight_decay=settings.weight_decay,
            fused=True,
            foreach=False,
        )
        self.history: list[Record] = []
        self.done = 0

    def run(self, checkpoint: Path | None, progress: Progress, enough: Callable[[], bool]) -> None:
        steps, first = self.settings.steps, self.done
        began = saved = time.monotonic()
        every = max(1, steps // RECORDS)
        with held_back() as interrupted:
            while self.done < steps:
                terms = self._step(self.done)
                self.done += 1
                now = time.monotonic()
                if self.done % every == 0 or self.done == steps:
                    self.history.append({"step": self.done, **terms})
                stopped: BaseException | None = KeyboardInterrupt() if interrupted() else None
                left = (now - began) / (self.done - first) * (steps - self.done)
                said = f"step {self.done} of {steps}, {left:.0f} s left"
                try:
                    progress(self.done / steps, said)
                except Cancelled as error:
                    stopped = error
                due = now - saved > CHECKPOINT_SECONDS or self.done == steps
                if checkpoint is not None and (due or stopped is not None):
                    self._save(checkpoint)
                    saved = time.monotonic()
                if stopped is not None:
                    raise stopped
                if enough():
                    return

    def _step(self, step: int) -> Record:
        settings, key = self.settings, (self.settings.seed, step)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * _schedule(step / settings.steps)
        torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))
        taught = drawn(self.labels, LABELLED, key)
        generator = random_numbers(*key)
        way = self.refiner.way
        weak = preset(_WEAK)
        pictures = self._pictures(taught.index)
        views = [self._seen(pictures, taught.index, weak, generator) for _ in range(2)]
        shown = {"labelled": torch.cat(views)}
        rows = self.order(step, self.batch)
        pictures = self._pictures(rows)
        own: list[Tensor] = []
        if way.has_fixmatch:
            looks = self._looks(len(rows), generator)
            strong = preset(_STRONG).without(*_HIDES)
            shown["weak"] = self._seen(pictures, rows, weak, generator, looks)
            shown["strong"] = self._seen(pictures, rows, strong, generator, looks)
        if way.has_joint:
            own = views_of(
                self.refiner.network,
                pictures,
                ViewRecipe(),
                generator,
                (0, len(rows)),
                self.source.conditions(rows),
            )
            own = [view.contiguous(memory_format=torch.channels_last) for view in own]
        with autocast():
            terms = self.refiner.loss(Shown(own=own, **shown), taught.classes.to(best_device()))
        self.optimiser.zero_grad(set_to_none=True)
        terms["loss"].backward()
        values = {name: float(term.detach()) for name, term in terms.items()}
        if not math.isfinite(values["loss"]):
            raise BadInput(
                f"The loss was no number at step {step + 1} of teaching labels by {settings.way};"
                " choose another method, or fewer steps."
            )
        self.optimiser.step()
        self.refiner.after_step((step + 1) / settings.steps)
        return values

    def _pictures(self, index: Tensor) -> Tensor:
        return self.source(index).to(best_device())

    def _looks(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randint(self.refiner.network.spec.images, (count,), generator=generator)

    def _seen(
        self,
        pictures: Tensor,
        index: Tensor,
        recipe: ViewRecipe,
        generator: torch.Generator,
        looks: Tensor | None = None,
    ) -> Tensor:
        if looks is None:
            looks = self._looks(len(index), generator)
        view = as_seen(
            pictures,
            self.refiner.network.spec,
            recipe,
            generator,
            looks,
            conditions=self.source.conditions(index),
        )
        return view.contiguous(memory_format=torch.channels_last)

    def _usual(self, network: Method) -> Tensor:
        count = min(USUAL, len(self.source))
        index = torch.from_numpy(np.linspace(0, len(self.source) - 1, count).round().astype(int))
        shown = network.spec(self.source(index).to(best_device()))  # (N, images, channels, y, x)
        return shown.flatten(0, 1).contiguous(memory_format=torch.channels_last)

    @property
    def _identity(self) -> Mapping[str, Any]:
        return {
            "settings": self.settings.as_dict(),
            "index": self.labels.index.tolist(),
            "classes": self.labels.classes.tolist(),
            "count": len(self.source),
        }

    def restore(self, folder: Path) -> None:
        """Take up the state in the folder, if there is one to go on from."""
        found = load_checkpoint(folder, dict(self._identity), self.refiner, self.optimiser)
        if found is not None:
            self.done, self.history = found[0]["step"], found[0]["history"]

    def _save(self, folder: Path) -> None:
        state = {"identity": self._identity, "step": self.done, "history": self.history}
        save_checkpoint(folder, state, self.refiner, self.optimiser, None)


def _schedule(fraction: float) -> float:
    """Of the peak: a short rise, then down by a cosine."""
    if fraction < WARM_UP:
        return (fraction + 1e-3) / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (fraction - WARM_UP) / (1 - WARM_UP)))
