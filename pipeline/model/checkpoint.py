"""A trained model on disk: checkpoint.pth, tensors alone, and config.json, which describes them."""

import io
import zipfile
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from pipeline.core.files import file_digest, write_file, write_json
from pipeline.core.layout import CHECKPOINT, CONFIG
from pipeline.core.terminal import UserError
from pipeline.model.settings import ModelConfig
from pipeline.model.unet import UNet

Weights = dict[str, Tensor]


def copy_weights(model: nn.Module) -> Weights:
    """The tensors as they are now, on the CPU.

    In the default layout: the memory format of training is no part of the model.
    """
    return {
        name: value.cpu().clone(memory_format=torch.contiguous_format)
        for name, value in model.state_dict().items()
    }


def save_checkpoint(folder: Path, weights: Weights, config: ModelConfig) -> None:
    """Write both files, of the weights that `copy_weights` gave; equal ones give equal bytes."""
    buffer = io.BytesIO()
    torch.save(weights, buffer)
    # By way of memory: torch.save to a path writes the temporary name into the file.
    write_file(folder / CHECKPOINT.name, buffer.getvalue())
    write_json(folder / CONFIG.name, TypeAdapter(ModelConfig).dump_python(config))


def load_checkpoint(folder: Path) -> tuple[UNet, ModelConfig]:
    """Return the model in evaluation mode, on the CPU, and its config.

    Raises UserError if a file is missing, is not what it should be, or the two do not fit.
    """
    file = folder / CHECKPOINT.name
    try:
        config = TypeAdapter(ModelConfig).validate_json((folder / CONFIG.name).read_bytes())
        with zipfile.ZipFile(file) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise ValueError("it is compressed")  # and could unpack to any size
        # Mapped, not read: what the file claims to hold takes no memory that its bytes do not.
        weights = torch.load(file, weights_only=True, map_location="cpu", mmap=True)
        with torch.device("meta"):  # a network of any size costs nothing until the weights fit it
            _require_fit(UNet(config.model, len(config.classes)).state_dict(), weights)
        model = UNet(config.model, len(config.classes))
        model.load_state_dict(weights)
    except FileNotFoundError as error:
        raise UserError(f"{error.filename} is missing: train first (dvc repro train)") from None
    except ValidationError as error:
        raise UserError(f"{folder / CONFIG.name} is not a model configuration: {error}") from None
    except Exception as error:
        raise UserError(f"{file} does not fit {CONFIG.name} beside it: {error}") from error
    return model.eval(), config


def _require_fit(wanted: Weights, weights: Weights) -> None:
    """Raise ValueError unless the weights are whole tensors of the wanted names and shapes."""
    shapes = {name: value.shape for name, value in weights.items()}
    if shapes != {name: value.shape for name, value in wanted.items()}:
        raise ValueError("it holds other tensors")
    if any(value.untyped_storage().nbytes() < value.nbytes for value in weights.values()):
        raise ValueError("it holds less than it claims")


def checkpoint_digest(folder: Path) -> str:
    """The sha256 by which runs and versions know this model."""
    return file_digest(folder / CHECKPOINT.name)
