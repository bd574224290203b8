"""The encoders of surveys without pictures, through the whole path."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.errors import NotReady
from core.representation import ENCODERS, default_encoder, embed, encoder_name, load_embedding
from core.representation.components import Components
from core.representation.encoders.columns import ColumnsEncoder
from core.representation.encoders.spectrum_pca import lines_and_shape
from core.spectra import SpectralGrid
from core.survey import Batch, Survey, SurveyWriter, finished_runs
from core.survey.batch import Spectrum
from core.vocabulary import JobKind
from core.workspace import open_workspace

GRID = SpectralGrid.between(4000, 8000, 2e-4)
COUNT = 60
RNG = np.random.default_rng(3)


def made(number: int) -> Spectrum | None:
    """Noisy continua; every tenth has broad emission, one nothing, one no good pixel."""
    if number == 5:
        return None
    wave = GRID.wavelength
    flux = RNG.uniform(1, 50) * (wave / 6000) ** RNG.uniform(-2, 2)
    if number % 10 == 0:
        flux = flux * (1 + 1.5 * np.exp(-(((wave - 5600) / 60) ** 2)))
    sigma = 0.05 * flux.mean()
    mask = RNG.random(GRID.n) < 0.05
    if number == 7:
        mask[:] = True
    values = np.where(mask, 0, flux + RNG.normal(0, sigma, GRID.n)).astype("f4")
    return Spectrum(values, np.where(mask, 0, sigma**-2).astype("f4"), mask)


@pytest.fixture(scope="module")
def survey(tmp_path_factory) -> Survey:
    writer = SurveyWriter(
        open_workspace(tmp_path_factory.mktemp("spectra") / "ws"),
        "spectra",
        bands=(),
        cutout_size_px=0,
        dtype="uint8",
        grid=GRID,
        origin="test",
        licence="none",
    )
    ids = [f"S{number}" for number in range(COUNT)]
    columns = [
        {
            "ra": float(number),
            "colour": float(np.sin(number)) if number % 7 else None,
            "kind": "ab"[number % 2],
            "same": 1.0,
        }
        for number in range(COUNT)
    ]
    with writer:
        writer.append(Batch(ids, None, columns, spectra=[made(number) for number in range(COUNT)]))
        return writer.commit()


def test_a_survey_of_spectra_is_searched_by_its_spectra(survey):
    assert default_encoder(survey) == encoder_name("default", survey) == "spectrum_pca"
    assert encoder_name("default") == "fusion"
    first, second = embed(survey), embed(survey)
    assert first.encoder == "spectrum_pca"
    assert load_embedding(survey).run_id == second.run_id
    assert np.array_equal(first.values, second.values, equal_nan=True)
    assert first.values.shape[1] <= 32
    assert np.flatnonzero(~first.mask).tolist() == [5]
    assert np.isfinite(first.values[first.mask]).all()
    run = next(r for r in finished_runs(survey, JobKind.EMBED) if r.run_id == second.run_id)
    again = ENCODERS["spectrum_pca"].load(run.path, run.record["result"])
    codes = again.encode(survey.spectra(np.arange(4)))
    assert codes == pytest.approx(np.asarray(second.values[:4]), rel=1e-3, abs=1e-4)


def test_what_has_the_line_lies_together(survey):
    """Whatever its brightness and colour: the nearest of each emitter is an emitter."""
    embedding = embed(survey)
    rows = np.flatnonzero(embedding.mask)
    rows = rows[rows != 7]
    values = embedding.values[rows]
    distance = ((values[:, None] - values[None]) ** 2).sum(2)
    np.fill_diagonal(distance, np.inf)
    emits = rows % 10 == 0
    assert np.array_equal(emits[distance.argmin(1)], emits)


def test_lines_are_measured_in_their_continuum(survey):
    flux, ivar, mask = survey.spectra(np.arange(10, 30))
    lines, shape = lines_and_shape(flux, ivar, mask)
    brighter = lines_and_shape(flux * 7, ivar / 49, mask)
    np.testing.assert_allclose(lines, brighter[0], atol=1e-4)
    np.testing.assert_allclose(shape, brighter[1], rtol=1e-4)
    assert lines.shape[1] <= 512
    nothing = lines_and_shape(flux * 0, ivar * 0, ~(mask & False))
    assert not nothing[0].any()
    assert not nothing[1].any()


def test_columns_of_any_survey(survey):
    embedding = embed(survey, "columns")
    assert embedding.mask.all()
    # colour, its flag of missing values, and the two kinds, which say the same
    assert embedding.values.shape == (COUNT, 3)
    run = next(r for r in finished_runs(survey, JobKind.EMBED) if r.run_id == embedding.run_id)
    result = run.record["result"]
    assert [column["name"] for column in result["columns"]] == ["colour", "kind"]
    again = ENCODERS["columns"].load(run.path, result)
    codes = again.encode(survey.catalogue.iloc[:4])
    assert codes == pytest.approx(np.asarray(embedding.values[:4]), rel=1e-3, abs=1e-4)


class Table:
    """A stand-in for a survey that is a table."""

    name = "table"

    def __init__(self, **columns):
        self.catalogue = pd.DataFrame(columns)
        self.column_info: dict[str, object] = {}

    def __len__(self) -> int:
        return len(self.catalogue)


def fitted(**columns) -> tuple[ColumnsEncoder, pd.DataFrame]:
    table = Table(**columns)
    encoder = ColumnsEncoder()
    encoder.fit(table, lambda *_: None)  # type: ignore[arg-type]
    return encoder, table.catalogue


def test_names_that_say_who_and_where_are_left_out():
    rng = np.random.default_rng(0)
    names = [
        "objid",
        "SPECOBJID",
        "brick_id",
        "RA",
        "dec",
        "raj2000",
        "wcs_crval1",
        "x_px",
        "l",
        "b",
    ]
    names += ["file_name", "plate", "fiberid", "file_size", "width_px", "glon", "PLUG_RA"]
    names += ["radius", "g_mag", "z", "decay", "width", "bmag", "idea", "period"]
    encoder, _table = fitted(**{name: rng.normal(size=30) for name in names})
    used = [column.name for column in encoder.columns]
    assert used == ["radius", "g_mag", "z", "decay", "width", "bmag", "idea", "period"]
    encoder, _table = fitted(b=rng.normal(size=30))
    assert [column.name for column in encoder.columns] == ["b"]


def test_scaling_is_robust_and_missing_values_say_so():
    rng = np.random.default_rng(0)
    plain = rng.normal(100, 5, 1000)
    plain[0], plain[1] = 1e300, -1e300
    plain[2:10] = np.nan
    plain[10] = np.inf
    encoder, table = fitted(plain=plain)
    features = encoder._features(table)
    assert features.shape == (1000, 2)
    assert features[2:11, 1].all()
    assert features[:, 1].sum() == 9
    assert not features[2:11, 0].any()
    inner = features[11:, 0]
    assert np.sinh(inner).std() == pytest.approx(1, abs=0.1)
    assert (features[0, 0], features[1, 0]) == (8, -8)
    codes = encoder.encode(table)
    assert np.isfinite(codes).all()
    assert set(np.argsort(-np.abs(codes - np.median(codes, 0)).max(1))[:2]) == {0, 1}


def test_categories_flags_and_constants():
    n = 400
    many = [f"m{k % 21}" for k in range(n)]
    encoder, table = fitted(
        kind=["a", "b", "c", None] * (n // 4),
        many=many,
        truth=[True, False] * (n // 2),
        same=np.ones(n),
        nothing=np.full(n, np.nan),
        sometimes=np.where(np.arange(n) % 2, 3.0, np.nan),
        narrow=np.where(np.arange(n) == 0, 1.0, 0.0),
    )
    used = {column.name: column for column in encoder.columns}
    assert set(used) == {"kind", "truth", "sometimes", "narrow"}
    assert used["kind"].levels == ("a", "b", "c")
    features = encoder._features(table)
    assert features[3, :3].tolist() == [0, 0, 0]
    assert features[1, :3].tolist() == [0, 1, 0]
    with pytest.raises(NotReady, match="no column"):
        fitted(id=np.arange(5), same=np.ones(5))


def test_components_keep_distances():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 5)).astype("f4") @ rng.normal(size=(5, 30)).astype("f4")
    codes = Components.fit(values, 16, 0)(values)
    assert codes.shape == (200, 5)  # the rank
    before = np.linalg.norm(values[:50] - values[50:100], axis=1)
    after = np.linalg.norm(codes[:50] - codes[50:100], axis=1)
    assert before / after == pytest.approx(np.full(50, (before / after)[0]), rel=1e-4)
    assert codes.var() == pytest.approx(1, rel=0.02)
    for odd in (np.ones((1, 4)), np.ones((9, 4)), np.zeros((9, 1))):
        flat = Components.fit(odd.astype("f4"), 3, 0)
        assert flat(odd.astype("f4")) == pytest.approx(np.zeros((len(odd), 1)))
