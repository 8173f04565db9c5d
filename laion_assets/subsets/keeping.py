"""What a download keeps of what it gets, and how many bytes that takes: all the plan needs to know about shards.

Whoever makes shards says what it keeps; the plan holds probes against it. Nothing is downloaded or judged here.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass

import polars as pl

_short = pl.min_horizontal("true_width", "true_height")
_long = pl.max_horizontal("true_width", "true_height")
_pixels = pl.col("true_width").cast(pl.Float64) * pl.col("true_height")

# Bytes per pixel of photographs encoded at quality 95, where 75 takes 0.55 times as many; single ones are far from it.
_BYTES_PER_PIXEL = {"jpeg": 0.45, "webp": 0.33, "png": 1.6}
_PER_QUALITY = 0.03
ENCODED_FACTOR = 2.5
"""The mean over many images encoded anew is taken to lie within this factor of the guess."""


@dataclass(frozen=True)
class Resized:
    """How images are resized, in img2dataset's words."""

    mode: str
    image_size: int
    only_if_bigger: bool
    image_format: str
    """``jpeg``, ``png`` or ``webp``: what is written."""
    quality: int
    skip_reencode: bool

    @property
    def bytes_per_pixel(self) -> float:
        """Of an image that is encoded anew."""
        lossy = 1.0 if self.image_format == "png" else math.exp(_PER_QUALITY * (self.quality - 95))
        return _BYTES_PER_PIXEL[self.image_format] * lossy

    @property
    def pixels(self) -> pl.Expr:
        """Pixels of what is stored."""
        if self.mode == "no":
            return _pixels
        bounded = _short if self.mode in ("keep_ratio", "center_crop") else _long
        scale = self.image_size / bounded
        area = {"center_crop": pl.lit(float(self.image_size**2)), "border": pl.lit(float(self.image_size**2))}
        resized = area.get(self.mode, _pixels * scale * scale)
        return pl.when(bounded > self.image_size).then(resized).otherwise(_pixels) if self.only_if_bigger else resized

    @property
    def keeps_bytes(self) -> pl.Expr:
        """Whether an image is stored as it was served."""
        if not self.skip_reencode:
            return pl.lit(value=False)
        return (pl.col("format") == self.image_format) & (self.pixels == _pixels)


@dataclass(frozen=True)
class Keeping:
    """The limits of a download; None where there is none. Sides and pixels are those in truth."""

    minimum_side_px: int
    maximum_aspect: float | None = None
    maximum_pixels: int | None = None
    maximum_bytes: int | None = None
    formats: frozenset[str] | None = None
    resized: Resized | None = None
    rows_per_shard: int = 0
    """Shards in the making lie on this machine until they are whole."""
    processes: int | None = None
    """Worker processes the download was told to have."""

    @property
    def kept(self) -> pl.Expr:
        """Whether an image that answers is kept, from its probe; what the probe does not tell is no reason against."""
        conditions = [(_short >= self.minimum_side_px).fill_null(value=False)]
        if self.maximum_aspect is not None:
            conditions.append((_long / _short <= self.maximum_aspect).fill_null(value=True))
        if self.maximum_pixels is not None:
            conditions.append((_pixels <= self.maximum_pixels).fill_null(value=True))
        if self.maximum_bytes is not None:
            conditions.append((pl.col("file_bytes") <= self.maximum_bytes).fill_null(value=True))
        if self.formats is not None:
            conditions.append(pl.col("format").is_in(sorted(self.formats)).fill_null(value=True))
        return pl.all_horizontal(conditions)

    def digest(self) -> str:
        """Changes with everything that decides what is kept: part of the code version of what is planned with it."""
        fields = {**asdict(self), "formats": sorted(self.formats) if self.formats is not None else None}
        del fields["rows_per_shard"], fields["processes"]
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:12]

    def stored_bytes(self, file_bytes: pl.Expr) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
        """Bytes one image takes when it is kept, at best guess, at least, and at most; without the tar around it."""
        if self.resized is None:
            return file_bytes, file_bytes, file_bytes
        as_it_was = self.resized.keeps_bytes.fill_null(value=False)
        encoded = self.resized.pixels.fill_null(0.0) * self.resized.bytes_per_pixel

        def times(factor: float) -> pl.Expr:
            return pl.when(as_it_was).then(file_bytes).otherwise(encoded * factor)

        return times(1.0), times(1 / ENCODED_FACTOR), times(ENCODED_FACTOR)
