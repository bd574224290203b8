"""The job that compares how much of unseen pictures codes of a given length lose."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from core.vocabulary import JobKind
from core.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from core.representation.compression import CompressionConfig, LatentError

__all__ = ["add_compress_job", "compress_command", "run_compress"]

Job = Callable[[str, Callable[[argparse.Namespace], str], str], argparse.ArgumentParser]


def add_compress_job(job: Job) -> None:
    """compress."""
    sub = job(
        "compress",
        compress_command,
        "reconstruction error against the length of codes: PCA, ICA, NMF, autoencoders",
    )
    sub.set_defaults(stopped="nothing of the comparison is kept, and it starts over next time")
    sub.add_argument("survey")
    sub.add_argument(
        "--kinds",
        nargs="+",
        default=["pca", "ica", "nmf", "autoencoder"],
        metavar="KIND",
        help="pca, ica, nmf, autoencoder, dense_autoencoder, vae, aae",
    )
    sub.add_argument("--latent", nargs="+", type=int, default=[8, 16, 32, 64], metavar="D")
    sub.add_argument(
        "--depth", nargs="+", type=int, default=[3], metavar="N", help="stages of networks: 1 to 4"
    )
    sub.add_argument("--steps", type=int, default=500, help="of the optimiser, each network")
    sub.add_argument("--minutes", type=float, default=None, help="of all networks; for --steps")
    sub.add_argument("--seed", nargs="+", type=int, default=[0], dest="seeds", metavar="SEED")
    sub.add_argument("--objects", type=int, default=2000, help="at most so many")
    sub.add_argument("--size", type=int, default=64, help="pictures are reduced to so many px")
    sub.add_argument("--scaling", default="asinh", help="of the pixels: asinh, lupton or minmax")


def compress_command(a: argparse.Namespace) -> str:
    """`python -m core.run compress`: the sentences to print."""
    from core.representation.compression import CompressionConfig, worse_than_mean
    from core.representation.training.asking import checked_minutes

    checked_minutes(a.minutes)
    config = CompressionConfig(
        kinds=tuple(dict.fromkeys(a.kinds)),
        latents=tuple(sorted(set(a.latent))),
        depths=tuple(sorted(set(a.depth))),
        steps=a.steps,
        seeds=tuple(dict.fromkeys(a.seeds)),
        objects=a.objects,
        size_px=a.size,
        scaling=a.scaling,
    )
    workspace = open_workspace(a.workspace, create=False)
    errors = run_compress(workspace, a.survey, config, a.minutes)
    notes = [*sorted({one.note for one in errors if one.note}), *worse_than_mean(errors)]
    return "\n".join([error_table(errors), *(f"Note: {note}." for note in notes)])


def run_compress(
    workspace: Workspace,
    name: str,
    config: CompressionConfig,
    minutes: float | None = None,
    *,
    quiet: bool = False,
) -> list[LatentError]:
    """Compare as a recorded run whose folder holds reconstruction.json."""
    from core.representation.compression import RESULT, error_by_latent, within_minutes
    from core.run_jobs import open_survey, recorded_job
    from core.survey import RunFolder

    survey = open_survey(workspace, name)
    asked = {**config.as_dict(), "minutes": minutes}
    with recorded_job(workspace, JobKind.COMPRESS, name, asked, quiet=quiet) as (
        run_id,
        progress,
        told,
    ):
        if minutes is not None:
            progress(0.0, "timing a few steps to turn the minutes into steps")
            config = within_minutes(survey, config, minutes)
        with RunFolder(survey, JobKind.COMPRESS, config.as_dict(), run_id=run_id) as run:
            errors = error_by_latent(survey, config, progress)
            record = {"config": config.as_dict(), "errors": [vars(one) for one in errors]}
            (run.path / RESULT).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        best = min(errors, key=lambda one: one.error)
        told.update(fits=len(errors), steps=config.steps, smallest_error=best.error)
    return errors


def error_table(errors: list[LatentError]) -> str:
    """Held-out errors, a line a kind and depth, a column a length of code; the mean over seeds."""
    latents = sorted({one.latent for one in errors})
    lines = ["mean squared error a pixel of held-out pictures, in thousandths"]
    lines.append(f"{'kind':28}" + "".join(f"{latent:>9}" for latent in latents))
    mean_error = sum(one.mean_error for one in errors) / len(errors)
    lines.append(f"{'the mean picture':28}" + f"{1000 * mean_error:9.3f}")
    for kind, depth in dict.fromkeys((one.kind, one.depth) for one in errors):
        label = kind if depth is None else f"{kind}, depth {depth}"
        cells = []
        for latent in latents:
            mine = [
                one.error
                for one in errors
                if (one.kind, one.depth, one.latent) == (kind, depth, latent)
            ]
            cells.append(f"{1000 * sum(mine) / len(mine):9.3f}")
        lines.append(f"{label:28}" + "".join(cells))
    return "\n".join(lines)
