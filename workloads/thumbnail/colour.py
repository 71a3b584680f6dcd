"""Pixels to plain sRGB: embedded profiles applied, CMYK converted, alpha flattened on white."""

from __future__ import annotations

import io

from PIL import Image

_WHITE = (255, 255, 255)
_SPACES = {"L": "GRAY", "RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK"}


def to_srgb(pixels: Image.Image, profile: bytes | None) -> tuple[Image.Image, str]:
    """Pixels as L, RGB or RGBA in sRGB, and what became of the profile.

    That is "none", "srgb", "converted", or "ignored: " with the reason: a broken profile spoils colours a little
    and a picture not at all.
    """
    if not profile:
        return _without_profile(pixels), "none"
    # 2 ms of a cold start that most pictures do not need.
    from PIL import ImageCms  # noqa: PLC0415

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if ImageCms.getProfileDescription(source).startswith("sRGB"):
            return _without_profile(pixels), "srgb"
        space = source.profile.xcolor_space.strip()
        if space != _SPACES[pixels.mode]:
            return _without_profile(pixels), f"ignored: a {space} profile on {pixels.mode} pixels"
        output_mode = "RGBA" if pixels.mode == "RGBA" else "RGB"
        target = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(source, target, pixels.mode, output_mode)
        converted = ImageCms.applyTransform(pixels, transform)
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        return _without_profile(pixels), f"ignored: {error}"
    assert converted is not None  # None only for a conversion in place
    return converted, "converted"


def _without_profile(pixels: Image.Image) -> Image.Image:
    return pixels.convert("RGB") if pixels.mode == "CMYK" else pixels


def flatten(pixels: Image.Image) -> Image.Image:
    """RGBA laid on white; other pixels as they are."""
    if pixels.mode != "RGBA":
        return pixels
    flat = Image.new("RGB", pixels.size, _WHITE)
    flat.paste(pixels, mask=pixels.getchannel("A"))
    return flat
