"""The 37 breeds in their official order: by name, ignoring case."""

from pipeline.sample.cats import CATS
from pipeline.sample.dogs import DOGS
from pipeline.sample.looks import Breed

BREEDS: tuple[Breed, ...] = tuple(sorted(CATS + DOGS, key=lambda breed: breed.name.lower()))
