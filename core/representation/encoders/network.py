"""Networks trained without labels, as encoders: one of the name of each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.errors import BadInput, Damaged, NotFound, NotReady
from core.progress import Progress
from core.representation.device import best_device
from core.representation.encoder import register_encoder, sampled_rows
from core.representation.fast import (
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
    notes
        Sentences about that for the record of a run.
    """

    name: str
    method_name: ClassVar[str]
    own_options: ClassVar[dict[str, str]] = {
        "weights": "a pretraining run's id, a folder, or shipped (default: the newest run of this"
        " survey, else the shipped weights where there are such)",
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
        self.notes: list[str] = []
        self.scaling: PixelScaling | None = None
        self.whitening: Whitening | None = None

    @classmethod
    def make(cls, survey: Survey, options: Mapping[str, Any]) -> NetworkEncoder:
        """With the weights that the options mean for this survey."""
        asked = options.get("weights")
        folder = weights_folder(survey, cls.method_name, str(asked) if asked else None)
        return cls(folder, options.get("rotations", 4), options.get("components", COMPONENTS))

    def fit(self, survey: Survey, progress: Progress) -> None:
        """Take the survey's pixel limits and the principal components of what the network sees."""
        self.scaling = PixelScaling.of(survey.manifest, self.method.spec.scaling)
        progress(0.0, "looking for the fastest way to run the network that changes nothing")
        self.way = self._fastest(survey)
        if self.way.sentence:
            self.notes = [self.way.sentence]
            progress(0.0, self.way.sentence)
        rows = sampled_rows(survey, FIT_ROWS)
        codes: list[NDArray[np.float32]] = []
        done = 0
        for start in range(0, len(rows), BATCH):
            # Unturned: the components are the same, at a quarter of the time.
            shown = self._shown(survey.images(rows[start : start + BATCH]))
            codes.append(self._codes(shown, turns=(0,)))
            done += len(codes[-1])
            progress(0.0, f"fitting components: {done:,} of {len(rows):,}")
        self.whitening = Whitening.fit(np.concatenate(codes), self.components)

    def encode(self, images: NDArray[Any]) -> NDArray[np.float32]:
        assert self.whitening is not None
        return self.whitening(self._codes(self._shown(images), self.turns))

    def _fastest(self, survey: Survey) -> Forward:
        """Measured on the components of a few hundred objects: where codes are whitened, small
        differences count for more than in the codes."""
        shown = self._shown(survey.images(sampled_rows(survey, SAMPLE)))
        exact = exact_forward(self.method)
        whitening = Whitening.fit(self._codes(shown, self.turns, exact), self.components)
        return fast_forward(
            self.method,
            shown,
            lambda way: whitening(self._codes(shown, self.turns, way)),
            pictures=len(survey) * shown.shape[1] * len(self.turns),
        )

    def _shown(self, images: NDArray[Any]) -> Tensor:
        """(B, band, y, x) -> (B, images, channels, size_px, size_px) on the device."""
        assert self.scaling is not None
        with torch.inference_mode():
            return self.method.spec(self.scaling(images).to(best_device()))

    def _codes(
        self, shown: Tensor, turns: Sequence[int], way: Forward | None = None
    ) -> NDArray[np.float32]:
        """What `_shown` gives -> (B, images * D) of the network, the mean over the turns."""
        looks = []
        for look in range(shown.shape[1]):
            total = torch.zeros(len(shown), self.method.dimensions, device=shown.device)
            for quarter in turns:
                total += self._forward(torch.rot90(shown[:, look], quarter, (2, 3)), way)
            looks.append(total / len(turns))
        out: NDArray[np.float32] = torch.cat(looks, dim=1).cpu().numpy()
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
    """Folder of the weights that are meant: of a run, by path, or the newest fitting ones.

    Raises
    ------
    NotFound
        `asked` is neither a run of this survey nor a folder.
    NotReady
        None was asked for, and there are neither runs of the method nor shipped weights.
    """
    runs = [run for run in finished_runs(survey, JobKind.PRETRAIN) if _method_of(run) == method]
    if asked == SHIPPED_WORD or (asked is None and not runs):
        if method == SHIPPED_METHOD:
            return SHIPPED
        raise NotReady(
            f"There is no network trained by {method} on {survey.name}; train one with"
            f" `python -m core.run pretrain {survey.name} --method {method}`."
        )
    if asked is None:
        return runs[0].path
    for run in finished_runs(survey, JobKind.PRETRAIN):
        if run.run_id == asked:
            return run.path
    if Path(asked).is_dir():
        return Path(asked)
    raise NotFound(
        f"Weights are a pretraining run of {survey.name}, a folder with network.safetensors, or"
        f" {SHIPPED_WORD}, but {asked!r} is none of them; see the Runs page for the run ids."
    )


def _method_of(run: RunRecord) -> str:
    """Runs up to version 0.4 have VICReg's name written otherwise."""
    return str(run.config.get("method", "vicreg")).lower()


for _name in METHODS:
    register_encoder(_name)(type(f"{_name}_encoder", (NetworkEncoder,), {"method_name": _name}))
