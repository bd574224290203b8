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

from core.errors import BadInput
from core.survey.options import ImportOptions
from core.survey.readers import READERS, make_reader
from core.survey.readers.spectra_raw import FLUX_UNIT
from tests.survey.readers.spectra_files import BRIGHTSKY, desi_file, read, sdss_file


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
    assert not found.tally
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

    single = np.full(5, -999.9, "f4")
    np.savez(tmp_path / "single.npz", wavelength=wavelength, flux=flux, z=single)
    found, _reader = read(tmp_path / "single.npz", missing=(-999.9,))
    assert [one["z"] for one in found.columns] == [None] * 5

    found, _reader = read(path, id_column="z")
    assert found.ids == ["0.1", "-999", "0.3", "0.5"]
    assert found.rejects == {("set.npz", "row 3"): "has nothing in its id column z"}
    with pytest.raises(BadInput, match=r"id column \(--id-column\) must be one of Name, z"):
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
    assert reader.settings["flux_unit"] == reader.layout.columns["spectrum"].unit == FLUX_UNIT
    assert other.settings["flux_unit"] == "differs"
    assert other.layout.columns["spectrum"].unit == ""
    assert any(
        f"not in one unit (of those looked at: {FLUX_UNIT} 2, unknown 2)" in note
        and "--set flux_unit=UNIT" in note
        for note in other.notes
    )
    assert found.tally == {
        "Spectra whose flux unit is unknown, kept as they came": 2,
        "Spectra without a flux unit, whose small numbers were taken for erg/s/cm2/Angstrom": 1,
    }
    for spectrum in found.spectra:
        np.testing.assert_allclose(spectrum.flux, expected, rtol=1e-5)


def test_fluxes_in_units_that_do_not_convert(tmp_path):
    wavelength = np.arange(4000.0, 4100, 1.0)
    for number, unit in enumerate(("ct", "ct", "K", "")):
        axis = fits.PrimaryHDU(wavelength)
        axis.header.update(CRVAL1=4000.0, CDELT1=1.0, CTYPE1="WAVE", CUNIT1="Angstrom")
        if unit:
            axis.header["BUNIT"] = unit
        axis.writeto(tmp_path / f"{number}.fits")
    found, reader = read(tmp_path)
    assert reader.settings["flux_unit"] == "differs"
    assert reader.layout.columns["spectrum"].unit == ""
    assert any("(of those looked at: ct 2, K 1, unknown 1)" in note for note in reader.notes)
    assert found.tally["Spectra whose flux unit is unknown, kept as they came"] == 1
    assert found.tally["Spectra in another flux unit than most, kept as they came"] == 1
    for number in (2, 3):
        (tmp_path / f"{number}.fits").unlink()
    found, reader = read(tmp_path)
    assert reader.settings["flux_unit"] == reader.layout.columns["spectrum"].unit == "ct"
    assert not any("unit" in words for words in found.tally)


def test_redshift_files_that_are_broken_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("core.survey.layout.Layout.unit_entries", 2)
    for number in range(2):
        desi_file(tmp_path / f"coadd-{number}.fits")
        (tmp_path / f"redrock-{number}.fits").write_bytes(b"no redshifts")
    found, _reader = read(tmp_path)
    assert len(found.ids) == 6
    assert found.tally == {"Redshift files that could not be read": 2}


def test_limits_of_the_grid_in_the_wrong_order(tmp_path):
    sdss_file(tmp_path / "spec-1-1-1.fits")
    for low, high in ((5000, 4000), (20_000, None), (None, 3000)):
        options = ImportOptions(wavelength_min=low, wavelength_max=high)
        with pytest.raises(BadInput, match="from a lower to a higher wavelength") as told:
            make_reader(tmp_path, options)
        assert "SpectralGrid" not in str(told.value)
    with pytest.raises(BadInput, match=r"from 5000 to 4000 Angstrom was asked for; change"):
        make_reader(tmp_path, ImportOptions(wavelength_min=5000, wavelength_max=4000))


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
