"""The true bytes behind a page: which image, how large, and what is broken about its content.

Composes nothing until asked, so that a catalogue of millions of pages costs only what is read of it.
"""

import functools
import random
from typing import Any

import numpy as np
import numpy.typing as npt

from laion_assets.sandbox import jpeg, png
from laion_assets.sandbox.encoded import EncodedImages
from laion_assets.sandbox.faults import FAULT_NUMBER
from laion_assets.sandbox.pages import EXTRAS, IMAGE_KINDS, NO_IMAGE, PNG, Pages, image_format, png_kind_number
from laion_assets.sandbox.rope import Rope

Places = npt.NDArray[np.intp]

TRUNCATED_AT = 0.7
"""Share of the file that is left where it was cut before it was published."""

ANNOUNCED_EXTRA_BYTES = 10_000
ANNOUNCED_SHARE = 0.6
LYING = ("announced_too_long", "announced_too_short")


class Images:
    """Images of a sandbox's pages, by page number."""

    def __init__(self, pages: Pages, encoded: EncodedImages) -> None:
        """Serve ``pages``; WebP, AVIF and GIF come from ``encoded``."""
        self.pages = pages
        self.encoded = encoded
        self.body = functools.lru_cache(maxsize=4096)(self._compose)

    def content_type(self, page: int) -> str:
        """The media type an honest server would name."""
        return f"image/{image_format(int(self.pages.kind[page])) or 'jpeg'}"

    def announced_bytes(self, page: int) -> int:
        """What the server says the file's size is, where it says anything: two faults lie."""
        length, fault = self.body(page).length, int(self.pages.fault[page])
        if fault == FAULT_NUMBER["announced_too_long"]:
            return length + ANNOUNCED_EXTRA_BYTES
        return int(length * ANNOUNCED_SHARE) if fault == FAULT_NUMBER["announced_too_short"] else length

    def file_bytes(self) -> npt.NDArray[np.int64]:
        """The size of every page's file; 0 where there is none. ``announced_bytes`` of all pages, but fast."""
        pages = self.pages
        found = np.zeros(len(pages), dtype=np.int64)
        for like in _alike(np.flatnonzero(pages.kind < PNG), pages.kind, pages.level, pages.extras):
            found[like] = jpeg.lengths(
                pages.true_width[like].astype(np.int64),
                pages.true_height[like].astype(np.int64),
                mode=jpeg.MODES[pages.kind[like[0]]],
                level=int(pages.level[like[0]]),
                extras=EXTRAS[pages.extras[like[0]]][1],
            )
        truncated = pages.fault == FAULT_NUMBER["truncated_file"]
        found[truncated] = (found[truncated] * TRUNCATED_AT).astype(np.int64)
        others = np.flatnonzero((pages.kind >= PNG) & (pages.kind != NO_IMAGE))
        groups = _alike(others, pages.kind, pages.true_width, pages.true_height, png_kind_number(np.arange(len(pages))))
        firsts = [int(like[0]) for like in groups]
        self.encoded.warm(
            (IMAGE_KINDS[pages.kind[page]], int(pages.true_width[page]), int(pages.true_height[page]))
            for page in firsts
            if pages.kind[page] != PNG
        )
        for first, like in zip(firsts, groups, strict=True):
            found[like] = self._compose(first).length
        for page in np.flatnonzero(np.isin(pages.fault, [FAULT_NUMBER[name] for name in LYING])):
            found[page] = self.announced_bytes(int(page))
        return found

    def _compose(self, page: int) -> Rope:
        pages = self.pages
        kind = int(pages.kind[page])
        if kind == NO_IMAGE:
            return Rope.of()
        width, height = int(pages.true_width[page]), int(pages.true_height[page])
        fault = int(pages.fault[page])
        if kind < PNG:
            body = jpeg.compose(
                width,
                height,
                mode=jpeg.MODES[kind],
                level=int(pages.level[page]),
                palette=page % 4,
                extras=EXTRAS[int(pages.extras[page])][1],
            )
        elif kind == PNG:
            bomb = fault == FAULT_NUMBER["pixel_bomb"]
            body = png.compose(width, height, png.PngKind(0, 1) if bomb else png.KINDS[png_kind_number(page)])
        else:
            body = Rope.of(self.encoded.body(IMAGE_KINDS[kind], width, height))
        if fault == FAULT_NUMBER["truncated_file"]:
            return Rope.of(body.read(0, int(body.length * TRUNCATED_AT)))
        if fault == FAULT_NUMBER["broken_content"]:
            return Rope.of(_with_garbage(body.read(), page))
        return body


def _alike(chosen: Places, *properties: npt.NDArray[np.integer[Any]]) -> list[Places]:
    """The chosen places in groups that have the same properties."""
    if not len(chosen):
        return []
    table = np.stack([each[chosen].astype(np.int64) for each in properties])
    order = np.lexsort(table)
    edges = np.flatnonzero(np.any(np.diff(table[:, order], axis=1) != 0, axis=0)) + 1
    return np.split(chosen[order], edges)


def _with_garbage(file: bytes, page: int) -> bytes:
    """A PNG whose compressed pixels are noise; header, chunk lengths and end stay as they were."""
    start = file.index(b"IDAT") + 6
    stop = file.rindex(b"IEND") - 8
    noise = random.Random(page).randbytes(stop - start)  # noqa: S311
    return file[:start] + b"\xff" + noise[1:] + file[stop:]
