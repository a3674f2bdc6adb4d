from pathlib import Path

import pytest
import torch

from pipeline.data.transforms import Normalisation
from pipeline.deploy.onnx_graph import export_onnx
from pipeline.model.checkpoint import ModelConfig
from pipeline.model.segmenter import Segmenter
from pipeline.model.unet import ModelParams, UNet

CONFIG = ModelConfig(
    ModelParams(features=(4, 8)), ("pet", "background", "border"), 32, Normalisation()
)


@pytest.fixture(scope="session")
def segmenter() -> Segmenter:
    torch.manual_seed(0)
    network = UNet(CONFIG.model)
    network(torch.randn(8, 3, 32, 32))  # batch norm statistics other than the initial ones
    return Segmenter(network, CONFIG).eval()


@pytest.fixture(scope="session")
def model_file(segmenter: Segmenter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("models") / "model.onnx"
    export_onnx(file, segmenter, {"classes": '["pet"]'})
    return file
