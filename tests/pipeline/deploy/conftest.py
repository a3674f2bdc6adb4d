from pathlib import Path

import pytest
from tiny_models import random_network

from pipeline.data.transforms import Normalisation
from pipeline.deploy.onnx_export import export_onnx
from pipeline.model.checkpoint import ModelConfig
from pipeline.model.unet import ModelParams
from pipeline.scoring.segmenter import Segmenter

CONFIG = ModelConfig(
    ModelParams(features=(4, 8)), ("pet", "background", "border"), 32, Normalisation()
)


@pytest.fixture(scope="session")
def segmenter() -> Segmenter:
    return Segmenter(random_network(CONFIG.model, CONFIG.image_size), CONFIG).eval()


@pytest.fixture(scope="session")
def model_file(segmenter: Segmenter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("models") / "model.onnx"
    export_onnx(file, segmenter, {"classes": '["pet"]'})
    return file
