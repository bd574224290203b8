"""The summary of a survey says what is in it, and points at what looks wrong."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import pytest
from mocpy import MOC

from core.measure.morphology import FLAGS, measure_artefacts
from core.spectra import SpectralGrid
from core.survey import Batch, Spectrum, Survey, SurveyWriter
from core.survey.batch import Reject
from core.survey.sky_coverage import (
    FULL_SKY_DEG2,
    MAX_BINS,
    MAX_POINTS,
    healpix_cells,
    sky_coverage,
)
from core.survey.summary import Summary, kept_summary, summarise
from core.survey.summary_columns import MAX_CATEGORIES, ids_at
from core.survey.summary_pixels import PERCENTILES

N = 60


def write(workspace, name="mine", *, images=None, columns=None, rejects=(), **more) -> Survey:
    """A survey of float pictures of two bands, unless told otherwise."""
    settings: dict[str, Any] = {"bands": ("g", "r"), "cutout_size_px": 8, "dtype": "float32"}
    settings |= more
    if images is None:
        images = noise(N)
    n = len(images)
    batch = Batch(
        [f"o{row:03d}" for row in range(n)],
        images,
        columns if columns is not None else [{} for _ in range(n)],
        [f"group{row // 2}" for row in range(n)],
        rejects,
    )
    with SurveyWriter(workspace, name, origin="a test", licence="none", **settings) as writer:
        writer.append(batch)
        return writer.commit()


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(5, 1, (n, 2, 8, 8)).astype(np.float32)


def reasons(found: Summary) -> dict[str, str]:
    return {one.object_id: one.reason for one in found.suspicious}


def on_the_sky(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Uniform over the sphere, degrees."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))


def named(rows: np.ndarray) -> list[str]:
    return [f"o{row}" for row in rows]


def test_counts_and_bands_are_those_of_the_pixels(workspace):
    images = noise(N)
    images[3, 0, :2] = np.nan
    images[5, 1, 0, :4] = 0
    found = summarise(write(workspace, images=images))
    assert (found.n_objects, found.n_images, found.n_groups, found.n_spectra) == (N, N, N // 2, 0)
    for number, band in enumerate(found.bands):
        plane = images[:, number].astype(np.float64)
        known = plane[np.isfinite(plane)]
        assert band.low == known.min()
        assert band.high == known.max()
        assert band.mean == pytest.approx(known.mean(), rel=1e-12)
        assert band.std == pytest.approx(known.std(), rel=1e-9)
        assert band.nan_share == pytest.approx(np.isnan(plane).mean())
        assert band.zero_share == pytest.approx((plane == 0).mean())
        # All pixels fit into the sample, so percentiles are exact.
        assert band.percentiles == pytest.approx(np.percentile(known, PERCENTILES), rel=1e-6)
        assert len(band.counts) == 64
        assert 0.997 * known.size < sum(band.counts) < known.size
    assert found.bands[0].nan_share > 0
    assert found.bands[1].zero_share > 0


def test_eight_bit_histograms_count_each_value(workspace):
    images = np.random.default_rng(1).integers(0, 256, (10, 1, 8, 8), dtype=np.uint8)
    found = summarise(write(workspace, images=images, bands=("L",), dtype="uint8"))
    expected, edges = np.histogram(images, 64, (0, 256))
    assert found.bands[0].counts == tuple(expected.tolist())
    assert found.bands[0].edges == tuple(edges.tolist())


def test_artefact_flags_are_counted_and_shown(workspace):
    images = np.random.default_rng(0).normal(50, 1, (30, 2, 32, 32)).astype(np.float32)
    images[2] = 0
    images[3:12, :, :, 5] = -99
    images[11, 0, :16] = np.nan
    y, x = np.mgrid[:32, :32]
    images[20, :, abs(x - y) <= 1] += 9
    images[21, 1, :9] += 9
    found = summarise(write(workspace, images=images, cutout_size_px=32))
    counts = {one.name: one.count for one in found.flags}
    artefacts = measure_artefacts(images)
    assert counts == {one.name: int(artefacts.flag(one.name).sum()) for one in FLAGS}
    assert (counts["dead_line"], counts["empty"], counts["missing"]) == (9, 1, 1)
    examples = {one.name: one.examples for one in found.flags}
    assert examples["dead_line"] == tuple(f"o{row:03d}" for row in range(3, 9))
    assert examples["trail"] == ("o020",)
    said = reasons(found)
    assert said["o003"] == "1 row or column has no value, or one that others lack"
    assert said["o020"] == "a straight bright line crosses it"
    assert "sigma along a whole row" in said["o021"]
    # A kept summary says the same.
    assert Summary.from_dict(json.loads(json.dumps(found.as_dict()))).flags == found.flags


def test_what_looks_wrong_is_named_with_its_reason(workspace):
    images = noise(N)
    images[0] = 0
    images[1] = 7
    images[2, :, :4] = np.nan
    images[3, 1] = 2.5
    images[5] = images[4]
    images[6, 0].flat[:12] = 40
    images[7, 1, 4, 4] = 1e5
    found = summarise(write(workspace, images=images))
    assert reasons(found) == {
        "o000": "every pixel is zero",
        "o001": "every pixel has one value",
        "o002": "50% of its pixels are missing",
        "o003": "every pixel of r has one value",
        "o005": "the same picture as o004",
        "o006": "18.8% of band g is at its brightest value 40",
        "o007": reasons(found)["o007"],
    }
    assert reasons(found)["o007"].startswith("its brightest pixel in r (1e+05) lies ")
    assert sum(n for _reason, n in found.suspicious_counts) == 7


def test_ordinary_pictures_are_not_suspected(workspace):
    assert summarise(write(workspace)).suspicious == ()
    faint = np.random.default_rng(2).integers(0, 4, (40, 1, 8, 8), dtype=np.uint8)
    found = summarise(write(workspace, "faint", images=faint, bands=("L",), dtype="uint8"))
    assert found.suspicious == ()  # many pixels at 3, which is no limit of the detector


def test_columns_of_every_kind(workspace):
    columns = [
        {
            "mag": float(row) if row % 10 else float("nan"),
            "id64": 2**60 + row,
            "kind": ["star", "galaxy", "galaxy"][row % 3],
            "name": f"J{row}",
            "good": row % 4 == 0,
            "hole": None,
        }
        for row in range(N)
    ]
    found = {one.name: one for one in summarise(write(workspace, columns=columns)).columns}
    assert list(found) == ["mag", "id64", "kind", "name", "good", "hole"]
    mag = found["mag"]
    values = [row for row in range(N) if row % 10]
    assert (mag.low, mag.high, mag.n_missing) == (1.0, N - 1.0, N // 10)
    assert mag.median == float(np.median(values))
    assert (found["id64"].low, found["id64"].high) == (2**60, 2**60 + N - 1)
    assert found["id64"].kind == "whole number"
    assert found["kind"].top == (("galaxy", 2 * N // 3), ("star", N // 3))
    assert (found["name"].top, found["name"].n_distinct) == ((), N)
    assert found["good"].top == (("no", 3 * N // 4), ("yes", N // 4))
    assert (found["hole"].n_missing, found["hole"].median) == (N, None)


def test_an_empty_text_is_listed_by_a_word(workspace):
    columns = [{"kind": "" if row % 4 else "star", "gap": " "} for row in range(N)]
    found = {one.name: one for one in summarise(write(workspace, columns=columns)).columns}
    assert found["kind"].top == (("(empty)", 3 * N // 4), ("star", N // 4))
    assert found["gap"].top == (("(empty)", N),)


def test_a_column_of_too_many_names_is_not_counted(workspace):
    n = MAX_CATEGORIES + 5
    images = np.broadcast_to(noise(1), (n, 2, 8, 8))
    columns = [{"name": f"J{row}"} for row in range(n)]
    found = summarise(write(workspace, images=images, columns=columns), sample=10)
    assert (found.columns[0].n_distinct, found.columns[0].top) == (None, ())


def test_reject_reasons_are_gathered(workspace):
    rejects = [
        *(Reject(f"f{n}.png", f"its object_id 'a{n}' is taken by row {n}") for n in range(5)),
        Reject("cut.fits", "is cut short"),
    ]
    found = summarise(write(workspace, rejects=rejects))
    assert found.n_rejects == 6
    assert found.reject_reasons == (
        ("its object_id … is taken by row …", 5),
        ("is cut short", 1),
    )


def test_a_sample_is_bounded_and_repeats(workspace):
    survey = write(workspace, images=noise(200))
    one = summarise(survey, sample=50, seed=3)
    assert one.n_measured == 50
    other = Summary.from_dict(json.loads(json.dumps(one.as_dict())))
    assert other == one
    again = summarise(survey, sample=50, seed=4)
    assert again.bands != one.bands
    third = summarise(survey, sample=50, seed=3)  # another was kept meanwhile: made anew
    assert (third.bands, third.examples) == (one.bands, one.examples)


def test_a_summary_is_kept_and_not_believed_when_damaged(workspace):
    survey = write(workspace)
    made = summarise(survey)
    path = survey.folder / "summaries" / "1.json"
    assert kept_summary(survey) == made
    text = path.read_text()
    for damaged in ("", text[:200], "[]", "null", '{"format": 1}', text.replace('"bands"', '"b"')):
        path.write_text(damaged)
        assert kept_summary(survey) is None
    path.write_text(text.replace(survey.manifest.content_hash, "0" * 64))
    assert kept_summary(survey) is None
    again = summarise(survey)
    assert again.bands == made.bands
    assert kept_summary(survey) == again
    assert os.listdir(path.parent) == ["1.json"]


def test_a_folder_that_cannot_be_written_costs_only_the_keeping(workspace):
    survey = write(workspace)
    (survey.folder / "summaries").write_text("in the way")
    assert summarise(survey).n_objects == N
    assert kept_summary(survey) is None


def test_spectra(workspace):
    grid = SpectralGrid.between(4000, 5000)
    rng = np.random.default_rng(0)
    spectra: list[Spectrum | None] = []
    for row in range(30):
        mask = np.zeros(grid.n, bool)
        mask[:100] = True
        flux = np.full(grid.n, 8.0, np.float32) + rng.normal(0, 1e-3, grid.n).astype(np.float32)
        ivar = np.full(grid.n, 4.0, np.float32)
        spectra.append(None if row % 10 == 9 else Spectrum(flux, ivar, mask))
    spectra[0] = Spectrum(flux, ivar, np.ones(grid.n, bool))
    batch = Batch([f"s{row}" for row in range(30)], None, [{} for _ in range(30)], spectra=spectra)
    with SurveyWriter(
        workspace,
        "spectra",
        bands=(),
        cutout_size_px=0,
        dtype="float32",
        grid=grid,
        origin="a test",
        licence="none",
    ) as writer:
        writer.append(batch)
        survey = writer.commit()
    found = summarise(survey)
    assert (found.n_spectra, found.n_images, found.bands) == (27, 0, ())
    spectrum = found.spectra
    assert spectrum is not None
    assert (spectrum.n_objects, spectrum.n_pixels) == (27, grid.n)
    assert spectrum.used_low_angstrom == pytest.approx(grid.wavelength[100])
    assert spectrum.high_angstrom == pytest.approx(grid.wavelength[-1])
    assert spectrum.snr == pytest.approx((16.0, 16.0, 16.0), rel=1e-3)
    assert spectrum.masked_share == pytest.approx((26 * 100 + grid.n) / (27 * grid.n))
    assert reasons(found) == {"s0": "every pixel of its spectrum is masked"}
    assert found.modalities == ("spectra",)


def test_positions_of_a_survey(workspace):
    rng = np.random.default_rng(0)
    ra = (rng.uniform(-1, 1, N) % 360).tolist()
    dec = rng.uniform(-1, 1, N).tolist()
    columns = [{"RA": a, "DEC": d} for a, d in zip(ra, dec, strict=True)]
    columns[4] = {"RA": None, "DEC": None}
    found = summarise(write(workspace, columns=columns))
    assert found.n_positions == N - 1
    sky = found.sky
    assert sky is not None
    known = [row for row in range(N) if row != 4]
    assert sky.ra_min_deg == min(ra[row] for row in known if ra[row] > 180)
    assert sky.ra_max_deg == max(ra[row] for row in known if ra[row] < 180)
    assert sky.point_ids == tuple(f"o{row:03d}" for row in known)
    assert sum(n for _ra, _dec, n in sky.bins) == N - 1


def test_a_survey_without_positions_has_no_sky(workspace):
    assert summarise(write(workspace)).sky is None


@pytest.mark.parametrize("order", [0, 1, 3, 9, 13])
def test_healpix_cells_are_those_of_mocpy(order):
    ra, dec = on_the_sky(3000, seed=order)
    close = 90 - 10 ** np.random.default_rng(0).uniform(-9, 0, 500)
    ra = np.concatenate([ra, np.linspace(0, 359, 500), np.linspace(0, 359, 500)])
    dec = np.concatenate([dec, close, -close])
    import astropy.units as u

    theirs = MOC.from_lonlat(ra * u.deg, dec * u.deg, max_norder=order).flatten()
    assert np.array_equal(np.unique(healpix_cells(ra, dec, order)), theirs.astype(np.int64))


def test_the_area_of_a_field_is_its_area():
    rng = np.random.default_rng(0)
    ra, dec = 359 + rng.uniform(0, 2, 40_000), rng.uniform(29, 31, 40_000)
    sky = sky_coverage(ra % 360, dec, named)
    assert sky is not None
    area = np.radians(2) * (np.sin(np.radians(31)) - np.sin(np.radians(29))) * (180 / np.pi) ** 2
    assert sky.area_deg2 == pytest.approx(area, rel=0.1)
    assert sky.sky_fraction == pytest.approx(sky.area_deg2 / FULL_SKY_DEG2)
    assert not sky.is_thin
    moc = MOC.from_string(sky.moc_json, "json")
    assert moc.sky_fraction == pytest.approx(sky.sky_fraction)
    import astropy.units as u

    assert moc.contains_lonlat(ra * u.deg, dec * u.deg).all()
    assert (len(sky.points), len(sky.point_ids)) == (MAX_POINTS, MAX_POINTS)
    assert len(sky.bins) <= MAX_BINS
    assert sum(n for _ra, _dec, n in sky.bins) == 40_000


def test_a_few_objects_far_apart_have_no_area():
    ra, dec = on_the_sky(40)
    sky = sky_coverage(ra, dec, named)
    assert sky is not None
    assert sky.is_thin
    assert sky.n_cells == 40


def test_the_middle_of_a_bin_at_the_seam_and_at_a_pole():
    seam = sky_coverage(np.array([359.9999] * 2000 + [0.0001] * 2000), np.zeros(4000), named)
    assert seam is not None
    assert (seam.ra_min_deg, seam.ra_max_deg) == (359.9999, 0.0001)
    assert all(min(ra, 360 - ra) < 0.001 for ra, _dec, _n in seam.bins)
    pole = sky_coverage(np.array([0.0, 90, 180, 270]), np.full(4, 89.9999), named)
    assert pole is not None
    assert all(dec > 89.99 for _ra, dec, _n in pole.bins)


def test_positions_that_are_unknown_are_left_out():
    assert sky_coverage(np.array([np.nan, 1.0]), np.array([1.0, np.nan]), named) is None


def test_ids_of_some_rows(workspace):
    survey = write(workspace)
    catalogue = survey.path / "catalogue.parquet"
    assert ids_at(catalogue, np.array([0, 7, N - 1])) == ["o000", "o007", f"o{N - 1:03d}"]
    assert ids_at(catalogue, np.empty(0, int)) == []
