"""What every URL of the sandbox's web really leads to: host, fault, declared and true size, kind of image.

A page is the thing behind one URL; its number stands in the URL. Rows of the metadata refer to pages (some to the
same one) and live in ``rows``; how a page is served lives in ``answers`` and ``images``.
"""

import functools
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from laion_assets.sandbox import jpeg, jpeg_scans, png
from laion_assets.sandbox.draws import Draws, Ids
from laion_assets.sandbox.encoded import ENCODED_KINDS, ENCODED_SIZES
from laion_assets.sandbox.faults import FAULT_NUMBER, FAULTS
from laion_assets.sandbox.hosts import host_shares
from laion_assets.sandbox.jpeg_segments import Extras
from laion_assets.sandbox.spec import SandboxSpec

SIZES_FILE = Path(__file__).with_name("laion_hr_sizes.parquet")

PAGE_NUMBER = re.compile(rb"-([0-9a-f]{8})(?![0-9a-f])")
"""Finds a page's number in a request target, where it stands as a dash and eight hexadecimal digits."""

IMAGE_KINDS = (*(f"jpeg_{number}" for number in range(len(jpeg.MODES))), "png", *ENCODED_KINDS)
"""How an image is made. JPEG kinds are numbered as ``jpeg.MODES``."""
PNG = IMAGE_KINDS.index("png")
FIRST_ENCODED = PNG + 1
NO_IMAGE = 255

JPEG_MODE_SHARES = (0.70, 0.24, 0.03, 0.02, 0.01)
Number = TypeVar("Number", int, npt.NDArray[np.int64])

PNG_SHARE = 0.068
ENCODED_SHARE = 0.42
"""Of pages whose size is one of ENCODED_SIZES, which are 8 % of all: 3.5 % of all pages."""
ENCODED_KIND_SHARES = (0.5, 0.1, 0.15, 0.1, 0.15)

EXTENSIONS = (".jpg", ".jpeg", ".JPG", ".png", "", ".webp", ".gif", ".avif", ".php")
EXTENSION_SHARES = {
    "jpeg": (0.886, 0.035, 0.015, 0.006, 0.055, 0.0, 0.0, 0.0, 0.003),
    "png": (0.03, 0.0, 0.0, 0.90, 0.06, 0.0, 0.0, 0.0, 0.01),
    "webp": (0.40, 0.0, 0.0, 0.05, 0.15, 0.40, 0.0, 0.0, 0.0),
    "avif": (0.30, 0.0, 0.0, 0.0, 0.20, 0.0, 0.0, 0.50, 0.0),
    "gif": (0.05, 0.0, 0.0, 0.0, 0.05, 0.0, 0.90, 0.0, 0.0),
}
"""By true format. Together: jpg 84 %, png 7 %, none 6 %; one in twenty is not what it says."""

EXTRAS: tuple[tuple[float, Extras], ...] = (
    (0.500, Extras()),
    (0.170, Extras(icc_bytes=560)),
    (0.080, Extras(orientation=1)),
    (0.030, Extras(orientation=6, icc_bytes=560)),
    (0.010, Extras(orientation=3)),
    (0.010, Extras(orientation=8, comment="made with a camera that was held upright")),
    (0.130, Extras(comment="CREATOR: gd-jpeg v1.0 (using IJG JPEG v62), quality = 90", icc_bytes=3144)),
    (0.030, Extras(orientation=1, exif_padding=6_000, thumbnail=True)),
    (0.020, Extras(orientation=6, exif_padding=24_000, thumbnail=True, icc_bytes=560)),
    (0.019, Extras(orientation=1, exif_padding=60_000, thumbnail=True)),
    (0.0005, Extras(icc_bytes=180_000)),
    (0.0005, Extras(orientation=1, exif_padding=60_000, thumbnail=True, icc_bytes=400_000)),
)
"""What stands in front of the size: 4 KiB reach it in 93 % of JPEGs, 4 + 64 KiB in 99.9 %."""

DECLARED_BELOW_SHARE = 0.0005
SMALL_SIZES = ((640, 480), (800, 600), (1023, 1023), (1000, 1500), (1920, 817), (960, 1280))
PLACEHOLDERS = ((1, 1), (120, 90), (150, 150), (200, 200), (400, 300))
BOMB_SIDE = 30_000


@dataclass(frozen=True)
class Pages:
    """One array per property, one element per page.

    ``fault`` is a number of ``FAULT_NUMBER`` or -1; ``kind`` an index of IMAGE_KINDS or NO_IMAGE; ``level`` and
    ``extras`` describe a JPEG; ``extension`` is an index of EXTENSIONS.
    """

    fault: npt.NDArray[np.int16]
    host: npt.NDArray[np.uint16]
    declared_width: npt.NDArray[np.int32]
    declared_height: npt.NDArray[np.int32]
    true_width: npt.NDArray[np.int32]
    true_height: npt.NDArray[np.int32]
    kind: npt.NDArray[np.uint8]
    level: npt.NDArray[np.uint8]
    extras: npt.NDArray[np.uint8]
    extension: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        """How many pages there are."""
        return len(self.fault)

    def save(self, path: Path) -> None:
        """Write all arrays into one .npz."""
        np.savez(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> "Pages":
        """Read what ``save`` wrote."""
        with np.load(path) as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})


def page_number(target: bytes) -> int | None:
    """The number of the page a request target asks for; ``None`` where it names none."""
    found = PAGE_NUMBER.search(target)
    return int(found[1], 16) if found else None


def image_format(kind: int) -> str | None:
    """``jpeg``, ``png``, ``webp``, ``avif`` or ``gif``; ``None`` for NO_IMAGE."""
    return None if kind == NO_IMAGE else IMAGE_KINDS[kind].split("_")[0]


def make_pages(spec: SandboxSpec) -> Pages:
    """All pages of a sandbox."""
    draws = Draws(spec.seed)
    total = spec.rows
    ids = np.arange(total, dtype=np.uint64)
    sizes = _published_sizes()
    declared = sizes[draws.below("size", ids, len(sizes))]
    fault = np.full(total, -1, dtype=np.int16)
    true = declared.copy()
    if spec.faults:
        small = draws.quotas("declared below", total, [DECLARED_BELOW_SHARE]) == 0
        declared[small] = np.asarray(SMALL_SIZES)[draws.below("small", ids[small], len(SMALL_SIZES))]
        fault = draws.quotas("fault", total, [each.share for each in FAULTS])
        fault[small] = -1
        fault = _only_where_possible(fault, declared)
        true = _true_sizes(draws, ids, declared, fault, sizes, spec.minimum_side_px)
    kind = _kinds(draws, ids, true, np.all(true == declared, axis=1), fault)
    level, extras = _jpeg_properties(draws, ids, fault, spec.bytes_per_megapixel)
    return Pages(
        fault=fault,
        host=draws.choice("host", ids, host_shares(spec.hosts)).astype(np.uint16),
        declared_width=declared[:, 0],
        declared_height=declared[:, 1],
        true_width=np.where(kind == NO_IMAGE, 0, true[:, 0]).astype(np.int32),
        true_height=np.where(kind == NO_IMAGE, 0, true[:, 1]).astype(np.int32),
        kind=kind,
        level=level,
        extras=extras,
        extension=_extensions(draws, ids, kind),
    )


@functools.lru_cache(maxsize=1)
def _published_sizes() -> npt.NDArray[np.int32]:
    # Here and not above: a sandbox found in the cache starts without polars.
    import polars as pl

    table = pl.read_parquet(SIZES_FILE)
    return np.stack([table["width"].to_numpy(), table["height"].to_numpy()], axis=1).astype(np.int32)


def _with_image(fault: npt.NDArray[np.int16], *images: str) -> npt.NDArray[np.bool_]:
    return np.isin(fault, [number for number, each in enumerate(FAULTS) if each.image in images])


def _only_where_possible(fault: npt.NDArray[np.int16], declared: npt.NDArray[np.int32]) -> npt.NDArray[np.int16]:
    """Squares cannot be swapped, and what is barely large enough cannot be scaled down and stay so."""
    square = declared[:, 0] == declared[:, 1]
    barely = declared.min(axis=1) < 1100
    impossible = (_with_image(fault, "swapped") & square) | (_with_image(fault, "scaled") & barely)
    return np.where(impossible, -1, fault).astype(np.int16)


def _true_sizes(
    draws: Draws,
    ids: Ids,
    declared: npt.NDArray[np.int32],
    fault: npt.NDArray[np.int16],
    sizes: npt.NDArray[np.int32],
    minimum_side_px: int,
) -> npt.NDArray[np.int32]:
    true = declared.copy()

    def scaled_to(
        chosen: npt.NDArray[np.bool_], wanted: npt.NDArray[np.float64], current: npt.NDArray[np.int32]
    ) -> None:
        factor = (wanted / current[chosen])[:, None]
        true[chosen] = np.maximum(1, np.floor(declared[chosen] * np.minimum(factor, 1.0) + 0.5)).astype(np.int32)

    short, long = declared.min(axis=1), declared.max(axis=1)
    chosen = _with_image(fault, "thumbnail")
    scaled_to(chosen, np.full(int(chosen.sum()), 300.0), long)
    chosen = _with_image(fault, "scaled_below")
    scaled_to(chosen, 480 + np.floor(draws.uniform("below", ids[chosen]) * 520), short)
    chosen = _with_image(fault, "scaled")
    room = np.maximum(short[chosen] - 1 - minimum_side_px, 0)
    scaled_to(chosen, minimum_side_px + np.floor(draws.uniform("scaled", ids[chosen]) * room), short)
    chosen = _with_image(fault, "swapped")
    true[chosen] = declared[chosen][:, ::-1]
    chosen = _with_image(fault, "placeholder")
    true[chosen] = np.asarray(PLACEHOLDERS)[draws.below("placeholder", ids[chosen], len(PLACEHOLDERS))]
    chosen = _with_image(fault, "bomb")
    true[chosen] = BOMB_SIDE
    chosen = _with_image(fault, "replaced")
    others = sizes[draws.below("replaced", ids[chosen], len(sizes))]
    # Sides differ by three pixels at least, or it could be taken for the declared image, swapped or not.
    others[:, 0] += 3 * (np.abs(others - declared[chosen]).max(axis=1) < 3)
    true[chosen] = others
    return true


def _kinds(
    draws: Draws,
    ids: Ids,
    true: npt.NDArray[np.int32],
    as_declared: npt.NDArray[np.bool_],
    fault: npt.NDArray[np.int16],
) -> npt.NDArray[np.uint8]:
    kind = draws.choice("jpeg mode", ids, JPEG_MODE_SHARES).astype(np.uint8)
    kind[draws.uniform("png", ids) < PNG_SHARE] = PNG
    frequent = np.zeros(len(ids), dtype=bool)
    for width, height in ENCODED_SIZES:
        frequent |= (true[:, 0] == width) & (true[:, 1] == height)
    encoded = frequent & as_declared & (draws.uniform("encoded", ids) < ENCODED_SHARE)
    kind[encoded] = FIRST_ENCODED + draws.choice("encoded kind", ids[encoded], ENCODED_KIND_SHARES).astype(np.uint8)
    kind[_with_image(fault, "big")] = 0
    kind[_with_image(fault, "bomb")] = PNG
    kind[fault == FAULT_NUMBER["broken_content"]] = PNG
    kind[np.isin(fault, [FAULT_NUMBER["endless_body"], FAULT_NUMBER["gzip_bomb"]])] = 0
    kind[_with_image(fault, "none")] = NO_IMAGE
    return kind


def _jpeg_properties(
    draws: Draws, ids: Ids, fault: npt.NDArray[np.int16], bytes_per_megapixel: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    # File sizes on the web are close to log-normal.
    levels = np.log(jpeg.bytes_per_megapixel_by_level())
    wanted = np.log(bytes_per_megapixel) + 0.7 * draws.normal("detail", ids)
    level = np.searchsorted((levels[1:] + levels[:-1]) / 2, wanted).astype(np.uint8)
    extras = draws.choice("extras", ids, [share for share, _ in EXTRAS]).astype(np.uint8)
    plain = _with_image(fault, "big") | np.isin(fault, [FAULT_NUMBER["endless_body"], FAULT_NUMBER["gzip_bomb"]])
    extras[plain] = 0
    level[_with_image(fault, "big")] = np.maximum(level[_with_image(fault, "big")], 3)
    return np.minimum(level, jpeg_scans.LEVELS - 1).astype(np.uint8), extras


def _extensions(draws: Draws, ids: Ids, kind: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    extension = draws.choice("extension", ids, EXTENSION_SHARES["jpeg"])
    for number in range(PNG, len(IMAGE_KINDS)):
        chosen = kind == number
        shares = EXTENSION_SHARES[image_format(number) or ""]
        extension[chosen] = draws.choice("extension", ids[chosen], shares)
    lost = kind == NO_IMAGE
    extension[lost & (draws.uniform("lost extension", ids) < PNG_SHARE)] = EXTENSIONS.index(".png")
    return extension.astype(np.uint8)


def png_kind_number(page: Number) -> Number:
    """An index of ``png.KINDS`` for a PNG page, or for many: mostly cheap colour types and depths."""
    return page % 11 % len(png.KINDS)
