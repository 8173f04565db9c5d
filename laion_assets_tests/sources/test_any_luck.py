"""Whatever happens in whatever order, a fetch ends with exactly what is published, or with an error and nothing."""

import hashlib
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laion_assets.sources.http_origin import HttpOrigin
from laion_assets.sources.patience import Patience
from laion_assets.sources.published import PublishedPart, SourceError
from laion_assets.sources.transfer import download
from laion_assets_tests.sources.publisher import Fault, Publisher, serve

PATH = "/x"
SIZE = 200_000
VERSIONS = [random.Random(seed).randbytes(SIZE) for seed in range(4)]  # noqa: S311
QUICK = Patience(attempts=2, first_pause_s=0.0, longest_pause_s=0.0)


@dataclass(frozen=True)
class Run:
    """One run of a fetch: what the server does to its requests, and whether the file changes, before it or within."""

    faults: tuple[int, ...]
    changes_before: bool
    changes_at_request: int | None


# Mostly runs that end half-way, since it is the next run that can go wrong.
faults = st.sampled_from([-1, 0, 1, 65_536, 65_536, 65_536, 120_000, 120_000, SIZE - 1, SIZE, 503])
runs = st.builds(
    Run,
    faults=st.lists(faults, min_size=1, max_size=3).map(tuple),
    changes_before=st.booleans(),
    changes_at_request=st.sampled_from([None, None, 1, 2]),
)


@pytest.fixture(scope="module")
def server() -> Iterator[Publisher]:
    with serve(Publisher()) as running:
        yield running


def fault(number: int) -> Fault:
    if number == 503:
        return Fault(status=503)
    return Fault(flip_bit=True) if number < 0 else Fault(drop_after=number)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    history=st.lists(runs, min_size=2, max_size=5),
    checksum=st.booleans(),
    listed_etag=st.booleans(),
    etags=st.sampled_from(["strong", "strong", "weak", "none"]),
    ranges=st.sampled_from(["yes", "ignores if-range", "ignores if-range", "no"]),
    lengths=st.sampled_from(["content-length", "chunked"]),
)
def test_a_fetch_ends_with_what_is_published_or_with_nothing(
    server: Publisher,
    history: list[Run],
    etags: str,
    ranges: str,
    lengths: str,
    *,
    checksum: bool,
    listed_etag: bool,
) -> None:
    server.etags, server.ranges, server.lengths = etags, ranges, lengths
    versions = iter([*VERSIONS, *VERSIONS, *VERSIONS])
    server.files[PATH] = next(versions)
    with tempfile.TemporaryDirectory() as folder:
        destination = Path(folder) / "x"
        for run in [*history, Run((), changes_before=False, changes_at_request=None)]:
            if run.changes_before:
                server.files[PATH] = next(versions)
            content = server.files[PATH]
            part = PublishedPart(
                key="x",
                uri="it",
                path="x",
                size_bytes=SIZE,
                sha256=hashlib.sha256(content).hexdigest() if checksum else None,
                etag=server.etag(PATH) if listed_etag and etags == "strong" else None,
            )
            server.faults = [fault(number) for number in run.faults if checksum or number >= 0]
            requests = 0

            def locate(run: Run = run) -> str:
                nonlocal requests
                requests += 1
                if requests == run.changes_at_request:
                    server.files[PATH] = next(versions)
                return server.url + PATH

            destination.unlink(missing_ok=True)
            try:
                fetched = download(HttpOrigin(locate=locate, shown="it"), part, destination, patience=QUICK)
            except SourceError:
                assert not destination.exists()
                continue
            arrived = destination.read_bytes()
            # A version that came while we asked is a version too, unless the publisher gave the checksum of the other.
            assert arrived == content if checksum else arrived in VERSIONS
            assert fetched.sha256 == hashlib.sha256(arrived).hexdigest()
            assert sorted(path.name for path in Path(folder).iterdir()) == ["x"]
        server.faults = []
        assert destination.read_bytes() == server.files[PATH]
