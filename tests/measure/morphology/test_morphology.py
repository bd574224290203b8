"""Morphology agrees with statmorph, and with what is known of simple pictures."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import statmorph  # type: ignore[import-untyped]
from photutils.aperture import CircularAperture
from scipy import ndimage

from core.errors import BadInput
from core.measure.morphology import DIRECTIONS, measure_morphology, quantities
from core.measure.morphology.apertures import radii, within
from core.measure.morphology.light import gini, m20
from core.measure.morphology.region import Pixels
from tests.measure.morphology.simulated import galaxies, gaussian, grid, sersic

SHAPES = (
    *("concentration", "asymmetry", "smoothness", "gini", "m20", "r20", "r50", "r80", "petrosian"),
    *("ellipticity", "semi_major", "nuclei", "separation", "flux_ratio", "skewness", "kurtosis"),
    *("inner_slope", "outer_slope"),
)


def one(picture: np.ndarray, **more) -> dict[str, float]:
    """The numbers of a picture (y, x) or (band, y, x)."""
    images = picture[None] if picture.ndim == 3 else picture[None, None]
    found = measure_morphology(images, **more)
    return dict(zip(found.names, found.values[0].tolist(), strict=True))


def by_statmorph(picture: np.ndarray) -> statmorph.SourceMorphology:
    """Its numbers of the region in the middle of (y, x), which has a noise of 1."""
    labels, _n = ndimage.label(ndimage.gaussian_filter(picture, 1.0) > 2 * 0.282)
    middle = len(picture) // 2
    region = (labels == labels[middle, middle]).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return statmorph.SourceMorphology(picture, region, 1, weightmap=np.ones(picture.shape))


@pytest.fixture(scope="module")
def compared():
    """Ours and statmorph's numbers of twenty galaxies, by name."""
    images = galaxies()
    ours = measure_morphology(images)
    theirs: dict[str, list[float]] = {}
    for picture in images[:, 0].astype(np.float64):
        found = by_statmorph(picture)
        for name, value in {
            "concentration": found.concentration,
            "asymmetry": found.asymmetry,
            "gini": found.gini,
            "m20": found.m20,
            "ellipticity": found.ellipticity_asymmetry,
            "r20": found.r20,
            "r80": found.r80,
            "petrosian": found.rpetro_circ,
        }.items():
            theirs.setdefault(name, []).append(value)
    return ours, {name: np.array(values) for name, values in theirs.items()}


@pytest.mark.parametrize(
    ("name", "typical", "worst"),
    [
        # The same definitions, up to how circles cut pixels and where the centre falls.
        ("concentration", 0.05, 0.3),
        ("r20", 0.05, 0.3),
        ("r80", 0.25, 0.9),
        ("petrosian", 0.3, 1.2),
        ("ellipticity", 0.02, 0.1),
        # statmorph turns an interpolated picture and takes the sky's asymmetry from one corner.
        ("asymmetry", 0.03, 0.15),
        # statmorph takes them over elliptical Petrosian regions, which differ most for pairs.
        ("gini", 0.015, 0.1),
        ("m20", 0.15, 0.4),
    ],
)
def test_numbers_agree_with_statmorph(compared, name, typical, worst):
    ours, theirs = compared
    away = np.abs(ours.of(name) - theirs[name])
    assert np.median(away) < typical
    assert away.max() < worst


@pytest.mark.parametrize(
    ("name", "least"),
    [("concentration", 0.98), ("asymmetry", 0.95), ("gini", 0.85), ("m20", 0.9), ("r80", 0.99)],
)
def test_numbers_rank_galaxies_as_statmorph_does(compared, name, least):
    ours, theirs = compared
    assert np.corrcoef(ours.of(name), theirs[name])[0, 1] > least


def test_smoothness_agrees_with_statmorph_where_its_box_has_pixels():
    """statmorph rounds the box down, which leaves none of it in small galaxies, and shifts even
    ones by half a pixel: compared are large ones."""
    rng = np.random.default_rng(0)
    smooth = sersic(160, 16, 1, peak=60)
    clumpy = smooth.copy()
    for _ in range(40):
        angle, away = rng.uniform(0, 2 * np.pi), rng.uniform(10, 24)
        place = {"y": away * np.sin(angle), "x": away * np.cos(angle)}
        clumpy += gaussian(160, 1.5, **place, flux=2500)
    ours, theirs = [], []
    for picture in (smooth, clumpy):
        noisy = picture + rng.normal(0, 1, picture.shape)
        ours.append(one(noisy)["smoothness"])
        theirs.append(by_statmorph(noisy).smoothness)
    assert ours == pytest.approx(theirs, abs=0.03)
    assert ours[1] - ours[0] == pytest.approx(theirs[1] - theirs[0], rel=0.3)
    assert ours[1] > 0.05


def test_clumps_make_small_galaxies_less_smooth():
    found = measure_morphology(galaxies()).of("smoothness")
    has_clumps = np.arange(20) % 4 == 0
    assert found[has_clumps].min() > found[~has_clumps].max()


def test_growth_curves_agree_with_photutils():
    picture = np.random.default_rng(0).normal(size=(33, 40)).astype(np.float32)
    curve = within(picture)
    middle = ((40 - 1) / 2, (33 - 1) / 2)
    area = within(np.ones_like(picture))
    for place, radius in enumerate(radii(33, 40)):
        aperture = CircularAperture(middle, radius)
        exact, _error = aperture.do_photometry(picture.astype(np.float64))
        assert curve[place] == pytest.approx(exact[0], abs=1e-3)
        assert area[place] == pytest.approx(np.pi * radius**2, rel=1e-5)


def test_gini_is_that_of_its_definition():
    values = np.random.default_rng(0).exponential(size=(3, 50)).astype(np.float32)
    real = np.ones(values.shape, bool)
    real[1, 30:] = False
    for row in range(3):
        x = np.abs(values[row][real[row]].astype(np.float64))
        n = len(x)
        mean_difference = np.abs(x[:, None] - x).sum() / (n * (n - 1))
        assert gini(values, real)[row] == pytest.approx(mean_difference / (2 * x.mean()), rel=1e-6)
    assert gini(np.ones((1, 9), np.float32), np.ones((1, 9), bool))[0] == pytest.approx(0)
    assert gini(np.eye(9, dtype=np.float32)[:1], np.ones((1, 9), bool))[0] == pytest.approx(1)


def test_a_symmetric_picture_has_no_asymmetry_wherever_it_lies():
    for y, x in ((0, 0), (0.5, -0.5), (0.3, 0.2), (3.7, -2.4)):
        found = one(sersic(64, 5, 1, y=y, x=x, ellipticity=0.4, theta=0.7))
        assert abs(found["asymmetry"]) < 0.01
        assert found["shape_asymmetry"] < 0.04
        assert found["residual_total"] == pytest.approx(0, abs=0.01)
        assert found["centre_offset"] == pytest.approx(np.hypot(y, x), abs=0.06)
        assert found["r50"] == pytest.approx(
            one(sersic(64, 5, 1, ellipticity=0.4))["r50"], rel=0.02
        )


def test_half_of_a_picture_has_all_the_asymmetry():
    y, x = grid(64)
    picture = gaussian(64, 5, flux=1e5) * (x > 2 * y)
    assert one(picture)["asymmetry"] > 0.3
    lopsided = one(gaussian(64, 3) + gaussian(64, 3, y=8, x=4, flux=300))
    assert lopsided["asymmetry"] > 0.2
    assert lopsided["residual_peak"] > 0.2
    assert lopsided["skewness"] > 0.2


def test_noise_alone_does_not_make_a_galaxy_asymmetric():
    rng = np.random.default_rng(0)
    clean = sersic(64, 5, 1.5, peak=3)
    noisy = np.stack([clean + rng.normal(0, 1, clean.shape) for _ in range(40)])[:, None]
    found = measure_morphology(noisy)
    assert abs(np.median(found.of("asymmetry"))) < 0.04
    assert abs(np.median(found.of("smoothness"))) < 0.04
    expected = clean.sum() / np.sqrt(np.pi) / (1.5 * found.of("petrosian"))
    assert np.median(found.of("snr") / expected) == pytest.approx(1, abs=0.1)


def test_m20_is_that_of_its_definition():
    rng = np.random.default_rng(0)
    inside = ndimage.gaussian_filter(rng.normal(size=(4, 30, 30)), (0, 3, 3)) > 0
    light = rng.exponential(size=inside.shape).astype(np.float32)
    pixels = Pixels.of(inside)
    found = m20(pixels.values(light), pixels, pixels.real)
    for row in range(4):
        y, x = np.nonzero(inside[row])
        f = light[row][y, x].astype(np.float64)
        y, x = y - np.average(y, weights=f), x - np.average(x, weights=f)
        moment = f * (y**2 + x**2)
        falling = np.argsort(-f)
        brightest = falling[np.cumsum(f[falling]) < 0.2 * f.sum()]
        assert found[row] == pytest.approx(
            np.log10(moment[brightest].sum() / moment.sum()), abs=1e-5
        )


def test_m20_of_a_point_and_of_light_apart():
    smooth = gaussian(64, 6, flux=1e4)
    point = one(smooth + gaussian(64, 0.8, flux=2e3))
    apart = one(smooth + gaussian(64, 1.2, y=9, flux=4e3) + gaussian(64, 1.2, y=-9, flux=4e3))
    assert point["m20"] < one(smooth)["m20"] < apart["m20"]
    assert apart["m20"] > -1


@pytest.mark.parametrize("away", [5.0, 8.5, 13.0])
@pytest.mark.parametrize("ratio", [1.0, 0.4, 0.15])
def test_two_gaussians_give_their_separation_and_flux_ratio(away, ratio):
    angle = 0.5
    y, x = away / 2 * np.sin(angle), away / 2 * np.cos(angle)
    envelope = gaussian(64, 9, flux=20000)
    picture = (
        envelope + gaussian(64, 1.3, y=y, x=x) + gaussian(64, 1.3, y=-y, x=-x, flux=1000 * ratio)
    )
    found = one(picture)
    assert found["nuclei"] == 2
    # The brighter one's surroundings push the fainter outwards where they nearly touch.
    assert found["separation"] == pytest.approx(away, abs=0.35 if ratio > 0.2 else 0.7)
    assert found["flux_ratio"] == pytest.approx(ratio, abs=0.1)
    single = one(envelope + gaussian(64, 1.3, y=y, x=x))
    assert single["nuclei"] == 1
    assert np.isnan(single["separation"])


def test_a_gaussian_has_its_radii_and_a_known_sersic_index():
    found = one(gaussian(96, 5, y=0.3, x=0.2, flux=1e5))
    # Within r lies 1 - exp(-r^2 / 2 sigma^2); its Sersic index is one half.
    for name, share in (("r20", 0.2), ("r50", 0.5), ("r80", 0.8)):
        assert found[name] == pytest.approx(5 * np.sqrt(-2 * np.log(1 - share)), rel=0.03)
    assert found["sersic_n"] == pytest.approx(0.5, abs=0.1)
    assert found["ellipticity"] < 0.03
    # Where its brightness is 0.2 of the mean within, by a search in units of sigma.
    x = np.linspace(0.5, 4, 4000)
    ratio = np.exp(-(x**2) / 2) / (2 * (1 - np.exp(-(x**2) / 2)) / x**2)
    assert found["petrosian"] == pytest.approx(5 * x[np.argmax(ratio < 0.2)], rel=0.03)
    exponential = one(sersic(128, 12, 1, peak=300))
    assert exponential["sersic_n"] == pytest.approx(1, abs=0.3)


def test_ellipticity_and_angle_are_those_of_the_picture():
    for angle in (0.3, 1.2, 2.5):
        y, x = grid(96)
        along = x * np.cos(angle) + y * np.sin(angle)
        across = y * np.cos(angle) - x * np.sin(angle)
        found = one(1e4 * np.exp(-0.5 * ((along / 8) ** 2 + (across / 4) ** 2)))
        assert found["ellipticity"] == pytest.approx(0.5, abs=0.02)
        assert found["angle"] == pytest.approx(np.degrees(angle), abs=0.5)


def test_turning_changes_nothing_but_the_angle():
    images = galaxies(6)
    upright = measure_morphology(images)
    for turned in (np.rot90(images, 1, (2, 3)), images[..., ::-1], np.rot90(images, 2, (2, 3))):
        found = measure_morphology(np.ascontiguousarray(turned))
        for name in upright.names:
            if name not in DIRECTIONS:
                # Gauss-Newton ends at the same place but for its last step.
                assert found.of(name) == pytest.approx(
                    upright.of(name), rel=0.02, abs=0.02, nan_ok=True
                ), name


def test_brightness_and_sky_change_no_shape():
    images = galaxies(6)
    plain = measure_morphology(images)
    for scale, sky in ((1e-12, 0), (1e6, 0), (1.0, 50.0), (1e-20, 3e-19)):
        other = measure_morphology(images.astype(np.float64) * scale + sky)
        for name in SHAPES:
            assert other.of(name) == pytest.approx(
                plain.of(name), rel=1e-3, abs=1e-3, nan_ok=True
            ), name
        assert other.of("flux_1") == pytest.approx(plain.of("flux_1") * scale, rel=1e-3)


def test_a_picture_is_measured_alike_alone_and_among_others():
    images = galaxies(5)
    together = measure_morphology(images)
    for row in range(5):
        alone = measure_morphology(images[row : row + 1])
        assert alone.values[0] == pytest.approx(
            together.values[row], rel=1e-4, abs=1e-4, nan_ok=True
        )
        assert (alone.mask[0] == together.mask[row]).all()


def test_colours_are_those_of_the_fluxes():
    rng = np.random.default_rng(0)
    core, halo = sersic(64, 2, 1, peak=200), sersic(64, 9, 1, peak=40)
    picture = np.stack([core + 4 * halo, 2 * core + 2 * halo, 4 * core + halo])
    picture = picture + rng.normal(0, 0.5, picture.shape)
    found = one(picture, bands=("g", "r", "i z"))
    expected = -2.5 * np.log10(found["flux_g"] / found["flux_r"])
    assert found["colour_g_r"] == pytest.approx(expected, abs=1e-4)
    # The core is redder than the halo: g - r is larger there.
    assert found["gradient_g_r"] > 0.3
    assert found["gradient_r_i_z"] > 0.3
    assert found["r50_g"] > found["r50_r"] > found["r50_i_z"]
    dark = picture.copy()
    dark[0] = rng.normal(0, 0.5, dark[0].shape)
    found = one(dark, bands=("g", "r", "i z"))
    assert np.isnan(found["colour_g_r"])
    assert np.isfinite(found["colour_r_i_z"])


def test_what_cannot_be_measured_is_masked_and_no_row_is_lost():
    images = galaxies(6, side=64)
    images[0] = np.nan
    images[1] = 7
    images[2] = np.random.default_rng(0).normal(0, 1, images[2].shape)
    images[3, :, 31:34, 31:34] = np.nan
    images[4, 0, 0, :3] = np.inf
    found = measure_morphology(images)
    assert found.values.shape == (6, len(quantities(("1",))))
    assert (np.isfinite(found.values) == found.mask).all()
    assert not found.mask[0].any()
    assert found.names[int(np.flatnonzero(found.mask[1])[0])] == "sky_1"
    assert not np.isfinite(found.of("concentration")[:2]).any()
    assert np.isfinite(found.of("concentration")[3:]).all()
    assert found.mask[5, [found.names.index(name) for name in SHAPES[:6]]].all()


def test_a_missing_corner_changes_little():
    clean = galaxies(4, side=96)
    holed = clean.copy()
    holed[:, :, :, :12] = np.nan
    a, b = measure_morphology(clean), measure_morphology(holed)
    for name in ("concentration", "gini", "r50", "ellipticity"):
        assert b.of(name) == pytest.approx(a.of(name), rel=0.05, abs=0.03)


@pytest.mark.parametrize("shape", [(2, 1, 4, 4), (2, 5, 8, 8), (2, 1, 9, 33), (1, 2, 300, 300)])
def test_any_size_and_any_number_of_bands(shape):
    images = np.random.default_rng(0).normal(10, 1, shape).astype(np.float32)
    images[..., shape[2] // 2, shape[3] // 2] += 500
    found = measure_morphology(images)
    assert found.values.shape == (shape[0], len(quantities([str(n) for n in range(shape[1])])))
    assert found.mask.any() == (min(shape[2:]) >= 8)


def test_large_pictures_are_measured_in_their_own_pixels():
    large = one(sersic(400, 30, 1, ellipticity=0.3))
    small = one(sersic(200, 15, 1, ellipticity=0.3))
    assert large["r50"] == pytest.approx(2 * small["r50"], rel=0.03)
    assert large["flux_1"] == pytest.approx(4 * small["flux_1"], rel=0.03)
    assert large["concentration"] == pytest.approx(small["concentration"], rel=0.03)


def test_averaging_large_pictures_changes_no_units():
    """The same galaxy, of the same pixels and noise, in a frame of 520 px and in its middle."""
    rng = np.random.default_rng(0)
    large = (sersic(520, 12, 1) + rng.normal(0, 3, (520, 520))) + 50
    middle = one(large[195:325, 195:325])
    found = one(large)
    for name in ("noise_1", "sky_1", "flux_1", "brightness_1", "surface_brightness", "r50"):
        assert found[name] == pytest.approx(middle[name], rel=0.1), name
    assert found["noise_1"] == pytest.approx(3, rel=0.1)
    given = measure_morphology(large[None, None], sigma=3.0)
    assert given.of("noise_1")[0] == pytest.approx(3)


def test_squares_with_a_gap_are_averaged_over_what_is_there():
    large = sersic(520, 12, 1) + np.random.default_rng(0).normal(0, 3, (520, 520))
    whole = one(large)
    # A bad pixel in every square of nine: nothing was left of such a picture.
    large[::3, ::3] = np.nan
    large[1, 1] = np.inf
    holed = one(large)
    assert holed["r50"] == pytest.approx(whole["r50"], rel=0.05)
    assert holed["flux_1"] == pytest.approx(whole["flux_1"], rel=0.05)


def test_eight_bit_pictures_are_measured_too():
    images = np.clip(galaxies(4, side=64) * 2 + 20, 0, 255).astype(np.uint8)
    found = measure_morphology(images)
    floats = measure_morphology(images.astype(np.float32))
    for name in SHAPES[:6]:
        assert found.of(name) == pytest.approx(floats.of(name), rel=1e-3, abs=1e-3)


def test_neighbours_are_told_from_the_object():
    picture = sersic(64, 3, 1) + 2 * sersic(64, 3, 1, y=20, x=20)
    found = one(picture + np.random.default_rng(0).normal(0, 1, picture.shape))
    assert found["sources"] >= 2
    assert found["neighbour_ratio"] == pytest.approx(2, rel=0.15)
    assert found["centre_offset"] < 0.5


def test_pictures_of_another_shape_are_refused():
    with pytest.raises(BadInput, match=r"\(object, band, y, x\)"):
        measure_morphology(np.zeros((3, 8, 8)))
    with pytest.raises(BadInput, match="complex"):
        measure_morphology(np.zeros((1, 1, 8, 8), complex))


def test_names_are_words_and_all_different():
    names = [one.name for one in quantities(("g'", "g`", "F814W", "日"))]
    assert len(set(names)) == len(names)
    assert all(name.isascii() and name.replace("_", "").isalnum() for name in names)
    assert all(one.meaning for one in quantities(("g", "r")))
