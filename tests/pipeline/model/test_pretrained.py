"""What an encoder has learned from ImageNet arrives in it, and what does not fit is named."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from processes import run_python
from safetensors.torch import save_file
from skimage.data import chelsea

from pipeline.core.params import ParamsError
from pipeline.core.terminal import UserError
from pipeline.data.transforms import Normalise
from pipeline.model.encoders import INSTALLED, load_pretrained, normalisation_of
from pipeline.model.settings import ModelParams
from pipeline.model.torchvision_compat import timm
from pipeline.model.unet import UNet, check_model

LITE = "efficientnet_lite0"
CATS = range(281, 286)  # tabby, tiger, Persian, Siamese, Egyptian among ImageNet's 1000 classes


def network_with(name=LITE, levels=5, weights=None):
    params = ModelParams((8,) * levels, name, None if weights is None else str(weights))
    network = UNet(params, 3)
    load_pretrained(network.encoder, params)
    return network.eval()


def classifier(name, seed=0):
    torch.manual_seed(seed)
    return timm.create_model(name).eval()


def without_counters(tensors):
    return {
        name: value for name, value in tensors.items() if not name.endswith("num_batches_tracked")
    }


def package(name):
    file = INSTALLED[name].get_model_file_path()
    return list(without_counters(torch.load(file, weights_only=True)).values())


@pytest.mark.parametrize("name", INSTALLED)
def test_the_packaged_weights_recognise_a_cat_and_the_encoder_has_them(name):
    network = classifier(f"tf_{name}")
    names = without_counters(network.state_dict())
    network.load_state_dict(dict(zip(names, package(name), strict=True)), strict=False)
    cat = torch.from_numpy(chelsea())[:, 75:375].permute(2, 0, 1)[None].float()
    image = Normalise(normalisation_of(name))(F.interpolate(cat, (224, 224), mode="bilinear"))
    with torch.no_grad():
        assert network(image).argmax().item() in CATS
        body = network.blocks(network.bn1(network.conv_stem(image)))
        torch.testing.assert_close(network_with(name).encoder(image)[-1], body)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("resnet18", ".pth"),
        ("resnet18", ".safetensors"),
        ("ghostnet_100", ".pth"),  # timm renames the parts of these two
        ("densenet121", ".pth"),  # when it takes their maps
    ],
)
def test_a_file_of_timms_tensors_can_be_given(tmp_path, name, suffix):
    source = classifier(name, seed=1)
    save = save_file if suffix == ".safetensors" else torch.save
    save(source.state_dict(), tmp_path / f"weights{suffix}")
    torch.manual_seed(2)
    encoder = network_with(name, weights=tmp_path / f"weights{suffix}").encoder
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        known = source.forward_intermediates(image, intermediates_only=True)
        for mine, theirs in zip(encoder(image)[1:], known, strict=True):
            torch.testing.assert_close(mine, theirs)


def test_weights_that_do_not_fit_are_refused(tmp_path):
    weights = classifier("resnet18").state_dict()
    changed = weights | {"conv1.weight": torch.zeros(64, 1, 7, 7)}
    del changed["bn1.bias"]
    refused = [
        (changed, r"(?s)Missing.*bn1\.bias.*mismatch for conv1\.weight"),
        ([*weights.values()], r"weights\.pth is not a file of tensors"),
    ]
    for content, message in refused:
        torch.save(content, tmp_path / "weights.pth")
        with pytest.raises(UserError, match=message):
            network_with("resnet18", weights=tmp_path / "weights.pth")
    torch.save(weights, tmp_path / "weights.pth")
    with pytest.raises(UserError, match=r"do not fit .*efficientnet_lite0") as error:
        network_with(LITE, weights=tmp_path / "weights.pth")
    assert str(tmp_path / "weights.pth") in str(error.value)
    assert len(str(error.value)) < 500


def test_a_file_without_tensors_or_with_code_is_refused(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (tmp_path.joinpath("escaped").touch, ())

    torch.save({"conv_stem.weight": Hostile()}, tmp_path / "hostile.pth")
    for file in ("weights.pth", "weights.safetensors"):
        (tmp_path / file).write_bytes(b"<html>not found</html>")
    for file in ("hostile.pth", "weights.pth", "weights.safetensors"):
        with pytest.raises(UserError, match=rf"{file} is not a file of tensors"):
            network_with(weights=tmp_path / file)
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize(
    ("encoder", "levels", "message"),
    [(LITE, 5, r"weights\.pth is missing"), ("plain", 2, "set it null")],
)
def test_missing_and_superfluous_weights_are_refused(tmp_path, encoder, levels, message):
    params = ModelParams((8,) * levels, encoder, str(tmp_path / "weights.pth"))
    with pytest.raises(ParamsError, match=rf"model\.weights: .*{message}"):
        check_model(params, 0, 2, 64)


@pytest.mark.parametrize(("encoder", "levels", "most"), [(LITE, 5, 5), ("plain", 2, 0)])
def test_no_more_levels_are_frozen_than_are_pretrained(encoder, levels, most):
    params = ModelParams((8,) * levels, encoder)
    check_model(params, most, 2, 64)
    told = (
        rf"train\.frozen_levels: the encoder {encoder} has {most} pretrained levels, not {most + 1}"
    )
    with pytest.raises(ParamsError, match=told):
        check_model(params, most + 1, 2, 64)


@pytest.mark.parametrize(
    ("encoder", "images", "side", "told"),
    [
        ("inception_v4", 2, 96, "Sizes of tensors must match"),
        ("maxvit_tiny_tf_224", 2, 96, "divisible by window"),
        (LITE, 1, 32, "more than 1 value per channel"),
    ],
)
def test_a_network_that_cannot_take_a_step_is_refused_before_there_are_images(
    encoder, images, side, told
):
    with pytest.raises(ParamsError, match=rf"model\.encoder: '{encoder}' takes no .*{told}"):
        check_model(ModelParams((8,) * 5, encoder), 0, images, side)


def test_a_failed_download_says_what_to_do(tmp_path):
    # A process of its own: the download library reads these when it is imported.
    code = "from pipeline.model.encoders import timm_weights as get; get('resnet18')"
    done = run_python("-c", code, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]
    assert "UserError: model.encoder: the weights of 'resnet18' could not be fetched" in message
    assert "give a file as model.weights, or take efficientnet_lite0" in message
