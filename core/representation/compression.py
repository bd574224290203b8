"""How much of unseen pictures is lost by codes of a given length: PCA, ICA, NMF and autoencoders
on the same pixels, side by side."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.errors import BadInput, Damaged
from core.progress import Progress, part_of, silent
from core.representation.device import best_device
from core.representation.encoder import ENCODERS, sampled_rows
from core.representation.encoders.linear import LinearEncoder
from core.representation.inputs.scaling import PixelScaling, resized
from core.representation.inputs.spec import InputSpec
from core.representation.methods.method import METHODS, Method
from core.survey import RunRecord, Survey, finished_runs
from core.vocabulary import JobKind

LINEAR = ("pca", "ica", "nmf")
NETWORKS = ("autoencoder", "dense_autoencoder", "vae", "aae")
KINDS = (*LINEAR, *NETWORKS)
MAX_LATENT, MAX_DEPTH = 1024, 4
HELD_OUT = 0.2
FEWEST = 10
BATCH = 64
RESULT = "reconstruction.json"

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class CompressionConfig:
    """What is compared, on what.

    Attributes
    ----------
    kinds
        Of `KINDS`.
    latents
        Lengths of codes.
    depths
        Numbers of stages, of networks only.
    steps
        Of the optimiser, for each network; a time budget is turned into steps first.
    seeds
        Each with its own split into learnt and held-out objects, and its own start.
    objects
        At most so many, drawn by a fixed seed.
    size_px
        To which pictures are reduced.
    scaling
        A name in `SCALINGS`.
    """

    kinds: tuple[str, ...] = ("pca", "ica", "nmf", "autoencoder")
    latents: tuple[int, ...] = (8, 16, 32, 64)
    depths: tuple[int, ...] = (3,)
    steps: int = 500
    seeds: tuple[int, ...] = (0,)
    objects: int = 2000
    size_px: int = 64
    scaling: str = "asinh"

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        came = ", ".join(unknown or self.kinds) or "none"
        _require(not unknown and bool(self.kinds), "kinds", f"of {', '.join(KINDS)}", came)
        for name, low, high in (
            ("latents", 1, MAX_LATENT),
            ("depths", 1, MAX_DEPTH),
            ("seeds", 0, 2**31),
        ):
            values: tuple[int, ...] = getattr(self, name)
            fits = bool(values) and all(low <= one <= high for one in values)
            came = ", ".join(map(str, values)) or "none"
            _require(fits, name, f"whole numbers of {low} to {high:,}", came)
        _require(self.steps >= 1, "steps", "1 or more", self.steps)
        _require(self.objects >= FEWEST, "objects", f"{FEWEST} or more", self.objects)
        _require(
            16 <= self.size_px <= 128 and self.size_px % 16 == 0,
            "size_px",
            "a multiple of 16 from 16 to 128",
            self.size_px,
        )

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> CompressionConfig:
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in settings.items()
        }
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class LatentError:
    """One fit.

    Attributes
    ----------
    depth
        Stages of a network; `None` for PCA, ICA and NMF.
    error, learnt_error
        Mean squared difference a pixel, of the held-out objects and of those learnt from.
    mean_error
        Of the held-out objects by the mean picture alone, which is a code of no numbers.
    seconds
        It took.
    note
        What a person should know of the fit, else empty.
    """

    kind: str
    latent: int
    depth: int | None
    seed: int
    error: float
    learnt_error: float
    mean_error: float
    seconds: float
    note: str = ""


def error_by_latent(
    survey: Survey, config: CompressionConfig, progress: Progress = silent
) -> list[LatentError]:
    """Fit every kind at every length (and depth, and seed) and measure it on held-out objects.

    All see the same scaled pixels, cut to 0 to 1; a fifth of the groups of objects is held out.
    Networks see each batch turned by a quarter and mirrored at random, as in pretraining.

    Raises
    ------
    BadInput
        Fewer than ten objects have pictures.
    """
    pictures, groups = _pictures(survey, config)
    found = []
    plan = list(_plan(config))
    for number, (kind, latent, depth, seed) in enumerate(plan):
        deep = "" if depth is None else f", depth {depth}"
        words = f"{kind} with {latent} numbers{deep}, seed {seed}"
        progress(number / len(plan), words)
        held_out = _held_out(groups, seed)
        learnt, unseen = pictures[~held_out], pictures[held_out]
        began = time.monotonic()
        if depth is None:
            parts, note = _linear(kind, latent, seed, config, learnt, unseen)
        else:
            method = _method(kind, latent, depth, seed, config, pictures.shape[1])
            here = part_of(progress, number / len(plan), (number + 1) / len(plan))
            _train(method, learnt, config.steps, seed, here, words)
            parts = [_network_error(method, one) for one in (learnt, unseen)]
            note = "" if np.isfinite(parts).all() else f"the training of {words} diverged"
        found.append(
            LatentError(
                kind,
                latent,
                depth,
                seed,
                error=parts[1],
                learnt_error=parts[0],
                mean_error=float((unseen - learnt.mean(0)).square().mean()),
                seconds=round(time.monotonic() - began, 3),
                note=note,
            )
        )
    return found


def worse_than_mean(errors: Sequence[LatentError]) -> list[str]:
    """A sentence for each kind and depth that is no better than the mean picture at some length,
    by its mean error over the seeds."""
    told = []
    for kind, depth in dict.fromkeys((one.kind, one.depth) for one in errors):
        mine = [one for one in errors if (one.kind, one.depth) == (kind, depth)]
        lengths = [
            latent
            for latent in sorted({one.latent for one in mine})
            if sum(one.error - one.mean_error for one in mine if one.latent == latent) >= 0
        ]
        if lengths:
            words = kind if depth is None else f"{kind} of depth {depth}"
            told.append(
                f"{words} with {', '.join(map(str, lengths))} numbers loses as much as the mean"
                " picture alone or more, so it learnt nothing of use"
                + ("" if depth is None else "; give it more --steps or --minutes")
            )
    return told


def within_minutes(survey: Survey, config: CompressionConfig, minutes: float) -> CompressionConfig:
    """The same with as many steps a network as fit into the minutes, by timing some of each.

    PCA, ICA and NMF take what they take; the steps are what is saved, so that a run repeats.
    """
    pictures, _ = _pictures(survey, replace(config, objects=max(FEWEST, 2 * BATCH)))
    each = 0.0
    networks = [one for one in _plan(config) if one[2] is not None]
    for kind, latent, depth, seed in networks:
        assert depth is not None
        method = _method(kind, latent, depth, seed, config, pictures.shape[1])
        _train(method, pictures, 1, seed)
        began = time.monotonic()
        _train(method, pictures, 3, seed)
        each += (time.monotonic() - began) / 3
    return replace(config, steps=max(1, int(60 * minutes / each))) if networks else config


@dataclass(frozen=True)
class Compression:
    """A finished comparison: its run, what was compared, and what came out."""

    run: RunRecord
    config: CompressionConfig
    errors: list[LatentError]


def finished_compressions(survey: Survey) -> list[Compression]:
    """The newest first.

    Raises
    ------
    Damaged
        A result cannot be read.
    """
    found = []
    for run in finished_runs(survey, JobKind.COMPRESS):
        path = run.path / RESULT
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            config = CompressionConfig.from_dict(record["config"])
            errors = [LatentError(**one) for one in record["errors"]]
        except (OSError, KeyError, TypeError, ValueError, BadInput) as error:
            raise Damaged(
                f"{path} cannot be read ({str(error)[:120]}); remove the folder {run.run_id} and"
                f" run `python -m core.run compress {survey.name} --workspace"
                f" {survey.folder.parents[1]}` again."
            ) from None
        found.append(Compression(run, config, errors))
    return found


def _plan(config: CompressionConfig) -> Iterator[tuple[str, int, int | None, int]]:
    """Kind, latent, depth and seed of each fit."""
    for seed in config.seeds:
        for kind in config.kinds:
            depths: Sequence[int | None] = config.depths if kind in NETWORKS else (None,)
            for depth in depths:
                for latent in config.latents:
                    yield kind, latent, depth, seed


def _pictures(survey: Survey, config: CompressionConfig) -> tuple[Tensor, NDArray[Any]]:
    """(N, band, size_px, size_px) of 0 to 1, and the group of each object."""
    rows = sampled_rows(survey, config.objects)
    groups = survey.catalogue["group_id"].to_numpy()[rows]
    if len(rows) < FEWEST or len(np.unique(groups)) < 2:
        raise BadInput(
            f"Comparing compressions needs {FEWEST} objects with pictures and two groups, but"
            f" {survey.name} has {len(rows)} of {len(np.unique(groups))}; import more pictures."
        )
    scaling = PixelScaling.of(survey.manifest, config.scaling)
    parts = [
        resized(scaling(survey.images(rows[start : start + 256])), config.size_px).clamp(0, 1)
        for start in range(0, len(rows), 256)
    ]
    return torch.cat(parts), groups


def _held_out(groups: NDArray[Any], seed: int) -> NDArray[np.bool_]:
    """(N,) bool, about a fifth; objects of one group stay together."""
    names, which = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    chosen = np.zeros(len(names), bool)
    chosen[order[: max(1, round(HELD_OUT * len(names)))]] = True
    return chosen[which]


def _linear(
    kind: str, latent: int, seed: int, config: CompressionConfig, *parts: Tensor
) -> tuple[list[float], str]:
    """Errors of the parts, fitted on the first of them."""
    encoder: LinearEncoder = ENCODERS[kind](latent, config.size_px, seed=seed)
    pixels = [one.flatten(1).numpy() for one in parts]
    encoder.fit_pixels(pixels[0])
    found = [
        float(np.square(encoder.decode(encoder.code(one)).astype(float) - one).mean())
        for one in pixels
    ]
    return found, "; ".join(encoder.notes)


def _network_error(method: Method, pictures: Tensor) -> float:
    """Mean squared difference a pixel."""
    method.eval()
    total = 0.0
    with torch.inference_mode():
        for batch in pictures.split(2 * BATCH):
            seen = batch.to(best_device())
            total += float((method.decode(method.codes(seen)) - seen).square().sum())
    return total / pictures.numel()


def _method(
    kind: str, latent: int, depth: int, seed: int, config: CompressionConfig, bands: int
) -> Method:
    torch.manual_seed(seed)
    spec = InputSpec("plain", bands, config.size_px, config.scaling)
    if kind == "autoencoder":
        settings: dict[str, Any] = {"filters": [4 * 2**n for n in reversed(range(depth))]}
        settings["latent"] = latent
    elif kind == "dense_autoencoder":
        settings = {"widths": [128 * 4**n for n in range(depth - 1, 0, -1)] + [latent]}
    else:
        settings = {"widths": [32, 64, 128, 128][:depth], "latent": latent}
    return METHODS[kind](spec, settings).to(best_device())


def _train(
    method: Method,
    pictures: Tensor,
    steps: int,
    seed: int,
    progress: Progress = silent,
    words: str = "",
) -> None:
    """AdamW on a cosine, as in pretraining, without its checkpoints."""
    method.train()
    optimiser = torch.optim.AdamW(method.parameters(), lr=method.learning_rate)
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = method.learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        rows = torch.randint(len(pictures), (min(BATCH, len(pictures)),), generator=generator)
        turn, mirror = divmod(int(torch.randint(8, (), generator=generator)), 2)
        seen = torch.rot90(pictures[rows], turn, (2, 3))
        seen = (seen.flip(3) if mirror else seen).to(best_device())
        optimiser.zero_grad(set_to_none=True)
        method.loss([seen]).total.backward()
        optimiser.step()
        progress((step + 1) / steps, f"{words}: step {step + 1} of {steps}")


def _require(ok: bool, setting: str, allowed: str, came: object) -> None:
    if not ok:
        raise BadInput(f"{setting} must be {allowed}, but is {came}; change that setting.")
