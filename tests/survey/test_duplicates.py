"""Duplicates by place and by picture, held against brute force."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from core.errors import BadInput, Cancelled, NotReady
from core.survey import Batch, SurveyWriter
from core.survey.batch import CatalogueValue
from core.survey.matching.duplicates import find_duplicates
from core.survey.matching.fingerprints import Fingerprints, alikeness, close_pairs, fingerprint
from core.workspace import open_workspace

SIDE = 48


@pytest.fixture
def make(workspace):
    def write(places=None, images=None, groups=None, name="mine"):
        """A survey of objects o0, o1 ...; `None` for one without place or picture."""
        n = len(places if places is not None else images)
        dtype = "uint8"
        if images is not None:
            dtype = next(str(one.dtype) for one in images if one is not None)
        bands, side = 1, 8
        if images is not None:
            bands, side = next(one.shape[:2] for one in images if one is not None)
        with SurveyWriter(
            workspace,
            name,
            bands=tuple("griz"[:bands]),
            cutout_size_px=side,
            dtype=dtype,
            origin="",
            licence="",
        ) as writer:
            if images is None:
                images = np.arange(n * 64, dtype=np.int64).astype(np.uint8).reshape(n, 1, 8, 8)
            columns: list[dict[str, CatalogueValue]] = [{}] * n
            if places is not None:
                columns = [
                    {"ra": None, "dec": None} if one is None else {"ra": one[0], "dec": one[1]}
                    for one in places
                ]
            writer.append(Batch([f"o{row}" for row in range(n)], images, columns, groups))
            return writer.commit()

    return write


def told(found):
    """(group, of, why) an object."""
    lists = [found.columns[f"duplicate_{end}"].to_pylist() for end in ("group", "of", "why")]
    return list(zip(*lists, strict=True))


ARCSEC = 1 / 3600
NONE = (None, None, None)


# By place


def test_close_objects_form_a_group(make):
    places = [
        (10.0, 5.0),
        (200.0, 89.99999),
        (10.0, 5.0 + 0.8 * ARCSEC),
        None,
        (10.0, 5.0 + 1.6 * ARCSEC),  # a friend of a friend
        (20.0, 89.99999),  # across the pole
        (0.00001, 0.0),
        (359.99999, 0.0),
        (10.0, 5.0 + 5 * ARCSEC),
    ]
    found = find_duplicates(make(places), radius_arcsec=1.0)
    assert told(found) == [
        (1, None, None),
        (2, None, None),
        (1, "o0", "0.80 arcsec away"),
        NONE,
        (1, "o0", "0.80 arcsec away"),
        (2, "o1", "0.07 arcsec away"),
        (3, None, None),
        (3, "o6", "0.07 arcsec away"),
        NONE,
    ]
    report = found.report
    assert (report.n_groups, report.n_duplicates, report.largest) == (3, 4, 3)
    assert (report.n_without_position, report.n_without_picture) == (1, None)
    assert report.sentences()[:2] == [
        "Duplicates of an earlier object: 4 of 9; groups: 3.",
        "Close by on the sky: 4.",
    ]


def test_views_of_one_thing_are_no_duplicates_of_each_other(make):
    places = [(1.0, 1.0), (1.0, 1.0), (1.0, 1.0 + 0.1 * ARCSEC), (5.0, 1.0), (5.0, 1.0)]
    found = find_duplicates(make(places, groups=["a", "a", "a", "b", "c"]), radius_arcsec=1.0)
    assert told(found) == [NONE, NONE, NONE, (1, None, None), (1, "o3", "0.00 arcsec away")]


# A few places within a few arcsec of each other, some of them the same; and the pole.
_place = st.one_of(
    st.tuples(st.integers(0, 6), st.integers(0, 4)).map(
        lambda p: ((p[0] * 0.9 * ARCSEC) % 360, p[1] * 0.9 * ARCSEC)
    ),
    st.tuples(st.floats(0, 359.9), st.just(90.0 - 0.2 * ARCSEC)),
    st.none(),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(_place, st.integers(0, 2)), min_size=1, max_size=14))
def test_groups_are_those_of_brute_force(tmp_path_factory, objects):
    from astropy.coordinates import angular_separation

    places = [place for place, _ in objects]
    groups = [f"g{view}" for _, view in objects]
    with SurveyWriter(
        open_workspace(tmp_path_factory.mktemp("fof") / "ws"),
        "mine",
        bands=("r",),
        cutout_size_px=8,
        dtype="uint8",
        origin="",
        licence="",
    ) as writer:
        columns: list[dict[str, CatalogueValue]] = [
            {"ra": None, "dec": None} if one is None else {"ra": one[0], "dec": one[1]}
            for one in [*places, (180.0, -80.0)]
        ]
        images = np.ones((len(columns), 1, 8, 8), np.uint8)
        writer.append(
            Batch([f"o{n}" for n in range(len(columns))], images, columns, [*groups, "z"])
        )
        survey = writer.commit()
    found = find_duplicates(survey, radius_arcsec=1.0)
    # Brute force: every pair, then labels spread until nothing changes.
    n = len(places)
    linked = np.zeros((n, n), bool)
    for a in range(n):
        for b in range(n):
            one, other = places[a], places[b]
            if one is None or other is None or groups[a] == groups[b]:
                continue
            sep = np.degrees(angular_separation(*np.radians([*one, *other]))) * 3600
            linked[a, b] = sep <= 1.0
    # Friendship holds between objects; those at the very same place share their friends.
    for a in range(n):
        for b in range(n):
            if places[a] is not None and places[a] == places[b] and a != b:
                both = linked[a] | linked[b]
                if both.any():
                    linked[a, b] = linked[b, a] = True
    label = np.arange(n)
    for _ in range(n):
        for a in range(n):
            label[a] = min(label[a], *label[linked[a]]) if linked[a].any() else label[a]
    expected = [label.tolist().count(label[a]) > 1 for a in range(n)]
    group = found.columns["duplicate_group"].to_pylist()
    assert [one is not None for one in group[:n]] == expected
    for a in range(n):
        for b in range(n):
            if expected[a] and expected[b]:
                assert (group[a] == group[b]) == (label[a] == label[b])
    of = found.columns["duplicate_of"].to_pylist()
    for a in range(n):
        first = f"o{label[a]}"
        assert of[a] == (first if expected[a] and label[a] != a else None)


def test_a_placeholder_position_is_one_group_and_told(make):
    places = [(0.0, 0.0)] * 3000 + [(50.0, 1.0)]
    found = find_duplicates(make(places), radius_arcsec=1.0)
    assert (found.report.n_groups, found.report.largest) == (1, 3000)
    assert any("placeholder" in one for one in found.report.sentences())


def test_a_radius_with_too_many_pairs_is_refused(make, monkeypatch):
    monkeypatch.setattr("core.survey.matching.duplicates.MAX_PAIRS", 100)
    places = [(10.0, n * 0.1 * ARCSEC) for n in range(50)]
    with pytest.raises(BadInput, match=r"1,225 pairs .* up to 100"):
        find_duplicates(make(places), radius_arcsec=60.0)
    assert find_duplicates(make(places, name="b"), radius_arcsec=0.15).report.n_groups == 1


def test_nothing_to_compare_is_one_sentence(make, workspace):
    survey = make([(1.0, 1.0)])
    with pytest.raises(BadInput, match="say which"):
        find_duplicates(survey)
    for radius in (0.0, float("nan"), 1e9):
        with pytest.raises(BadInput, match="radius"):
            find_duplicates(survey, radius_arcsec=radius)
    with pytest.raises(NotReady, match="no positions"):
        find_duplicates(make(images=[galaxy(0)], name="dark"), radius_arcsec=1.0)
    assert told(find_duplicates(survey, radius_arcsec=1.0, pictures=True)) == [NONE]


# By picture


def galaxy(seed, side=SIDE, bands=3, noise=6.0):
    """A round galaxy in the middle, with neighbours and the noise of a resampled image."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    light = rng.uniform(80, 180) * np.exp(-np.hypot(x, y) / rng.uniform(3, 5))
    for _ in range(rng.integers(0, 3)):
        cx, cy = rng.uniform(-side / 2, side / 2, 2)
        light = light + 60 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 8)
    scale = np.array([1.0, 0.8, 0.6, 0.5])[:bands, None, None]
    grain = gaussian_filter(rng.normal(0, 3.5 * noise, (bands, side, side)), (0, 1, 1))
    return np.clip(light * scale + 20 + grain, 0, 255).astype(np.uint8)


def jpeg(image, quality=90):
    held = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(held, "JPEG", quality=quality)
    return np.asarray(Image.open(held)).transpose(2, 0, 1)


def test_equal_and_nearly_equal_pictures(make):
    first, second = galaxy(1), galaxy(2)
    images = [
        first,
        second,
        first.copy(),
        np.clip(second * 1.2 + 4, 0, 255).astype(np.uint8),
        jpeg(first),
        None,
        np.full_like(first, 7),  # nothing to see
        np.full_like(first, 7),
        *(galaxy(seed) for seed in range(10, 40)),
    ]
    found = find_duplicates(make(images=images), pictures=True)
    assert told(found)[:8] == [
        (1, None, None),
        (2, None, None),
        (1, "o0", "same pixels"),
        (2, "o1", "nearly the same picture"),
        (1, "o0", "nearly the same picture"),
        NONE,
        NONE,
        NONE,
    ]
    assert all(one == NONE for one in told(found)[8:])
    assert found.report.n_without_picture == 3
    assert found.report.by_reason == {"Same pixels": 1, "Nearly the same picture": 2}


def test_both_reasons_stand_together(make):
    image = galaxy(3)
    found = find_duplicates(
        make([(1.0, 1.0), (1.0, 1.0 + 0.3 * ARCSEC)], [image, image.copy()]),
        radius_arcsec=1.0,
        pictures=True,
    )
    assert told(found)[1] == (1, "o0", "0.30 arcsec away; same pixels")


def test_views_with_the_same_pixels_are_no_duplicates(make):
    image = galaxy(3)
    brighter = np.clip(image * 1.2 + 4, 0, 255).astype(np.uint8)
    images = [image, image.copy(), image.copy(), brighter]
    survey = make(images=images, groups=["a", "a", "a", "a"])
    assert told(find_duplicates(survey, pictures=True)) == [NONE] * 4
    survey = make(images=images, groups=["a", "a", "b", "a"], name="other")
    assert [one[1] for one in told(find_duplicates(survey, pictures=True))] == [
        None,
        "o0",
        "o0",
        "o0",
    ]


def test_float_pictures_with_missing_and_huge_pixels(make):
    rng = np.random.default_rng(0)
    image = (galaxy(4).astype(np.float32) + rng.normal(0, 1, (3, SIDE, SIDE))).astype(np.float32)
    holed = image.copy()
    holed[:, :5, :5] = np.nan
    holed[1] = np.inf
    nowhere = np.full_like(image, np.nan)
    huge = (image * np.float32(1e36)).astype(np.float32)
    survey = make(images=[image, holed, nowhere, huge, galaxy(5).astype(np.float32), image.copy()])
    found = told(find_duplicates(survey, pictures=True))
    assert [one[1] for one in found] == [None, found[1][1], None, "o0", None, "o0"]
    assert found[3][2] == "nearly the same picture"
    assert found[5][2] == "same pixels"


def test_pictures_without_noise_are_told_apart(make):
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    smooth = [
        (1000 * np.exp(-np.hypot(x * stretch, y) / 4)).astype(np.float32)[None]
        for stretch in (0.5, 1.3, 2.0)
    ]
    assert told(find_duplicates(make(images=smooth), pictures=True)) == [NONE] * 3


def test_it_can_be_stopped(make):
    def stop(_fraction, message):
        if "pictures seen" in message:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        find_duplicates(make(images=[galaxy(1)]), pictures=True, progress=stop)


def test_different_galaxies_are_not_alike():
    images = np.stack([galaxy(seed) for seed in range(80)])
    one, other = np.triu_indices(80, 1)
    alike = np.concatenate(
        [
            alikeness(images[one[k : k + 500]], images[other[k : k + 500]])
            for k in range(0, len(one), 500)
        ]
    )
    assert alike.max() < 0.85
    bits = np.bitwise_count(fingerprint(images[:40]) ^ fingerprint(images[40:]))
    assert bits.min() > 8


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 2**64 - 1), max_size=30),
    st.lists(st.tuples(st.integers(0, 29), st.sets(st.integers(0, 63), max_size=9)), max_size=20),
    st.sampled_from([3, 5, 8]),
)
def test_close_hashes_are_those_of_brute_force(values, changes, most):
    for place, bits in changes:
        if place < len(values):
            values.append(values[place] ^ sum(1 << bit for bit in bits))
    hashes = np.unique(np.array(values, np.uint64))
    pairs, all_seen = close_pairs(hashes, most)
    expected = [
        [a, b]
        for a in range(len(hashes))
        for b in range(a + 1, len(hashes))
        if int(hashes[a] ^ hashes[b]).bit_count() <= most
    ]
    assert pairs.tolist() == expected
    assert all_seen


def test_a_crowd_of_alike_hashes_ends_and_is_told(make, monkeypatch):
    monkeypatch.setattr("core.survey.matching.fingerprints._MOST_COMPARISONS", 10)
    hashes = np.arange(1000, dtype=np.uint64)
    assert not close_pairs(hashes, 5)[1]
    survey = make(images=[galaxy(seed) for seed in range(30)])
    monkeypatch.setattr("core.survey.matching.fingerprints._MOST_COMPARISONS", 0)
    report = find_duplicates(survey, pictures=True).report
    assert any("not all could be compared" in one for one in report.sentences())


def test_a_large_set_with_one_fingerprint_is_chained():
    from core.survey.matching.duplicates import _suspects

    rows = np.arange(100, 220)
    pairs, _ = _suspects(rows, np.full(120, 7, np.uint64))
    assert pairs.tolist() == [[row, row + 1] for row in range(100, 219)]


@pytest.mark.parametrize("side", [8, 31, 32, 33, 100])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_every_size_has_a_fingerprint(side, dtype):
    images = np.stack([galaxy(seed, side, 2) for seed in range(3)]).astype(dtype)
    prints = Fingerprints(3)
    prints.put(0, images, np.array([True, True, False]))
    assert prints.seen.tolist() == [True, True, False]
    assert len(set(prints.hashes.tolist())) == 3
    assert alikeness(images, images) == pytest.approx(1.0)
