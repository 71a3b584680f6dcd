"""Bytes to pixels: which format it is, whether it may be decoded, and as few pixels of it as will do.

A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size almost for free, because its blocks are frequencies. The
picture must stay MIN_REDUCTION times larger than the target, so that the final filter, and not the decoder's
cruder one, decides about sharpness.
"""

from __future__ import annotations

import importlib
import io
import struct
from dataclasses import dataclass

from PIL import Image, ImageFile

from workloads.kit.errors import ItemError

# Measured on eighteen photographs at 4000 x 3000 against a full decode with Lanczos. To 256 pixels, 1.9 gives 48 dB
# or more (44 for one full of leaves) at 0.83 times the time of libvips; 2.0, which libvips itself keeps, gives 53 dB
# and takes a third longer. A minimum of 1.5 would give 320 pixels 45 dB, and 40 for the leaves.
MIN_REDUCTION = 1.9

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"RIFF", "webp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
)
# One plug-in at a time, and not all of Pillow's: a cold start would pay 20 ms for them.
_PLUGINS = {
    "jpeg": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "png": ("PIL.PngImagePlugin", "PngImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
    "webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "tiff": ("PIL.TiffImagePlugin", "TiffImageFile"),
}
# What Pillow's readers raise on data that is cut short or damaged.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    OverflowError,
    KeyError,
    IndexError,
    TypeError,
    struct.error,
)
_ORIENTATION_TAG = 0x0112


class BadImage(ItemError):
    """The item cannot be made into a thumbnail; the subclass tells why."""


class UnknownFormat(BadImage):
    """Not one of the formats that are read."""


class DamagedImage(BadImage):
    """Cut short, or not what its header says."""


class TooManyPixels(BadImage):
    """More pixels than the settings allow; found out before they are decoded."""


class UnsupportedPixels(BadImage):
    """Pixels without a defined range, such as floating-point ones."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Pixels (L, RGB, RGBA or CMYK), with what is needed to finish them.

    `box` is the part of `pixels` that shows the picture: scaled decoding rounds the edges up to whole pixels.
    `width` and `height` are those of the source, as stored; `orientation` is EXIF's, 1 to 8.
    """

    pixels: Image.Image
    box: tuple[float, float, float, float]
    width: int
    height: int
    format: str
    orientation: int
    profile: bytes | None


def sniff(data: bytes) -> str:
    """Name of the format by its first bytes; raises UnknownFormat."""
    for signature, name in _SIGNATURES:
        if data.startswith(signature) and (name != "webp" or data[8:12] == b"WEBP"):
            return name
    raise UnknownFormat(
        f"{len(data)} bytes beginning {data[:8].hex() or 'with nothing'} are no JPEG, PNG, WebP, GIF or TIFF"
    )


def decode(data: bytes, longest_px: int, max_megapixels: float) -> Decoded:
    """Decode as many pixels as a result with that longest edge needs; the first frame of an animation.

    Raises a subclass of BadImage.
    """
    name = sniff(data)
    try:
        image = _open(name, data)
        width, height = image.size
        if width * height > max_megapixels * 1e6:
            raise TooManyPixels(f"{width} x {height} pixels are more than {max_megapixels:g} megapixels")
        scale = _scale_down(image, longest_px)
        image.load()
        orientation = _orientation(image)
        profile = image.info.get("icc_profile")
        pixels = _plain(image)
    except _DAMAGE as error:
        raise DamagedImage(f"{name} cannot be decoded: {error}") from error
    box = (0.0, 0.0, width / scale, height / scale)
    return Decoded(pixels, box, width, height, name, orientation, profile)


def _open(name: str, data: bytes) -> ImageFile.ImageFile:
    module, kind = _PLUGINS[name]
    reader: type[ImageFile.ImageFile] = getattr(importlib.import_module(module), kind)
    return reader(io.BytesIO(data))


def _scale_down(image: ImageFile.ImageFile, longest_px: int) -> int:
    """Ask the decoder for 1/8, 1/4 or 1/2 of the size if enough pixels remain; returns the divisor."""
    if image.format != "JPEG":
        return 1
    for scale in (8, 4, 2):
        if max(image.size) / scale >= MIN_REDUCTION * longest_px:
            width, height = (max(1, edge // scale) for edge in image.size)
            image.draft(image.mode, (width, height))
            return scale
    return 1


def _orientation(image: Image.Image) -> int:
    """EXIF's orientation, 1 to 8, of a loaded image (Pillow turns a TIFF while it loads); broken EXIF counts as 1."""
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG)
    except _DAMAGE:
        return 1
    return orientation if isinstance(orientation, int) and orientation in range(1, 9) else 1


def _plain(image: Image.Image) -> Image.Image:
    """The pixels as 8-bit L, RGB, RGBA or CMYK; raises UnsupportedPixels."""
    if image.mode.startswith("I;16"):
        # convert("L") would clip: 16 bits go through 32 to be scaled.
        return image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if image.mode in ("I", "F"):
        raise UnsupportedPixels(f"pixels of mode {image.mode} have no defined range")
    if image.mode in ("LA", "PA", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode in ("L", "RGB", "RGBA", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")
