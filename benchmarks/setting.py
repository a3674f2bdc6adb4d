"""On what is measured: pictures, sizes and networks, the same for both sides."""

from pathlib import Path

from pydantic.dataclasses import dataclass

from pipeline.core.terminal import UserError
from pipeline.data.settings import AugmentationParams
from pipeline.data.splits import read_split
from pipeline.model.settings import LITE, ModelParams

BATCH = 8  # pictures a step, of all processes together
SEED = 0
AUGMENTATION = AugmentationParams(crop_min_area=0.8, brightness=0.1, contrast=0.1, saturation=0.1)
REFERENCE = ModelParams(features=(64, 128, 256, 512))  # the paper's
SMALL = ModelParams(features=(16, 32, 64, 128))
LITE0 = ModelParams(features=(16, 24, 32, 64, 128), encoder=LITE)


@dataclass(frozen=True)
class Training:
    """What is trained."""

    model: ModelParams
    size: int  # side of the square pictures, in pixels


def trainings(size: int) -> dict[str, Training]:
    """What both sides train; lite0 has pictures half as large again, as with `make oxford`."""
    return {
        "reference": Training(REFERENCE, size),
        "small": Training(SMALL, size),
        "lite0": Training(LITE0, size * 3 // 2),
    }


@dataclass(frozen=True)
class Setting:
    """What the command line says."""

    pets: Path  # folder of photographs and masks
    splits: Path  # folder of train.csv
    trainings: dict[str, Training]  # by name
    threads: int  # that torch calculates with on a CPU
    seconds: float  # that one measurement takes, about
    quick: bool  # only to see that it works: small matrices, and the first round counts

    def names(self) -> list[str]:
        """The training list, without the rest that would not fill a batch.

        Raises UserError if there is no such list, or not one batch in it.
        """
        for file in (self.pets / "index.csv", self.splits / "train.csv"):
            if not file.exists():
                raise UserError(f"{file} is missing: run make first, which makes the data set")
        names = read_split(self.splits / "train.csv")["name"].tolist()
        if len(names) < BATCH:
            raise UserError(f"{self.splits}/train.csv: {BATCH} pictures are needed, or more")
        return names[: len(names) // BATCH * BATCH]
