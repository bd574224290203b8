"""Pretraining of a network without labels: any method, resumable, watched by held-out quality."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.config import PretrainConfig
from core.errors import BadInput, Cancelled
from core.progress import Progress, silent
from core.representation.augmentation import Conditions, ViewRecipe
from core.representation.device import autocast, best_device
from core.representation.memory import out_of_memory
from core.representation.methods.method import method_named
from core.representation.training import held_out
from core.representation.training.checkpoint import load_checkpoint, save_checkpoint
from core.representation.training.guard import LossWatch
from core.representation.training.held_out import HeldOut
from core.representation.training.interrupts import held_back
from core.representation.training.maps import mapped
from core.representation.training.order import Order, divided
from core.representation.training.outcome import PretrainResult
from core.representation.training.team import Team, checked_batch, connection_broke
from core.representation.training.views import random_numbers, recipe_of, views_of

CHECKPOINT_SECONDS = 20.0
CHECKPOINT_COST = 20
"""A checkpoint is written no sooner than so many times what the last one took."""

WARM_UP = 0.05
EVALUATIONS, EVALUATE_FEWEST_STEPS = 24, 10
"""Evaluations a run, and steps between two of them at least."""

PATIENCE = 10
"""Evaluations without a better one after which training stops, in the second half of a run that
has all of them."""

RECORDS = 400
"""Records of the loss a run, about."""

SMALLEST_BATCH = 8
"""Down to which a batch is halved when memory is not enough."""

DIVERGED = "the loss diverged"

Fetch = Callable[[Tensor], Tensor]
"""(B,) indices -> (B, bands, FINE_PX, FINE_PX) scaled pictures."""

Record = dict[str, Any]


def pretrain(
    fetch: Fetch,
    count: int,
    config: PretrainConfig,
    *,
    bands: int = 3,
    groups: NDArray[np.int64] | None = None,
    checkpoint: Path | None = None,
    progress: Progress = silent,
    on_record: Callable[[Record], None] | None = None,
) -> PretrainResult:
    """Train a fresh network on `count` pictures by the method that the config names.

    Where several processes have joined (`Team.join`), each calls this with the same arguments.

    Parameters
    ----------
    fetch
        Gives the scaled pictures of an index tensor. A `PictureSource` also says how they were
        taken (`conditions`) and whether they are read from disk in pieces (`block` above 1): then
        the next batch is read while a step runs.
    bands
        Of these pictures.
    groups
        (count,) which thing each picture shows: views of one are not divided between training and
        held-out objects.
    checkpoint
        Folder in which the state is kept every few seconds; if it holds one of the same config,
        training goes on from there and ends with the weights of an unbroken run.
    progress
        May raise `Cancelled`; the checkpoint is written before it goes on its way. So it is
        before SIGINT or SIGTERM, which wait for the end of a step.
    on_record
        Given each record of `history` and `qualities` as it comes, those before a restart too.

    Raises
    ------
    BadInput
        Fewer than 4 pictures, memory that is not enough for 8 objects a step, or a loss that
        diverged before there was anything to keep.
    """
    trainer = Trainer(fetch, count, config, bands=bands, groups=groups)
    return trainer.run(checkpoint, progress, on_record or (lambda _record: None))


class Trainer:
    """A method in training: its optimiser, its data, and what is known of it so far.

    `fast=False` is the same in float32, channels first, with a plain optimiser: what the speed is
    held against.
    """

    def __init__(
        self,
        fetch: Fetch,
        count: int,
        config: PretrainConfig,
        *,
        bands: int = 3,
        groups: NDArray[np.int64] | None = None,
        fast: bool = True,
    ) -> None:
        self.fetch, self.config, self.team, self.fast = fetch, config, Team.present(), fast
        trained, self.held_rows = divided(count, config.seed, groups)
        self.batch = checked_batch(min(config.batch_size, len(trained)), count, self.team)
        self.order = Order(trained, config.seed, getattr(fetch, "block", 1))
        self.conditions: Callable[[Tensor], Conditions] | None = getattr(fetch, "conditions", None)
        self.recipe = recipe_of(config)
        torch.manual_seed(config.seed)
        cls = method_named(config.method)
        self.method = cls(cls.input_spec(bands), config.settings)
        self.layout = torch.channels_last if fast else torch.contiguous_format
        self.method.to(best_device()).to(memory_format=self.layout)  # type: ignore[call-overload]
        self.trained = [one for one in self.method.parameters() if one.requires_grad]
        self.optimiser = torch.optim.AdamW(
            self.trained,
            config.learning_rate,
            weight_decay=config.weight_decay,
            fused=fast,
            foreach=False,
        )
        self.method.train()
        self.held: HeldOut | None = None
        self.watch = LossWatch()
        self.history: list[Record] = []
        self.qualities: list[Record] = []
        self.notes: list[str] = []
        self.best: dict[str, Tensor] | None = None
        self.best_step = 0
        self.best_quality: dict[str, float] = {}
        self.since_best = 0
        self.seconds = 0.0
        self.done, self.ending = 0, ""
        self._reader = ThreadPoolExecutor(1) if self.order.block > 1 else None
        self._ahead: tuple[tuple[int, int], Future[Tensor]] | None = None
        self._buffers: dict[str, Tensor] | None = None

    @property
    def evaluate_every(self) -> int:
        return max(EVALUATE_FEWEST_STEPS, math.ceil(self.config.steps / EVALUATIONS))

    def run(
        self, checkpoint: Path | None, progress: Progress, on_record: Callable[[Record], None]
    ) -> PretrainResult:
        """Train to the end. The arguments are those of `pretrain`."""
        if checkpoint is not None:
            self._restore(checkpoint)
        for record in sorted([*self.history, *self.qualities], key=lambda one: one["step"]):
            on_record(record)
        stopped: BaseException | None = None
        try:
            if self.done < self.config.steps and not self.ending:
                if self.done:
                    said = f"going on from step {self.done} of {self.config.steps}"
                    progress(self.done / self.config.steps, said)
                self.prepare_evaluation()
                with held_back() as interrupted:
                    stopped = self._train(checkpoint, progress, on_record, interrupted)
        finally:
            if self._reader is not None:
                self._reader.shutdown(wait=False, cancel_futures=True)
        if stopped is not None:
            raise stopped
        if self.watch.runaway and not self.ending:
            self.ending = f"{DIVERGED} at step {self.done - self.watch.runaway + 1}"
        return self._result()

    def _train(
        self,
        checkpoint: Path | None,
        progress: Progress,
        on_record: Callable[[Record], None],
        interrupted: Callable[[], bool],
    ) -> BaseException | None:
        """Do the steps that are left; what stopped it, after the state was saved."""
        steps = self.config.steps
        started, first, before = time.monotonic(), self.done, self.seconds
        saved, cost = started, 0.0
        every = max(1, steps // RECORDS)
        writes = checkpoint is not None and self.team.is_main
        try:
            while self.done < steps and not self.ending:
                taken = self._halving(self.done, on_record)
                if taken is None:
                    self.ending = f"{DIVERGED} at step {self.done + 1}"
                    break
                self.done = step = self.done + 1
                now = time.monotonic()
                self.seconds = before + now - started
                if (step - 1) % every == 0 or step == steps:
                    self.history.append({"step": step, **taken, "seconds": self.seconds})
                    on_record(self.history[-1])
                if step % self.evaluate_every == 0 or step == steps:
                    self._evaluate(step, on_record)
                left = (now - started) / (step - first) * (steps - step)
                said = f"step {step} of {steps}, loss {taken['loss']:.3g}, {left:.0f} s left"
                stopped = self._tell(progress, step / steps, said, interrupted)
                due = now - saved > max(CHECKPOINT_SECONDS, CHECKPOINT_COST * cost)
                last = step == steps or self.ending or stopped is not None
                if checkpoint is not None and writes and (due or last):
                    self._save(checkpoint)
                    saved, cost = time.monotonic(), time.monotonic() - now
                if stopped is not None:
                    return stopped
        except RuntimeError as error:
            if checkpoint is not None and writes and connection_broke(error):
                self._put_buffers_back()
                self._save(checkpoint)
            raise
        return None

    def step(self, step: int) -> Record | None:
        """One step of the optimiser; loss, parts and learning rate. None, and nothing learnt, if
        the loss diverges."""
        rate = self.config.learning_rate * _schedule(step / self.config.steps)
        rate *= math.sqrt(self.batch / min(self.config.batch_size, len(self.order.rows)))
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        if self.team.size > 1:  # what a loss changes, should another process be lost meanwhile
            self._buffers = {
                name: one.clone() for name, one in self.method.named_buffers() if one is not None
            }
        # Whatever a method draws in its loss comes from here: the same after a restart.
        key = (self.config.seed, step)
        drawn = np.random.SeedSequence((*key, self.team.rank)).generate_state(1)[0]
        torch.manual_seed(int(drawn))
        rows = self.order(step, self.batch)[self.team.share_of(self.batch)]
        views = views_of(
            self.method,
            self._pictures(step).to(best_device()),
            self.recipe,
            random_numbers(*key),
            (self.team.rank * len(rows), self.batch),
            self.conditions(rows) if self.conditions is not None else None,
        )
        views = [view.contiguous(memory_format=self.layout) for view in views]
        with autocast(None if self.fast else False):
            loss = self.method.loss(views)
        self.optimiser.zero_grad(set_to_none=True)
        loss.total.backward()
        self.team.average_gradients(self.trained)
        gradients = [one.grad for one in self.trained if one.grad is not None]
        length = torch.nn.utils.get_total_norm(gradients)
        terms = torch.stack([loss.total, *(loss.parts[name] for name in self.method.parts)])
        values = self.team.mean(terms.detach().float()).tolist()
        if self.watch.diverges(values[0], length.item()):
            return None
        self._buffers = None
        self.optimiser.step()
        self.method.after_step((step + 1) / self.config.steps)
        return {
            "loss": values[0],
            **dict(zip(self.method.parts, values[1:], strict=True)),
            "learning_rate": rate,
        }

    def quality(self) -> dict[str, float]:
        """Of the held-out objects; empty where there are none."""
        self.prepare_evaluation()
        return self.held.quality(self.method) if self.held else {}

    def prepare_evaluation(self) -> None:
        """Read the held-out objects, where that was not done yet."""
        if self.held is None and self.team.is_main:
            self.held = HeldOut(
                self.fetch, self.held_rows, self.method, ViewRecipe(), self.config.seed
            )

    def _pictures(self, step: int) -> Tensor:
        """(B, bands, y, x) of this process's part of the batch; the next is begun to be read."""
        rows = self.order(step, self.batch)[self.team.share_of(self.batch)]
        if self._reader is None:
            return self.fetch(rows)
        key = (step, self.batch)
        waiting = self._ahead if self._ahead is not None and self._ahead[0] == key else None
        pictures = waiting[1].result() if waiting is not None else self.fetch(rows)
        following = self.order(step + 1, self.batch)[self.team.share_of(self.batch)]
        self._ahead = ((step + 1, self.batch), self._reader.submit(self.fetch, following))
        return pictures

    def _halving(self, step: int, on_record: Callable[[Record], None]) -> Record | None:
        """`step`, with half the batch as often as memory is not enough."""
        while True:
            try:
                return self.step(step)
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                smaller = max(SMALLEST_BATCH, self.batch // 2)
                if self.team.size > 1 or smaller >= self.batch:
                    raise BadInput(
                        f"The memory is not enough for {self.batch} objects a step over"
                        f" {self.team.size} process(es); choose a smaller --batch-size or network,"
                        " or end other programs."
                    ) from None
            # Outside of the handler, which holds on to what the step had made.
            note = (
                f"The memory was not enough for {self.batch} objects a step: from step {step + 1}"
                f" on there are {smaller}."
            )
            self.batch = smaller
            self.optimiser.zero_grad(set_to_none=True)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            self.notes.append(note)
            on_record({"step": step, "note": note})

    def _put_buffers_back(self) -> None:
        """To what they were before the step that was broken off, if one was."""
        for name, one in self.method.named_buffers():
            if self._buffers is not None and name in self._buffers:
                one.copy_(self._buffers[name])

    def _evaluate(self, step: int, on_record: Callable[[Record], None]) -> None:
        """Measure, remember the weights if they are the best, and say so if it is to end."""
        if self.team.is_main:
            present = self.quality()
            if present:
                seen = mapped(self.held, self.qualities)
                self.qualities.append({"step": step, "quality": present, **seen})
                on_record(self.qualities[-1])
            if self.watch.runaway:
                pass  # such weights are not worth keeping, whatever their quality
            elif held_out.better(present, self.best_quality or None):
                self.best = {
                    name: value.detach().to("cpu", copy=True)
                    for name, value in self.method.state_dict().items()
                }
                self.best_step, self.best_quality, self.since_best = step, present, 0
            else:
                self.since_best += 1
                enough = self.config.steps >= EVALUATIONS * EVALUATE_FEWEST_STEPS
                late = step >= self.config.steps / 2 and step < self.config.steps
                if self.config.early_stop and enough and late and self.since_best >= PATIENCE:
                    self.ending = (
                        f"stopped early at step {step}: {held_out.stalled(self.best_quality)} for"
                        f" {self.since_best} evaluations"
                    )
        self.ending = str(self.team.told(self.ending))

    def _tell(
        self,
        progress: Progress,
        fraction: float,
        message: str,
        interrupted: Callable[[], bool],
    ) -> BaseException | None:
        """Say how far it is; what stops all processes, if somebody asked for that."""
        stopped: BaseException | None = None
        if self.team.is_main:
            try:
                progress(fraction, message)
            except (Cancelled, KeyboardInterrupt) as error:
                stopped = error
            if interrupted():
                stopped = KeyboardInterrupt()
        if self.team.told(stopped is not None) and stopped is None:
            return Cancelled("The main process was stopped.")
        return stopped

    @property
    def _identity(self) -> Record:
        spec, count = self.method.spec.as_dict(), len(self.order.rows) + len(self.held_rows)
        return {
            "config": self.config.as_dict(),
            "spec": spec,
            "count": count,
            "processes": self.team.size,
        }

    def _save(self, folder: Path) -> None:
        state = {
            "identity": self._identity,
            "step": self.done,
            "ending": self.ending,
            "batch": self.batch,
            "watch": self.watch.as_dict(),
            "history": self.history,
            "qualities": self.qualities,
            "notes": self.notes,
            "best_step": self.best_step,
            "best_quality": self.best_quality,
            "since_best": self.since_best,
            "seconds": self.seconds,
        }
        save_checkpoint(folder, state, self.method, self.optimiser, self.best)

    def _restore(self, folder: Path) -> None:
        """Take up the state in the folder, if there is one to go on from."""
        found = load_checkpoint(folder, self._identity, self.method, self.optimiser)
        if found is None:
            return
        state, best = found
        self.batch = state["batch"]
        self.watch = LossWatch(**state["watch"])
        self.history, self.qualities = state["history"], state["qualities"]
        self.notes, self.best = state["notes"], best or None
        self.best_step, self.best_quality = state["best_step"], state["best_quality"]
        self.since_best, self.seconds = state["since_best"], state["seconds"]
        self.done, self.ending = state["step"], state["ending"]

    def _result(self) -> PretrainResult:
        step, ending = self.done, self.ending or "all steps done"
        diverged = ending.startswith(DIVERGED)
        # Only the main process knows what was kept.
        if diverged and self.best is None and self.team.is_main:
            raise BadInput(
                f"The loss of {self.config.method} diverged{ending.removeprefix(DIVERGED)}, before"
                " there was anything to keep; lower --learning-rate (it was"
                f" {self.config.learning_rate:g}) or the strength of the augmentations."
            )
        if diverged:
            ending += f", so training was stopped there; the weights of step {self.best_step} are"
            ending += " kept"
        if self.best is not None and (diverged or self.best_quality):
            self.method.load_state_dict(self.best)
            step = self.best_step
        method = self.method.to("cpu").eval()
        quality, notes = self.best_quality, list(self.notes)
        if held_out.collapsed(quality):
            notes.append(held_out.COLLAPSED)
        return PretrainResult(method, self.history, self.qualities, ending, step, quality, notes)


def _schedule(fraction: float) -> float:
    if fraction < WARM_UP:
        return (fraction + 1e-3) / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (fraction - WARM_UP) / (1 - WARM_UP)))
