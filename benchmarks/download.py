"""Downloading images into webdataset shards: img2dataset, ours, and the limit, on the same images from the same server.

``python -m benchmarks.download [--quick] [--only WORDS] [--json FILE]``. A server process of its own serves web-like
JPEGs (median a few hundred KB) from memory. Each contender runs alone, in fresh processes; the clock runs from the
first shard's start to the last one's end, so that nobody's imports count. Processor time and memory are those of the
whole process tree, less what the same command takes for a single image.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import psutil
from rich.console import Console

from benchmarks.claims import Claim, show, write
from laion_assets.shards.planes import libturbojpeg

CORES = os.cpu_count() or 1
HOSTS = 64
SIZES = Path(__file__).parent.parent / "laion_assets" / "sandbox" / "laion_hr_sizes.parquet"
# In memory where there is room: otherwise the disk is what is measured.
SCRATCH = next((place for place in ("/dev/shm",) if Path(place).is_dir()), None)  # noqa: S108
Options = dict[str, Any]
GOAL_ORIGINALS, GOAL_RESIZED = 8.0, 2.0
GOAL_LIMIT, GOAL_LATENCY, GOAL_GROWTH = 0.4, 0.7, 1.2

# img2dataset's README for web-scale sets, with one process per core here; its thread count.
README: Options = {"image_size": 256, "thread_count": 128}
# The fastest we found that still keeps originals with their sizes: no resizing, no EXIF, no re-encoding of JPEGs.
TUNED: Options = {"resize_mode": "no", "skip_reencode": True, "extract_exif": False, "thread_count": 64}
# Faster still, but it writes shards without sizes, unchecked: HTML under .jpg, cut-off files, thumbnails.
BLIND: Options = {"disable_all_reencoding": True, "extract_exif": False, "thread_count": 64, "compute_hash": None}
RESIZED: Options = {
    "image_size": 1024,
    "resize_mode": "keep_ratio_largest",
    "resize_only_if_bigger": True,
    "skip_reencode": True,
    "extract_exif": False,
    "thread_count": 64,
}


@dataclass(frozen=True)
class Contender:
    """Who downloads, how many images, and how."""

    name: str
    kind: Literal["peer", "ours", "limit"]
    images: int
    options: Options = field(default_factory=dict)
    """img2dataset's options, or the fields of our ``ResizeSpec``."""
    processes: int = CORES
    turns: int = 1
    """How often it is measured, in turns with the others; of several the one in the middle counts."""
    concurrency: int = 64
    """Requests under way at once over all processes, ours and the limit's; img2dataset's threads are an option."""
    delay_ms: int = 0
    """The server answers so much later."""


@dataclass(frozen=True)
class Measured:
    """What one contender did."""

    name: str
    images: int
    seconds: float
    cpu_s: float
    peak_mb: float

    @property
    def rate(self) -> float:
        """Images per second."""
        return self.images / self.seconds if self.seconds else 0.0

    @property
    def cpu_ms_per_image(self) -> float:
        """Processor milliseconds per image, over all processes."""
        return 1000 * self.cpu_s / self.images if self.images else 0.0


# --- the server ------------------------------------------------------------------------------------------------------


def make_images(count: int) -> list[bytes]:
    """JPEGs with the sides LAION-High-Resolution declares and about the bytes such images have on the web."""
    import io

    import numpy as np
    import polars as pl
    from PIL import Image

    random = np.random.default_rng(7)
    sizes = pl.read_parquet(SIZES).filter(pl.max_horizontal("width", "height") <= 4500).sample(count, seed=7)
    images = []
    for width, height in sizes.iter_rows():
        coarse = random.integers(0, 255, (height // 24 + 2, width // 24 + 2, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        pixels = np.asarray(picture, dtype=np.int16) + random.integers(-6, 7, (height, width, 1), dtype=np.int16)
        out = io.BytesIO()
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=80)
        images.append(out.getvalue())
    return images


class _Server(asyncio.Protocol):
    """HTTP/1.1 with keep-alive: ``/<delay in ms>/<number>.jpg``."""

    images: list[bytes] = []  # noqa: RUF012 (set once, before the first connection)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            request, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
            _, delay, name = request.split(b" ", 2)[1].split(b"/")
            body = self.images[int(name.split(b".")[0]) % len(self.images)]
            close = b"connection: close" in request.lower()
            if int(delay):
                asyncio.get_running_loop().call_later(int(delay) / 1000, self._answer, body, close)
            else:
                self._answer(body, close)

    def _answer(self, body: bytes, close: bool) -> None:  # noqa: FBT001
        if self._transport.is_closing():
            return
        head = f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n"
        self._transport.write(head.encode() + (b"Connection: close\r\n\r\n" if close else b"\r\n"))
        self._transport.write(body)
        if close:
            self._transport.close()


def _serve(ready: Any) -> None:  # noqa: ANN401 (a multiprocessing connection)
    import uvloop

    _Server.images = make_images(48)

    async def main() -> None:
        listener = socket.create_server(("0.0.0.0", 0), backlog=4096)  # noqa: S104 (all of 127.0.0.0/8)
        await asyncio.get_running_loop().create_server(_Server, sock=listener)
        sizes = sorted(len(image) for image in _Server.images)
        ready.send((listener.getsockname()[1], sizes[len(sizes) // 2], sum(sizes) / len(sizes)))
        await asyncio.Event().wait()

    uvloop.run(main())


@contextmanager
def server() -> Iterator[tuple[int, float, float]]:
    """Port, median and mean bytes of the images of a running server."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there,), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()


# --- the contenders --------------------------------------------------------------------------------------------------


def write_rows(path: Path, port: int, count: int, delay_ms: int) -> None:
    """Rows as the plan of a subset has them."""
    import polars as pl

    from laion_assets.subsets.selection import ROWS_SCHEMA

    urls = [f"http://127.77.0.{1 + index % HOSTS}:{port}/{delay_ms}/{index}.jpg" for index in range(count)]
    columns: dict[str, Any] = {"url": urls, "caption": [f"picture {index}" for index in range(count)]}
    frame = pl.DataFrame({name: columns.get(name, [None] * count) for name in ROWS_SCHEMA}, schema=ROWS_SCHEMA)
    frame = frame.with_columns(pl.lit("part-00000").alias("part"), pl.int_range(count, dtype=pl.UInt32).alias("row"))
    frame.write_parquet(path)


def peer_command(contender: Contender, rows: Path, out: Path, per_shard: int) -> list[str]:
    """img2dataset itself, by its own entry point."""
    arguments = {
        "url_list": str(rows),
        "output_folder": str(out),
        "input_format": "parquet",
        "url_col": "url",
        "caption_col": "caption",
        "output_format": "webdataset",
        "number_sample_per_shard": per_shard,
        "processes_count": contender.processes,
        **contender.options,
    }
    code = f"import img2dataset\nif __name__ == '__main__':\n    img2dataset.download(**{arguments!r})\n"
    script = out.parent / f"{out.name}.py"
    script.write_text(code)
    return [sys.executable, str(script)]


def our_command(contender: Contender, rows: Path, out: Path, per_shard: int) -> list[str]:
    """Our session, told what Dagster would tell it."""
    import polars as pl

    from laion_assets.lake.lake import Lake
    from laion_assets.shards.prepare import prepare
    from laion_assets.shards.spec import ResizeSpec, ShardsSpec
    from laion_assets.web.spec import WebSpec

    scratch = out.parent / f"{out.name}.scratch"
    scratch.mkdir()
    prepared = prepare(
        Lake(str(out)),
        ["bench", "shards"],
        "part-00000",
        pl.read_parquet(rows),
        spec=ShardsSpec(
            rows_per_shard=per_shard,
            processes=contender.processes,
            resize=ResizeSpec.model_validate(contender.options) if contender.options else None,
        ),
        web=WebSpec(
            allow_networks=("127.0.0.0/8",),
            concurrency=contender.concurrency,
            per_host=contender.concurrency,
            per_domain=contender.concurrency,
            host_requests_per_s=None,
            domain_requests_per_s=None,
        ),
        minimum_side_px=1024,
        scratch=scratch,
    )
    job = out.parent / f"{out.name}.json"
    job.write_text(prepared.jobs[0].to_json())
    code = (
        "import sys, pathlib\nfrom laion_assets.shards.session import run\nfrom laion_assets.shards.job import Job\n"
        f"if __name__ == '__main__':\n    run(Job.from_json(pathlib.Path({str(job)!r}).read_text()), print)\n"
    )
    script = out.parent / f"{out.name}.py"
    script.write_text(code)
    return [sys.executable, str(script)]


LIMIT = """
import asyncio, json, sys, time, aiohttp, uvloop, polars as pl, pathlib
async def main(rows, out, concurrency):
    urls = iter(pl.read_parquet(rows)["url"].to_list())
    out = pathlib.Path(out); out.mkdir(parents=True)
    count = 0
    with (out / "bodies").open("wb", buffering=1 << 20) as file:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False) as session:
            async def work():
                nonlocal count
                for url in urls:
                    async with session.get(url) as answer:
                        file.write(await answer.read()); count += 1
            started = time.time()
            await asyncio.gather(*(work() for _ in range(concurrency)))
    ended = time.time()
    (out / "0_stats.json").write_text(json.dumps({"successes": count, "start_time": started, "end_time": ended}))
if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def limit_command(contender: Contender, rows: Path, out: Path) -> list[str]:
    """The least a program can do: take bodies, append them to a file."""
    script = out.parent / f"{out.name}.py"
    script.write_text(LIMIT)
    return [sys.executable, str(script), str(rows), str(out), str(contender.concurrency)]


# --- measuring -------------------------------------------------------------------------------------------------------


def watch(name: str, command: list[str], out: Path) -> Measured:
    """Run a command and read what it did from its shards' stats files."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=_environment())
    peak, over = 0.0, threading.Event()

    def look() -> None:
        nonlocal peak
        tree = psutil.Process(process.pid)
        while not over.wait(0.2):
            with suppress(psutil.Error):
                peak = max(peak, sum(one.memory_info().rss for one in [tree, *tree.children(recursive=True)]) / 1e6)

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    watcher = threading.Thread(target=look)
    watcher.start()
    _, errors = process.communicate()
    over.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{name} failed: {errors.decode()[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    stats = [json.loads(path.read_text()) for path in out.rglob("*_stats.json")]
    images = sum(one["successes"] for one in stats)
    seconds = max(one["end_time"] for one in stats) - min(one["start_time"] for one in stats)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(name, images, seconds, cpu, peak)


def _environment() -> dict[str, str]:
    return {**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1", "WANDB_MODE": "disabled", "TQDM_DISABLE": "1"}


def measure(contender: Contender, port: int, *, quick: bool) -> Measured:
    """Run one contender. Its start-up is left out of the processor time, too, except in a quick run."""
    found = run_once(contender, port)
    if not quick:
        start_up = run_once(replace(contender, images=contender.processes), port)
        found = replace(found, cpu_s=max(0.0, found.cpu_s - start_up.cpu_s))
    print(
        f"{found.name:<46}{found.rate:>7.0f} images/s{found.cpu_ms_per_image:>8.1f} ms cpu/image"
        f"{found.peak_mb:>7.0f} MB{found.images:>7} images",
        flush=True,
    )
    return found


def run_once(contender: Contender, port: int) -> Measured:
    """Run one contender in a folder of its own, in memory where there is room."""
    with tempfile.TemporaryDirectory(prefix="bench-download-", dir=SCRATCH) as folder:
        rows, out = Path(folder) / "rows.parquet", Path(folder) / "out"
        write_rows(rows, port, contender.images, contender.delay_ms)
        # Two shards per process: all work to the end, as on a long run.
        per_shard = max(1, -(-contender.images // (contender.processes * 2)))
        if contender.kind == "limit":
            command = limit_command(contender, rows, out)
        elif contender.kind == "peer":
            command = peer_command(contender, rows, out, per_shard)
        else:
            command = our_command(contender, rows, out, per_shard)
        return watch(contender.name, command, out)


def claim(text: str, ours: Measured, peer: Measured, goal: float) -> Claim:
    """One line of the table and of the JSON."""
    ratio = ours.rate / peer.rate if peer.rate else 0.0
    return Claim(text, "images/s", ours.rate, peer.rate, peer.name, ratio, goal=f">= {goal:g} x", met=ratio >= goal)


def main() -> None:
    """Run the comparison."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="fewer images, within a minute")
    arguments.add_argument("--only", default="", help="those whose name holds these words, such as 'max side'")
    arguments.add_argument("--json", type=Path, help="write the claims to this file")
    asked = arguments.parse_args()
    slow, fast, turns = (160, 1000, 1) if asked.quick else (1500, 8000, 3)
    tuned = Contender("img2dataset tuned: skip_reencode, no EXIF", "peer", slow, TUNED, turns=turns)
    ours = Contender("ours, originals", "ours", fast, turns=turns)
    limit = Contender("limit: bodies to a file, 1 process", "limit", fast, processes=1)
    shrunk = Contender("img2dataset, max side 1024", "peer", slow, RESIZED, turns=turns)
    ours_shrunk = Contender("ours, max side 1024", "ours", slow, {"image_size": 1024}, turns=turns)
    late = Contender("ours, originals, answers after 200 ms", "ours", fast, concurrency=256, delay_ms=200)
    readme = Contender("img2dataset as its README", "peer", slow, README)
    blind = Contender("img2dataset blind: no sizes, no checks", "peer", slow, BLIND)
    alone = Contender("ours, originals, 1 process", "ours", fast // 2, processes=1)
    tuned_late = Contender("img2dataset tuned, answers after 200 ms", "peer", slow, TUNED, delay_ms=200)
    everyone = [tuned, ours, limit, shrunk, ours_shrunk, late]
    if not asked.quick:
        everyone += [readme, blind, alone, tuned_late]
    everyone = [contender for contender in everyone if asked.only in contender.name]

    with server() as (port, median, mean):
        sizes = f"JPEGs of {median / 1e3:.0f} KB in the median, {mean / 1e3:.0f} KB in the mean"
        print(f"{CORES} cores; {sizes}; {'with' if libturbojpeg() else 'without'} libturbojpeg\n")
        measured: dict[str, list[Measured]] = {contender.name: [] for contender in everyone}
        for turn in range(turns):
            for contender in everyone:
                if turn < contender.turns:
                    measured[contender.name].append(measure(contender, port, quick=asked.quick))
    found = {name: sorted(several, key=lambda one: one.rate)[len(several) // 2] for name, several in measured.items()}

    compared = [
        ("originals into shards", ours, tuned, GOAL_ORIGINALS),
        ("resized to at most 1024 px", ours_shrunk, shrunk, GOAL_RESIZED),
        ("originals, beside a bare copy of bodies", ours, limit, GOAL_LIMIT),
        ("a server that answers after 200 ms", late, ours, GOAL_LATENCY),
        ("one process per core, beside one process", ours, alone, GOAL_GROWTH),
        ("after 200 ms, beside img2dataset", late, tuned_late, GOAL_ORIGINALS),
    ]
    claims = [
        claim(text, found[mine.name], found[theirs.name], goal)
        for text, mine, theirs, goal in compared
        if {mine.name, theirs.name} <= set(found)
    ]
    print()
    show(claims, Console())
    if asked.json:
        write(claims, asked.json)
        details = asked.json.with_suffix(".details.json")
        details.write_text(json.dumps([asdict(one) for one in found.values()], indent=2) + "\n")


if __name__ == "__main__":
    main()
