from pathlib import Path

import pytest
from tiny_models import save_random_model
from tiny_pets import PETS

from pipeline.data.classes import to_metadata
from pipeline.deploy.onnx_export import export_onnx
from pipeline.scoring.segmenter import Segmenter


@pytest.fixture(scope="session")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    return save_random_model(tmp_path_factory.mktemp("model")).eval()


@pytest.fixture(scope="session")
def model_file(segmenter: Segmenter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("models") / "model.onnx"
    export_onnx(file, segmenter, to_metadata(PETS))
    return file
