"""The fixed vocabulary of what extract finds: why a name is not used, what was odd about a pair."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a name is not used: all that quarantine.csv may say."""

    NOT_LISTED = "in no list"
    NO_FILES = "listed, but no files"
    NO_IMAGE = "mask without an image"
    NO_MASK = "image without a mask"
    NOT_A_PICTURE = "not a picture"
    TRUNCATED = "truncated"
    DAMAGED = "does not decode"
    CRASHED = "crashes the decoder"
    TOO_LARGE = "too large"
    COLOURS = "colours not understood"
    MASK_CHANNELS = "mask has more than one channel"
    MASK_VALUES = "mask has values other than 1, 2, 3"
    SIZES = "image and mask differ in size"


class Note(StrEnum):
    """What was odd about a pair that is used: all that the note column may say."""

    PNG = "PNG"
    GIF = "GIF"
    OTHER_FORMAT = "another format"
    GRAYSCALE = "grayscale"
    DEEP = "16-bit"
    PALETTE = "palette"
    CMYK = "CMYK"
    ALPHA = "alpha dropped"
    ROTATED = "rotated by EXIF"
    NOT_ROTATED = "EXIF rotation dropped"
    LISTED_TWICE = "listed twice"
    IN_BOTH_LISTS = "in both lists, kept in test"
