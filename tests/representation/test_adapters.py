"""The adapters to other projects' networks, with what is used of each package's interface:
timm 1.0.31, astropt 2.0.9, polymathic-aion 0.0.2, huggingface_hub 2.4.0 (the real one)."""

import json
import shutil
import sys
import threading
import types
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from torch import nn

from core.errors import BadInput, Damaged, NotFound, NotReady
from core.representation import ENCODERS, make_encoder
from core.representation.encoders import adapters
from core.representation.encoders.pretrained import output_of, over_picture
from core.representation.inputs.scaling import resized
from core.survey import Batch, Survey, SurveyWriter
from core.workspace import open_workspace


def written(folder, name, dtype, bands, scale=None) -> Survey:
    writer = SurveyWriter(
        open_workspace(folder / "ws"),
        name,
        bands=bands,
        cutout_size_px=32,
        dtype=dtype,
        origin="test",
        licence="none",
        pixel_scale_arcsec=scale,
    )
    drawn = np.random.default_rng(3).uniform(0, 255, (3, len(bands), 32, 32)).astype(dtype)
    with writer:
        ids = ["A", "B", "C"]
        writer.append(Batch(ids, list(drawn), [{} for _ in ids]))
        return writer.commit()


@pytest.fixture(scope="module")
def survey(tmp_path_factory) -> Survey:
    return written(tmp_path_factory.mktemp("pictures"), "pictures", "uint8", ("R", "G", "B"))


@pytest.fixture(scope="module")
def fluxes(tmp_path_factory) -> Survey:
    """Pixels of twice the side that AION knows."""
    return written(tmp_path_factory.mktemp("f"), "fluxes", "float32", ("g", "r", "z"), 0.524)


def fitted(encoder, survey):
    encoder.fit(survey, lambda *_: None)
    return encoder


def modules(monkeypatch, **parts):
    """Stand-ins: `a__b` is the module a.b."""
    for name, content in parts.items():
        module = types.ModuleType(name.replace("__", "."))
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, module.__name__, module)


class Small(nn.Module):
    """Stands for a network of timm: features (B, 4) of what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2)
        with torch.no_grad():
            self.conv.weight.fill_(0.1)
            self.conv.bias.zero_()  # type: ignore[union-attr]

    def forward(self, x):
        self.seen = x
        return self.conv(x).mean((2, 3))


def fake_timm(monkeypatch, create, **settings):
    config = {"input_size": (3, 48, 48), "mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
    config |= settings

    def create_model(model_name, pretrained=False, num_classes=1000):
        assert pretrained
        assert num_classes == 0
        return create(model_name)

    def resolve_model_data_config(model, args=None, pretrained_cfg=None, use_test_size=False):
        return config

    modules(
        monkeypatch,
        timm={"create_model": create_model},
        timm__data={"resolve_model_data_config": resolve_model_data_config},
    )


def test_timm_and_zoobot_see_pictures_as_they_were_trained(survey, tmp_path, monkeypatch):
    made: list[str] = []

    def create(name):
        made.append(name)
        return Small()

    fake_timm(monkeypatch, create)
    encoder = fitted(make_encoder("timm", survey, {"model": "convnext_nano"}), survey)
    pictures = np.full((2, 3, 32, 32), 255, np.uint8)
    codes = encoder.encode(pictures)
    assert encoder.network.seen.shape == (2, 3, 48, 48)
    assert torch.allclose(encoder.network.seen, torch.tensor(2.0))  # (1 - 0.5) / 0.25
    assert codes == pytest.approx(np.full((2, 4), 27 * 0.1 * 2.0), rel=1e-5)
    again = ENCODERS["timm"].load(tmp_path, encoder.save(tmp_path))
    assert np.array_equal(again.encode(pictures), codes)
    zoobot = fitted(make_encoder("zoobot", survey, {"layer": "conv"}), survey)
    assert zoobot.encode(pictures) == pytest.approx(codes / 2)  # 0 to 1, as they are
    assert made == ["convnext_nano"] * 2 + ["hf_hub:mwalmsley/zoobot-encoder-convnext_nano"]
    make_encoder("timm", survey, {"model": str(tmp_path)})
    assert made[-1] == f"local-dir:{tmp_path.resolve()}"
    with pytest.raises(NotFound, match="There is no folder"):
        make_encoder("timm", survey, {"model": str(tmp_path / "none")})
    with pytest.raises(BadInput, match="install the former"):
        ENCODERS["timm"].load(tmp_path, {**encoder.save(tmp_path), "weights": "others"})


@pytest.mark.parametrize("kind", ["timm", "zoobot"])
@pytest.mark.parametrize(
    "model",
    ["local-dir:{}", "Local-Dir:{}", "LOCAL-DIR:{}", "local-dir :{}", "file:{}", " {}", "a{}"],
)
def test_a_path_that_no_page_would_have_checked_is_refused(
    survey, tmp_path, monkeypatch, kind, model
):
    fake_timm(monkeypatch, lambda _name: Small())
    with pytest.raises(BadInput, match=r"a folder's path with /, ~ or \. first, but is"):
        make_encoder(kind, survey, {"model": model.format(tmp_path)})


def test_a_hub_may_be_written_either_way(survey, monkeypatch):
    made: list[str] = []

    def create(name):
        made.append(name)
        return Small()

    fake_timm(monkeypatch, create)
    for name in ("hf_hub:own/net", "HF-hub:own/net"):
        make_encoder("zoobot", survey, {"model": name})
    assert made == ["hf_hub:own/net", "HF-hub:own/net"]


def test_a_folder_is_found_again_from_anywhere(survey, tmp_path, monkeypatch):
    fake_timm(monkeypatch, lambda _name: Small())
    (tmp_path / "net").mkdir()
    (tmp_path / "link").symlink_to("net")
    monkeypatch.chdir(tmp_path)
    encoder = fitted(make_encoder("timm", survey, {"model": "./link"}), survey)
    settings = encoder.save(tmp_path)
    assert settings["options"]["model"] == str(tmp_path.resolve() / "net")
    monkeypatch.chdir("/")
    assert ENCODERS["timm"].load(tmp_path, settings).origin == encoder.origin


@pytest.mark.parametrize("model", ["~nosuchuser/net", "/net\0", f"/{'x' * 300}"])
def test_what_can_be_no_folder_is_refused(survey, monkeypatch, model):
    fake_timm(monkeypatch, lambda _name: Small())
    with pytest.raises(BadInput, match="cannot be a folder") as told:
        make_encoder("timm", survey, {"model": model})
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("mean", "grey"), [((0.25,), 0.25), ((0.1, 0.2, 0.6), 0.3)])
def test_a_network_without_colour_sees_the_mean_of_the_bands(survey, monkeypatch, mean, grey):
    class Grey(nn.Module):
        def forward(self, x):
            return x.mean((2, 3))

    fake_timm(monkeypatch, lambda _name: Grey(), input_size=(1, 8, 8), mean=mean, std=(0.5,))
    pictures = np.zeros((2, 3, 32, 32), np.uint8)
    pictures[:, 1:] = 255
    encoder = fitted(make_encoder("timm", survey), survey)
    assert encoder.encode(pictures) == pytest.approx(np.full((2, 1), (2 / 3 - grey) / 0.5))
    zoobot = fitted(make_encoder("zoobot", survey), survey)
    assert zoobot.encode(pictures) == pytest.approx(np.full((2, 1), 2 / 3))


def test_a_wrong_layer_is_refused_before_anything_is_embedded(survey, monkeypatch):
    fake_timm(monkeypatch, lambda _name: Small())
    with pytest.raises(BadInput, match=r"no layer 'stage9'; choose pooled, or one of conv\."):
        make_encoder("timm", survey, {"layer": "stage9"})
    network = nn.ModuleDict({"blocks": nn.ModuleList([nn.Identity()]), "unused": nn.Identity()})
    with pytest.raises(BadInput, match=r"or one of unused, blocks\.0\."):  # no mere lists
        output_of(network, "blocks", lambda: None, 2)


@pytest.mark.parametrize(
    "shapes",
    [[], [(2, 5), (2, 5)], [(8, 4, 5)], [(1, 2, 5)], [(2,)], [()]],
    ids=["unused", "twice", "windows", "tokens first", "a number", "one number"],
)
def test_a_layer_without_a_row_for_every_picture_is_refused(shapes):
    network = nn.Sequential(nn.Identity())
    with pytest.raises(BadInput, match="'0' gives no numbers a picture"):
        output_of(network, "0", lambda: [network(torch.ones(one)) for one in shapes], 2)
    assert not network[0]._forward_hooks


def test_two_threads_may_look_at_one_network():
    network = nn.Sequential(nn.Identity())
    found: dict[str, torch.Tensor] = {}

    def of_the_second():
        found["b"] = output_of(network, "0", lambda: network(torch.ones(2, 3)), 2)

    second = threading.Thread(target=of_the_second)

    def run():
        network(torch.zeros(2, 3))
        second.start()
        second.join(0.1)  # time for it to come in between

    found["a"] = output_of(network, "0", run, 2)
    second.join()
    assert torch.equal(found["a"], torch.zeros(2, 3))
    assert torch.equal(found["b"], torch.ones(2, 3))


def test_a_layer_is_averaged_over_the_picture_whatever_its_order():
    x = torch.randn(2, 5, 7, 7, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([one.flatten(1).mean(1) for one in x])
    assert torch.allclose(over_picture(x), expected)
    assert torch.allclose(over_picture(x.permute(0, 2, 3, 1)), expected)  # as Swin orders them
    assert torch.allclose(over_picture(x.flatten(2).transpose(1, 2)), expected)
    assert torch.equal(over_picture(expected), expected)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (RuntimeError("Unknown model (resnet1)"), NotFound, "correct the model's name"),
        (FileNotFoundError("no config.json"), NotFound, "no config.json"),
        (ConnectionError("no route to host"), NotReady, "cannot be fetched now"),
        (OSError("Consistency check failed: file should be\nof size 2"), Damaged, "cut short"),
        (ValueError("\x1b[1mAh\x1b[0m"), NotReady, r"cannot be had .ValueError: Ah."),
    ],
)
def test_what_a_package_raises_is_one_sentence(survey, monkeypatch, error, kind, words):
    def create(_name):
        raise error

    fake_timm(monkeypatch, create)
    with pytest.raises(kind, match=words) as told:
        make_encoder("timm", survey)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "package", "line"),
    [
        ("timm", "timm", "timm torchvision"),
        ("zoobot", "timm", "timm torchvision"),
        ("astropt", "astropt", "astropt"),
        ("aion", "aion", "polymathic-aion"),
    ],
)
def test_a_package_that_is_absent_is_told_with_the_line_that_brings_it(
    survey, monkeypatch, name, package, line
):
    version = torch.__version__.partition("+")[0]
    for loaded in [package, *(one for one in sys.modules if one.startswith(f"{package}."))]:
        monkeypatch.setitem(sys.modules, loaded, None)
    with pytest.raises(
        NotReady, match=f"package {package}, .*`pip install {line} torch=={version}`"
    ):
        make_encoder(name, survey)


class Malicious:
    def __reduce__(self):
        return (exec, ("raise SystemExit",))


class ModalityConfig:
    patch_size = 16

    def __init__(self, **settings):
        vars(self).update(settings)


class ModalityRegistry:
    def __init__(self, modalities):
        self.modalities = {one.name: one for one in modalities}

    def get_config(self, name):
        return self.modalities[name]

    def names(self):
        return sorted(self.modalities)


class GPTConfig:
    def __init__(self, n_embd):
        self.n_embd = n_embd


class GPT(nn.Module):
    """(B, T, 768) patches and (B, T) positions -> the deviation of pixels in four patches."""

    def __init__(self, config, modality_registry, master_process=True):
        super().__init__()
        assert not master_process  # it would print
        self.wte = nn.Linear(2, config.n_embd)

    def generate_embeddings(self, inputs, reduction="mean"):
        patches, positions = inputs["images"], inputs["images_positions"]
        assert positions.tolist() == [list(range(patches.shape[1]))] * len(patches)
        return {"images": patches[:, [0, 85, 170, 255]].std(2)}


class GalaxyImageDataset:
    def __init__(
        self, paths, transform=None, stochastic=True, spiral=False, modality_registry=None
    ):
        assert (paths, spiral) == (None, True)
        self.transform, self.side = transform, modality_registry.get_config("images").patch_size

    def process_galaxy(self, raw_galaxy):
        assert raw_galaxy.shape == (3, 256, 256)
        self.seen = raw_galaxy
        cut = raw_galaxy.unfold(1, self.side, self.side).unfold(2, self.side, self.side)
        return self.transform["images"](cut.permute(1, 2, 3, 4, 0).flatten(0, 1).flatten(1))


def test_astropt_is_given_patches_and_positions(survey, tmp_path, monkeypatch):
    modules(
        monkeypatch,
        astropt={},
        astropt__model={
            "GPT": GPT,
            "GPTConfig": GPTConfig,
            "ModalityRegistry": ModalityRegistry,
            "ModalityConfig": ModalityConfig,
        },
        astropt__local_datasets={"GalaxyImageDataset": GalaxyImageDataset},
    )
    network = GPT(GPTConfig(8), None, master_process=False)
    saved = {
        "model": {f"_orig_mod.{name}": one for name, one in network.state_dict().items()},
        "model_args": {"n_embd": 8},
        "modality_registry": ModalityRegistry([ModalityConfig(name="images", patch_size=16)]),
    }
    torch.save(saved, tmp_path / "ckpt.pt")
    encoder = fitted(make_encoder("astropt", survey, {"model": str(tmp_path)}), survey)
    assert torch.equal(encoder.network.wte.weight, network.wte.weight)
    codes = encoder.encode(survey.images(np.arange(2)))
    assert codes == pytest.approx(np.ones((2, 4)), abs=1e-3)
    left = np.zeros((1, 3, 32, 32), np.uint8)
    left[:, :, :, :16] = 255
    encoder.encode(left)
    assert encoder._patches.seen[:, :120].min() > 254  # of 0 to 255, x before y
    assert encoder._patches.seen[:, 136:].max() < 1
    torch.save({**saved, "config": Malicious()}, tmp_path / "ckpt.pt")
    with pytest.raises(Damaged, match="more than numbers"):
        make_encoder("astropt", survey, {"model": str(tmp_path)})
    kinds = [ModalityConfig(name=name, patch_size=16) for name in ("images", "spectra")]
    torch.save({**saved, "modality_registry": ModalityRegistry(kinds)}, tmp_path / "ckpt.pt")
    with pytest.raises(BadInput, match="reads images, spectra, but is given pictures alone"):
        make_encoder("astropt", survey, {"model": str(tmp_path)})
    torch.save({"model": saved["model"]}, tmp_path / "ckpt.pt")  # of a version before
    with pytest.raises(Damaged, match="model_args"):
        make_encoder("astropt", survey, {"model": str(tmp_path)})
    with pytest.raises(BadInput, match="REPOSITORY:PATH"):
        make_encoder("astropt", survey, {"model": "095M"})


class Picture:
    token_key = "tok_image"

    def __init__(self, flux, bands):
        self.flux, self.bands = flux, bands


class HSCPicture(Picture):
    token_key = "tok_image_hsc"


class ImageCodec(nn.Module):
    def __init__(self, quantizer_levels):
        super().__init__()
        self.levels = nn.Parameter(torch.zeros(quantizer_levels))

    def encode(self, x):
        self.seen = x
        return x.flux.flatten(2).sum(2).round()


class AION(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dim = nn.Parameter(torch.zeros(config["dim"]))

    def encode(self, input_dict, input_mask=None, num_encoder_tokens=256):
        assert list(input_dict) == ["tok_image"]
        tokens = input_dict["tok_image"]
        assert num_encoder_tokens == tokens.shape[1]
        return tokens[:, None, :].expand(-1, 7, -1)


def fake_aion(monkeypatch, folder):
    """The package, and a model of it in a folder."""
    known = {"DES-G": 5, "DES-R": 6, "DES-I": 7, "DES-Z": 8, "HSC-G": 0}
    modules(
        monkeypatch,
        aion={"AION": AION},
        aion__codecs={"ImageCodec": ImageCodec},
        aion__codecs__config={"HF_REPO_ID": "polymathic-ai/aion-base"},
        aion__codecs__preprocessing={},
        aion__codecs__preprocessing__band_to_index={"BAND_TO_INDEX": known},
        aion__modalities={"LegacySurveyImage": Picture, "HSCImage": HSCPicture},
    )
    for within, config, network in (
        (folder, {"dim": 5}, AION({"dim": 5})),
        (folder / "codecs/image", {"quantizer_levels": 3, "of": "later"}, ImageCodec(3)),
    ):
        within.mkdir(parents=True, exist_ok=True)
        (within / "config.json").write_text(json.dumps(config))
        save_file(network.state_dict(), within / "model.safetensors")


THREE = {"bands": "DES-G,DES-R,DES-Z"}


def test_aion_is_given_native_fluxes_on_its_own_pixels(survey, fluxes, tmp_path, monkeypatch):
    fake_aion(monkeypatch, tmp_path)
    options = {**THREE, "model": str(tmp_path)}
    encoder = fitted(make_encoder("aion", fluxes, options), fluxes)
    pictures = fluxes.images(np.arange(3))
    codes = encoder.encode(pictures)
    seen = encoder._codec.seen
    assert (tuple(seen.flux.shape), seen.bands) == ((3, 3, 96, 96), ["DES-G", "DES-R", "DES-Z"])
    assert codes == pytest.approx(pictures.sum((2, 3)), rel=1e-3)  # no flux is lost
    assert seen.flux[:, :, :16].abs().max() == 0  # 64 of its pixels, sky around
    assert seen.flux[:, :, 16:80, 16:80].min() > 0
    settings = encoder.save(tmp_path)
    assert np.array_equal(ENCODERS["aion"].load(tmp_path, settings).encode(pictures), codes)
    encoder._pixel_arcsec = None  # unknown: stretched, as bright a pixel
    stretched = encoder.encode(pictures) / 96**2
    assert stretched == pytest.approx(pictures.mean((2, 3)), rel=0.02)
    encoder._pixel_arcsec = 4 * 0.262  # 128 of its pixels: the middle 96 are left
    assert np.all(encoder.encode(pictures) < codes)
    with pytest.raises(BadInput, match="stretched for show"):
        fitted(make_encoder("aion", survey, options), survey)
    four = fitted(make_encoder("aion", fluxes, {"model": str(tmp_path)}), fluxes)
    with pytest.raises(BadInput, match="the survey has 3"):
        four.encode(pictures)
    for bands in ("g,r,z", "DES-G,HSC-G", "DES-G,DES-R,DES-G"):
        with pytest.raises(BadInput, match="AION's bands are, of one survey, DES-G"):
            make_encoder("aion", fluxes, {**options, "bands": bands})


def test_aion_takes_what_is_no_number_as_sky(fluxes, tmp_path, monkeypatch):
    fake_aion(monkeypatch, tmp_path)
    encoder = fitted(make_encoder("aion", fluxes, {**THREE, "model": str(tmp_path)}), fluxes)
    pictures = np.ones((4, 3, 32, 32), np.float32)
    for row, one in enumerate((0.0, np.nan, np.inf, -np.inf)):
        pictures[row, :, 4] = one
    encoder.encode(pictures)
    seen = encoder._codec.seen.flux
    assert torch.equal(seen[1:], seen[:1].expand(3, -1, -1, -1))


@pytest.mark.parametrize("arcsec", [0.131, 0.262, 0.4, 1.048])
def test_aion_scales_no_more_than_its_pixels_need(fluxes, tmp_path, monkeypatch, arcsec):
    fake_aion(monkeypatch, tmp_path)
    encoder = make_encoder("aion", fluxes, {**THREE, "model": str(tmp_path)})
    encoder._pixel_arcsec = arcsec
    y, x = torch.meshgrid(*[torch.arange(600.0)] * 2, indexing="ij")
    flux = torch.exp(-((y - 290) ** 2 + (x - 310) ** 2) / 2 / (2 / arcsec) ** 2)[None, None]
    side = round(600 * arcsec / 0.262)
    low = (side - 96) // 2
    whole = resized(flux, side)[:, :, low : low + 96, low : low + 96] * (600 / side) ** 2
    asked: list[int] = []

    def seen(given, px):
        asked.append(max(px, given.shape[-1]))
        return resized(given, px)

    monkeypatch.setattr(adapters, "resized", seen)
    assert encoder._on_its_pixels(flux).numpy() == pytest.approx(
        whole.numpy(), abs=0.01 * float(whole.max())
    )
    assert max(asked) < 130 * max(1, 0.262 / arcsec)


def test_a_model_comes_from_the_hub_once_and_then_from_its_cache(fluxes, tmp_path, monkeypatch):
    """A server that answers as the hub does, at OWNER/NAME/resolve/main/FILE."""
    root = tmp_path / "hub"
    fake_aion(monkeypatch, root / "polymathic-ai/aion-base")
    larger = root / "polymathic-ai/aion-large"  # whose codec is that of the other
    shutil.copytree(root / "polymathic-ai/aion-base", larger, ignore=lambda *_: ["codecs"])
    asked: list[str] = []

    class Hub(SimpleHTTPRequestHandler):
        def translate_path(self, path):
            return str(root / path.lstrip("/").replace("/resolve/main", ""))

        def end_headers(self):
            self.send_header("X-Repo-Commit", "0123456789" * 4)
            self.send_header("ETag", f'"{abs(hash(self.path))}"')
            super().end_headers()

        def send_error(self, code, message=None, explain=None):
            self.send_response(code)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format, *args):
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, directory=str(root)))
    place = f"http://127.0.0.1:{server.server_port}"
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, place)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", place)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        first = make_encoder("aion", fluxes, THREE)
        other = make_encoder("aion", fluxes, {**THREE, "model": "polymathic-ai/aion-large"})
        assert other.origin == first.origin.replace("-base", "-large")
        with pytest.raises(NotFound, match=r"Repository Not Found.; correct the model's name"):
            make_encoder("aion", fluxes, {**THREE, "model": "polymathic-ai/none"})
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        huggingface_hub.close_session()
    assert any("codecs/image/model.safetensors" in one for one in asked)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert make_encoder("aion", fluxes, THREE).origin == first.origin
    with pytest.raises(NotReady, match="not on this machine and cannot be fetched now"):
        make_encoder("aion", fluxes, {**THREE, "model": "polymathic-ai/another"})
