"""Do a few groups of an embedding collect the artefacts of a survey? The artefact-sorting study
again, end to end, on simulated tar files whose truth is known.

2,000 galaxies seen by four cameras each; a twentieth of the 8,000 views is spoilt. FITS files in
tar files are imported by the tar reader, which has to find out by itself what is a view of what.
Dense and convolutional autoencoder, trained on this survey alone, and the default fusion embed
it; K-means makes 3, 6 and 7 groups by three seeds. Groups are given up by the share of their
objects that a label-free flag marks, or by their mean zero-flux fraction, both read off the
native pixels; the truth only measures. Survey and embeddings stay in the workspace, and a second
run takes them from there.

OMP_NUM_THREADS=1 python -m benchmarks.artefact_study
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.artefact_study_curves import GivenUp, given_up, in_worst
from benchmarks.artefact_study_drawing import draw_curves, draw_maps
from benchmarks.artefact_study_networks import ENTRIES, Spent, embedded
from benchmarks.artefact_study_sky import GOOD, KINDS, VIEWS, deal_out, write_tars
from benchmarks.common import arguments, report
from core.errors import NotFound
from core.mapping.groups import group
from core.measure.morphology.artefacts import measure_artefacts
from core.representation import Embedding
from core.survey import Survey, import_survey
from core.workspace import Workspace, open_workspace

N_GALAXIES = 2000
STUDIED = 7
NUMBERS_OF_GROUPS = (3, 6, STUDIED, 30)
"""Those of the study, and one that asks whether more groups would do better."""

LEADING = 8
"""A network's numbers have unit variance each, down to directions that hold next to none of the
spread of its codes; the first of them alone are what `--set components=8` embeds."""

MAPS = (
    f"dense autoencoder, leading {LEADING}",
    f"convolutional autoencoder, leading {LEADING}",
    "default fusion",
)
CURVES = ("dense autoencoder", *MAPS)
SEEDS = (0, 1, 2)
WORST = 2
SHOWN_SHARES = (0.05, 0.1, 0.2)
MAPPED = 2000
MOST_SHOWN = 0.6
LARGE = 0.2
"""Zero-flux fraction from which nobody would overlook it."""

DOCS = Path(__file__).parents[1] / "docs"
_BLOCK = 512

Variant = tuple[NDArray[np.float32], NDArray[np.bool_]]
"""(N, D) numbers, and (N,) whether the encoder saw anything."""

Groupings = dict[tuple[str, int], list[NDArray[np.int32]]]
"""Embedding and number of groups -> (N,) groups by each seed."""


@dataclass(frozen=True, eq=False)
class Study:
    """A survey with its truth and what is read off its pixels, row-aligned.

    Attributes
    ----------
    kinds
        (N,) "good" or the kind of artefact.
    flags
        (N,) how many artefact flags are raised.
    zero_share
        (N,) exactly zero pixels of the native picture.
    """

    survey: Survey
    kinds: NDArray[np.str_]
    flags: NDArray[np.int64]
    zero_share: NDArray[np.float64]

    @property
    def artefact(self) -> NDArray[np.bool_]:
        return np.asarray(self.kinds != GOOD)

    @property
    def orders(self) -> dict[str, NDArray[np.float64]]:
        """What groups are given up by; the truth stands for the best order there could be."""
        return {
            "flags": (self.flags > 0).astype(float),
            "zero flux": self.zero_share,
            "truth": self.artefact.astype(float),
        }

    @property
    def parts(self) -> dict[str, NDArray[np.bool_]]:
        """What is counted by itself: each kind of artefact, large zero regions, good objects."""
        found = {kind: np.asarray(self.kinds == kind) for kind in KINDS}
        large = self.zero_share > LARGE
        found[f"zero flux above {LARGE:.0%}"] = self.artefact & large
        return {**found, GOOD: ~self.artefact}


def prepared(workspace: Workspace, n_galaxies: int, seed: int, spent: Spent) -> Study:
    """The survey, imported from tar files if it is not there."""
    views = deal_out(n_galaxies, seed)
    name = f"artefacts_{n_galaxies}_{seed}"
    try:
        survey = Survey.open(workspace, name)
    except NotFound:
        with tempfile.TemporaryDirectory(prefix="skysift-tars-") as folder:
            with spent.on("simulation"):
                write_tars(Path(folder) / "tars", views, seed)
            with spent.on("import"):
                survey = import_survey(workspace, Path(folder) / "tars", name)
    assert len(survey) == len(views), survey.manifest
    kind_of = {view.object_id: view.kind for view in views}
    ids = [str(one) for one in survey.object_ids]
    galaxies = survey.catalogue["group_id"].tolist()
    assert galaxies == [one.rpartition("_")[0] for one in ids], "views were not recognised"
    assert len(set(galaxies)) == len(views) / VIEWS
    flags, zeros = [], []
    for start in range(0, len(survey), _BLOCK):
        found = measure_artefacts(survey.images(slice(start, start + _BLOCK)))
        flags.append(found.flags.sum(axis=1))
        zeros.append(found.number("zero_share").astype(float))
    kinds = np.array([kind_of[one] for one in ids])
    return Study(survey, kinds, np.concatenate(flags), np.concatenate(zeros))


def variants(embeddings: dict[str, Embedding]) -> dict[str, Variant]:
    """Every embedding, and of networks trained here their leading numbers alone as well."""
    found: dict[str, Variant] = {}
    for title, one in embeddings.items():
        found[title] = (one.rows(), one.mask)
        if ENTRIES[title].steps:
            found[f"{title}, leading {LEADING}"] = (one.rows()[:, :LEADING], one.mask)
    return found


def grouped(given: dict[str, Variant]) -> Groupings:
    """Groups of every embedding and number, by each seed."""
    return {
        (title, k): [group(values, k=k, seed=seed, unseen=~mask).groups for seed in SEEDS]
        for title, (values, mask) in given.items()
        for k in NUMBERS_OF_GROUPS
    }


def compared(study: Study, groupings: Groupings) -> list[list[Any]]:
    """A row an embedding, number of groups and order: means over the seeds."""
    artefact, by_flags = study.artefact, study.orders["flags"]
    rows = []
    for (title, k), found in groupings.items():
        orders = study.orders if k == STUDIED else {"flags": by_flags}
        for order, badness in orders.items():
            curves = [given_up(groups, badness, artefact) for groups in found]
            rows.append([title, k, order, *figures(curves, WORST)])
        if k >= STUDIED:
            curves = [flags_then_groups(study, groups) for groups in found]
            words = "flagged objects, then flags"
            rows.append([title, k, words, *figures(curves, 1 + WORST)])
    flagged = given_up(study.flags > 0, by_flags, artefact)
    rows.append(["none", "", "flagged objects", *figures([flagged], 1)])
    n, n_flagged, n_spoilt = len(artefact), flagged.objects[1], int(artefact.sum())
    line = GivenUp(
        np.array([0.0, n_flagged, n]), np.array([0.0, n_spoilt * n_flagged / n, n_spoilt])
    )
    rows.append(["none", "", "at random", *figures([line], 1)])
    return rows


def flags_then_groups(study: Study, groups: NDArray[np.int32]) -> GivenUp:
    """All flagged objects first, then what is left of the groups by the share that was flagged."""
    flagged = study.flags > 0
    _, own = np.unique(groups, return_inverse=True)
    share = np.bincount(own, weights=flagged) / np.bincount(own)
    return given_up(
        np.where(flagged, own.max() + 1, own), np.where(flagged, 2.0, share[own]), study.artefact
    )


def figures(curves: list[GivenUp], n_groups: int) -> list[Any]:
    """What the worst groups collect, and the purity at `SHOWN_SHARES`."""
    collected = [curve.collected(n_groups) for curve in curves]
    return [
        float(np.mean([curve.share(n_groups) for curve in curves])),
        float(np.mean(collected)),
        f"{min(collected):.2f} to {max(collected):.2f}",
        float(np.mean([curve.lost(n_groups) for curve in curves])),
        float(np.mean([curve.purity(n_groups) for curve in curves])),
        *(float(np.mean([one.purity_at(share) for one in curves])) for share in SHOWN_SHARES),
    ]


def by_kind(study: Study, groupings: Groupings) -> list[list[Any]]:
    """Of each kind, the share in the two worst of seven groups (mean over the seeds)."""
    rows = []
    for title in dict.fromkeys(title for title, _ in groupings):
        found = groupings[title, STUDIED]
        taken = np.mean([in_worst(one, study.orders["flags"], WORST) for one in found], axis=0)
        rows.append([title, *(float(taken[which].mean()) for which in study.parts.values())])
    flagged = study.orders["flags"]
    rows.append(["flagged", *(float(flagged[which].mean()) for which in study.parts.values())])
    return rows


def drawn(study: Study, given: dict[str, Variant], groupings: Groupings, seed: int) -> None:
    """The curves at seven groups, and t-SNE of the same 2,000 objects by each embedding."""
    from sklearn.manifold import TSNE

    artefact, flags = study.artefact, study.orders["flags"]
    curves = {
        f"{title}, {STUDIED} groups": given_up(groupings[title, STUDIED][0], flags, artefact)
        for title in CURVES
    }
    curves["flagged objects"] = given_up(study.flags > 0, flags, artefact)
    curves["at random"] = given_up(np.zeros(len(flags), int), flags, artefact)
    shares = np.linspace(0, MOST_SHOWN, 121)
    lines = {
        title: (shares.tolist(), [curve.purity_at(float(share)) for share in shares])
        for title, curve in curves.items()
    }
    draw_curves(DOCS / "artefact-curves.svg", lines, lowest=0.94, most=MOST_SHOWN)
    seen = np.all([mask for _, mask in given.values()], axis=0)
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(np.flatnonzero(seen))[:MAPPED])
    maps = {
        title: TSNE(init="pca", random_state=seed).fit_transform(given[title][0][rows])
        for title in MAPS
    }
    draw_maps(DOCS / "artefact-tsne.svg", maps, study.zero_share[rows])


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--galaxies", type=int, default=N_GALAXIES)
    parser.add_argument("--seed", type=int, default=0, help="of galaxies and artefacts")
    parser.add_argument("--no-figures", action="store_true", help="leave docs/*.svg as they are")
    a = parser.parse_args()
    torch.set_num_threads(1)  # sums of several threads end in any order
    workspace = open_workspace(a.workspace)
    spent = Spent(workspace.root / f"artefact_study_{a.galaxies}_{a.seed}.json")
    study = prepared(workspace, a.galaxies, a.seed, spent)
    embeddings = {one: embedded(workspace, study.survey, one, spent) for one in ENTRIES}
    with spent.on("groups"):
        given = variants(embeddings)
        groupings = grouped(given)
    settings = {
        "galaxies": a.galaxies,
        "views": len(study.kinds),
        "artefacts": int(study.artefact.sum()),
        "flagged": int((study.flags > 0).sum()),
        "unseen": {name: int((~one.mask).sum()) for name, one in embeddings.items()},
        "seed": a.seed,
        "group_seeds": list(SEEDS),
        "steps": {title: one.steps for title, one in ENTRIES.items() if one.steps},
        "processor_minutes": spent.minutes,
    }
    report(
        "artefact_study",
        [
            *("embedding", "groups", "given up by", "objects given up", "artefacts collected"),
            *("over the seeds", "good lost", "good in the rest"),
            *(f"good in the rest at {share:.0%}" for share in SHOWN_SHARES),
        ],
        compared(study, groupings),
        settings,
    )
    print()
    report(
        "artefact_study_kinds",
        [f"in the two worst of {STUDIED} groups", *study.parts],
        by_kind(study, groupings),
        {"objects": {name: int(which.sum()) for name, which in study.parts.items()}},
    )
    if not a.no_figures:
        with spent.on("figures"):
            drawn(study, given, groupings, a.seed)


if __name__ == "__main__":
    main()
