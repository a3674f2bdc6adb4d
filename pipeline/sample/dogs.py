"""How the twenty-five dog breeds look."""

from pipeline.sample.brush import Colour
from pipeline.sample.looks import (
    BLACK,
    BROWN,
    CREAM,
    FAWN,
    GOLD,
    GREY,
    INK,
    LIVER,
    RED,
    RUST,
    SEAL,
    SLATE,
    WHITE,
    Breed,
    Coat,
    Shape,
)


def _bib(body: Colour) -> Coat:
    return Coat(body, muzzle=WHITE, chest=WHITE, feet=WHITE, blaze=WHITE)


def _masked(body: Colour, **more: Colour) -> Coat:
    return Coat(body, muzzle=BLACK, ears=INK, **more)


def _hound(head: Colour, saddle: Colour) -> Coat:
    return Coat(WHITE, head=head, muzzle=WHITE, blaze=WHITE, saddle=saddle)


def _pied(colour: Colour) -> Coat:
    return Coat(WHITE, head=colour, muzzle=WHITE, blaze=WHITE, patches=colour)


def _tan_points(body: Colour, tan: Colour) -> Coat:
    return Coat(body, muzzle=tan, chest=tan, feet=tan, brows=tan)


def _foxy(body: Colour) -> Coat:
    return Coat(body, muzzle=WHITE, chest=WHITE, feet=WHITE, tail=WHITE, brows=WHITE)


DOGS = (
    Breed(
        "american_bulldog",
        "dog",
        Shape("rose", "whip", limb=0.4, muzzle=0.45, head=1.05),
        (Coat(WHITE, patches=FAWN), Coat(WHITE, patches=BROWN)),
    ),
    Breed(
        "american_pit_bull_terrier",
        "dog",
        Shape("rose", "whip", limb=0.36),
        (_bib(BROWN), _bib(SLATE), _bib(FAWN)),
    ),
    Breed(
        "basset_hound",
        "dog",
        Shape("drop", "whip", leg=0.75, length=3.3, limb=0.36, ear=1.6, muzzle=0.85, wrinkles=True),
        (_hound(RUST, RUST), _hound(RUST, BLACK)),
    ),
    Breed(
        "beagle",
        "dog",
        Shape("drop", "whip", leg=1.4, muzzle=0.6, ear=1.1),
        (_hound(RUST, BLACK), _hound(RED, RED)),
    ),
    Breed(
        "boxer",
        "dog",
        Shape("drop", "stub", muzzle=0.25, leg=1.9, ear=0.7, wrinkles=True),
        (
            _masked(FAWN, chest=WHITE, feet=WHITE),
            _masked(RUST, chest=WHITE, feet=WHITE, brindle=SEAL),
        ),
    ),
    Breed(
        "chihuahua",
        "dog",
        Shape("prick", "whip", head=1.25, leg=1.3, limb=0.24, muzzle=0.3, ear=1.3, length=2.2),
        (Coat(FAWN, muzzle=CREAM, chest=CREAM), _tan_points(BLACK, GOLD), Coat(CREAM)),
    ),
    Breed(
        "english_cocker_spaniel",
        "dog",
        Shape("drop", "stub", hair=0.7, ear=1.5, muzzle=0.6, leg=1.4),
        (
            Coat(GOLD),
            Coat(BLACK),
            Coat(LIVER),
            Coat(WHITE, head=BLACK, muzzle=WHITE, blaze=WHITE, speckle=BLACK),
        ),
    ),
    Breed(
        "english_setter",
        "dog",
        Shape("drop", "flag", hair=0.6, ear=1.2, muzzle=0.8, leg=1.9),
        (Coat(WHITE, ears=INK, speckle=BLACK), Coat(WHITE, ears=RUST, speckle=RUST)),
    ),
    Breed(
        "german_shorthaired",
        "dog",
        Shape("drop", "stub", ear=1.1, muzzle=0.8, leg=2.0),
        (
            Coat(LIVER, chest=GREY, feet=GREY),
            Coat(WHITE, head=LIVER, ears=LIVER, patches=LIVER, speckle=LIVER),
        ),
    ),
    Breed(
        "great_pyrenees",
        "dog",
        Shape("drop", "flag", hair=0.9, muzzle=0.6, ear=0.8, limb=0.4),
        (Coat(WHITE), Coat(WHITE, head=CREAM, muzzle=WHITE)),
    ),
    Breed(
        "havanese",
        "dog",
        Shape("drop", "curl", hair=1.0, leg=1.0, muzzle=0.35, ear=1.1),
        (Coat(CREAM), _pied(BLACK), _bib(BROWN)),
    ),
    Breed(
        "japanese_chin",
        "dog",
        Shape("drop", "curl", hair=0.9, leg=1.1, muzzle=0.05, head=1.1),
        (_pied(BLACK), _pied(RED)),
    ),
    Breed(
        "keeshond",
        "dog",
        Shape("prick", "curl", hair=1.0, leg=1.4, ear=0.75),
        (_masked(GREY, shade=BLACK),),
    ),
    Breed(
        "leonberger",
        "dog",
        Shape("drop", "flag", hair=0.9, ear=0.9, muzzle=0.6, limb=0.4),
        (_masked(GOLD, shade=SEAL), _masked(RUST)),
    ),
    Breed(
        "miniature_pinscher",
        "dog",
        Shape("prick", "stub", leg=2.1, limb=0.22, ear=1.2, muzzle=0.6, hair=0.0),
        (_tan_points(BLACK, RUST), Coat(RUST)),
    ),
    Breed(
        "newfoundland",
        "dog",
        Shape("drop", "flag", hair=0.9, ear=0.8, muzzle=0.55, limb=0.42, head=1.08),
        (Coat(BLACK), Coat(SEAL), _hound(BLACK, BLACK)),
    ),
    Breed(
        "pomeranian",
        "dog",
        Shape("prick", "curl", hair=1.0, leg=1.0, length=2.0, head=1.1, ear=0.6, muzzle=0.35),
        (Coat(RED, muzzle=CREAM, chest=CREAM), Coat(CREAM), Coat(GOLD, muzzle=CREAM, chest=CREAM)),
    ),
    Breed(
        "pug",
        "dog",
        Shape(
            "button", "curl", leg=1.2, length=2.3, head=1.15, muzzle=0.05, ear=0.8, wrinkles=True
        ),
        (_masked(FAWN), _masked(CREAM), Coat(BLACK)),
    ),
    Breed(
        "saint_bernard",
        "dog",
        Shape("drop", "flag", hair=0.7, ear=0.9, limb=0.42, head=1.1, wrinkles=True),
        (_hound(RUST, RUST), _hound(BROWN, RUST)),
    ),
    Breed(
        "samoyed",
        "dog",
        Shape("prick", "curl", hair=1.0, ear=0.8, muzzle=0.55, leg=1.6),
        (Coat(WHITE), Coat((232, 226, 214))),
    ),
    Breed(
        "scottish_terrier",
        "dog",
        Shape("prick", "stub", leg=0.8, ear=0.9, muzzle=0.8, hair=0.8),
        (Coat(BLACK), Coat(INK, brindle=BROWN), Coat(CREAM)),
    ),
    Breed(
        "shiba_inu",
        "dog",
        Shape("prick", "curl", ear=0.85, hair=0.45),
        (_foxy(RED), _tan_points(BLACK, CREAM), _foxy(CREAM)),
    ),
    Breed(
        "staffordshire_bull_terrier",
        "dog",
        Shape("rose", "whip", limb=0.42, leg=1.4, muzzle=0.4, head=1.1),
        (Coat(BROWN, chest=WHITE, feet=WHITE, brindle=INK), _bib(SLATE), _bib(BLACK)),
    ),
    Breed(
        "wheaten_terrier",
        "dog",
        Shape("button", "stub", hair=1.0, ear=1.1, muzzle=0.6),
        (Coat(FAWN), Coat(CREAM)),
    ),
    Breed(
        "yorkshire_terrier",
        "dog",
        Shape("prick", "stub", hair=1.0, leg=0.9, ear=0.9, muzzle=0.35, length=2.2, head=1.1),
        (
            Coat(SLATE, head=GOLD, chest=GOLD, feet=GOLD),
            Coat(INK, head=GOLD, chest=GOLD, feet=GOLD),
        ),
    ),
)
