"""Labelled sets of pictures as surveys, with the truth beside them where only benchmarks look."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.common import demo_workspace
from benchmarks.injection import inject
from core.errors import NotReady
from core.survey import Batch, Survey, SurveyWriter
from core.workspace import Workspace

FIRST_CLASSES = ("FRI", "FRII", "Compact", "Bent")
_BATCH = 256


@dataclass(frozen=True)
class LabelledSet:
    """A survey with its truth.

    Attributes
    ----------
    labels
        (N,) class of each row.
    targets
        Classes to tell from all others.
    separation_fwhm
        (N,) of injected nuclei, NaN elsewhere; None for other sets.
    thin
        Whether each target is also measured with all but a hundredth of it left out.
    """

    survey: Survey
    labels: NDArray[np.str_]
    targets: tuple[str, ...]
    separation_fwhm: NDArray[np.float64] | None = None
    thin: bool = False


def labelled_set(name: str, workspace: Workspace, data: Path | None) -> LabelledSet:
    """The set of that name; its survey is made where it is not there yet.

    Raises
    ------
    NotReady
        It needs `--data`, or a package that is not installed.
    """
    return SETS[name](workspace, data)


def _simulated(workspace: Workspace, _data: Path | None) -> LabelledSet:
    demo_workspace(str(workspace.root), "simulated")
    labels, separations = _truth(workspace, "simulated")
    targets = ("dual_nucleus", "lens", "artefact")
    return LabelledSet(Survey.open(workspace, "simulated"), labels, targets, separations)


def _injected(workspace: Workspace, data: Path | None) -> LabelledSet:
    name = "injected"
    if not workspace.truth(name).exists():
        files = sorted((_folder(data, "sdss_unlabelled") / "images").iterdir())
        images = np.stack([_colour(file) for file in files])
        made = inject(images)
        _make(
            workspace,
            name,
            [file.stem for file in files],
            made.images.transpose(0, 3, 1, 2),
            made.labels,
            made.separation_fwhm,
        )
    labels, separations = _truth(workspace, name)
    return LabelledSet(Survey.open(workspace, name), labels, ("dual_nucleus",), separations)


def _sdss_spiral(workspace: Workspace, data: Path | None) -> LabelledSet:
    name = "sdss_spiral"
    if not workspace.truth(name).exists():
        folder = _folder(data, name)
        truth = _table(folder / "labels.csv")
        rows = [row for row in truth if _file(folder, row["object_id"]) is not None]
        images = np.stack([_colour(_there(folder, row["object_id"])) for row in rows])
        ids = [row["object_id"] for row in rows]
        labels = np.array([row["label"] for row in rows])
        _make(workspace, name, ids, images.transpose(0, 3, 1, 2), labels)
    labels, _ = _truth(workspace, name)
    return LabelledSet(Survey.open(workspace, name), labels, ("spiral", "non_spiral"), thin=True)


def _lens_candidates(workspace: Workspace, data: Path | None) -> LabelledSet:
    name = "lens_candidates"
    if not workspace.truth(name).exists():
        folder = _folder(data, name)
        rows = _table(folder / "catalogue.csv")
        images = np.stack([_colour(_there(folder, row["object_id"])) for row in rows])
        good = ["lens" if float(row["grade"]) >= 2 else "other" for row in rows]
        ids = [row["object_id"] for row in rows]
        _make(workspace, name, ids, images.transpose(0, 3, 1, 2), np.array(good))
    labels, _ = _truth(workspace, name)
    return LabelledSet(Survey.open(workspace, name), labels, ("lens",))


def _star_galaxy(workspace: Workspace, data: Path | None) -> LabelledSet:
    name = "star_galaxy"
    if not workspace.truth(name).exists():
        with np.load(_folder(data, name) / "data.npz") as found:
            images, ids = found["images"][:, None], found["ids"]
            labels = found["class_names"][found["labels"]]
        _make(workspace, name, [str(one) for one in ids], images, labels)
    labels, _ = _truth(workspace, name)
    targets = tuple(sorted({str(one) for one in labels}))
    return LabelledSet(Survey.open(workspace, name), labels, targets, thin=True)


def _first(workspace: Workspace, _data: Path | None) -> LabelledSet:
    import h5py

    name = "first"
    if not workspace.truth(name).exists():
        spec = find_spec("firstgalaxydata")
        if spec is None or spec.origin is None:
            raise NotReady(
                "The FIRST radio galaxies come with a package; get it with"
                " `pip install --no-deps firstgalaxydata`."
            )
        with zipfile.ZipFile(Path(spec.origin).with_name("galaxy_data_h5.zip")) as archive:
            member = archive.namelist()[0]
            with h5py.File(io.BytesIO(archive.read(member))) as found:
                keys = sorted(found, key=lambda key: int(key.rpartition("_")[2]))
                images = np.stack([found[key]["Img"][()] for key in keys])
                numbers = [int(found[key]["Label_literature"][()]) for key in keys]
        edge = (images.shape[1] - 150) // 2  # a source fills a fraction of its 300 px
        images = images[:, None, edge : edge + 150, edge : edge + 150]
        labels = np.array([FIRST_CLASSES[number] for number in numbers])
        _make(workspace, name, keys, images, labels)
    labels, _ = _truth(workspace, name)
    return LabelledSet(Survey.open(workspace, name), labels, FIRST_CLASSES, thin=True)


SETS: dict[str, Callable[[Workspace, Path | None], LabelledSet]] = {
    "simulated": _simulated,
    "injected": _injected,
    "sdss_spiral": _sdss_spiral,
    "star_galaxy": _star_galaxy,
    "lens_candidates": _lens_candidates,
    "first": _first,
}


def _folder(data: Path | None, name: str) -> Path:
    if data is None or not (data / name).is_dir():
        raise NotReady(f"The set {name} is read from a folder of that name; give it by --data.")
    return data / name


def _table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def _file(folder: Path, name: str) -> Path | None:
    for suffix in (".jpg", ".png"):
        path = folder / "images" / f"{name}{suffix}"
        if path.exists():
            return path
    return None


def _there(folder: Path, name: str) -> Path:
    path = _file(folder, name)
    if path is None:
        raise NotReady(f"There is no picture of {name} in {folder / 'images'}; get the set anew.")
    return path


def _colour(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def _make(
    workspace: Workspace,
    name: str,
    ids: Sequence[str],
    images: NDArray[np.uint8],
    labels: NDArray[np.str_],
    separations: NDArray[np.float64] | None = None,
) -> None:
    """A survey of (N, band, y, x) pictures and its truth file."""
    bands = ("red", "green", "blue") if images.shape[1] == 3 else ("grey",)
    with SurveyWriter(
        workspace,
        name,
        bands=bands,
        cutout_size_px=images.shape[-1],
        dtype="uint8",
        origin=f"The benchmark set {name}.",
        licence="For measuring with.",
    ) as writer:
        for start in range(0, len(ids), _BATCH):
            part = slice(start, start + _BATCH)
            chosen = list(ids[part])
            writer.append(Batch(chosen, images[part], [{} for _ in chosen]))
        writer.commit()
    path = workspace.truth(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as handle:
        table = csv.writer(handle)
        table.writerow(("object_id", "label", "separation_fwhm"))
        numbers = separations if separations is not None else np.full(len(ids), np.nan)
        for one, label, number in zip(ids, labels, numbers, strict=True):
            table.writerow((one, label, "" if np.isnan(number) else f"{number:.4f}"))


def _truth(workspace: Workspace, name: str) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
    """Labels and separations in row order."""
    survey = Survey.open(workspace, name)
    rows = {row["object_id"]: row for row in _table(workspace.truth(name))}
    found = [rows[str(one)] for one in survey.object_ids]
    labels = np.array([row["label"] for row in found])
    return labels, np.array([float(row["separation_fwhm"] or "nan") for row in found])
