from pathlib import Path

import pytest
from tiny_models import random_network
from tiny_pets import PETS

from pipeline.data.classes import to_metadata
from pipeline.data.settings import Normalisation
from pipeline.deploy.onnx_export import export_onnx
from pipeline.model.settings import ModelConfig, ModelParams
from pipeline.scoring.segmenter import Segmenter

CONFIG = ModelConfig(ModelParams(features=(4, 8)), PETS, 32, Normalisation())


@pytest.fixture(scope="session")
def segmenter() -> Segmenter:
    return Segmenter(random_network(CONFIG.model, CONFIG.image_size), CONFIG).eval()


@pytest.fixture(scope="session")
def model_file(segmenter: Segmenter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("models") / "model.onnx"
    export_onnx(file, segmenter, to_metadata(PETS))
    return file
