"""The thumbnail workload: formats, modes, orientation, colour, refusals and what always holds."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from tests.workloads.pictures import decoded, encode, pixels, psnr_db
from workloads.kit.errors import BadSettings, ItemError
from workloads.thumbnail.decode import BadImage, DamagedImage, TooManyPixels, UnknownFormat, UnsupportedPixels
from workloads.thumbnail.thumbnail import fit, thumbnail

LANCZOS = Image.Resampling.LANCZOS
READABLE = ["JPEG", "PNG", "WEBP", "GIF", "TIFF"]


def one(data: bytes, **chosen: Any) -> Image.Image:
    """The only thumbnail, decoded; 100 pixels at quality 95 where nothing else is chosen."""
    (output,) = thumbnail(data, {"sizes": [100], "quality": 95} | chosen).outputs
    return decoded(output.data)


def near(picture: Image.Image, place: tuple[int, int], colour: tuple[int, ...], by: int = 12) -> bool:
    found = picture.getpixel(place)
    assert isinstance(found, tuple)
    return all(abs(one - other) <= by for one, other in zip(found, colour, strict=True))


class TestFormats:
    @pytest.mark.parametrize("file_format", READABLE)
    @pytest.mark.parametrize("result", ["jpeg", "webp"])
    def test_every_format_becomes_every_format(self, file_format: str, result: str) -> None:
        data = encode(pixels(), file_format)
        small = one(data, format=result)
        assert (small.format, small.size) == (result.upper(), (100, 75))
        floor_db = 25 if file_format == "GIF" else 33  # 256 colours
        assert psnr_db(small, pixels().resize((100, 75), LANCZOS)) > floor_db

    def test_the_row_tells_source_and_results(self) -> None:
        data = encode(pixels(), "PNG")
        work = thumbnail(data, {"sizes": [128, 32], "format": "webp"})
        assert [output.suffix for output in work.outputs] == ["128.webp", "32.webp"]
        assert {output.content_type for output in work.outputs} == {"image/webp"}
        results = work.row.pop("results")
        assert work.row == {
            "source_bytes": len(data),
            "width": 400,
            "height": 300,
            "format": "png",
            "profile": "none",
        }
        assert [(r["size"], r["width"], r["height"]) for r in results] == [(128, 128, 96), (32, 32, 24)]
        assert [r["bytes"] for r in results] == [len(output.data) for output in work.outputs]
        assert len({r["sha256"] for r in results}) == 2

    def test_defaults(self) -> None:
        (output,) = thumbnail(encode(pixels(1000, 500)), {}).outputs
        assert (output.suffix, output.content_type) == ("256.jpg", "image/jpeg")
        assert decoded(output.data).size == (256, 128)

    def test_progressive_is_as_good_as_baseline(self) -> None:
        data = encode(pixels(), quality=95, progressive=True)
        assert psnr_db(one(data), one(encode(pixels(), quality=95))) > 45

    def test_a_small_picture_is_not_enlarged(self) -> None:
        assert one(encode(pixels(40, 30)), sizes=[256]).size == (40, 30)

    def test_metadata_is_left_behind(self) -> None:
        exif = Image.Exif()
        exif[0x010E] = "where the photographer lives"
        data = encode(pixels(40, 30), exif=exif.tobytes(), comment=b"a remark", dpi=(300, 300))
        for result in ("jpeg", "webp"):
            (output,) = thumbnail(data, {"format": result}).outputs
            assert b"lives" not in output.data
            assert b"remark" not in output.data

    def test_quality_decides_about_bytes(self) -> None:
        data = encode(pixels().effect_spread(20))
        sizes = [len(thumbnail(data, {"quality": quality}).outputs[0].data) for quality in (20, 60, 95)]
        assert sizes == sorted(set(sizes))


class TestModes:
    @pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "LAB"])
    def test_modes_without_alpha(self, mode: str) -> None:
        source = pixels(mode="RGB" if mode == "LAB" else mode)
        if mode == "LAB":
            transform = ImageCms.buildTransform(
                ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
            )
            source = ImageCms.applyTransform(source, transform) or source
        small = one(encode(source, "TIFF"))
        expected = source.convert("L" if mode in ("1", "L") else "RGB").resize((100, 75), LANCZOS)
        assert psnr_db(small, expected) > 30

    def test_grey_jpeg_stays_grey(self) -> None:
        assert one(encode(pixels(mode="L"))).mode == "L"

    def test_cmyk_jpeg(self) -> None:
        small = one(encode(pixels(1600, 1200, "CMYK")))
        assert psnr_db(small, pixels(1600, 1200).resize((100, 75), LANCZOS)) > 30

    @pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
    def test_sixteen_bits_keep_their_range(self, file_format: str) -> None:
        grey = np.linspace(0, 65535, 400).astype(np.uint16)
        small = one(encode(Image.fromarray(np.tile(grey, (300, 1))), file_format))
        row = np.asarray(small)[40].astype(int)
        assert row[0] < 4
        assert row[-1] > 251
        assert abs(int(row[50]) - 128) < 4

    @pytest.mark.parametrize("mode", ["F", "I"])
    def test_pixels_without_a_range_are_refused(self, mode: str) -> None:
        with pytest.raises(UnsupportedPixels, match=mode):
            one(encode(pixels(mode="L").convert(mode), "TIFF"))


def half_clear(mode: str = "RGBA") -> Image.Image:
    """Red on the left; on the right a blue that alpha hides."""
    picture = Image.new("RGBA", (400, 300), (255, 0, 0, 255))
    picture.paste((0, 0, 255, 0), (200, 0, 400, 300))
    return picture.convert(mode)


class TestAlpha:
    @pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
    @pytest.mark.parametrize("result", ["jpeg", "webp"])
    def test_is_flattened_on_white(self, file_format: str, result: str) -> None:
        small = one(encode(half_clear(), file_format), format=result)
        assert small.mode == "RGB"
        assert near(small, (10, 40), (255, 0, 0))
        assert near(small, (90, 40), (255, 255, 255))

    def test_is_kept_when_asked(self) -> None:
        small = one(encode(half_clear(), "PNG"), format="webp", alpha="keep")
        assert small.mode == "RGBA"
        assert small.getchannel("A").getpixel((90, 40)) == 0
        assert small.getchannel("A").getpixel((10, 40)) == 255

    def test_hidden_colour_does_not_bleed(self) -> None:
        small = one(encode(half_clear(), "PNG"))
        edge = np.asarray(small.convert("RGB"))[40, 40:60].astype(int)
        # From red to white, green and blue rise together; blue alone would come from under the alpha.
        assert np.all(edge[:, 2] - edge[:, 1] < 40)

    def test_a_transparent_palette_colour(self) -> None:
        picture = Image.new("P", (400, 300), 1)
        picture.putpalette([0, 0, 0, 0, 200, 0])
        picture.paste(0, (200, 0, 400, 300))
        small = one(encode(picture, "GIF", transparency=0))
        assert near(small, (10, 40), (0, 200, 0))
        assert near(small, (90, 40), (255, 255, 255))

    @pytest.mark.parametrize(("mode", "clear"), [("RGB", (0, 0, 255)), ("L", 29)])
    def test_a_transparent_colour_without_alpha_channel(self, mode: str, clear: Any) -> None:
        data = encode(half_clear("RGB").convert(mode), "PNG", transparency=clear)
        assert near(one(data).convert("RGB"), (90, 40), (255, 255, 255))

    def test_grey_with_alpha(self) -> None:
        small = one(encode(half_clear("LA"), "PNG"))
        assert near(small.convert("RGB"), (90, 40), (255, 255, 255))


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_of_an_animation(file_format: str) -> None:
    frames = [Image.new("RGB", (200, 100), colour) for colour in ("red", "blue", "green")]
    data = encode(frames[0], file_format, save_all=True, append_images=frames[1:], duration=100)
    assert near(one(data), (50, 25), (255, 0, 0))


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
    @pytest.mark.parametrize("edge", [150, 1600])  # decoded in full, and scaled
    def test_is_applied(self, orientation: int, file_format: str, edge: int) -> None:
        upright = pixels(edge, edge * 3 // 4)
        # What turns the upright picture into the stored one, for each value of the tag (EXIF 2.3, 4.6.4 A).
        stored = {
            1: upright,
            2: upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
            3: upright.transpose(Image.Transpose.ROTATE_180),
            4: upright.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
            5: upright.transpose(Image.Transpose.TRANSPOSE),
            6: upright.transpose(Image.Transpose.ROTATE_90),
            7: upright.transpose(Image.Transpose.TRANSVERSE),
            8: upright.transpose(Image.Transpose.ROTATE_270),
        }[orientation]
        exif = Image.Exif()
        exif[0x0112] = orientation
        work = thumbnail(encode(stored, file_format, exif=exif.tobytes()), {"sizes": [100], "quality": 95})
        small = decoded(work.outputs[0].data)
        assert psnr_db(small, upright.resize((100, 75), LANCZOS)) > 33
        assert (work.row["width"], work.row["height"]) == upright.size
        assert (work.row["results"][0]["width"], work.row["results"][0]["height"]) == small.size

    def test_a_value_that_is_none_is_ignored(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 99
        assert one(encode(pixels(), exif=exif.tobytes())).size == (100, 75)

    @pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
    def test_broken_exif_is_ignored(self) -> None:
        data = encode(pixels(), exif=b"Exif\0\0II*\0\xff\xff\xff\xff broken")
        assert one(data).size == (100, 75)


def swapped_profile() -> bytes:
    """sRGB with the primaries of red and blue exchanged: conversion must exchange the channels."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", profile, 128)
    for entry in range(132, 132 + 12 * count, 12):
        tag = bytes(profile[entry : entry + 4])
        profile[entry : entry + 4] = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}.get(tag, tag)
    at = profile.find("sRGB".encode("utf-16-be"))
    profile[at : at + 8] = "swap".encode("utf-16-be")  # the description, by which sRGB is recognised
    return bytes(profile)


class TestProfile:
    @pytest.mark.parametrize("file_format", READABLE[:3])
    def test_is_converted_to_srgb(self, file_format: str) -> None:
        red = Image.new("RGB", (400, 300), (200, 30, 60))
        data = encode(red, file_format, icc_profile=swapped_profile(), quality=100)
        work = thumbnail(data, {})
        assert work.row["profile"] == "converted"
        small = decoded(work.outputs[0].data)
        assert near(small, (50, 50), (60, 30, 200))
        assert "icc_profile" not in small.info

    def test_alpha_survives_the_conversion(self) -> None:
        data = encode(half_clear(), "PNG", icc_profile=swapped_profile())
        small = one(data, format="webp", alpha="keep")
        assert small.getchannel("A").getpixel((90, 40)) == 0
        assert near(small.convert("RGB"), (10, 40), (0, 0, 255))

    def test_srgb_is_skipped(self) -> None:
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        work = thumbnail(encode(pixels(), icc_profile=srgb), {})
        assert work.row["profile"] == "srgb"
        assert work.outputs == thumbnail(encode(pixels()), {}).outputs

    @pytest.mark.parametrize("mode", ["RGB", "CMYK"])
    def test_a_broken_one_is_ignored_and_told(self, mode: str) -> None:
        work = thumbnail(
            encode(pixels(mode=mode), icc_profile=b"broken" * 40), {"sizes": [100], "quality": 95}
        )
        assert work.row["profile"].startswith("ignored: ")
        assert psnr_db(decoded(work.outputs[0].data), pixels().resize((100, 75), LANCZOS)) > 30

    def test_one_for_other_pixels_is_ignored_and_told(self) -> None:
        work = thumbnail(encode(pixels(mode="L"), icc_profile=swapped_profile()), {})
        assert work.row["profile"] == "ignored: a RGB profile on L pixels"


class TestRefusals:
    @pytest.mark.parametrize(
        "data",
        [b"", b"\xff", b"%PDF-1.7", b"<svg/>", b"RIFF\0\0\0\0WAVEfmt ", b"BM" + bytes(60), b"\0" * 1000],
    )
    def test_foreign_files(self, data: bytes) -> None:
        with pytest.raises(UnknownFormat, match="no JPEG, PNG, WebP, GIF or TIFF"):
            thumbnail(data, {})

    @pytest.mark.parametrize("file_format", READABLE)
    @pytest.mark.parametrize("kept", [0.02, 0.3, 0.9])
    def test_truncated_files(self, file_format: str, kept: float) -> None:
        data = encode(pixels().effect_spread(50), file_format)
        with pytest.raises(BadImage):
            thumbnail(data[: max(9, int(len(data) * kept))], {})

    def test_a_truncated_large_jpeg_is_not_scaled_over(self) -> None:
        data = encode(pixels(1600, 1200).effect_spread(50))
        with pytest.raises(DamagedImage, match="jpeg cannot be decoded: image file is truncated"):
            thumbnail(data[: len(data) // 2], {"sizes": [64]})

    @pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP", "JPEG", "GIF"])
    def test_bombs_are_refused_before_decoding(self, file_format: str) -> None:
        data = encode(Image.new("L", (2000, 1000)), file_format)
        # Without its end it could not be decoded: the limit must come first.
        data = data if file_format in ("TIFF", "WEBP") else data[: len(data) // 2]
        with pytest.raises(TooManyPixels, match=r"2000 x 1000 pixels are more than 1\.9 megapixels"):
            thumbnail(data, {"max_megapixels": 1.9})

    def test_a_png_that_claims_gigapixels(self) -> None:
        data = bytearray(encode(pixels(8, 8), "PNG"))
        data[16:24] = struct.pack(">II", 60_000, 60_000)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
        with pytest.raises(TooManyPixels, match="60000 x 60000 pixels are more than 100 megapixels"):
            thumbnail(bytes(data), {})

    @pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's remarks on what it skips
    @settings(max_examples=150, deadline=None)
    @given(st.data(), st.sampled_from(READABLE))
    def test_damage_never_looks_like_a_bug(self, drawn: st.DataObject, file_format: str) -> None:
        data = bytearray(encode(pixels(40, 30), file_format))
        places = st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255))
        for place, value in drawn.draw(st.lists(places, min_size=1, max_size=20)):
            data[place] = value
        try:
            thumbnail(bytes(data), {"max_megapixels": 2})
        except ItemError as error:
            assert str(error)


class TestSettings:
    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"sizes": []}, "sizes"),
            ({"sizes": [0]}, "1 to 4096"),
            ({"sizes": [4097]}, "1 to 4096"),
            ({"sizes": [1.5]}, "whole numbers"),
            ({"sizes": [True]}, "whole numbers"),
            ({"sizes": [64, 64]}, "without repetition"),
            ({"sizes": 256}, "a list"),
            ({"sizes": "256"}, "a list"),
            ({"format": "png"}, "jpeg or webp"),
            ({"format": None}, "jpeg or webp"),
            ({"quality": 0}, "1 to 100"),
            ({"quality": 101}, "1 to 100"),
            ({"quality": "80"}, "1 to 100"),
            ({"alpha": "drop"}, "flatten or keep"),
            ({"alpha": "keep"}, "JPEG has no alpha"),
            ({"max_megapixels": 0}, "above 0"),
            ({"max_megapixels": 171}, "at most 170"),
            ({"size": 256}, "unknown settings size; known: alpha, format"),
        ],
    )
    def test_wrong_ones_are_named_with_what_is_allowed(self, wrong: dict[str, Any], said: str) -> None:
        with pytest.raises(BadSettings, match=said):
            thumbnail(b"", wrong)


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 700),
    height=st.integers(1, 700),
    sizes=st.lists(st.integers(1, 300), min_size=1, max_size=3, unique=True),
    file_format=st.sampled_from(["JPEG", "PNG"]),
)
def test_results_fit_keep_their_aspect_and_repeat(
    width: int, height: int, sizes: list[int], file_format: str
) -> None:
    data = encode(Image.new("RGB", (width, height), "teal"), file_format)
    work = thumbnail(data, {"sizes": sizes})
    for size, output in zip(sizes, work.outputs, strict=True):
        small = decoded(output.data)
        assert max(small.size) == min(size, max(width, height))
        scale = max(small.size) / max(width, height)
        assert abs(small.width - width * scale) <= 1
        assert abs(small.height - height * scale) <= 1
        assert near(small.resize((1, 1)), (0, 0), (0, 128, 128))
    assert thumbnail(data, {"sizes": sizes}) == work


@given(st.integers(1, 100_000), st.integers(1, 100_000), st.integers(1, 4096))
def test_fit(width: int, height: int, size: int) -> None:
    small = fit(width, height, size)
    assert max(small) == min(size, max(width, height))
    assert min(small) >= 1
    assert fit(height, width, size) == small[::-1]


@pytest.mark.parametrize(("width", "height"), [(1365, 1074), (1601, 1203), (1607, 907), (999, 1001)])
def test_scaled_decoding_does_not_shift_odd_sizes(width: int, height: int) -> None:
    source = encode(pixels(width, height), quality=95)
    full = decoded(source).resize(fit(width, height, 64), LANCZOS)
    assert psnr_db(one(source, sizes=[64], quality=100), full) > 40


def test_several_sizes_are_as_good_as_single_ones() -> None:
    data = encode(pixels(1600, 1200), quality=95)
    together = thumbnail(data, {"sizes": [400, 100], "quality": 95}).outputs[1]
    assert psnr_db(decoded(together.data), one(data)) > 45
