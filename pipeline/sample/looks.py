"""What an animal can look like: the vocabulary of the breed tables."""

from dataclasses import dataclass
from typing import Literal

from pipeline.sample.brush import Colour, mix

BLACK, INK, SLATE, GREY, SILVER = (
    (44, 41, 44),
    (58, 52, 50),
    (92, 96, 108),
    (146, 144, 142),
    (182, 180, 176),
)
WHITE, CREAM, FAWN, PINK = (228, 224, 217), (226, 206, 172), (206, 164, 112), (222, 176, 160)
GOLD, RED, RUST = (204, 150, 82), (190, 112, 56), (176, 100, 50)
BROWN, LIVER, SEAL = (128, 86, 54), (96, 62, 46), (76, 56, 48)

AMBER, GREEN, BLUE, HAZEL = (222, 156, 40), (142, 178, 70), (92, 152, 214), (104, 64, 34)

Ears = Literal["cat", "prick", "drop", "button", "rose"]
Tail = Literal["cat", "plume", "whip", "curl", "stub", "flag"]
Role = Literal["body", "chest", "leg", "tail"]


@dataclass(frozen=True)
class Coat:
    """Colours by part, each as the part it grows out of if not given, and the marks on top."""

    body: Colour
    head: Colour | None = None
    ears: Colour | None = None
    muzzle: Colour | None = None
    chest: Colour | None = None
    feet: Colour | None = None
    tail: Colour | None = None  # its tip
    # Marks, by their colour:
    blaze: Colour | None = None  # up the nose and the forehead
    points: Colour | None = None  # a dark face, as of the Siamese
    brows: Colour | None = None  # spots above the eyes, and the cheeks
    tabby: Colour | None = None  # stripes, rings on legs and tail
    forehead: Colour | None = None  # the M of tabby cats
    spots: Colour | None = None
    speckle: Colour | None = None
    patches: Colour | None = None
    saddle: Colour | None = None  # the upper half of the trunk
    shade: Colour | None = None  # dark tips towards the back
    brindle: Colour | None = None

    def of(self, role: Role) -> tuple[Colour, Colour]:
        """The colours of a part of the trunk, where it begins and where it ends."""
        if role == "leg":
            return self.body, self.feet or self.body
        if role == "tail":
            return mix(self.body, self.tail or self.body, 0.3), self.tail or self.body
        colour = self.chest or self.body if role == "chest" else self.body
        return colour, colour

    @property
    def face(self) -> Colour:
        """The colour of the skull."""
        return self.head or self.body

    def palette(self) -> tuple[Colour, ...]:
        """All its colours."""
        colours = (getattr(self, name) for name in self.__dataclass_fields__)
        return tuple(colour for colour in colours if colour)


@dataclass(frozen=True)
class Shape:
    """Proportions; lengths are in units of the depth of the chest (its radius)."""

    ears: Ears
    tail: Tail
    leg: float = 1.7
    length: float = 2.6
    head: float = 1.0
    limb: float = 0.32
    muzzle: float = 0.5  # 0 flat, 1 long
    hair: float = 0.2  # 0 smooth, 1 long
    ear: float = 1.0
    wrinkles: bool = False


@dataclass(frozen=True)
class Breed:
    """One breed: its official name, its looks, and the colours its coat and eyes can have."""

    name: str
    species: Literal["cat", "dog"]
    shape: Shape
    coats: tuple[Coat, ...]
    eyes: tuple[Colour, ...] = (HAZEL,)
