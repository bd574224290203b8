import numpy as np
import pytest
import torch

from core.errors import BadInput
from core.representation.inputs.scaling import PixelScaling, resized, to_bands


def test_pictures_are_divided_by_255():
    scaling = PixelScaling(True, (0.0,), (255.0,), (1.0,))
    out = scaling(np.full((1, 1, 2, 2), 51, np.uint8))
    assert torch.allclose(out, torch.full((1, 1, 2, 2), 0.2))


def test_flux_goes_from_sky_zero_to_one_at_the_brightest():
    scaling = PixelScaling(False, (10.0,), (110.0,), (0.5,))
    flux = np.array([10.0, 110.0, np.nan, -np.inf]).reshape(1, 1, 2, 2)
    out = scaling(flux).flatten()
    assert out.tolist() == pytest.approx([0, 1, 0, 0], abs=1e-6)


def test_scaling_is_monotonic_and_survives_its_own_json():
    scaling = PixelScaling(False, (0.0, 1.0), (50.0, 60.0), (0.1, 0.2))
    ramp = np.linspace(-1, 70, 64, dtype=np.float32).reshape(1, 1, 8, 8).repeat(2, axis=1)
    out = scaling(ramp)
    assert (out[0, 0].flatten().diff() >= 0).all()
    assert torch.equal(out, PixelScaling.from_dict(scaling.as_dict())(ramp))


def test_constant_survey_gives_finite_numbers():
    scaling = PixelScaling(False, (3.0,), (3.0,), (0.0,))
    assert torch.isfinite(scaling(np.full((2, 1, 4, 4), 3.0))).all()


def test_wrong_axes_are_told():
    with pytest.raises(BadInput, match="object, band, y, x"):
        PixelScaling(True, (0.0,), (1.0,), (1.0,))(np.zeros((3, 4, 4)))


@pytest.mark.parametrize("bands", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [8, 64, 101])
def test_any_survey_fits_the_network(bands, size):
    x = torch.rand(2, bands, size, size)
    out = resized(to_bands(x, 3), 64)
    assert out.shape == (2, 3, 64, 64)
    if bands == 5:
        assert torch.allclose(out.mean((0, 2, 3)), x[:, [0, 2, 4]].mean((0, 2, 3)), atol=0.05)
