"""Photographs to try the model with: of the test list, or drawn where there is no data set."""

import io
from dataclasses import dataclass
from pathlib import Path
from random import Random

import streamlit as st
from PIL import Image, ImageOps

from pipeline.data.pets import breed_of, image_path, species_of
from pipeline.data.splits import evenly_spaced, read_split
from pipeline.sample.looks import breeds
from pipeline.sample.picture import draw_pair

PETS = Path("data/pets")
TEST_LIST = Path("data/splits/test.csv")
OF_EACH_SPECIES = 3
DRAWN_SIZE = (400, 300)
THUMBNAIL = (124, 93)  # pixels, on the page


@dataclass(frozen=True)
class Sample:
    """A photograph as a file has it, and its breed for people."""

    name: str
    content: bytes

    @property
    def title(self) -> str:
        return breed_of(self.name).replace("_", " ").capitalize()

    @property
    def thumbnail(self) -> Image.Image:
        """Twice as fine as it is shown, for screens that are."""
        size = (2 * THUMBNAIL[0], 2 * THUMBNAIL[1])
        return ImageOps.fit(Image.open(io.BytesIO(self.content)).convert("RGB"), size)


@st.cache_data(show_spinner=False)
def find_samples() -> list[Sample]:
    """Cats and dogs of different breeds: of the test list if there is one, else drawn."""
    listed = read_split(TEST_LIST)["name"].tolist() if TEST_LIST.is_file() else []
    files = {name: image_path(PETS, name) for name in listed}
    if there := [name for name in listed if files[name].is_file()]:
        return [Sample(name, files[name].read_bytes()) for name in _spread(there)]
    return [_drawn(name) for name in _spread([f"{breed.name}_1" for breed in breeds()])]


def _spread(names: list[str]) -> list[str]:
    """A few cats, then a few dogs, evenly over the list and so over breeds."""
    chosen = []
    for species in ("cat", "dog"):
        chosen += evenly_spaced(
            [name for name in names if species_of(name) == species], OF_EACH_SPECIES
        )
    return chosen


def _drawn(name: str) -> Sample:
    breed = next(each for each in breeds() if each.name == breed_of(name))
    stream = io.BytesIO()
    draw_pair(breed, DRAWN_SIZE, Random(name))[0].save(stream, "PNG")
    return Sample(name, stream.getvalue())
