"""Images only an encoder can make: WebP, AVIF, GIF, in the few sizes the catalogue gives them.

Encoded once with Pillow and kept in the cache folder, since a megapixel costs up to a fifth of a second.
"""

import functools
import io
import os
import random
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ENCODED_SIZES = ((1200, 1200), (1024, 1024), (1080, 1080), (1920, 1080), (1500, 1500), (1600, 1200))
"""The most frequent declared sizes: 8 % of all rows, so 3 % of other formats fit into them."""

ENCODED_KINDS = ("webp_lossy", "webp_lossless", "webp_extended", "avif", "gif")


class EncodedImages:
    """The encoded files of one cache folder."""

    def __init__(self, folder: Path) -> None:
        """Use ``folder``, which is created when the first file is written."""
        import PIL

        self.folder = folder / f"images-pillow-{PIL.__version__}"
        self._loaded: dict[tuple[str, int, int], bytes] = {}

    def warm(self, wanted: Iterable[tuple[str, int, int]]) -> None:
        """Encode what is missing of (kind, width, height), on all cores (Pillow releases the interpreter lock)."""
        jobs = sorted(set(wanted))
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            list(pool.map(lambda job: self.body(*job), jobs))

    def body(self, kind: str, width: int, height: int) -> bytes:
        """The file of one kind and size."""
        key = (kind, width, height)
        if key not in self._loaded:
            path = self.folder / f"{kind}-{width}x{height}"
            if not path.is_file():
                self._publish(path, _encode(*key))
            self._loaded[key] = path.read_bytes()
        return self._loaded[key]

    def _publish(self, path: Path, body: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as scratch:
            scratch.write(body)
        Path(scratch.name).replace(path)


def _encode(kind: str, width: int, height: int) -> bytes:
    from PIL import Image

    # A coarse mosaic: enough structure to be an image, flat enough to be cheap.
    draw = random.Random(f"{kind}:{width}").random  # noqa: S311
    cells = 160 if kind == "webp_lossless" else 24
    coarse = Image.frombytes("RGB", (cells, cells), bytes(int(draw() * 256) for _ in range(cells * cells * 3)))
    image = coarse.resize((width, height), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    if kind == "webp_lossy":
        image.save(buffer, "WEBP", quality=40, method=0)
    elif kind == "webp_lossless":
        image.save(buffer, "WEBP", lossless=True, quality=10, method=1)
    elif kind == "webp_extended":
        image.putalpha(200)
        image.save(buffer, "WEBP", quality=40, method=0, exif=b"Exif\x00\x00" + _exif(), icc_profile=bytes(6000))
    elif kind == "avif":
        image.save(buffer, "AVIF", speed=10, quality=40)
    else:
        image.quantize(64).save(buffer, "GIF")
    return buffer.getvalue()


@functools.lru_cache(maxsize=1)
def _exif() -> bytes:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 3
    return exif.tobytes().removeprefix(b"Exif\x00\x00")
