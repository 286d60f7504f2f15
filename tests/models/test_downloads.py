"""ImageNet weights of other libraries: fetched, looked at, and refused. Nothing is downloaded."""

from hashlib import sha256
from pathlib import Path

import huggingface_hub
import pytest
import segmentation_models_pytorch
import torch
import torchvision
from safetensors.torch import save_file

from bmis.cli.main import main
from bmis.errors import BmisError, BundleError, ConfigError
from bmis.models import build_model, build_untrained, downloads, initial_weights
from bmis.models.downloads import fetch_repository, fetch_url
from helpers.tiny import write_dataset

URL = "https://example.org/models/net-{}.pth"


@pytest.fixture
def caches(tmp_path, monkeypatch):
    """Empty caches, and no network: what a test publishes under an address can be fetched."""
    published = {}

    def download(url, target, digits=None, progress=True):
        if url not in published:
            raise OSError("no network")
        Path(target).write_bytes(published[url])

    def hub_download(repository, filename, revision=None):
        if (repository, filename) not in published:
            raise huggingface_hub.errors.LocalEntryNotFoundError("offline\n\nno network")
        path = tmp_path / "hub" / sha256(published[repository, filename]).hexdigest()
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(published[repository, filename])
        return str(path)

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub_download)
    monkeypatch.setattr(segmentation_models_pytorch.encoders, "hf_hub_download", hub_download)
    return published


def test_a_file_is_fetched_once_and_looked_at_each_time(caches, tmp_path):
    url = URL.format(sha256(b"good").hexdigest()[:8])
    caches[url] = b"good"
    path = fetch_url(url)
    assert path.parent == tmp_path / "torch" / "checkpoints"
    caches.clear()
    assert fetch_url(url) == path
    path.write_bytes(b"bad")
    with pytest.raises(BundleError, match=r"net-.*pth: damaged, or other weights \(SHA-256 "):
        fetch_url(url)
    assert fetch_url(url, hashed=False) == path


def test_without_a_network_the_file_and_its_place_are_named(caches, tmp_path):
    with pytest.raises(ConfigError) as caught:
        fetch_url(URL.format("00000000"))
    place = tmp_path / "torch" / "checkpoints" / "net-00000000.pth"
    assert str(caught.value) == (
        f"weights cannot be fetched (no network); fetch {URL.format('00000000')} on a machine with "
        f"a network and put it at {place}, or use weights=none"
    )
    assert not place.exists()
    with pytest.raises(ConfigError) as caught:
        fetch_repository("owner/net", "abc", "model.safetensors")
    assert "run `hf download owner/net model.safetensors --revision abc` and copy" in str(
        caught.value
    )
    assert "the folder models--owner--net of its cache into" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_the_hub_keeps_is_compared_with_its_name(caches):
    caches["owner/net", "model.safetensors"] = b"good"
    path = fetch_repository("owner/net", None, "model.safetensors")
    path.write_bytes(b"bad")
    with pytest.raises(BundleError, match="damaged, or other weights"):
        fetch_repository("owner/net", None, "model.safetensors")


@pytest.fixture
def mobilenet(caches, monkeypatch):
    """MobileNetV3 of torchvision as if it were published."""
    torch.manual_seed(1)
    theirs = torchvision.models.mobilenet_v3_large(weights=None)
    known = torchvision.models.MobileNet_V3_Large_Weights.IMAGENET1K_V1
    path = fetch_place(known.url)
    torch.save(theirs.state_dict(), path)
    monkeypatch.setattr(downloads, "_check_content", lambda path, digits: None)
    return theirs.features, path


def fetch_place(url):
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def weights_of(layers):
    return [tensor for name, tensor in layers.state_dict().items() if "num_batches" not in name]


@pytest.mark.parametrize("channels", [3, 1])
def test_lv_unet_and_torchvision_start_from_the_librarys_weights(mobilenet, channels):
    theirs, _ = mobilenet
    model = build_model("lv_unet", weights="imagenet", in_channels=channels)
    first, *others = weights_of(model.stem)
    wanted, *rest = weights_of(theirs[0])
    torch.testing.assert_close(first.sum(1), wanted.sum(1))
    assert all(torch.equal(a, b) for a, b in zip(others, rest, strict=True))
    assert all(map(torch.equal, weights_of(model.encoder_3), weights_of(theirs[6:10])))
    trunk = sum(p.numel() for p in model.trunk_parameters())
    assert trunk == sum(p.numel() for p in (*model.stem.parameters(), *model.encoder_1.parameters(),
        *model.encoder_2.parameters(), *model.encoder_3.parameters()))  # fmt: skip
    model = build_model("tv_lraspp", weights="imagenet", in_channels=channels)
    assert all(map(torch.equal, weights_of(model.network.backbone)[1:], weights_of(theirs)[1:]))
    assert set(map(id, model.trunk_parameters())) == set(
        map(id, model.network.backbone.parameters())
    )


def test_untrained_is_the_default_and_fetches_nothing(caches):
    for name in ("lv_unet", "tv_lraspp", "smp_linknet", "monai_flexible_unet"):
        assert initial_weights(name, {}) == "none"
        assert initial_weights(name, {"weights": "imagenet"}) == "imagenet"
        assert list(build_untrained(name, weights="imagenet").trunk_parameters()) == []
        with torch.device("meta"):  # as a comparison checks its options
            build_model(name, weights="imagenet")


def test_damaged_weights_and_those_of_another_network_are_one_line(mobilenet):
    _, path = mobilenet
    for content in (b"no weights", path.read_bytes()[:5000]):
        path.write_bytes(content)
        with pytest.raises(BundleError, match=r"pth: not the weights of this network \(.*delete"):
            build_model("lv_unet", weights="imagenet")
    torch.save(torchvision.models.mobilenet_v3_small(weights=None).state_dict(), path)
    with pytest.raises(BundleError, match="not the weights of this network"):
        build_model("tv_lraspp", weights="imagenet")


@pytest.mark.parametrize("channels", [3, 1])
def test_smp_starts_from_the_librarys_weights(caches, tmp_path, channels):
    library = segmentation_models_pytorch.encoders
    theirs = library.get_encoder("mobilenet_v2", weights=None)
    save_file(theirs.state_dict(), tmp_path / "file")
    where = library.encoders["mobilenet_v2"]["pretrained_settings"]["imagenet"]["repo_id"]
    caches[where, "config.json"] = b"{}"
    caches[where, "model.safetensors"] = (tmp_path / "file").read_bytes()
    model = build_model("smp_linknet", weights="imagenet", in_channels=channels)
    mine, wanted = model.network.encoder.state_dict(), theirs.state_dict()
    first = next(iter(mine))
    torch.testing.assert_close(mine.pop(first).sum(1), wanted[first].sum(1))
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in mine.items())
    assert len(list(model.trunk_parameters())) == len(list(model.network.encoder.parameters()))
    save_file({"odd": torch.zeros(1)}, tmp_path / "file")
    caches[where, "model.safetensors"] = (tmp_path / "file").read_bytes()
    with pytest.raises(BundleError, match="not the weights of this network"):
        build_model("smp_linknet", weights="imagenet")


@pytest.mark.parametrize("channels", [3, 1])
def test_monai_starts_from_the_librarys_weights(caches, channels):
    from monai.networks.nets import efficientnet

    theirs = build_model("monai_flexible_unet").network.encoder
    whole = efficientnet.EfficientNetBN("efficientnet-b0", pretrained=False)
    state = {}
    for name, tensor in whole.state_dict().items():
        state[efficientnet.re.sub(r"(.+)\.\d+(\.\d+\..+)", r"\1\2", name)] = tensor
    path = fetch_place(efficientnet.url_map["efficientnet-b0"])
    torch.save(state, path)
    model = build_model("monai_flexible_unet", weights="imagenet", in_channels=channels)
    mine = model.network.encoder.state_dict()
    assert set(mine) == set(theirs.state_dict())
    wanted = whole.state_dict()
    torch.testing.assert_close(
        mine.pop("_conv_stem.weight").sum(1), wanted["_conv_stem.weight"].sum(1)
    )
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in mine.items())
    assert model(torch.zeros(2, channels, 32, 32)).shape == (2, 2, 32, 32)
    state["_blocks.3._expand_conv.weight"] = torch.zeros(3)
    torch.save(state, path)
    with pytest.raises(BundleError, match=r"has no tensor '_blocks.3._expand_conv.weight' of"):
        build_model("monai_flexible_unet", weights="imagenet")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("lv_unet", {"weights": "imagnet"}, r"unknown weights 'imagnet' \(did you mean 'imagenet'"),
        ("tv_fcn", {}, r"fetch http.*/resnet50-.* put it at .*/resnet50-"),
        ("smp_unet", {}, "hf download smp-hub/resnet34.imagenet config.json"),
        ("smp_unet", {"encoder": "tu-resnet10t"}, "hf download timm/resnet10t.* model.safetensors"),
        ("smp_unet", {"encoder": "resnet35"}, "unknown encoder 'resnet35'"),
        ("smp_dpt", {"encoder": "resnet34"}, "Only Timm encoders"),
        ("smp_unet", {"encoder": "dpn68b"}, r"of ImageNet for 'dpn68b' \(but imagenet\+5k"),
        ("monai_flexible_unet", {"encoder": "resnet10"}, "for efficientnet-b0, .*, not for 'resn"),
        ("unet", {}, r"has no option 'weights'.*bmis_edge.*lv_unet"),
    ],
)
def test_weights_that_cannot_be_had_are_one_line(caches, name, options, message):
    with pytest.raises(BmisError, match=message) as caught:
        build_model(name, **{"weights": "imagenet", **options})
    assert "\n" not in str(caught.value)


def test_a_training_without_network_ends_before_it_begins(caches, tmp_path, capsys):
    data, run = write_dataset(tmp_path / "data"), tmp_path / "run"
    argv = ["train", str(data), "--model", "lv_unet", "-o", "weights=imagenet", "--out", str(run)]
    assert main(argv) == 2
    fetching, error = capsys.readouterr().err.splitlines()
    assert fetching.startswith("fetching http")
    assert error.startswith("bmis: weights cannot be fetched (no network); fetch ")
    assert not run.exists()
