"""Networks trained without labels, as encoders: one of the name of each method."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.errors import BadInput, Damaged, NotFound, NotReady
from core.progress import Progress
from core.representation.device import best_device
from core.representation.encoder import Sampled, register_encoder, sampled_rows
from core.representation.encoders.choosing import chosen_training, reasons_for
from core.representation.fast import (
    EXACT,
    SAMPLE,
    Forward,
    exact_forward,
    fast_forward,
    forward_named,
)
from core.representation.inputs.scaling import PixelScaling
from core.representation.methods.method import METHODS
from core.representation.methods.store import load_method, save_method
from core.representation.whitening import Whitening
from core.survey import RunRecord, Survey, finished_runs
from core.vocabulary import JobKind

SHIPPED = Path(__file__).parents[1] / "weights"
"""Weights that come with Skysift, and the README with the command that made them."""

SHIPPED_METHOD, SHIPPED_WORD = "vicreg", "shipped"

COMPONENTS = 64
QUARTER_TURNS = (0, 1, 2, 3)
FIT_ROWS = 5000

MAX_COMPONENTS = 4096
BATCH = 256


class NetworkEncoder:
    """(B, band, y, x) -> (B, 64 at most): whitened components of the codes of all looks.

    The codes are averaged over the quarter turns (the sky has no up, so what differs between them
    is noise) and nine tenths of their variance lie in some ten directions; the leading principal
    components, fitted on at most 5,000 objects drawn with a fixed seed, keep nearly all of it in
    an eighth of the space, ordered by variance.

    Parameters
    ----------
    weights
        Folder that `core.representation.methods.store.save_method` wrote; the shipped one if None.
    rotations
        Quarter turns to average over: 1, 2 or 4.
    components
        How many are kept, where the codes have as many.

    Attributes
    ----------
    method
        The trained network, in evaluation mode on the best device.
    way
        How the network is run: the fastest way of `core.representation.fast` that keeps the
        neighbours which plain float32 finds in this embedding. `fit` chooses it.
    doubts
        What is to be said of the weights that were taken by rule.
    notes
        These and one on the way, for the record of a run.
    """

    name: str
    method_name: ClassVar[str]
    own_options: ClassVar[dict[str, str]] = {
        "weights": "a pretraining run's id, a folder, or shipped (default: the best run of this"
        " survey on held-out objects, else the shipped weights where there are such)",
        "rotations": "quarter turns that the codes are averaged over: 1, 2 or 4 (default 4)",
        "components": "numbers kept of an object, leading ones first (default 64)",
    }

    def __init__(
        self,
        weights: Path | str | None = None,
        rotations: int | str = 4,
        components: int | str = COMPONENTS,
    ) -> None:
        if str(rotations) not in ("1", "2", "4"):
            raise BadInput(f"rotations must be 1, 2 or 4, but is {rotations!r}; choose one.")
        if not str(components).isdecimal() or not 1 <= int(components) <= MAX_COMPONENTS:
            raise BadInput(
                f"components must be a whole number of 1 to {MAX_COMPONENTS:,}, but is"
                f" {components!r}; change it."
            )
        method, self.origin = load_method(Path(weights or SHIPPED), self.method_name)
        self.method = method.to(best_device()).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.turns = {1: (0,), 2: (0, 2), 4: QUARTER_TURNS}[int(rotations)]
        self.components = int(components)
        self.way = exact_forward(self.method)
        self.doubts: list[str] = []
        self.notes: list[str] = []
        self.scaling: PixelScaling | None = None
        self.whitening: Whitening | None = None
        self.sampled: Sampled | None = None

    @classmethod
    def make(cls, survey: Survey, options: Mapping[str, Any]) -> NetworkEncoder:
        """With the weights that the options mean for this survey."""
        asked = options.get("weights")
        folder = weights_folder(survey, cls.method_name, str(asked) if asked else None)
        encoder = cls(folder, options.get("rotations", 4), options.get("components", COMPONENTS))
        if not asked:
            encoder.doubts = reasons_for(pretraining_runs(survey, cls.method_name))
            encoder.notes = list(encoder.doubts)
        return encoder

    def fit(self, survey: Survey, progress: Progress) -> None:
        """Take the survey's pixel limits and the principal components of what the network sees."""
        self.scaling = PixelScaling.of(survey.manifest, self.method.spec.scaling)
        progress(0.0, "looking for the fastest way to run the network that changes nothing")
        self.way = self._fastest(survey)
        self.notes = list(self.doubts)
        if self.way.sentence:
            self.notes.append(self.way.sentence)
            progress(0.0, self.way.sentence)
        rows = sampled_rows(survey, FIT_ROWS)
        upright: list[NDArray[np.float32]] = []
        codes: list[NDArray[np.float32]] = []
        for start in range(0, len(rows), BATCH):
            shown = self._shown(survey.images(rows[start : start + BATCH]))
            turned = self._turned(shown)
            # The components are the same as those of all turns.
            upright.append(turned[0])
            codes.append(turned.mean(axis=0))
            progress(0.0, f"fitting components: {start + len(shown):,} of {len(rows):,}")
        self.whitening = Whitening.fit(np.concatenate(upright), self.components)
        self.sampled = Sampled(rows, self.whitening(np.concatenate(codes)))

    def encode(self, images: NDArray[Any]) -> NDArray[np.float32]:
        assert self.whitening is not None
        return self.whitening(self._codes(self._shown(images)))

    def _fastest(self, survey: Survey) -> Forward:
        """Measured on the components of a few hundred objects: where codes are whitened, small
        differences count for more than in the codes."""
        shown = self._shown(survey.images(sampled_rows(survey, SAMPLE)))
        plain = self._codes(shown, exact_forward(self.method))
        whitening = Whitening.fit(plain, self.components)
        return fast_forward(
            self.method,
            shown,
            lambda way: whitening(plain if way.name == EXACT else self._codes(shown, way)),
            pictures=len(survey) * shown.shape[1] * len(self.turns),
        )

    def _shown(self, images: NDArray[Any]) -> Tensor:
        """(B, band, y, x) -> (B, images, channels, size_px, size_px) on the device."""
        assert self.scaling is not None
        with torch.inference_mode():
            return self.method.spec(self.scaling(images).to(best_device()))

    def _codes(self, shown: Tensor, way: Forward | None = None) -> NDArray[np.float32]:
        """What `_shown` gives -> (B, images * D) of the network, the mean over the turns."""
        return self._turned(shown, way).mean(axis=0)

    def _turned(self, shown: Tensor, way: Forward | None = None) -> NDArray[np.float32]:
        """What `_shown` gives -> (turns, B, images * D) of the network, upright first."""
        out: NDArray[np.float32] = np.stack(
            [
                torch.cat(
                    [
                        self._forward(torch.rot90(shown[:, look], quarter, (2, 3)), way)
                        for look in range(shown.shape[1])
                    ],
                    dim=1,
                )
                .cpu()
                .numpy()
                for quarter in self.turns
            ]
        )
        if not np.isfinite(out).all():
            raise Damaged(
                f"The network of {self.name} gives codes that are no numbers, so its training went"
                " astray; train it again, or name other weights."
            )
        return out

    def _forward(self, x: Tensor, way: Forward | None = None) -> Tensor:
        """(B, channels, size_px, size_px) -> (B, D) float32, both on the device: the one place
        where the network runs."""
        run = way or self.way
        return torch.cat([run(part) for part in x.split(BATCH)])

    def save(self, folder: Path) -> dict[str, Any]:
        assert self.scaling is not None
        assert self.whitening is not None
        save_method(self.method, folder, self.origin)
        self.whitening.save(folder / "network-whitening.safetensors")
        return {
            "scaling": self.scaling.as_dict(),
            "weights": self.origin,
            "rotations": len(self.turns),
            "components": self.components,
            "forward": self.way.as_dict(),
        }

    @classmethod
    def load(cls, folder: Path, settings: dict[str, Any]) -> NetworkEncoder:
        encoder = cls(folder, settings.get("rotations", 4), settings.get("components", COMPONENTS))
        encoder.scaling = PixelScaling.from_dict(settings["scaling"])
        way = settings.get("forward")
        if way is not None:
            encoder.way = forward_named(encoder.method, way["name"], way["overlap"])
        whitening = folder / "network-whitening.safetensors"
        if not whitening.exists():
            whitening = folder / "vicreg-whitening.safetensors"  # up to version 0.4
        encoder.whitening = Whitening.load(whitening)
        return encoder


def weights_folder(survey: Survey, method: str, asked: str | None = None) -> Path:
    """Folder of the weights that are meant: of a run, by path, or those of `chosen_training`.

    Raises
    ------
    BadInput
        Shipped weights of a method that comes without.
    NotFound
        `asked` is neither a run of this survey nor a folder.
    NotReady
        None was asked for, and there are neither runs of the method nor shipped weights.
    """
    runs = pretraining_runs(survey, method)
    if asked == SHIPPED_WORD and method != SHIPPED_METHOD:
        raise BadInput(
            f"Only {SHIPPED_METHOD} comes with shipped weights, but those of {method} were asked"
            f" for; name a run of {method}, or embed with the encoder {SHIPPED_METHOD}."
        )
    if asked == SHIPPED_WORD or (asked is None and not runs):
        if method == SHIPPED_METHOD:
            return SHIPPED
        raise NotReady(
            f"There is no network trained by {method} on {survey.name}; train one with"
            f" `python -m core.run pretrain {survey.name} --method {method} --workspace"
            f" {survey.folder.parents[1]}`."
        )
    if asked is None:
        return chosen_training(runs).path
    for run in [*pretraining_runs(survey), *finished_runs(survey, JobKind.REFINE)]:
        if run.run_id == asked:
            return run.path
    if Path(asked).is_dir():
        return Path(asked)
    raise NotFound(
        f"Weights are a pretraining run on {survey.name}, a folder with network.safetensors, or"
        f" {SHIPPED_WORD}, but {asked!r} is none of them; see the Runs page for the run ids."
    )


def pretraining_runs(survey: Survey, method: str | None = None) -> list[RunRecord]:
    """Trainings (by a method) of the survey, and of others that trained on its objects too; the
    newest first."""
    runs = finished_runs(survey, JobKind.PRETRAIN)
    for folder in sorted(survey.folder.parent.iterdir()):
        if folder.name == survey.folder.name or not (folder / "runs").is_dir():
            continue
        # What is wrong with another survey's runs is told where that survey is used.
        with contextlib.suppress(Damaged):
            others = finished_runs(folder, JobKind.PRETRAIN)
            runs += [run for run in others if _trained_on(run, survey)]
    runs.sort(key=lambda run: (str(run.record["finished"]), run.run_id), reverse=True)
    return [run for run in runs if method is None or _method_of(run) == method]


def _trained_on(run: RunRecord, survey: Survey) -> bool:
    """Whether a training saw this content of the survey."""
    surveys = run.config.get("surveys")
    if isinstance(surveys, dict):
        return survey.manifest.content_hash in surveys.values()
    about = run.record.get("survey") or {}  # up to version 0.4
    return bool(about.get("content_hash") == survey.manifest.content_hash)


def _method_of(run: RunRecord) -> str:
    """Runs up to version 0.4 have VICReg's name written otherwise."""
    return str(run.config.get("method", "vicreg")).lower()


for _name in METHODS:
    register_encoder(_name)(type(f"{_name}_encoder", (NetworkEncoder,), {"method_name": _name}))
