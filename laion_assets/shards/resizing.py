"""img2dataset's resizer, with quicker ways to make an image smaller.

Sizes are those of img2dataset, pixels nearly so; see ``shrinking``. What is not made smaller, has an alpha channel or
more than 8 bits, or wants a border goes its usual way.
"""

import contextlib
import io
import threading
from typing import Any

import cv2

from laion_assets.shards.planes import Planes, encode
from laion_assets.shards.shrinking import shrink
from laion_assets.shards.upstream import Resizer

_BY_LONG_SIDE, _BY_SHORT_SIDE = ("keep_ratio_largest",), ("keep_ratio", "center_crop")

Resized = tuple[bytes | None, int | None, int | None, int | None, int | None, str | None]


_REDIRECTING = threading.Lock()


class ExactResizer(Resizer):  # type: ignore[misc]
    """img2dataset's own, in one thread at a time: it redirects the whole process's output while it works."""

    def __call__(self, img_stream: io.BytesIO, blurring_bbox_list: Any = None) -> Resized:  # noqa: ANN401
        """Resize one image as img2dataset does."""
        with _REDIRECTING:
            resized: Resized = super().__call__(img_stream, blurring_bbox_list)
        return resized


class QuickResizer(ExactResizer):
    """Called as img2dataset's, with an image stream; gives bytes, width, height, original width, height and error."""

    def __call__(self, img_stream: io.BytesIO, blurring_bbox_list: Any = None) -> Resized:  # noqa: ANN401
        """Resize one image, the quick way where there is one."""
        if blurring_bbox_list is None and self.resize_mode.name in _BY_LONG_SIDE + _BY_SHORT_SIDE:
            quick = None
            with contextlib.suppress(Exception):  # whatever it is, img2dataset's own way has a word for it
                quick = self._shrink(img_stream.getvalue())
            if quick is not None:
                return quick
        img_stream.seek(0)
        return super().__call__(img_stream, blurring_bbox_list)

    def _shrink(self, body: bytes) -> Resized | None:
        cropped, as_jpeg = self.resize_mode.name == "center_crop", self.encode_format == "jpg"
        shrunk = shrink(body, self._wanted, in_planes=as_jpeg and not cropped)
        if shrunk is None:
            return None
        pixels, width, height = shrunk
        if isinstance(pixels, Planes):
            new_height, new_width = pixels.luma.shape
            return encode(pixels, self.encode_params[1]), new_width, new_height, width, height, None
        if cropped:
            top, left = ((length - self.image_size) // 2 for length in pixels.shape[:2])
            pixels = pixels[top : top + self.image_size, left : left + self.image_size]
        new_height, new_width = pixels.shape[:2]
        encoded = cv2.imencode(f".{self.encode_format}", pixels, params=self.encode_params)[1].tobytes()
        return encoded, new_width, new_height, width, height, None

    def _wanted(self, width: int, height: int) -> tuple[int, int] | None:
        side = (max if self.resize_mode.name in _BY_LONG_SIDE else min)(width, height)
        if side <= self.image_size:
            return None
        scale = self.image_size / side
        return max(1, round(width * scale)), max(1, round(height * scale))
