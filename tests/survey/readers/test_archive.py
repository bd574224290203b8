from __future__ import annotations

import bz2
import gzip
import io
import itertools
import lzma
import os
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from core.errors import BadInput
from core.survey.options import ImportOptions
from core.survey.readers import forward_stream, make_reader, zip_index
from core.survey.readers.archive import ArchiveReader
from core.survey.readers.kept import let_go
from tests.survey.readers.damage import cut_short, damaged, nonsense
from tests.survey.readers.reading import read_all
from tests.survey.readers.trying import calls_of, pixels_of, survives


def picture(seed: int, side: int = 16, kind: str = "png") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels(seed, side)).save(stream, kind)
    return stream.getvalue()


def pixels(seed: int, side: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def stamp(seed: int, side: int = 20) -> tuple[bytes, np.ndarray]:
    values = np.random.default_rng(seed).normal(size=(side, side)).astype(np.float32)
    hdu = fits.PrimaryHDU(values)
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0}
    cards |= {"CRPIX1": 10.5, "CRPIX2": 10.5, "CDELT1": -1e-4, "CDELT2": 1e-4, "FILTER": "r"}
    hdu.header.update(cards)
    stream = io.BytesIO()
    hdu.writeto(stream)
    return stream.getvalue(), values


def add(tar: tarfile.TarFile, name: str, content: bytes = b"", **more) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in more.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(content))


def make(path: Path, members: dict[str, bytes]) -> Path:
    """An archive of the kind that its ending says."""
    path.parent.mkdir(exist_ok=True, parents=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in members.items():
                file.writestr(name, content)
    else:
        mode = {".gz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}.get(path.suffix, "w")
        with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
            for name, content in members.items():
                add(tar, name, content)
    return path


def read(path: Path, **more):
    return read_all(make_reader(path, ImportOptions(**more)))


KINDS = ["set.tar", "set.tar.gz", "set.tar.bz2", "set.tar.xz", "set.zip"]


@pytest.mark.parametrize("name", KINDS)
def test_round_trip(tmp_path, name):
    members = {f"in/g{number:03d}.png": picture(number) for number in range(300)}
    members |= {"in/readme.txt": b"hello", "in/._g000.png": picture(0), "in/nothing": b""}
    members["in/" + "long" * 60 + ".png"] = picture(1000)
    members["in/without ending"] = picture(1001, kind="jpeg")
    reader = make_reader(make(tmp_path / name, members), ImportOptions())
    assert reader.name == "archive"
    assert reader.layout.bands == ("R", "G", "B")
    assert "left out: 3" in reader.notes[0]
    assert ".txt 1" in reader.notes[0]
    found = read_all(reader)
    assert found.ids[:300] == [f"g{number:03d}" for number in range(300)]
    assert found.ids[300:] == ["long" * 60, "without ending"]
    assert found.columns[5]["file_name"] == "in/g005.png"
    for number in (0, 299):
        expected = np.moveaxis(pixels(number), -1, 0)
        np.testing.assert_array_equal(found.images[number], expected)


@pytest.mark.parametrize("name", ["set.tar", "set.tar.gz", "set.zip"])
def test_fits_members(tmp_path, name):
    content, values = stamp(1)
    members = {"a.fits": content, "b.fits.gz": gzip.compress(content), "c.fits": content[:3000]}
    members |= {"d.jpg": picture(0), "e.fits": stamp(2, side=24)[0]}
    reader = make_reader(make(tmp_path / name, members), ImportOptions())
    assert reader.layout.bands == ("r",)
    assert reader.layout.pixel_scale_arcsec == pytest.approx(0.36)
    found = read_all(reader)
    assert found.ids == ["a", "b", "e"]
    for image in found.images[:2]:
        np.testing.assert_array_equal(image, values[np.newaxis])
    assert found.columns[0]["wcs_crpix1"] == 10.5
    assert found.columns[0]["ra"] == pytest.approx(150.0)
    assert found.columns[2]["wcs_crpix1"] == 8.5  # cropped by two pixels on each side
    assert found.tally == {"Images cropped": 1}
    assert {member for _, member in found.rejects} == {"c.fits", "d.jpg"}


def test_members_that_are_turned_away(tmp_path):
    path = tmp_path / "set.tar"
    with tarfile.open(path, "w") as tar:
        add(tar, "good.png", picture(0))
        add(tar, "../up.png", picture(1))
        add(tar, "/root.png", picture(2))
        add(tar, "C:\\win.png", picture(3))
        add(tar, "in/../../up.png", picture(4))
        add(tar, "link.png", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add(tar, "hard.png", type=tarfile.LNKTYPE, linkname="good.png")
        add(tar, "pipe.png", type=tarfile.FIFOTYPE)
        add(tar, "device", type=tarfile.CHRTYPE)
        add(tar, "folder", type=tarfile.DIRTYPE)
        add(tar, "text.png", b"no picture")
        add(tar, "empty.png")
        add(tar, "last.png", picture(5))
    found = read(path)
    assert found.ids == ["good", "last"]
    reasons = {member: reason for (_, member), reason in found.rejects.items()}
    for name in ("../up.png", "/root.png", "C:\\win.png", "in/../../up.png"):
        assert "leads out of the archive" in reasons.pop(name)
    assert reasons.pop("link.png") == reasons.pop("hard.png") == "is a link"
    assert reasons.pop("pipe.png") == reasons.pop("device") == "is a device or a pipe"
    assert sorted(reasons) == ["empty.png", "text.png"]


def test_bombs(tmp_path, monkeypatch):
    monkeypatch.setattr(zip_index, "MOST_MEMBER_BYTES", 2 * 1024**2)
    monkeypatch.setattr("core.survey.readers.archive_scan.MOST_MEMBER_BYTES", 2 * 1024**2)
    members = {"a.png": picture(0), "bomb.png": bytes(4 * 1024**2)}
    for name in ("set.zip", "set.tar.gz"):
        found = read(make(tmp_path / name, members))
        assert found.ids == ["a"]
        assert list(found.rejects.values()) == ["unpacks to more than 2 MB"]

    # A plain tar file holds its members as they are.
    found = read(make(tmp_path / "set.tar", members))
    assert found.ids == ["a"]
    assert list(found.rejects.values()) == ["is larger than 2 MB"]

    # A header that tells less than what comes out.
    content = bytearray((tmp_path / "set.zip").read_bytes())
    size = struct.pack("<L", 4 * 1024**2)
    assert content.count(size) == 2
    (tmp_path / "lie.zip").write_bytes(content.replace(size, struct.pack("<L", 1000)))
    found = read(tmp_path / "lie.zip")
    assert list(found.rejects.values()) == ["unpacks to more than its header says"]

    # All together.
    monkeypatch.setattr(zip_index, "BOMB_BYTES", 1024**2)
    monkeypatch.setattr(forward_stream, "BOMB_BYTES", 1024**2)
    monkeypatch.setattr(zip_index, "MOST_RATIO", 100)
    monkeypatch.setattr(forward_stream, "MOST_RATIO", 100)
    for name in ("set.zip", "set.tar.gz"):
        found = read(tmp_path / name)
        assert found.ids == ["a"]
        (reason,) = found.rejects.values()
        assert (
            reason == "unpacks to more than 100 times its size after the member a.png; what"
            " follows is not read"
        )


@pytest.mark.parametrize("name", KINDS)
def test_cut_short(tmp_path, name):
    members = {f"g{number:03d}.png": picture(number, 64) for number in range(200)}
    content = make(tmp_path / name, members).read_bytes()
    path = tmp_path / f"cut{name}"
    path.write_bytes(content[: len(content) * 6 // 10])
    reader = make_reader(path, ImportOptions())
    found = read_all(reader)
    assert 40 < len(found.ids) < 130
    assert found.ids == [f"g{number:03d}" for number in range(len(found.ids))]
    (((source, member), reason),) = found.rejects.items()
    assert (source, member) == (path.name, "")
    assert reason.startswith(f"is cut short after the member g{len(found.ids) - 1:03d}.png")


def test_a_damaged_header_is_not_the_end(tmp_path):
    path = make(tmp_path / "set.tar", {f"g{n}.png": picture(n) for n in range(9)})
    with tarfile.open(path) as tar:
        place = tar.getmembers()[5].offset
    content = bytearray(path.read_bytes())
    content[place + 10] ^= 0x55
    path.write_bytes(content)
    found = read(path)
    assert len(found.ids) == 5
    assert "is damaged after the member g4.png" in next(iter(found.rejects.values()))


def test_one_damaged_member(tmp_path):
    path = make(tmp_path / "set.zip", {f"g{n}.png": picture(n) for n in range(9)})
    with zipfile.ZipFile(path) as file:
        place = file.infolist()[4].header_offset
    content = bytearray(path.read_bytes())
    content[place + 300] ^= 0xFF
    path.write_bytes(content)
    found = read(path)
    assert len(found.ids) == 8
    (((_, member), reason),) = found.rejects.items()
    assert member == "g4.png"
    assert "is damaged" in reason


def test_encrypted_and_unknown_methods(tmp_path):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.png", picture(0))
        file.writestr("secret.png", picture(1))
        file.writestr("lzma.png", picture(2), zipfile.ZIP_LZMA)
        file.writestr("bzip2.png", picture(3), zipfile.ZIP_BZIP2)
        link = zipfile.ZipInfo("link.png")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        file.writestr(link, "/etc/passwd")
    content = bytearray(path.read_bytes())
    place = content.index(b"secret.png", content.index(b"PK\1\2"))
    content[place - 46 + 8] |= 1
    path.write_bytes(content)
    found = read(path)
    assert found.ids == ["a", "bzip2"]
    reasons = {member: reason for (_, member), reason in found.rejects.items()}
    assert reasons["secret.png"] == "is encrypted"
    assert "number 14" in reasons["lzma.png"]
    assert reasons["link.png"] == "is a link"


class NoSeek(io.FileIO):
    """Makes zipfile write sizes behind the members, as streams have them."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise io.UnsupportedOperation

    def seek(self, *_place: int) -> int:
        raise io.UnsupportedOperation


def test_zip_files_of_all_kinds(tmp_path):
    members = {f"é{n}.png": picture(n) for n in range(6)}
    streamed = tmp_path / "streamed.zip"
    with NoSeek(streamed, "w") as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    ahead = tmp_path / "ahead.zip"
    ahead.write_bytes(b"PK\3\4 is not at the beginning"[4:] + streamed.read_bytes())
    large = tmp_path / "large.zip"
    with zipfile.ZipFile(large, "w") as file:
        for name, content in members.items():
            with file.open(name, "w", force_zip64=True) as stream:
                stream.write(content)
        file.comment = b"a comment"
    for path in (streamed, ahead, large):
        found = read(path, reader="archive") if path != ahead else None
        with open(path, "rb") as opened, zipfile.ZipFile(path) as reference:
            for member, info in zip(
                zip_index.zip_members(opened), reference.infolist(), strict=True
            ):
                assert member.name == info.filename
                assert (member.size, member.crc) == (info.file_size, info.CRC)
                with open(path, "rb") as other:
                    assert zip_index.member_bytes(other, member) == reference.read(info)
        assert found is None or found.ids == [f"é{n}" for n in range(6)]
    # Without the directory the sizes behind members are all there is.
    cut = tmp_path / "cut.zip"
    content = streamed.read_bytes()
    cut.write_bytes(content[: content.rindex(b"PK\3\4") + 100])
    assert read(cut).ids == [f"é{n}" for n in range(5)]


@pytest.mark.parametrize("name", ["set.tar.gz", "set.tar.xz", "set.tar.bz2"])
def test_a_packed_archive_is_unpacked_once_a_pass(tmp_path, name, monkeypatch):
    members = {f"g{number:03d}.png": picture(number, 8) for number in range(600)}
    make(tmp_path / name, members)
    begun = calls_of(monkeypatch, forward_stream.ForwardStream, "_rewind")
    reader = ArchiveReader(tmp_path / name, ImportOptions())
    n_looks = len(begun)
    assert n_looks == 2  # what it is, and what it holds
    assert len(list(reader.units())) == 3
    assert len(read_all(reader).ids) == 600
    assert len(begun) == n_looks + 1
    let_go()


@pytest.mark.parametrize("opener", [gzip, bz2, lzma])
def test_streams_in_a_row_and_padding(tmp_path, opener):
    content = os.urandom(700_000)
    path = tmp_path / "x"
    path.write_bytes(opener.compress(content[:400_000]) + opener.compress(content[400_000:]))
    kind = forward_stream.packing(path.read_bytes()[:8])
    stream = forward_stream.ForwardStream(path, kind)
    assert stream.read_at(0, 10**6) == content
    assert stream.read_at(399_990, 20) == content[399_990:400_010]
    assert stream.read_at(699_999, 50) == content[699_999:]
    stream.close()


def band(seed: int, side: int = 12) -> tuple[bytes, np.ndarray]:
    values = np.random.default_rng(seed).normal(size=(side, side)).astype(np.float32)
    stream = io.BytesIO()
    fits.PrimaryHDU(values).writeto(stream)
    return stream.getvalue(), values


@pytest.mark.parametrize("how", ["one tar", "one zip", "a tar a band"])
def test_a_file_a_band(tmp_path, how):
    images = {
        (number, name): band(number * 10 + place)
        for place, name in enumerate("zrg")
        for number in range(6)
    }
    if how == "a tar a band":
        for name in "grz":
            members = {f".//{n}.fits": images[(n, name)][0] for n in range(6)}
            make(tmp_path / "sets" / f"{name}.tar", members)
        source = tmp_path / "sets"
    else:
        members = {f"in//{n}_{name}.fits": one for (n, name), (one, _) in images.items()}
        members["in/6_g.fits"] = members["in/7_g.fits"] = members["in/7_r.fits"] = b""
        members["in/7_z.fits"] = images[(0, "g")][0]
        source = make(tmp_path / ("set.tar" if how == "one tar" else "set.zip"), members)
    reader = make_reader(source, ImportOptions())
    assert reader.settings["pattern"] == (
        "{band}/{id}.fits" if how == "a tar a band" else "{id}_{band}.fits"
    )
    assert reader.layout.bands == ("g", "r", "z")
    found = read_all(reader)
    assert sorted(found.ids) == [str(n) for n in range(6)]
    for object_id, image in zip(found.ids, pixels_of(found), strict=True):
        expected = np.stack([images[(int(object_id), name)][1] for name in "grz"])
        np.testing.assert_array_equal(image, expected)
    if how != "a tar a band":
        reasons = {member: reason for (_, member), reason in found.rejects.items()}
        assert reasons.keys() == {"in/6_g.fits", "in/7_g.fits"}
        assert reasons["in/6_g.fits"] == "lacks the band r"
        two = make_reader(source, ImportOptions(bands=("z", "g")))
        assert two.layout.bands == ("z", "g")
        assert "left out: 7" in two.notes[0]
        alone = make_reader(source, ImportOptions(more={"pattern": "none"}))
        assert len(read_all(alone).ids) == 19
        with pytest.raises(BadInput, match="have no band"):
            make_reader(source, ImportOptions(more={"pattern": "{id}-{band}.fits"}))


def test_a_file_a_band_in_a_packed_tar(tmp_path):
    members = {f"{n}_{name}.fits": band(n)[0] for n in range(4) for name in "gr"}
    path = make(tmp_path / "set.tar.gz", members)
    reader = make_reader(path, ImportOptions())
    assert "not joined in a packed tar file" in reader.notes[0]
    assert len(read_all(reader).ids) == 8
    with pytest.raises(BadInput, match="unpack it with gunzip"):
        make_reader(path, ImportOptions(more={"pattern": "{id}_{band}"}))


CAMERAS = ("cam1", "cam2", "cam3", "cam4")


@pytest.mark.parametrize("how", ["ID_VIEW", "VIEW/ID", "VIEW.tar/ID", "ID/VIEW", "ID.tar/VIEW"])
def test_camera_views(tmp_path, how):
    galaxies = [f"TNG50-{number}" for number in (7, 11, 104, 9, 12)]
    archives: dict[str, dict[str, bytes]] = {}
    for galaxy, camera in itertools.product(galaxies, CAMERAS):
        where = {
            "ID_VIEW": ("all", f"{galaxy}_{camera}.png"),
            "VIEW/ID": ("all", f"{camera}/{galaxy}.png"),
            "VIEW.tar/ID": (camera, f"{galaxy}.png"),
            "ID/VIEW": ("all", f"{galaxy}/{camera}.png"),
            "ID.tar/VIEW": (galaxy, f"{camera}.png"),
        }[how]
        archives.setdefault(where[0], {})[where[1]] = picture(len(archives))
    for name, members in archives.items():
        make(tmp_path / "sets" / f"{name}.tar", members)
    reader = make_reader(tmp_path / "sets", ImportOptions())
    assert reader.name == "archive"
    assert reader.settings["group"] == how
    found = read_all(reader)
    assert sorted(found.ids) == sorted(f"{g}_{c}" for g in galaxies for c in CAMERAS)
    for object_id, group, columns in zip(found.ids, found.groups, found.columns, strict=True):
        assert object_id == f"{group}_{columns['view']}"
    plain = make_reader(tmp_path / "sets", ImportOptions(more={"group": "none"}))
    assert len(set(read_all(plain).ids)) == 20
    assert "view" not in read_all(plain).columns[0]


def test_views_by_expression(tmp_path):
    names = ["s1/gal7-a-x.png", "s1/gal7-b-x.png", "s1/gal8-a-x.png", "s1/odd.png"]
    path = make(tmp_path / "set.zip", {name: picture(0) for name in names})
    expression = r"(?P<group>gal\d+)-(?P<view>\w)"
    found = read(path, more={"group": expression})
    assert found.ids == ["gal7_a", "gal7_b", "gal8_a", "odd"]
    assert found.groups == ["gal7", "gal7", "gal8", "odd"]
    for bad in ("(", "gal"):
        with pytest.raises(BadInput, match="`group` should be a regular expression"):
            make_reader(path, ImportOptions(more={"group": bad}))


def test_no_views_where_names_only_look_alike(tmp_path):
    names = [f"tile{tile}_{number:04d}.png" for tile in range(3) for number in range(tile, 40)]
    path = make(tmp_path / "set.tar", {name: picture(0) for name in names})
    assert make_reader(path, ImportOptions()).settings["group"] == "none"
    names = [f"{part}/{number}.png" for part in ("train", "test") for number in range(20)]
    path = make(tmp_path / "split.tar", {name: picture(0) for name in names})
    reader = make_reader(path, ImportOptions())
    assert reader.settings["group"] == "none"
    assert read_all(reader).ids[:2] == ["train_0", "train_1"]


def test_a_folder_of_archives(tmp_path):
    folder = tmp_path / "sets"
    make(folder / "a.tar", {"a1.png": picture(1), "same.png": picture(2)})
    make(folder / "deep" / "b.zip", {"b1.png": picture(3), "notes.txt": b""})
    make(folder / "c.tar.gz", {"c1.png": picture(4)})
    (folder / "readme.md").write_text("hello")
    (folder / "false.tar").write_bytes(b"no archive")
    (folder / "gone.zip").symlink_to(folder / "nowhere.zip")
    (folder / "loop").symlink_to(folder)
    found = make_reader(folder, ImportOptions())
    assert any("beside the archives that were left out: 1" in note for note in found.notes)
    read_ = read_all(found)
    assert read_.ids == ["a1", "same", "c1", "b1"]
    assert read_.columns[0]["file_name"] == "a.tar/a1.png"
    assert set(read_.rejects) == {("false.tar", ""), ("gone.zip", "")}


def test_what_is_no_archive_of_images(tmp_path):
    np.savez(tmp_path / "x.zip", a=np.zeros(3))
    (tmp_path / "x.zip.npz").rename(tmp_path / "numpy.zip")
    assert ArchiveReader.recognises(tmp_path / "numpy.zip") == 0
    (tmp_path / "plain.gz").write_bytes(gzip.compress(b"no tar" * 1000))
    assert ArchiveReader.recognises(tmp_path / "plain.gz") == 0
    assert ArchiveReader.recognises(tmp_path / "nowhere") == 0
    os.mkfifo(tmp_path / "pipe.tar")
    assert ArchiveReader.recognises(tmp_path / "pipe.tar") == 0
    make(tmp_path / "texts.zip", {"a.txt": b"hello"})
    with pytest.raises(BadInput, match="holds none that can be read and 1 other files"):
        make_reader(tmp_path / "texts.zip", ImportOptions())
    make(tmp_path / "bad.zip", {"a.png": b"hello"})
    with pytest.raises(BadInput, match=r"None of the images looked at .*a\.png is not"):
        make_reader(tmp_path / "bad.zip", ImportOptions())
    with pytest.raises(BadInput, match="is none, whatever its name"):
        ArchiveReader(tmp_path / "plain.gz", ImportOptions())


@pytest.mark.parametrize("name", ["none.tar", "none.tar.gz", "none.tar.bz2"])
def test_an_archive_without_members(tmp_path, name):
    path = make(tmp_path / name, {})
    for reader in (None, "archive"):
        with pytest.raises(BadInput, match="nothing but zeros, as a tar file without members"):
            make_reader(path, ImportOptions(reader=reader))


@pytest.mark.parametrize("name", ["grey.tar", "grey.zip"])
def test_grey_pictures_are_told(tmp_path, name):
    grey = [io.BytesIO() for _ in range(2)]
    for number, file in enumerate(grey):
        Image.new("L", (16, 16), 40 + number).save(file, "PNG")
    members = {f"{number}.png": file.getvalue() for number, file in enumerate(grey)}
    said = "Grey pictures are kept as three equal bands."
    assert said in make_reader(make(tmp_path / name, members), ImportOptions()).notes
    members["colour.png"] = picture(0)
    assert said not in make_reader(make(tmp_path / f"b{name}", members), ImportOptions()).notes


def test_names_that_are_no_text(tmp_path):
    path = tmp_path / "set.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as tar:
        add(tar, os.fsdecode(b"\xff\xfe.png"), picture(0))
        add(tar, "line\nbreak.png", picture(1))
    found = read(path)
    assert found.ids == ["%FF%FE", "line\nbreak"]
    found.columns[0]["file_name"].encode()


def test_an_archive_that_is_replaced(tmp_path):
    members = {f"g{number}.png": picture(number) for number in range(5)}
    path = make(tmp_path / "set.tar", members)
    reader = make_reader(path, ImportOptions())
    make(path, dict(list(members.items())[:3]))
    assert set(read_all(reader).rejects.values()) == {"changed while it was being read"}


def good(name: str) -> bytes:
    import tempfile

    content, _ = stamp(1, 12)
    members = {"a.png": picture(0), "b/c.jpg": picture(1, kind="jpeg"), "d.fits": content}
    with tempfile.TemporaryDirectory() as folder:
        return make(Path(folder) / name, members).read_bytes()


GOOD = [good(name) for name in KINDS]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80, deadline=None
)
@given(
    st.sampled_from(GOOD).flatmap(lambda content: st.one_of(damaged(content), cut_short(content)))
    | nonsense(b"PK\3\4")
    | nonsense(b"\x1f\x8b\x08\0")
)
def test_damaged_bytes(tmp_path, content):
    path = tmp_path / "set.tar"
    path.write_bytes(content)
    assert 0 <= ArchiveReader.recognises(path) <= 100
    survives(lambda: ArchiveReader(path, ImportOptions()))


def test_archives_whose_names_are_no_text(tmp_path):
    folder = tmp_path / "sets"
    make(folder / "a.tar", {"a.png": picture(0)})
    os.rename(folder / "a.tar", os.fsencode(folder) + b"/\xff.tar")
    with open(os.fsencode(folder) + b"/\xfe.tar", "wb") as file:
        file.write(b"no archive")
    found = read(folder)
    assert found.ids == ["a"]
    assert found.columns[0]["file_name"] == "%FF.tar/a.png"
    assert list(found.rejects) == [("%FE.tar", "")]
