"""How the twelve cat breeds look."""

from pipeline.sample.brush import Colour
from pipeline.sample.looks import (
    AMBER,
    BLACK,
    BLUE,
    BROWN,
    CREAM,
    FAWN,
    GOLD,
    GREEN,
    GREY,
    INK,
    LIVER,
    PINK,
    RED,
    RUST,
    SEAL,
    SILVER,
    SLATE,
    WHITE,
    Breed,
    Coat,
    Shape,
    Tail,
)


def _cat(
    name: str,
    *coats: Coat,
    eyes: tuple[Colour, ...] = (AMBER, GREEN),
    tail: Tail = "cat",
    leg: float = 1.35,
    head: float = 1.0,
    limb: float = 0.3,
    muzzle: float = 0.3,
    hair: float = 0.2,
    ear: float = 1.0,
    wrinkles: bool = False,
) -> Breed:
    shape = Shape("cat", tail, leg, 2.7, head, limb, muzzle, hair, ear, wrinkles)
    return Breed(name, "cat", shape, coats, eyes)


def _tabby(body: Colour, dark: Colour, white: bool = False) -> Coat:
    if white:
        return Coat(body, muzzle=WHITE, chest=WHITE, feet=WHITE, tabby=dark, forehead=dark)
    return Coat(body, tabby=dark, forehead=dark)


def _spotted(body: Colour, dark: Colour) -> Coat:
    return Coat(body, tail=dark, muzzle=WHITE, spots=dark, forehead=dark)


def _pointed(
    body: Colour, dark: Colour, feet: Colour | None = None, muzzle: Colour | None = None
) -> Coat:
    return Coat(body, ears=dark, muzzle=muzzle or dark, feet=feet or dark, tail=dark, points=dark)


CATS = (
    _cat(
        "Abyssinian",
        Coat(RUST, muzzle=CREAM, chest=GOLD, forehead=SEAL, shade=SEAL),
        Coat(FAWN, muzzle=CREAM, chest=CREAM, forehead=BROWN, shade=BROWN),
        ear=1.25,
        leg=1.5,
    ),
    _cat("Bengal", _spotted(GOLD, SEAL), _spotted(FAWN, INK), eyes=(GREEN,)),
    _cat(
        "Birman",
        _pointed(CREAM, SEAL, feet=WHITE),
        _pointed(WHITE, SLATE, feet=WHITE),
        eyes=(BLUE,),
        hair=0.7,
        tail="plume",
    ),
    _cat("Bombay", Coat(BLACK), Coat(INK), eyes=(AMBER,)),
    _cat(
        "British_Shorthair",
        Coat(SLATE),
        Coat((124, 126, 134)),
        _tabby(SILVER, INK),
        eyes=(AMBER,),
        head=1.12,
        limb=0.36,
        ear=0.8,
        hair=0.35,
    ),
    _cat("Egyptian_Mau", _spotted(SILVER, INK), _spotted(FAWN, BROWN), eyes=(GREEN,)),
    _cat(
        "Maine_Coon",
        _tabby(BROWN, INK),
        _tabby(RED, RUST, white=True),
        _tabby(GREY, BLACK, white=True),
        hair=0.9,
        ear=1.25,
        tail="plume",
    ),
    _cat(
        "Persian",
        Coat(WHITE),
        Coat(CREAM),
        Coat(RED, forehead=RUST),
        Coat(GREY),
        eyes=(AMBER,),
        head=1.15,
        muzzle=0.05,
        hair=1.0,
        ear=0.6,
        leg=1.0,
        tail="plume",
    ),
    _cat(
        "Ragdoll",
        _pointed(CREAM, BROWN, feet=WHITE, muzzle=WHITE),
        _pointed(WHITE, SLATE, feet=WHITE, muzzle=WHITE),
        eyes=(BLUE,),
        hair=0.7,
        tail="plume",
    ),
    _cat(
        "Russian_Blue",
        Coat((122, 130, 146)),
        Coat((138, 142, 152)),
        eyes=(GREEN,),
        ear=1.15,
        leg=1.5,
    ),
    _cat(
        "Siamese",
        _pointed(CREAM, SEAL),
        _pointed(WHITE, SLATE),
        _pointed((222, 196, 160), LIVER),
        eyes=(BLUE,),
        ear=1.3,
        leg=1.6,
        head=0.92,
    ),
    _cat(
        "Sphynx",
        Coat(PINK),
        Coat((206, 172, 160), patches=SLATE),
        eyes=(GREEN, BLUE, AMBER),
        hair=0.0,
        ear=1.5,
        leg=1.5,
        wrinkles=True,
    ),
)
