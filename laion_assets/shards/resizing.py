"""img2dataset's resizer, with quicker ways to average over areas.

OpenCV averages over any area in 6 ns per pixel, more than it takes to decode it. Interpolating between pixels takes a
third of that, and blurs as much as averaging does when an image shrinks a little; shrunk further, it is blurred by the
rest first, and from a factor of two it is interpolated to twice the wanted size and then averaged in pairs.
Sizes are those of img2dataset. Pixels of photographs differ by about what encoding at quality 95 changes, 40 dB, and
are as close to an ideal filter (Lanczos) as averaged ones. What is not made smaller, has an alpha channel or more than
8 bits, or wants a border goes its usual way.
"""

import io
import threading
from typing import Any

import cv2
import numpy as np

from laion_assets.shards.upstream import Resizer

_BY_LONG_SIDE, _BY_SHORT_SIDE = ("keep_ratio_largest",), ("keep_ratio", "center_crop")

# Interpolating linearly blurs as a triangle does, by a variance of 1/6 px² at most; averaging over f px by f²/12. Up to
# here the difference costs less than encoding at quality 95.
_AS_SMOOTH_UP_TO = 1.6
_TRIANGLE_VARIANCE = 1 / 6
# Beyond the second factor the shrinking is left to OpenCV: one image in fifty.
_IN_PAIRS_FROM, _IN_PAIRS_UP_TO = 2.0, 4.0

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
            quick = self._shrink(img_stream.getvalue())
            if quick is not None:
                return quick
        img_stream.seek(0)
        return super().__call__(img_stream, blurring_bbox_list)

    def _shrink(self, body: bytes) -> Resized | None:
        cv2.setNumThreads(1)
        pixels = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_UNCHANGED) if body else None
        if pixels is None or pixels.dtype != np.uint8 or (pixels.ndim == 3 and pixels.shape[2] != 3):
            return None
        height, width = pixels.shape[:2]
        mode = self.resize_mode.name
        side = (max if mode in _BY_LONG_SIDE else min)(width, height)
        if side <= self.image_size:
            return None
        scale = self.image_size / side
        pixels = average(pixels, max(1, round(width * scale)), max(1, round(height * scale)))
        if mode == "center_crop":
            top, left = ((length - self.image_size) // 2 for length in pixels.shape[:2])
            pixels = pixels[top : top + self.image_size, left : left + self.image_size]
        new_height, new_width = pixels.shape[:2]
        encoded = cv2.imencode(f".{self.encode_format}", pixels, params=self.encode_params)[1].tobytes()
        return encoded, new_width, new_height, width, height, None


def average(pixels: Any, width: int, height: int) -> Any:  # noqa: ANN401 (OpenCV's arrays)
    """Make an image smaller, each new pixel about the mean of the area it covers."""
    factor = max(pixels.shape[1] / width, pixels.shape[0] / height)
    if factor > _IN_PAIRS_UP_TO:
        return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    if factor > _IN_PAIRS_FROM:
        twice = cv2.resize(pixels, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR)
        return cv2.resize(twice, (width, height), interpolation=cv2.INTER_AREA)
    if factor > _AS_SMOOTH_UP_TO:
        side = (factor**2 / 12 - _TRIANGLE_VARIANCE) / 2  # three taps of a, 1 - 2a, a have a variance of 2a
        taps = np.array([side, 1 - 2 * side, side], np.float32)
        pixels = cv2.sepFilter2D(pixels, -1, taps, taps, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
