"""Damaged and hostile spectra: one reason each, and never anything else."""

from __future__ import annotations

import gzip
import os

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.survey.options import ImportOptions
from core.survey.readers import make_reader
from tests.survey.readers.reading import read_all
from tests.survey.readers.spectra_files import desi_file, read, sdss_file


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
