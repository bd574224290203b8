"""The adapters against the packages themselves, where one has installed them: small networks with
weights drawn by chance, out of folders. Last run with timm 1.0.31, torchvision 0.28.0, astropt
2.0.9 and polymathic-aion 0.0.2 beside torch 2.13.0."""

import importlib
import importlib.util
import json
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from core.errors import BadInput, Damaged
from core.representation import ENCODERS, make_encoder
from core.representation.encoders.adapter_weights import import_torchvision
from core.survey import Batch, Survey, SurveyWriter
from core.workspace import open_workspace

PX = 96

PACKAGES = ("timm", "astropt", "aion")
INSTALLED = {name for name in PACKAGES if importlib.util.find_spec(name) is not None}

if INSTALLED:
    with warnings.catch_warnings():  # what they warn of while they are imported is theirs
        warnings.simplefilter("ignore")
        import_torchvision()
        for name in sorted(INSTALLED):
            importlib.import_module(name)
            if name == "astropt":
                importlib.import_module("astropt.local_datasets")


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(package not in INSTALLED, reason=f"{package} is not installed")


@pytest.fixture(scope="module")
def survey(tmp_path_factory) -> Survey:
    return _written(tmp_path_factory.mktemp("pictures"), "uint8", 255.0)


@pytest.fixture(scope="module")
def fluxes(tmp_path_factory) -> Survey:
    return _written(tmp_path_factory.mktemp("fluxes"), "float32", 2.0)


def _written(folder, dtype, top) -> Survey:
    writer = SurveyWriter(
        open_workspace(folder / "ws"),
        "pictures",
        bands=("g", "r", "z"),
        cutout_size_px=PX,
        dtype=dtype,
        origin="test",
        licence="none",
        pixel_scale_arcsec=0.262,
    )
    drawn = np.random.default_rng(3).uniform(0, top, (3, 3, PX, PX)).astype(dtype)
    with writer:
        ids = ["A", "B", "C"]
        writer.append(Batch(ids, list(drawn), [{} for _ in ids]))
        return writer.commit()


def fitted(kind, survey, folder, **options):
    """The encoder, its codes of all objects, and that a second one from what it saved agrees."""
    encoder = make_encoder(kind, survey, options)
    encoder.fit(survey, lambda *_: None)
    codes = encoder.encode(survey.images(np.arange(3)))
    assert codes.dtype == np.float32
    assert len(np.unique(codes, axis=0)) == 3
    again = ENCODERS[kind].load(folder, json.loads(json.dumps(encoder.save(folder))))
    assert np.array_equal(again.encode(survey.images(np.arange(3))), codes)
    return encoder, codes


def saved(timm, folder, architecture, seed=0, **options):
    """A network of timm in a folder as hubs have it, for pictures of `PX` pixels."""
    torch.manual_seed(seed)
    network = timm.create_model(architecture, **options).eval()
    timm.models.save_for_hf(network, folder, safe_serialization=True)
    config = json.loads((folder / "config.json").read_text())
    config["pretrained_cfg"]["input_size"][1:] = [PX, PX]
    (folder / "config.json").write_text(json.dumps(config))
    return network


def seen(survey, mean, std) -> Tensor:
    x = torch.from_numpy(survey.images(np.arange(3))).float() / 255
    return (x - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


@needs("timm")
def test_timm_gives_what_the_network_gives(survey, tmp_path):
    timm = importlib.import_module("timm")
    network = saved(timm, tmp_path / "net", "test_resnet")
    name = str(tmp_path / "net")
    encoder, codes = fitted("timm", survey, tmp_path, model=name)
    config = timm.data.resolve_model_data_config(network)
    x = seen(survey, config["mean"], config["std"])
    with torch.inference_mode():
        before_classes = network.forward_head(network.forward_features(x), pre_logits=True)
        maps = network.forward_intermediates(x, indices=[1], intermediates_only=True)[0]
    assert codes == pytest.approx(before_classes.numpy(), rel=1e-4, abs=1e-5)
    assert (encoder.size_px, encoder.origin.split(" (")[0]) == (PX, f"{name} by timm")
    _, inner = fitted("timm", survey, tmp_path, model=name, layer="layer1")
    assert inner == pytest.approx(maps.mean((2, 3)).numpy(), rel=1e-4, abs=1e-5)
    _, few = fitted("timm", survey, tmp_path, model=name, components="2")
    assert few.shape == (3, 2)
    with pytest.raises(BadInput, match=r"no layer 'layer9'; choose pooled, or one of conv1"):
        make_encoder("timm", survey, {"model": name, "layer": "layer9"})


@needs("timm")
def test_zoobot_sees_pixels_as_they_are(survey, tmp_path):
    timm = importlib.import_module("timm")
    network = saved(timm, tmp_path / "net", "test_convnext", num_classes=0)
    _, codes = fitted("zoobot", survey, tmp_path, model=str(tmp_path / "net"))
    with torch.inference_mode():
        expected = network(seen(survey, (0.0,) * 3, (1.0,) * 3))
    assert codes == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-5)


@needs("timm")
def test_a_network_without_colour(survey, tmp_path):
    timm = importlib.import_module("timm")
    network = saved(timm, tmp_path / "net", "test_resnet", in_chans=1, num_classes=0)
    config = timm.data.resolve_model_data_config(network)
    own = (float(np.mean(config["mean"])), float(np.mean(config["std"])))
    for kind, (mean, std) in (("timm", own), ("zoobot", (0.0, 1.0))):
        _, codes = fitted(kind, survey, tmp_path, model=str(tmp_path / "net"))
        x = torch.from_numpy(survey.images(np.arange(3))).float() / 255
        with torch.inference_mode():
            expected = network((x.mean(1, keepdim=True) - mean) / std)
        assert codes == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-5)


@needs("timm")
@pytest.mark.parametrize(
    "architecture", ["test_convnext", "test_efficientnet", "test_mambaout", "test_nfnet"]
)
def test_classes_in_the_file_are_no_part_of_another_network(survey, tmp_path, architecture):
    timm = importlib.import_module("timm")
    saved(timm, tmp_path, architecture)
    make_encoder("timm", survey, {"model": str(tmp_path)})


@needs("timm")
def test_timm_refuses_the_weights_of_a_deeper_network(survey, tmp_path):
    timm = importlib.import_module("timm")
    saved(timm, tmp_path, "test_vit")
    saved(timm, tmp_path / "deep", "test_vit", depth=8)
    (tmp_path / "deep/model.safetensors").rename(tmp_path / "model.safetensors")
    with pytest.raises(Damaged, match=r"another network .*no place for blocks\.6\..* more"):
        make_encoder("timm", survey, {"model": str(tmp_path)})


class Malicious:
    def __reduce__(self):
        return (exec, ("raise SystemExit",))


@needs("timm")
def test_timm_refuses_pickles_and_other_networks(survey, tmp_path):
    timm = importlib.import_module("timm")
    network = saved(timm, tmp_path, "test_resnet")
    options = {"model": str(tmp_path)}
    origin = make_encoder("timm", survey, options).origin
    safe = tmp_path / "model.safetensors"
    whole = safe.read_bytes()
    safe.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Damaged, match="cut short"):
        make_encoder("timm", survey, options)
    saved(timm, tmp_path / "other", "test_vit")
    safe.write_bytes((tmp_path / "other/model.safetensors").read_bytes())
    with pytest.raises(Damaged, match=r"of another network .*no .* more"):
        make_encoder("timm", survey, options)
    torch.save({"conv1.0.weight": Malicious()}, safe)
    with pytest.raises(Damaged):
        make_encoder("timm", survey, options)
    safe.unlink()
    torch.save({"conv1.0.weight": Malicious()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(Damaged, match="asks for more than numbers"):
        make_encoder("timm", survey, options)
    torch.save(network.state_dict(), tmp_path / "pytorch_model.bin")  # nothing but numbers
    assert make_encoder("timm", survey, options).origin == origin


@needs("astropt")
def test_astropt_gives_what_its_authors_show(survey, tmp_path):
    model = importlib.import_module("astropt.model")
    datasets = importlib.import_module("astropt.local_datasets")
    utils = importlib.import_module("astropt.model_utils")
    torch.manual_seed(0)
    registry = model.ModalityRegistry(
        [model.ModalityConfig("images", 32 * 32 * 3, 1, patch_size=32, embed_pos=True)]
    )
    settings = {"n_layer": 3, "n_head": 2, "n_embd": 16, "n_chan": 3, "block_size": 64}
    network = model.GPT(model.GPTConfig(**settings), registry, master_process=False)
    optimizer = torch.optim.AdamW(network.parameters())
    checkpoint = {
        "model": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "model_args": settings,
        "iter_num": 3,
        "best_val_loss": torch.tensor(0.5),
        "config": {"batch_size": 2},
        "modality_registry": registry,
    }
    torch.save(checkpoint, tmp_path / "ckpt.pt")
    _, codes = fitted("astropt", survey, tmp_path, model=str(tmp_path))

    def normalise(x):
        std, mean = torch.std_mean(x, dim=1, keepdim=True)
        return (x - mean) / (std + 1e-8)

    theirs = utils.load_astropt(None, path=f"{tmp_path}/").eval()
    patching = datasets.GalaxyImageDataset(
        None, spiral=True, transform={"images": normalise}, modality_registry=registry
    )
    pictures = torch.nn.functional.interpolate(
        torch.from_numpy(survey.images(np.arange(3))).float(), (256, 256), mode="bilinear"
    )
    yxc = [one.permute(1, 2, 0).numpy() for one in pictures]
    patches = torch.stack(
        [patching.process_galaxy(torch.from_numpy(one.swapaxes(0, 2).copy())) for one in yxc]
    )
    given = {"images": patches, "images_positions": torch.arange(64).expand(3, -1)}
    with torch.inference_mode():
        expected = theirs.generate_embeddings(given)["images"]
    assert codes == pytest.approx(expected.numpy(), rel=1e-3, abs=1e-4)
    _, middle = fitted("astropt", survey, tmp_path, model=str(tmp_path), layer="transformer.h.1")
    assert middle == pytest.approx(codes, rel=1e-5)  # which is what is pooled
    torch.save({**checkpoint, "config": Malicious()}, tmp_path / "ckpt.pt")
    with pytest.raises(Damaged, match="asks for more than numbers"):
        make_encoder("astropt", survey, {"model": str(tmp_path)})


@needs("aion")
def test_aion_gives_what_its_own_codec_and_network_give(survey, fluxes, tmp_path):
    aion = importlib.import_module("aion")
    codecs = importlib.import_module("aion.codecs")
    modalities = importlib.import_module("aion.modalities")
    torch.manual_seed(0)
    config = {
        "domains_in": ["tok_image", "tok_image_hsc"],
        "domains_out": ["tok_image"],
        "norm_bias": False,
        "act_layer": "SiLU",
        "dim": 24,
        "encoder_depth": 2,
        "decoder_depth": 1,
        "num_heads": 2,
    }
    network = aion.AION(config=config).eval()
    network.save_pretrained(tmp_path)
    codec = codecs.ImageCodec([7, 5, 5, 5, 5], hidden_dims=8, num_consecutive=1).eval()
    codec.save_pretrained(str(tmp_path), modality=modalities.LegacySurveyImage)
    for bands, kind in (
        ("DES-G,DES-R,DES-Z", "LegacySurveyImage"),
        ("HSC-G,HSC-R,HSC-Z", "HSCImage"),
    ):
        encoder, codes = fitted("aion", fluxes, tmp_path, model=str(tmp_path), bands=bands)
        flux = torch.from_numpy(fluxes.images(np.arange(3)))
        if kind == "HSCImage":
            flux = encoder._on_its_pixels(flux)
        picture = getattr(modalities, kind)(flux=flux.clone(), bands=bands.split(","))
        with torch.inference_mode():
            tokens = {picture.token_key: codec.encode(picture)}
            expected = network.encode(tokens, num_encoder_tokens=576).mean(1)
        assert codes == pytest.approx(expected.numpy(), rel=1e-3, abs=1e-4)
    _, inner = fitted(
        "aion", fluxes, tmp_path, model=str(tmp_path), bands=bands, layer="encoder.0"
    )
    assert inner.shape == (3, 24)
    with pytest.raises(BadInput, match="stretched for show"):
        fitted("aion", survey, tmp_path, model=str(tmp_path), bands=bands)
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**settings, "encoder_depth": 1}))
    with pytest.raises(Damaged, match=r"of another network .*no place for encoder\.1\."):
        make_encoder("aion", fluxes, {"model": str(tmp_path), "bands": bands})
    (tmp_path / "config.json").write_text(json.dumps(settings))
    (tmp_path / "model.safetensors").write_bytes(
        (tmp_path / "codecs/image/model.safetensors").read_bytes()
    )
    with pytest.raises(Damaged, match="of another network"):
        make_encoder("aion", fluxes, {"model": str(tmp_path), "bands": bands})
