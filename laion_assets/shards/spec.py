"""What a dataset's YAML says about the shards of a subset: what is kept, in what shape, and with which means.

Which rows are downloaded is in ``subsets.spec``; how politely the web is asked, in ``web.spec``.
"""

import difflib
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from laion_assets.subsets.keeping import Keeping, Resized

SUFFIXES = {
    "jpeg": "jpg",
    "png": "png",
    "webp": "webp",
    "gif": "gif",
    "avif": "avif",
    "heif": "heic",
    "bmp": "bmp",
    "tiff": "tiff",
    "jp2": "jp2",
}
"""File name suffix in the tar, by the format the bytes have in truth."""

# What Pillow opens without a warning about decompression bombs, so that training code does too.
PILLOW_LIMIT_MEGAPIXELS = 89.4


class ResizeSpec(BaseModel):
    """img2dataset's resizer: images are decoded, resized and encoded anew."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["no", "border", "keep_ratio", "keep_ratio_largest", "center_crop"] = Field(
        default="keep_ratio_largest", description="img2dataset's resize_mode; keep_ratio_largest bounds the long side."
    )
    image_size: int = Field(default=1024, ge=1, le=16_384, description="Side in px that the mode refers to.")
    only_if_bigger: bool = Field(default=True, description="Never scale up.")
    encode_format: Literal["jpg", "png", "webp"] = Field(default="jpg", description="What is written.")
    encode_quality: int = Field(default=95, ge=0, le=100, description="Quality; for png the compression, 0 to 9.")
    exact: bool = Field(
        default=False,
        description="Average pixels exactly as img2dataset does, at 1.5 times the processor time; else to within what "
        "encoding changes anyway.",
    )
    skip_reencode: bool = Field(default=True, description="Keep the bytes of an image that need not be changed.")

    @model_validator(mode="after")
    def _png_compression(self) -> Self:
        if self.encode_format == "png" and self.encode_quality > 9:
            raise ValueError(f"encode_quality: {self.encode_quality} for png, whose compression goes from 0 to 9.")
        return self


class HashSpec(BaseModel):
    """A published hash of the image that the bytes must have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str = Field(description="Column of the rows that holds it; name it in the subset's extra_columns too.")
    kind: Literal["md5", "sha256", "sha512"] = Field(default="sha256", description="Which hash it is.")

    def check_column(self, extra_columns: Mapping[str, str]) -> None:
        """Whether the subset declares the column, as text: nothing else reaches the shards.

        Args:
            extra_columns: what the subset declares, by the kind of its values.

        Raises:
            ValueError: It does not; the message says what to write.
        """
        declared = extra_columns.get(self.column)
        if declared == "text":
            return
        found = f"is declared as {declared}" if declared else "is not declared"
        texts = [name for name, kind in extra_columns.items() if kind == "text"]
        near = difflib.get_close_matches(self.column, texts, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]!r}?" if near else f"Write extra_columns: {{{self.column}: text}}."
        raise ValueError(f"shards.verify_hash.column: {self.column!r} {found} under extra_columns. {hint}")


class ShardsSpec(BaseModel):
    """How the rows of a subset become webdataset shards. The defaults keep originals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows_per_shard: int = Field(default=10_000, ge=1, le=1_000_000, description="Planned rows, not images, per shard.")
    resize: ResizeSpec | None = Field(default=None, description="Resize; none keeps the bytes as they were served.")
    minimum_side_px: int | None = Field(
        default=None, ge=0, description="True short side that is required; none means what the dataset promises."
    )
    maximum_aspect: float | None = Field(
        default=None, ge=1, description="Long side over short side that is still taken, in truth."
    )
    maximum_megapixels: float = Field(
        default=PILLOW_LIMIT_MEGAPIXELS, gt=0, description="Larger images are decompression bombs to training code."
    )
    maximum_bytes: int = Field(default=50_000_000, ge=1, description="A larger file is not read to its end.")
    formats: tuple[str, ...] = Field(
        default=("jpeg", "png", "webp", "gif", "avif", "bmp", "tiff"), description="True formats that are taken."
    )
    verify_hash: HashSpec | None = Field(default=None, description="Published hash the bytes must have.")
    compute_hash: Literal["md5", "sha256", "sha512"] | None = Field(
        default="sha256", description="Hash of the original bytes, a column of the shard's parquet."
    )
    processes: int | None = Field(
        default=None,
        ge=1,
        description="Worker processes, each with one shard at a time; none means one for up to 20,000 rows, with "
        "several shards at a time, and two per core for more. Never more than the web's per_host; cores beyond resize.",
    )
    memory_mb: int = Field(
        default=256,
        ge=16,
        description="MB of images each shard in the making may hold while they wait for their turn; more go to disk.",
    )
    distributor: Literal["multiprocessing", "pyspark", "ray"] = Field(
        default="multiprocessing", description="img2dataset's distributor, for more than one process."
    )
    decode_share: float = Field(
        default=0.02, ge=0, le=1, description="Share of the images the audit decodes to their last pixel."
    )

    def content(self) -> dict[str, Any]:
        """Everything that decides what a shard holds; not how many processes make it, nor how it is checked."""
        return self.model_dump(mode="json", exclude={"processes", "memory_mb", "distributor", "decode_share"})

    def keeping(self, minimum_side_px: int) -> Keeping:
        """What is kept, for the plan; ``minimum_side_px`` is the dataset's own promise."""
        resize = self.resize
        return Keeping(
            minimum_side_px=minimum_side_px if self.minimum_side_px is None else self.minimum_side_px,
            maximum_aspect=self.maximum_aspect,
            maximum_pixels=int(self.maximum_megapixels * 1e6),
            maximum_bytes=self.maximum_bytes,
            formats=frozenset(self.formats),
            resized=None
            if resize is None
            else Resized(
                mode=resize.mode,
                image_size=resize.image_size,
                only_if_bigger=resize.only_if_bigger,
                image_format={"jpg": "jpeg"}.get(resize.encode_format, resize.encode_format),
                quality=resize.encode_quality,
                skip_reencode=resize.skip_reencode,
            ),
            rows_per_shard=self.rows_per_shard,
            processes=self.processes,
        )

    def digest(self) -> str:
        """Changes with ``content``: part of the code version of what is made with it."""
        return hashlib.sha256(json.dumps(self.content(), sort_keys=True).encode()).hexdigest()[:12]

    @model_validator(mode="after")
    def _formats_are_known(self) -> Self:
        if unknown := [name for name in self.formats if name not in SUFFIXES]:
            raise ValueError(f"formats: {unknown} are not among {', '.join(SUFFIXES)}.")
        return self
