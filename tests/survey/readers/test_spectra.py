"""Spectra of every layout, written by the libraries that astronomers write them with."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.survey.options import ImportOptions
from core.survey.readers import READERS, make_reader
from tests.survey.readers.reading import read_all

BRIGHTSKY, NEARWHOPPER = 1 << 23, 1 << 10


def sdss_file(path: Path, seed: int = 0, n: int = 400, first: float = 3.5801, **about) -> Table:
    """A spec-PLATE-MJD-FIBER file as BOSS makes it; returns its COADD table."""
    rng = np.random.default_rng(seed)
    coadd = Table(
        {
            "flux": rng.normal(3, 1, n).astype("f4"),
            "loglam": (first + 1e-4 * np.arange(n)).astype("f4"),
            "ivar": rng.uniform(0.5, 2, n).astype("f4"),
            "and_mask": np.zeros(n, "i4"),
            "or_mask": np.ones(n, "i4"),
        }
    )
    coadd["ivar"][5:8] = 0
    coadd["and_mask"][20] = BRIGHTSKY
    coadd["and_mask"][21] = NEARWHOPPER
    row = {"PLATE": 4055, "MJD": 55359, "FIBERID": 1 + seed, "Z": np.float32(0.25), "ZWARNING": 0}
    row |= {"CLASS": "GALAXY", "SUBCLASS": "STARFORMING", "Z_ERR": np.float32(1e-5)}
    row |= {"PLUG_RA": 241.1, "PLUG_DEC": 37.2, "SN_MEDIAN": np.array([1.0, 5, 3, 4, 2], "f4")}
    row |= about
    primary = fits.PrimaryHDU()
    primary.header["RA"] = 100.0  # of the plate, not of the object
    primary.header["DEC"] = 10.0
    primary.header["VACUUM"] = True
    hdus = [primary, fits.BinTableHDU(coadd, name="COADD")]
    hdus.append(fits.BinTableHDU(Table([row]), name="SPECOBJ"))
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList(hdus).writeto(path)
    return coadd


def desi_file(path: Path, n: int = 3, **replaced) -> dict[str, np.ndarray]:
    """A coadd file with cameras that overlap, as desispec writes it."""
    rng = np.random.default_rng(1)
    arrays: dict[str, np.ndarray] = {}
    for camera, low, m in (("B", 3600.0, 300), ("R", 3600 + 0.8 * 250, 300), ("Z", 4000.0, 200)):
        arrays[f"{camera}_WAVELENGTH"] = low + 0.8 * np.arange(m)
        arrays[f"{camera}_FLUX"] = rng.normal(2, 1, (n, m)).astype("f4")
        arrays[f"{camera}_IVAR"] = rng.uniform(0.5, 2, (n, m)).astype("f4")
        arrays[f"{camera}_MASK"] = (rng.random((n, m)) < 0.05).astype("u4") * 512
    arrays |= replaced
    about = Table(
        {
            "TARGETID": 39627866878511337 + np.arange(n),
            "TARGET_RA": 10.0 + np.arange(n),
            "TARGET_DEC": np.full(n, -5.0),
            "OBJTYPE": ["TGT"] * n,
            "COADD_FIBERSTATUS": np.zeros(n, "i4"),
        }
    )
    hdus: list[fits.hdu.base.ExtensionHDU] = [fits.BinTableHDU(about, name="FIBERMAP")]
    for name, values in arrays.items():
        kind = fits.CompImageHDU if name == "Z_MASK" else fits.ImageHDU
        hdus.append(kind(values, name=name))
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    return arrays


def read(source: Path, **more) -> Any:
    reader = make_reader(source, ImportOptions(**more))
    assert reader.name == "spectra"
    found: Any = read_all(reader)
    grid: Any = reader.layout.grid
    for spectrum in found.spectra:
        assert [a.shape for a in (spectrum.flux, spectrum.ivar, spectrum.mask)] == [(grid.n,)] * 3
        assert [a.dtype for a in (spectrum.flux, spectrum.ivar, spectrum.mask)] == [
            "f4",
            "f4",
            "?",
        ]
        assert np.isfinite(spectrum.flux).all()
        assert not spectrum.ivar[spectrum.mask].any()
        assert (spectrum.ivar[~spectrum.mask] > 0).all()
    return found, reader


def test_sdss_spectra_come_in_exactly(tmp_path):
    first = sdss_file(tmp_path / "4055" / "spec-4055-55359-0001.fits")
    second = sdss_file(tmp_path / "4055" / "spec-4055-55359-0002.fits", 1, first=3.5811)
    (tmp_path / "readme.txt").write_text("hello")
    found, reader = read(tmp_path)
    assert found.ids == ["spec-4055-55359-0001", "spec-4055-55359-0002"]
    assert not found.rejects
    grid = reader.layout.grid
    assert (grid.log10_step, grid.n) == (1e-4, 410)
    assert grid.log10_start == pytest.approx(3.5801, abs=1e-9)
    for coadd, spectrum, at in zip((first, second), found.spectra, (0, 10), strict=True):
        part = slice(at, at + 400)
        bad = (coadd["ivar"] == 0) | (coadd["and_mask"] == BRIGHTSKY)
        assert bad.sum() == 4  # a neighbour of a bright fibre is a warning only
        assert np.array_equal(spectrum.mask[part], bad)
        assert np.array_equal(spectrum.flux[part], np.where(bad, 0, coadd["flux"]))
        assert np.array_equal(spectrum.ivar[part], np.where(bad, 0, coadd["ivar"]))
        assert spectrum.mask.sum() == 10 + 4
    expected: dict[str, Any] = {
        "ra": 241.1,
        "dec": 37.2,
        "plate": 4055,
        "mjd": 55359,
        "fiberid": 1,
        "z": 0.25,
    }
    expected |= {"zwarning": 0, "class": "GALAXY", "subclass": "STARFORMING", "sn_median": 3.0}
    assert expected.items() <= found.columns[0].items()
    assert found.columns[0]["file_name"] == "4055/spec-4055-55359-0001.fits"
    assert reader.settings["flux_unit"] == "1e-17 erg / (Angstrom s cm2)"
    assert reader.notes == [
        "The flux of the spectra is in 1e-17 erg / (Angstrom s cm2).",
        "Files that are no spectra by their endings and were left out: 1.",
    ]


def test_a_wished_grid_conserves_flux(tmp_path):
    coadd = sdss_file(tmp_path / "spec-1-1-1.fits")
    found, reader = read(tmp_path, wavelength_min=3850, wavelength_max=4000, wavelength_step=5e-4)
    assert reader.layout.grid.log10_step == 5e-4
    assert found.tally == {
        "Spectra that reach beyond the wavelength grid, whose ends were left out": 1
    }
    wavelength = 10.0 ** coadd["loglam"].astype(float)
    edges = reader.layout.grid.edges
    inside = (wavelength > edges[4]) & (wavelength < edges[5])
    assert found.spectra[0].flux[4] == pytest.approx(coadd["flux"][inside].mean(), abs=0.5)


def test_desi_cameras_are_co_added(tmp_path):
    arrays = desi_file(tmp_path / "coadd-sv3-dark-1.fits")
    redshifts = Table(
        {
            "TARGETID": 39627866878511337 + np.arange(3)[::-1],
            "Z": [0.3, 0.2, 0.1],
            "ZERR": [1e-4] * 3,
            "ZWARN": [0, 4, 0],
            "SPECTYPE": ["QSO", "GALAXY", "STAR"],
            "SUBTYPE": ["", "", "G"],
        }
    )
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(redshifts, name="REDSHIFTS")]).writeto(
        tmp_path / "redrock-sv3-dark-1.fits"
    )
    found, reader = read(tmp_path)
    assert found.ids == [str(39627866878511337 + row) for row in range(3)]
    assert [one["z"] for one in found.columns] == [0.1, 0.2, 0.3]
    assert [one["class"] for one in found.columns] == ["STAR", "GALAXY", "QSO"]
    assert found.columns[1]["ra"] == 11.0
    assert any("redshifts" in note for note in reader.notes)

    wave = np.unique(np.round(np.concatenate([arrays[f"{c}_WAVELENGTH"] for c in "BRZ"]), 4))
    edges = reader.layout.grid.edges
    for row in range(3):
        total, weighted = np.zeros(len(wave)), np.zeros(len(wave))
        for camera in "BRZ":
            at = np.searchsorted(wave, np.round(arrays[f"{camera}_WAVELENGTH"], 4))
            ivar = arrays[f"{camera}_IVAR"][row] * (arrays[f"{camera}_MASK"][row] == 0)
            total[at] += ivar
            weighted[at] += ivar * arrays[f"{camera}_FLUX"][row]
        for pixel in (100, 250, 500):
            low, high = edges[pixel], edges[pixel + 1]
            overlap = np.minimum(high, wave + 0.4) - np.maximum(low, wave - 0.4)
            overlap = np.clip(overlap, 0, None) * (total > 0)
            if overlap.sum() > 0.51 * (high - low):
                mean = np.divide(weighted, total, out=np.zeros_like(total), where=total > 0)
                expected = (overlap * mean).sum() / overlap.sum()
                assert found.spectra[row].flux[pixel] == pytest.approx(expected, rel=1e-4)


def test_desi_files_that_come_with_specutils():
    import specutils

    folder = Path(specutils.__file__).parent / "io" / "default_loaders" / "tests"
    path = folder / "desi_test_data" / "coadd-sv3-dark-26065.fits"
    if not path.exists():
        pytest.skip("this specutils comes without DESI files")
    found, reader = read(path)
    assert found.ids == ["39627866878511337", "39627866878514741"]  # the others hold zeros
    assert set(found.rejects) == {(path.name, f"row {row}") for row in (0, 1, 3)}
    assert "no good pixel" in found.rejects[(path.name, "row 0")]
    assert 4300 < reader.layout.grid.n < 4400
    with fits.open(path) as file:
        weights = [file[f"{camera}_IVAR"].data[2] for camera in "BRZ"]
        fluxes = [file[f"{camera}_FLUX"].data[2] for camera in "BRZ"]
    mean = np.average(np.concatenate(fluxes), weights=np.concatenate(weights))
    ours = found.spectra[0]
    assert np.average(ours.flux, weights=ours.ivar) == pytest.approx(mean, rel=0.05)


def test_archives(tmp_path):
    rng = np.random.default_rng(0)
    wavelength = np.geomspace(3800, 9200, 321)
    flux = rng.normal(size=(5, 321)).astype("f4")
    ivar = rng.uniform(1, 2, (5, 321)).astype("f4")
    path = tmp_path / "set.npz"
    names = np.array(["a", "b", "c", "d", "e"])
    z = np.array([0.1, -999, 0.3, np.nan, 0.5])
    np.savez(path, wavelength=wavelength, flux=flux, ivar=ivar, Name=names, z=z, more=np.ones(7))
    found, reader = read(path, missing=(-999.0,), group_column="Name")
    assert found.ids == list(names) == found.groups
    assert [one["z"] for one in found.columns[:3]] == [0.1, None, 0.3]
    assert np.isnan(found.columns[3]["z"])
    for row in range(5):
        assert np.array_equal(found.spectra[row].flux, flux[row])
        assert np.array_equal(found.spectra[row].ivar, ivar[row])
    assert reader.settings["flux_unit"] == "not known"

    found, _reader = read(path, id_column="z")
    assert found.ids == ["0.1", "-999", "0.3", "0.5"]
    assert found.rejects == {("set.npz", "row 3"): "has nothing in its id column z"}
    with pytest.raises(BadInput, match="id_column must be one of Name, z"):
        make_reader(path, ImportOptions(id_column="nme"))

    other = tmp_path / "two.npz"
    np.savez_compressed(
        other, wavelength_rest=wavelength, train=np.asfortranarray(flux), test=flux[:2]
    )
    found, reader = read(other, more={"flux_unit": "1e-16 erg / (Angstrom s cm2)"})
    assert found.ids[::6] == ["two-train-000000", "two-test-000001"]
    assert [one["part"] for one in found.columns] == ["train"] * 5 + ["test"] * 2
    np.testing.assert_allclose(found.spectra[3].flux, 10 * flux[3], rtol=1e-6)
    assert found.tally == {
        "Spectra without errors, whose noise was estimated from their scatter (DER_SNR)": 7
    }
    assert found.spectra[0].ivar[0] ** -0.5 == pytest.approx(10, rel=0.3)


def test_tables_axes_text_and_what_specutils_reads(tmp_path):
    """One spectrum in seven dresses comes out the same: units, order, air and all."""
    wavelength = np.arange(4000.0, 4400, 1.0)
    flux = 2 + np.sin(wavelength / 30)
    error = np.full(len(flux), 0.1)
    table = Table({"WAVE": wavelength, "FLUX": flux, "ERROR": error})
    table.write(tmp_path / "table.fits")
    fits.setval(tmp_path / "table.fits", "TUNIT2", value="1e-17 erg/(s cm2 Angstrom)", ext=1)
    in_nm = Table({"wavelength": wavelength / 10, "flux": flux * 1e-17, "err": error * 1e-17})
    in_nm["wavelength"].unit, in_nm["flux"].unit = "nm", "erg / (s cm2 Angstrom)"
    in_nm[::-1].write(tmp_path / "back.fits")
    rows = Table({"LAMBDA": [wavelength], "FLUX": [flux * 10], "IVAR": [error**-2 / 100]})
    rows.write(tmp_path / "row.fits")
    fits.setval(tmp_path / "row.fits", "TUNIT2", value="1e-18 erg/cm2/s/Ang", ext=1)
    axis = fits.PrimaryHDU(flux)
    axis.header.update(CRVAL1=4000.0, CDELT1=1.0, CRPIX1=1.0, CTYPE1="WAVE", CUNIT1="Angstrom")
    axis.header.update(BUNIT="1E-17 erg/cm^2/s/Ang", RA="16:04:24.0", DEC="-05:30:00")
    fits.HDUList([axis, fits.ImageHDU(error, name="ERR")]).writeto(tmp_path / "axis.fits")
    with open(tmp_path / "table.fits", "rb") as plain:
        (tmp_path / "zipped.fits.gz").write_bytes(gzip.compress(plain.read()))
    found, reader = read(tmp_path)
    assert not found.rejects
    assert found.ids == ["axis", "back", "row", "table", "zipped"]
    for spectrum in found.spectra[1:]:
        np.testing.assert_allclose(spectrum.flux, found.spectra[0].flux, rtol=1e-5)
        np.testing.assert_allclose(spectrum.ivar, found.spectra[0].ivar, rtol=1e-5)
    assert found.columns[0]["ra"] == pytest.approx(241.1)
    assert found.columns[0]["dec"] == pytest.approx(-5.5)
    expected = found.spectra[0].flux

    texts = tmp_path / "texts"
    texts.mkdir()
    np.savetxt(texts / "bare.txt", np.column_stack([wavelength, flux, error]))
    np.savetxt(
        texts / "named.csv",
        np.column_stack([flux, wavelength / 10, error**-2]),
        delimiter=",",
        header="flux,wavelength (nm),ivar",
        comments="",
    )
    in_nm.write(texts / "units.ecsv")
    np.savetxt(texts / "small.dat", np.column_stack([wavelength, flux * 1e-17, error * 1e-17]))
    found, other = read(texts)
    assert not found.rejects
    assert found.ids == ["bare", "named", "small", "units"]
    assert other.layout.grid == reader.layout.grid
    assert found.tally == {
        "Spectra whose flux unit is not known, kept as they came": 2,
        "Spectra without a flux unit, whose small numbers were taken for erg/s/cm2/Angstrom": 1,
    }
    for spectrum in found.spectra:
        np.testing.assert_allclose(spectrum.flux, expected, rtol=1e-5)


def test_air_wavelengths_become_vacuum(tmp_path):
    wavelength = np.arange(6500.0, 6600, 0.5)
    flux = np.exp(-((wavelength - 6562.8) ** 2) / 8)
    axis = fits.PrimaryHDU(flux)
    axis.header.update(CRVAL1=6500.0, CDELT1=0.5, CRPIX1=1.0, CTYPE1="AWAV")
    axis.writeto(tmp_path / "air.fits")
    for said, peak in ((None, 6564.61), ("vacuum", 6562.8)):
        found, reader = read(tmp_path, more={} if said is None else {"wavelengths": said})
        at = reader.layout.grid.wavelength[np.argmax(found.spectra[0].flux)]
        assert at == pytest.approx(peak, abs=0.4)
        assert any("air" in words for words in found.tally) is (said is None)
    with pytest.raises(BadInput, match="air or vacuum"):
        make_reader(tmp_path, ImportOptions(more={"wavelengths": "water"}))


def test_every_bad_spectrum_has_its_reason(tmp_path):
    sdss_file(tmp_path / "spec-1-1-0001.fits")
    whole = (tmp_path / "spec-1-1-0001.fits").read_bytes()
    (tmp_path / "spec-1-1-0002.fits").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "spec-1-1-0003.fits").write_bytes(b"")
    (tmp_path / "spec-1-1-0004.fits").write_bytes(b"<html>404</html>" * 300)
    fits.PrimaryHDU().writeto(tmp_path / "spec-1-1-0005.fits")
    (tmp_path / "spec-1-1-0006.fits.gz").write_bytes(gzip.compress(whole)[:-2000])
    lying = whole.replace(b"NAXIS2  =                  400", b"NAXIS2  =            999999999")
    assert lying != whole
    (tmp_path / "spec-1-1-0007.fits").write_bytes(lying)

    def table(name, **columns):
        Table(columns).write(tmp_path / name)

    wave = np.arange(4000.0, 4100)
    table("b-empty.fits", loglam=np.zeros(0), flux=np.zeros(0), ivar=np.zeros(0))
    table("b-masked.fits", wave=wave, flux=wave, ivar=wave, mask=np.ones(100, int))
    table("b-turning.fits", wave=np.abs(wave - 4050) + 4000, flux=wave, ivar=wave)
    table("b-nan.fits", wave=wave, flux=wave * np.nan, ivar=wave)
    table("b-nowhere.fits", wave=wave * np.nan, flux=wave, ivar=wave)
    table("b-far.fits", wave=wave * 100, flux=wave, ivar=wave)
    table("b-many.fits", wave=np.ones((3, 9)), flux=np.ones((3, 9)))
    table("b-text.fits", wave=wave, flux=np.array(["x"] * 100))
    table("b-other.fits", a=wave)
    differ = fits.HDUList([fits.PrimaryHDU(wave), fits.ImageHDU(wave[:50], name="ERR")])
    differ[0].header.update(CRVAL1=4000.0, CDELT1=1.0)
    differ.writeto(tmp_path / "c-differ.fits")  # the shorter image does not go with it
    desi_file(tmp_path / "coadd-a.fits", B_FLUX=np.ones((3, 299), "f4"))
    desi_file(tmp_path / "coadd-b.fits")
    cut = (tmp_path / "coadd-b.fits").read_bytes()
    (tmp_path / "coadd-b.fits").write_bytes(cut[:-5760])
    np.savez(tmp_path / "d.npz", wavelength=wave, flux=np.ones((4, 99)))
    np.savez(tmp_path / "e.npz", wavelength=wave, flux=np.ones((4, 100)))
    content = (tmp_path / "e.npz").read_bytes()
    (tmp_path / "e.npz").write_bytes(content[: len(content) // 2])
    os.mkfifo(tmp_path / "f.fits")
    (tmp_path / "g.fits").symlink_to(tmp_path / "g.fits")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "back").symlink_to(tmp_path)

    found, reader = read(tmp_path, wavelength_min=3800, wavelength_max=4200)
    assert found.ids == ["c-differ", "spec-1-1-0001"]
    expected = {
        "spec-1-1-0002.fits": "cut short",
        "spec-1-1-0003.fits": "zero bytes",
        "spec-1-1-0004.fits": "not a FITS file",
        "spec-1-1-0005.fits": "no spectrum in a layout",
        "spec-1-1-0006.fits.gz": "cut short",
        "spec-1-1-0007.fits": "its header lies",
        "b-empty.fits": "empty",
        "b-masked.fits": "no good pixel",
        "b-turning.fits": "do not rise",
        "b-nan.fits": "no good pixel",
        "b-nowhere.fits": "fewer than two pixels",
        "b-far.fits": "no good pixel between 38",
        "b-many.fits": "holds 3 spectra",
        "b-text.fits": "no numbers",
        "b-other.fits": "no spectrum in a layout",
        "coadd-a.fits": "B_FLUX of 3 x 299",
        "coadd-b.fits": "cut short",
        "d.npz": "4 x 99 values for 100",
        "e.npz": "not a NumPy archive",
        "f.fits": "not a plain file",
        "g.fits": "cannot be read",
    }
    reasons = {source: reason for (source, _member), reason in found.rejects.items()}
    assert reasons.keys() == expected.keys()
    for source, reason in expected.items():
        assert reason in reasons[source], source
        assert len(reasons[source]) < 250
        assert str(tmp_path) not in reasons[source]
    assert "Linked folders that were not entered: 1." in reader.notes


def test_a_file_that_changes_meanwhile_gives_nothing(tmp_path, monkeypatch):
    path = tmp_path / "coadd-x.fits"
    desi_file(path)
    reader = make_reader(path, ImportOptions())
    (unit,) = reader.units()
    from core.survey.readers import spectra_desi

    real = spectra_desi.DesiFile._redshifts

    def meddling(self):
        os.utime(path, ns=(1, 1))
        return real(self)

    monkeypatch.setattr(spectra_desi.DesiFile, "_redshifts", meddling)
    (batch,) = reader.read(unit)
    assert not batch.object_ids
    assert [reject.reason for reject in batch.rejects] == ["changed while it was being read"] * 3
    path.unlink()
    (batch,) = reader.read(unit)
    assert all("not there" in reject.reason for reject in batch.rejects)
    assert batch.n_entries == 3


def test_sources_that_are_no_survey(tmp_path):
    def told(source, match):
        with pytest.raises(BadInput, match=match) as error:
            READERS["spectra"](source, ImportOptions(reader="spectra"))
        assert str(error.value).count(". ") == 0

    told(tmp_path, "holds nothing")
    told(tmp_path / "nowhere", "is not there")
    (tmp_path / "a.jpg").write_bytes(b"x")
    told(tmp_path, "holds 1 other file")
    assert READERS["spectra"].recognises(tmp_path) == 0
    (tmp_path / "a.fits").write_bytes(b"x")
    told(tmp_path, "a.fits is not a FITS file")
    told(tmp_path / "a.fits", "None of the spectra")


def test_it_knows_spectra_from_other_data(tmp_path):
    def sure(name):
        return READERS["spectra"].recognises(tmp_path / name)

    sdss_file(tmp_path / "sdss" / "spec-1-1-1.fits")
    desi_file(tmp_path / "coadd.fits")
    np.savez(tmp_path / "images.npz", images=np.ones((3, 16, 16)))
    fits.PrimaryHDU(np.ones((20, 20))).writeto(tmp_path / "image.fits")
    Table({"ra": [1.0], "dec": [2.0]}).write(tmp_path / "catalogue.fits")
    (tmp_path / "catalogue.csv").write_text("id,ra,dec\n1,2,3\n")
    (tmp_path / "numbers.csv").write_text("1,5\n2,3\n3,3\n4,1\n")
    (tmp_path / "spectrum.csv").write_text("wavelength,flux\n4000,1\n4001,2\n4002,2\n4003,1\n")
    assert (sure("sdss"), sure("coadd.fits"), sure("spectrum.csv")) == (80, 90, 85)
    assert 0 < sure("numbers.csv") < 60
    for name in ("images.npz", "image.fits", "catalogue.fits", "catalogue.csv", "nowhere"):
        assert sure(name) == 0, name


def test_many_files_are_listed_small_and_travel_light(tmp_path, monkeypatch):
    import pickle

    sdss_file(tmp_path / "spec-0-0-0000.fits")
    monkeypatch.setattr("core.survey.readers.spectra_listing._BLOCK_FILES", 400)
    for number in range(1, 1500):
        os.link(tmp_path / "spec-0-0-0000.fits", tmp_path / f"spec-0-0-{number:04}.fits")
    reader = make_reader(tmp_path, ImportOptions())
    assert len(pickle.dumps(reader)) < 6000
    units = list(reader.units())
    assert sum(unit.n_entries for unit in units) == reader.n_entries == 1500
    assert [path for unit in units for path in unit.what] == sorted(os.listdir(tmp_path))
    assert max(unit.n_entries for unit in units) == reader.layout.unit_entries
    assert list(pickle.loads(pickle.dumps(reader)).units()) == units


KINDS = ("sdss", "desi", "npz", "text", "axis")


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> dict[str, tuple[str, bytes]]:
    folder = tmp_path_factory.mktemp("originals")
    wave = np.arange(4000.0, 4060)
    sdss_file(folder / "spec-1-1-1.fits", n=60)
    desi_file(folder / "coadd-1.fits", n=2)
    np.savez(folder / "a.npz", wavelength=wave, flux=np.ones((3, 60)), z=np.ones(3))
    np.savetxt(folder / "a.txt", np.column_stack([wave, wave]))
    axis = fits.PrimaryHDU(wave)
    axis.header.update(CRVAL1=4000.0, CDELT1=1.0)
    axis.writeto(folder / "axis.fits")
    names = ("spec-1-1-1.fits", "coadd-1.fits", "a.npz", "a.txt", "axis.fits")
    return {
        kind: (name, (folder / name).read_bytes()) for kind, name in zip(KINDS, names, strict=True)
    }


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(data=st.data(), kind=st.sampled_from(KINDS))
def test_damaged_bytes_become_rejects(tmp_path, originals, data, kind):
    """However a file is damaged, before or after the import looked at it: no other exception."""
    name, whole = originals[kind]
    path = tmp_path / name
    path.write_bytes(whole)
    reader = make_reader(path, ImportOptions(reader="spectra"))
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    found = read_all(reader)
    assert all(reason and len(reason) < 300 for reason in found.rejects.values())
    message = "can be used"
    try:
        read_all(make_reader(path, ImportOptions(reader="spectra")))
    except BadInput as error:
        message = str(error)
    assert "can be used" in message
