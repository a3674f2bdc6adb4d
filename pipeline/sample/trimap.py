"""From a silhouette to the official trimap: pet, background, and a border band between them."""

from PIL import Image, ImageFilter

PET, BACKGROUND, BORDER = 1, 2, 3  # the official values
OUTSIDE, INSIDE = 4, 4  # pixels of the band on either side of the outline


def trimap(mask: Image.Image) -> Image.Image:
    """The trimap (mode L, official values) of a mask (mode L, 255 where the pet is).

    Between any pet pixel and any background pixel lie at least OUTSIDE + INSIDE pixels, in rows,
    in columns and diagonally. Beyond the frame the mask is taken to go on as at its edge: where
    the frame cuts an animal off there is no band, as in the real set.
    """
    pet = mask.filter(ImageFilter.BoxBlur(1)).point([0] * 128 + [255] * 128)
    # A box blur gives 0 where its window holds no pet and 255 where it holds nothing else.
    near = pet.filter(ImageFilter.BoxBlur(OUTSIDE)).point([0] + [255] * 255)
    deep = pet.filter(ImageFilter.BoxBlur(INSIDE)).point([0] * 255 + [255])
    classes = Image.new("L", mask.size, BACKGROUND)
    classes.paste(BORDER, mask=near)
    classes.paste(PET, mask=deep)
    return classes
