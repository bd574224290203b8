"""Does a label-free measure tell, while a network trains, when it is good? Against linear probes.

python -m benchmarks.progress --data FOLDER [--sets ...] [--methods vicreg] [--minutes 4]
    [--steps N] [--checkpoints 10] [--seeds 0]

On each set's own pictures a network is trained without labels for the processor minutes given
(turned into steps, which are kept with the result; or for so many steps), with no early stop. At
checkpoints spaced evenly in log steps, and before the first step, it is measured: without labels
as training does it (held-out objects) and as the quality page does it (the set's embedding by the
network alone), and with the truth by a linear probe of each target. All rare targets and others
up to 1,000 objects are embedded, in float32.

Printed are Spearman's rank correlation over the checkpoints but the untrained one (1: the measure
orders them as the probe does), mean over sets with a 95 % bootstrap interval over sets, and what
the checkpoint that the measure would pick reaches of the best one's average precision. Each
training is written to results/NAME.jsonl as it ends, and not run again; `--fresh` forgets what is
there.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.backbone_sets import SETS, LabelledSet, labelled_set
from benchmarks.common import RESULTS, arguments, report
from benchmarks.kept import Kept
from benchmarks.progress_figures import Look, Series, each_row, log_steps, summary
from core.config import PretrainConfig
from core.errors import SkysiftError
from core.metrics import average_precision, linear_probe_scores
from core.representation import ENCODERS, METHODS, Method
from core.representation.device import best_device
from core.representation.encoders.network import QUARTER_TURNS
from core.representation.fast import FOLDED, forward_named
from core.representation.inputs.pictures import PictureSource
from core.representation.inputs.scaling import PixelScaling
from core.representation.methods import method_named, save_method
from core.representation.quality import Embedded, assess
from core.representation.training.held_out import picked_by
from core.representation.training.loop import Trainer
from core.representation.training.rules import planned, stopwatch
from core.representation.whitening import Whitening
from core.run_pretrain import common_bands
from core.survey import RunRecord
from core.vocabulary import JobKind
from core.workspace import open_workspace

MOST = 1000
"""Objects embedded at each checkpoint."""

RARE = 200
"""Classes of no more objects are taken whole."""

LOSS_STEPS = 10
"""Steps over which the loss at a checkpoint is averaged."""

BATCH = 256


@dataclass(frozen=True)
class Asked:
    """One training. steps : in place of the minutes where it is not 0"""

    set: str
    method: str
    seed: int
    minutes: float
    steps: int
    checkpoints: int


@dataclass(frozen=True)
class Found:
    """What came of it; `seconds` are the processor's, looks included. The first look is at the
    untrained network."""

    plan: str
    steps: int
    best_step: int
    seconds: float
    objects: int
    looks: tuple[Look, ...]
    kept: dict[str, float]

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> Found:
        """What `asdict` gave, also after a way through JSON."""
        return cls(**{**kept, "looks": tuple(Look(**one) for one in kept["looks"])})

    def as_series(self, name: str) -> Series:
        """Of the set of that name."""
        rules = {"the last one": self.looks[-1].probes, "kept by the training": self.kept}
        return Series(name, self.looks, rules)


class Looked:
    """Measures networks of one method on a labelled set, always of the same objects.

    Parameters
    ----------
    scaled
        How the method sees pixels and how many bands: an untrained one of it.
    """

    def __init__(self, given: LabelledSet, scaled: Method, seed: int) -> None:
        self.given, self.seed = given, seed
        self.rows = drawn_rows(given.labels, given.targets, seed)
        self.scaling = PixelScaling.of(given.survey.manifest, scaled.spec.scaling)
        parts = np.array_split(self.rows, -(-len(self.rows) // BATCH))
        with torch.inference_mode():
            shown = [scaled.spec(self.scaling(given.survey.images(some))) for some in parts]
        self.shown = torch.cat([one.half() for one in shown])  # (n, looks, channels, y, x)

    def probes(self, values: NDArray[np.float32]) -> dict[str, float]:
        """Target -> average precision of the linear probe of (n, D) values."""
        labels = self.given.labels[self.rows]
        return {
            target: average_precision(y, linear_probe_scores(values, y, seed=self.seed))
            for target, y in ((one, labels == one) for one in self.given.targets)
        }

    def values(self, method: Method) -> NDArray[np.float32]:
        """(n, D) embedding of the objects by the network alone, as its encoder makes it."""
        with tempfile.TemporaryDirectory() as folder:
            return self._encoded(method, Path(folder))[0]

    def page(self, method: Method) -> tuple[NDArray[np.float32], dict[str, float]]:
        """The same, and the quality page's measures of it by name."""
        survey = self.given.survey
        with tempfile.TemporaryDirectory() as folder:
            values, settings = self._encoded(method, Path(folder))
            every = np.full((len(survey), values.shape[1]), np.nan, np.float32)
            every[self.rows] = values
            run = RunRecord("look", Path(folder), {}, JobKind.EMBED, {"result": settings})
            mask = np.zeros(len(survey), bool)
            mask[self.rows] = True
            embedded = Embedded(run, method.name, every, mask)
            found = assess(survey, embedded, seed=self.seed).measures
        return values, {name: one for name, one in found.items() if one is not None}

    def _encoded(self, method: Method, folder: Path) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """The values, and the settings of the fitted encoder that is saved in the folder."""
        save_method(method, folder, {})
        encoder: Any = ENCODERS[method.name](folder)
        encoder.scaling = self.scaling
        encoder.way = forward_named(encoder.method, FOLDED)
        turned = np.stack(
            [
                torch.cat([self._codes(encoder.way, part, turn) for part in self._parts()]).numpy()
                for turn in QUARTER_TURNS
            ]
        )
        encoder.whitening = Whitening.fit(turned[0], encoder.components)
        return encoder.whitening(turned.mean(axis=0)), encoder.save(folder)

    def _parts(self) -> tuple[Tensor, ...]:
        return self.shown.split(BATCH)

    @staticmethod
    def _codes(way: Any, part: Tensor, turn: int) -> Tensor:
        """(B, looks, channels, y, x) -> (B, looks * D)."""
        seen = torch.rot90(part.float().to(best_device()), turn, (3, 4))
        return torch.cat([way(seen[:, look]).cpu() for look in range(seen.shape[1])], dim=1)


def drawn_rows(labels: NDArray[np.str_], targets: tuple[str, ...], seed: int) -> NDArray[np.int64]:
    """Ascending rows: the rare targets whole, others drawn up to `MOST` in all."""
    rare = [one for one in targets if (labels == one).sum() <= RARE]
    whole = np.isin(labels, rare)
    others = np.random.default_rng(seed).permutation(np.flatnonzero(~whole))
    return np.sort(np.append(np.flatnonzero(whole), others[: max(0, MOST - int(whole.sum()))]))


def train(given: LabelledSet, asked: Asked) -> Found:
    """Train a network as a pretraining job does, and look at it on the way."""
    spent, survey = stopwatch(time.process_time), given.survey
    bands = common_bands([survey])
    scaling = method_named(asked.method).input_spec(bands).scaling
    source = PictureSource([survey], bands, scaling=scaling)
    plan = planned(
        source,
        len(source),
        _config(asked),
        minutes=None if asked.steps else asked.minutes,
        bands=bands,
        groups=source.groups,
        spent=spent,
    )
    print(f"{asked.set}: {plan.words}", flush=True)
    trainer = Trainer(source, len(source), plan.config, bands=bands, groups=source.groups)
    looked = Looked(given, trainer.method, asked.seed)
    wanted = set(log_steps(plan.config.steps, asked.checkpoints))
    looks: list[Look] = []

    def look() -> None:
        values, page = looked.page(trainer.method)
        measures = {f"held out: {name}": one for name, one in trainer.quality().items()}
        measures |= {f"page: {name}": one for name, one in page.items()}
        losses = [
            one["loss"] for one in trainer.history if one["step"] > trainer.done - LOSS_STEPS
        ]
        if losses:
            measures["loss"] = float(np.mean(losses))
        looks.append(Look(trainer.done, measures, looked.probes(values)))
        told = ", ".join(f"{target} {one:.3f}" for target, one in looks[-1].probes.items())
        print(f"  step {trainer.done}: {told}; {spent():.0f} s", flush=True)

    def after_step(_fraction: float, _message: str) -> None:
        if trainer.done in wanted:
            look()

    look()
    result = trainer.run(None, after_step, lambda _record: None)
    kept = looked.probes(looked.values(result.method))
    return Found(
        plan=plan.words,
        steps=plan.config.steps,
        best_step=result.best_step,
        seconds=spent(),
        objects=len(looked.rows),
        looks=tuple(looks),
        kept=kept,
    )


def _config(asked: Asked) -> PretrainConfig:
    steps = asked.steps or PretrainConfig.steps
    return PretrainConfig(method=asked.method, steps=steps, early_stop=False, seed=asked.seed)


def tables(plan: list[Asked], kept: Kept, name: str) -> None:
    """Print and write what the trainings of the plan say, each method by itself."""
    for method in dict.fromkeys(asked.method for asked in plan):
        mine = [(asked, kept.get(asdict(asked))) for asked in plan if asked.method == method]
        ended = [(asked.set, Found.from_dict(found)) for asked, found in mine if found]
        if not ended:
            continue
        every = [found.as_series(set_name) for set_name, found in ended]
        picker = f"held out: {picked_by(_held_out(every[0].looks[-1]))}"
        settings = {"method": method, "plans": [found.plan for _, found in ended]}
        print(f"\n{method}: {len(every)} trainings, whose weights are picked by {picker}\n")
        report(f"{name}_{method}", *summary(every, picker, late=True), settings)
        columns = ["set", "target", "measure", "rank correlation", "step picked", "probe AP"]
        print()
        rows = [row for one in every for row in each_row(one)]
        report(f"{name}_{method}_each", [*columns, "best step", "best AP"], rows, settings)


def _held_out(look: Look) -> dict[str, object]:
    return {one.removeprefix("held out: "): value for one, value in look.measures.items()}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", default=os.environ.get("SKYSIFT_DATA"))
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--methods", nargs="+", default=["vicreg"], choices=list(METHODS))
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=0, help="in place of the minutes")
    parser.add_argument("--checkpoints", type=int, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--name", default="progress", help="of the files with the results")
    parser.add_argument("--fresh", action="store_true", help="forget trainings of an earlier run")
    a = parser.parse_args()
    workspace = open_workspace(a.workspace)
    kept = Kept(RESULTS / f"{a.name}.jsonl", fresh=a.fresh)
    plan = [
        Asked(name, method, seed, a.minutes, a.steps, a.checkpoints)
        for method in a.methods
        for seed in a.seeds
        for name in a.sets
    ]
    for asked in plan:
        if kept.get(asdict(asked)) is not None:
            continue
        try:
            given = labelled_set(asked.set, workspace, Path(a.data) if a.data else None)
            kept.add(asdict(asked), asdict(train(given, asked)))
        except SkysiftError as error:
            print(f"{asked.set}, {asked.method} is left out: {error}", flush=True)
    tables(plan, kept, a.name)


if __name__ == "__main__":
    main()
