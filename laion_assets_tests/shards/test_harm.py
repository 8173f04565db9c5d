"""What the web and a dataset may contain to do harm, and that it does none: each ends as one row with an outcome."""

import asyncio
import gzip
import io
import tarfile
import zlib
from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image

from laion_assets.lake.errors import UnsafePathError
from laion_assets.shards.layout import read_shards
from laion_assets.shards.publish import publish_index
from laion_assets.shards.spec import ResizeSpec, ShardsSpec
from laion_assets.subsets.spec import SubsetSpec
from laion_assets_tests.shards.conftest import KEY, PART, Downloads, SmallWeb, image_bytes, planned_of

CAP = 2_000_000
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="2000" height="2000"><script>fetch("/steal")</script></svg>'


def hundred_megapixels() -> bytes:
    """A whole and valid PNG of 10,000 x 10,000 px in 12 KB; RGB pixels of it take 300 MB."""
    out = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(out, "PNG", optimize=True)
    return out.getvalue()


def kept(downloads: Downloads) -> list[str]:
    """Names in all tars."""
    names = []
    for path in sorted(downloads.path("").glob("*.tar")):
        with tarfile.open(path) as tar:
            names += tar.getnames()
    return names


@pytest.mark.parametrize("resize", [None, ResizeSpec(image_size=512)], ids=["originals", "resized"])
def test_a_decompression_bomb_of_100_megapixels_is_never_unpacked(
    downloads: Downloads, small_web: SmallWeb, resize: ResizeSpec | None
) -> None:
    bomb = hundred_megapixels()
    assert len(bomb) < 100_000
    downloads.spec = ShardsSpec(resize=resize)
    downloads.run(planned_of([small_web.put("bomb", bomb), small_web.put("fine", image_bytes(1100, 1040))]))
    row = downloads.rows().row(0, named=True)
    assert (row["outcome"], row["error_message"], row["format"]) == ("too_large", "image area too large", "png")
    assert set(kept(downloads)) == {f"{PART}_000000001.{suffix}" for suffix in ("jpg", "txt", "json")}


def test_a_body_larger_than_the_cap_is_given_up_at_the_cap(downloads: Downloads, small_web: SmallWeb) -> None:
    """Announced, it is not read at all; unannounced and endless, it is read up to the cap."""

    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "image/jpeg"})
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        await answer.write(image_bytes(1100, 1040)[:-2])
        try:
            while True:
                await answer.write(bytes(65_536))
                await asyncio.sleep(0)
        except (ConnectionError, asyncio.CancelledError):
            return answer

    small_web.answers["endless"] = endless
    announced = small_web.put("announced", image_bytes(1100, 1040) + bytes(3 * CAP))
    downloads.spec = ShardsSpec(maximum_bytes=CAP)
    downloads.run(planned_of([announced, small_web.url("endless")]))
    assert downloads.rows()["outcome"].to_list() == ["too_large", "too_large"]
    (stats,) = read_shards(downloads.lake, KEY, PART).values()
    assert stats.transferred_bytes < 2 * CAP
    assert kept(downloads) == []


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_an_svg_with_a_script_is_not_an_image(downloads: Downloads, small_web: SmallWeb, packed: bool) -> None:  # noqa: FBT001
    async def svg(_: web.Request) -> web.Response:
        headers = {"Content-Type": "image/svg+xml", **({"Content-Encoding": "gzip"} if packed else {})}
        return web.Response(body=gzip.compress(SVG) if packed else SVG, headers=headers)

    small_web.answers["logo.jpg"] = svg
    downloads.run(planned_of([small_web.url("logo.jpg")]))
    assert downloads.rows()["outcome"].to_list() == ["not_an_image"]
    assert kept(downloads) == []
    assert set(small_web.asked) == {"logo.jpg"}


def test_a_body_that_unpacks_to_a_gigabyte_is_not_unpacked(downloads: Downloads, small_web: SmallWeb) -> None:
    packer = zlib.compressobj(wbits=31)
    first, next_ = (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    bomb = first + next_ * 1023  # after a full flush, the same bytes pack to the same
    assert len(bomb) < CAP
    unpacker = zlib.decompressobj(wbits=31)
    assert sum(len(unpacker.decompress(piece)) for piece in (first, *[next_] * 1023)) == 1 << 30

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Type": "image/jpeg", "Content-Encoding": "gzip"})

    small_web.answers["bomb"] = answer
    downloads.spec = ShardsSpec(maximum_bytes=CAP)
    downloads.run(planned_of([small_web.url("bomb")]))
    assert downloads.rows()["outcome"].to_list() in (["not_an_image"], ["too_large"])
    assert kept(downloads) == []


def test_a_caption_with_html_stays_text(downloads: Downloads, small_web: SmallWeb) -> None:
    """As published in the sample, and nowhere in what a browser or a hub renders."""
    caption = '"><img src=x onerror=alert(1)><script>alert(1)</script> [x](javascript:alert(1)) ---\n# head'
    planned = planned_of([small_web.put("a", image_bytes(1100, 1040))], captions=[caption])
    downloads.run(planned)
    with tarfile.open(downloads.path("00000.tar")) as tar:
        text = tar.extractfile(f"{PART}_000000000.txt")
        assert text is not None
        assert text.read().decode() == caption
    publish_index(downloads.lake, "d", SubsetSpec(name="s"), [PART], minimum_side_px=1024)
    written = [path for path in (downloads.root / "lake").rglob("*") if path.suffix in (".md", ".json", ".txt")]
    assert {path.name for path in written} >= {"README.md", "croissant.json", "manifest.json", "shards.txt"}
    assert not [path.name for path in written if "alert" in path.read_text()]


def test_a_part_key_that_climbs_out_of_the_lake_is_refused(downloads: Downloads, tmp_path: Path) -> None:
    for part in ("../../outside", "/etc", ".."):
        with pytest.raises(UnsafePathError, match="not a safe"):
            read_shards(downloads.lake, KEY, part)
    assert not (tmp_path / "outside").exists()
