"""Pictures in and out, by numpy and Pillow alone: one stated rule for every kind of file.

Accepted are PNG, JPEG, WebP, BMP, TIFF, GIF, PPM/PGM/PBM, JPEG 2000, AVIF and ICO, and arrays as `.npy`, told by
content and never by suffix. Everything else (EPS, PDF, PSD, SVG, FITS ...) is refused, and no decoder for it is ever
tried.

| what the file holds (Pillow's mode) | what `read_picture` returns |
|---|---|
| any | the first frame or page; EXIF (or XMP) orientation applied; colour profiles ignored |
| 1 (bilevel) | one channel, 0 or 255 |
| L | one channel, as stored |
| P (palette) | expanded to RGB; a transparent entry counts as alpha |
| RGB, RGBX | three channels |
| LA, RGBA, PA; 1, L, RGB, P with a transparent colour | over white: `(c a + 255 (255 - a)) / 255`, rounded (*) |
| CMYK | RGB, `(255 - c) * (255 - k) / 255`; Adobe's inverted files are turned by Pillow |
| YCbCr, LAB, HSV | converted to RGB (LAB through littleCMS, to sRGB) |
| I;16 in any byte order (grey PNG, TIFF, JPEG 2000) | uint16, the stored numbers, never clipped (*) |
| I (grey PGM; 32-bit grey TIFF) | uint16, the stored numbers; refused when one lies beyond 16 bits |
| F (32-bit float) | refused: the file does not say which value is white |
| RGB, RGBA of 16 bits per channel (PNG, TIFF) | uint16, the stored numbers; alpha as above, with 65535 for 255 (*) |
| 16 bits per channel in other files (PPM, JPEG 2000; grey with alpha; planar TIFF) | 8 bits: what Pillow keeps |
| an array, H x W or H x W x C in uint8 or uint16 (`.npy`) | as stored, any number of channels, none of them alpha |
| an array in float32, with values in [0, 1] (`.npy`) | as stored |

(*) With `channels=4` the alpha is kept. In a 16-bit picture the value that is declared transparent becomes white.

A 16-bit TIFF that really holds 12-bit samples says nothing about it, so its numbers stay (65535 is white, and it looks
dark); one that declares 12 bits per sample is scaled so that its white becomes 65535.

Pictures of more than 2^26 pixels (8192 x 8192) are refused on their header, before anything is decoded: a few kilobytes
can claim to hold more than the memory does. For files that you trust, the environment variable `TRANSLATE_MAX_PIXELS`
sets another limit.

`channels` asks for a number of channels: 1 from colour is the luma of ITU-R BT.601 as Pillow rounds it, 3 from 1
repeats the channel, 4 adds an opaque alpha where there is none. Alpha is composited before anything else. Any other
number of channels must be in the file.

Written are PNG, JPEG, WebP and `.npy`; PNG holds 1, 3 or 4 channels of 8 or 16 bits, `.npy` everything.
"""

from __future__ import annotations

from translate.pictures.channels import Array, as_channels, as_depth
from translate.pictures.opening import ACCEPTED, MAX_PIXELS, SUFFIXES, pixel_limit, shown
from translate.pictures.reading import (
    FORMATS,
    PictureInfo,
    list_pictures,
    picture_info,
    probe_picture,
    read_picture,
)
from translate.pictures.writing import suffix_for, write_picture

__all__ = [
    "ACCEPTED",
    "FORMATS",
    "MAX_PIXELS",
    "SUFFIXES",
    "Array",
    "PictureInfo",
    "as_channels",
    "as_depth",
    "list_pictures",
    "picture_info",
    "pixel_limit",
    "probe_picture",
    "read_picture",
    "shown",
    "suffix_for",
    "write_picture",
]
