"""The words for what is odd about a pair of image and mask, or wrong with it."""

from dataclasses import dataclass
from enum import StrEnum

from pipeline.data.images import Problem


class Reason(StrEnum):
    """Why a name is not used: all that quarantine.csv can say."""

    NOT_LISTED = "in no list"
    NO_FILES = "listed, but no files"
    NO_IMAGE = "mask without an image"
    NO_MASK = "image without a mask"
    TWICE = "two files of this name"
    NAME = "name has unusual characters, or is too long"
    NO_GROUP = "name fits no group, or several"
    NOT_A_PICTURE = Problem.NOT_AN_IMAGE
    TRUNCATED = Problem.TRUNCATED
    DAMAGED = Problem.DAMAGED
    CRASHED = "crashes the decoder"
    HUNG = "hangs the decoder"
    TOO_LARGE = Problem.TOO_LARGE
    COLOURS = Problem.COLOURS
    MASK_JPEG = "mask is a JPEG, which smears its values"
    MASK_ALPHA = "mask has an alpha channel"
    MASK_CHANNELS = "mask has more than one channel"
    MASK_VALUES = "mask has values that no class has"
    MASK_IGNORED = "mask has ignored pixels alone"
    SIZES = "image and mask differ in size"


class Note(StrEnum):
    """What was odd about a pair that is used: all that the note column can say."""

    PNG = "PNG"
    GIF = "GIF"
    OTHER_FORMAT = "another format"
    GRAYSCALE = "grayscale"
    DEEP = "16-bit"
    TWELVE_BITS = "nearly black: 12 bits in 16"
    PALETTE = "palette"
    CMYK = "CMYK"
    ALPHA = "alpha on white"
    PAGES = "first of several pages"
    ROTATED = "rotated by EXIF"
    NOT_ROTATED = "EXIF rotation dropped"
    LISTED_TWICE = "listed twice"
    SEVERAL_LISTS = "in several lists, kept in the last"


@dataclass(frozen=True, slots=True)
class Listed:
    """A listed name that has both files."""

    name: str
    image: str  # path inside the archives, like `mask`
    mask: str
    split: str  # trainval, train, val or test; empty where the data set has no lists
    groups: tuple[str, ...] = ()  # in the order of the description's
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, order=True)
class Fault:
    """A name that is not used: a row of quarantine.csv."""

    name: str
    file: str  # relative path inside the archives
    reason: Reason
    found: str = ""  # the values of a mask that has others than it should
