"""A small web on loopback whose every answer a test decides, and parts of a dataset whose URLs lead to it."""

import asyncio
import functools
import io
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest
from aiohttp import web
from PIL import Image

from laion_assets.lake.lake import Lake
from laion_assets.shards.accounting import Accounting, account
from laion_assets.shards.job import Job
from laion_assets.shards.prepare import Prepared, prepare
from laion_assets.shards.session import run
from laion_assets.shards.spec import ShardsSpec
from laion_assets.shards.tars import read_members
from laion_assets.subsets.selection import ROWS_SCHEMA
from laion_assets.web.spec import WebSpec
from laion_assets_tests import warm
from laion_assets_tests.shards.killed import carry_out
from laion_assets_tests.warm import Warm

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@functools.cache
def image_bytes(width: int, height: int, image_format: str = "JPEG", *, colour: int = 0) -> bytes:
    """A real image, the same all through a test session; another colour is another file."""
    noise = Image.effect_noise((64, 64), 60).resize((width, height))
    picture = Image.merge("RGB", [noise, noise.point(lambda value: (value + colour) % 256), noise])
    out = io.BytesIO()
    picture.save(out, image_format, **({"quality": 80} if image_format == "JPEG" else {}))
    return out.getvalue()


@dataclass
class SmallWeb:
    """Serves bodies by path; counts how often each was asked for."""

    port: int = 0
    bodies: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    down: bool = False
    """Answer everything with 503."""

    def url(self, path: str, *, host: str = "127.9.9.1") -> str:
        return f"http://{host}:{self.port}/{path}"

    def put(self, path: str, body: bytes) -> str:
        self.bodies[path] = body
        return self.url(path)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path.lstrip("/")
        self.asked[path] += 1
        if self.down:
            return web.Response(status=503)
        if path in self.answers:
            return await self.answers[path](request)
        if path in self.bodies:
            return web.Response(body=self.bodies[path], content_type="application/octet-stream")
        return web.Response(status=404, text="nothing here")


@pytest.fixture
def small_web() -> Iterator[SmallWeb]:
    served = SmallWeb()
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    runners: list[web.AppRunner] = []

    async def start() -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", served.handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "0.0.0.0", 0)  # noqa: S104 (every address of 127.0.0.0/8)
        await site.start()
        served.port = runner.addresses[0][1]
        runners.append(runner)
        ready.set()

    thread = threading.Thread(target=lambda: (loop.run_until_complete(start()), loop.run_forever()), daemon=True)
    thread.start()
    assert ready.wait(10)
    yield served
    asyncio.run_coroutine_threadsafe(runners[0].cleanup(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture
def local_web() -> WebSpec:
    """A client that may talk to loopback, is not polite to it, and does not try twice."""
    return WebSpec(
        allow_networks=("127.0.0.0/8",),
        per_host=64,
        per_domain=64,
        host_requests_per_s=None,
        domain_requests_per_s=None,
        attempts=1,
        deadline_s=60,
        connect_s=30,
        first_byte_s=50,
        breaker_failures=10_000,
    )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def planned_of(urls: Sequence[str], *, part: str = "part-00000", captions: Sequence[str] | None = None) -> pl.DataFrame:
    """Planned rows, as the subset's room hands them over."""
    count = len(urls)
    return pl.DataFrame(
        {
            "url": urls,
            "caption": list(captions) if captions is not None else [f"picture {index}" for index in range(count)],
            "part": [part] * count,
            "row": list(range(0, 3 * count, 3)),
            "declared_width": [1100] * count,
            "declared_height": [1200] * count,
            "similarity": [0.3] * count,
            "language": ["en"] * count,
            "row_hash": list(range(count)),
            "pwatermark": [0.1] * count,
            "punsafe": [0.0] * count,
            "score": [0.5] * count,
        },
        schema=ROWS_SCHEMA,
    )


KEY = ["d", "s", "shards"]
PART = "part-00000"


class Downloads:
    """Downloads planned rows of one part into a lake of its own, as the asset does, but in this process."""

    def __init__(self, root: Path, web_spec: WebSpec, spec: ShardsSpec | None = None) -> None:
        self.root = root
        self.lake = Lake(str(root / "lake"))
        self.web = web_spec
        self.spec = spec or ShardsSpec()
        self.planned = planned_of([])

    def prepare(self, planned: pl.DataFrame, scratch: Path, *, retry: bool = False) -> Prepared:
        self.planned = planned
        return prepare(
            self.lake,
            KEY,
            PART,
            planned,
            spec=self.spec,
            web=self.web,
            minimum_side_px=1024,
            scratch=scratch,
            retry=retry,
        )

    def run(self, planned: pl.DataFrame, said: list[str] | None = None, *, retry: bool = False) -> Prepared:
        with tempfile.TemporaryDirectory() as scratch:
            prepared = self.prepare(planned, Path(scratch), retry=retry)
            for job in prepared.jobs:
                run(Job.from_json(job.to_json()), said.append if said is not None else print)
        return prepared

    def path(self, name: str) -> Path:
        return self.root / "lake" / "d" / "s" / "shards" / PART / name

    def rows(self) -> pl.DataFrame:
        """All rows of all shards, in order."""
        return pl.concat([pl.read_parquet(path) for path in sorted(self.path("").glob("*.parquet"))])

    def suffixes(self) -> Counter[str]:
        """How often each kind of image is in the tars."""
        names = [member.suffix for path in sorted(self.path("").glob("*.tar")) for member in read_members(path)]
        return Counter(name for name in names if name not in ("txt", "json"))

    def accounts(self) -> Accounting:
        return account(self.lake, KEY, PART, self.planned)


@pytest.fixture
def downloads(tmp_path: Path, local_web: WebSpec) -> Downloads:
    return Downloads(tmp_path, local_web)


def job_file_of(job: Job) -> str:
    """A job as a process of its own reads it."""
    path = job.folder / "job.json"
    path.write_text(job.to_json())
    return str(path)


def start_session(job: Job, *, file_limit_bytes: int = 0) -> Warm:
    """Carry out a job in a process of its own, as the asset does, to be disturbed by a test."""
    return warm.start(carry_out, job_file_of(job), file_limit_bytes)


def wait_for(condition: Callable[[], bool], *, seconds: float = 90) -> None:
    """Until something is so; generous, for busy machines."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
