"""A lake in a folder and a lake in a bucket, so that the same statements are made about both."""

import http.client
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from laion_assets.lake.lake import Lake

BUCKET = "lakes"

_lakes = itertools.count()


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A real S3 server, as far as HTTP goes, on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    connection = http.client.HTTPConnection(host, port)
    connection.request("PUT", f"/{BUCKET}")
    assert connection.getresponse().status == 200
    connection.close()
    yield endpoint
    server.stop()


@pytest.fixture
def s3_environment(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Credentials and endpoint in the environment, where users put them, and scratch where a test can look at it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "sandbox")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sandbox")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    return s3_endpoint


@pytest.fixture
def s3_lake(s3_environment: str) -> Lake:  # noqa: ARG001 (a fixture cannot ask for another without naming it)
    """A lake under a prefix of its own."""
    return Lake(f"s3://{BUCKET}/some/prefix-{next(_lakes)}")


@pytest.fixture
def local_lake(tmp_path: Path) -> Lake:
    """A lake in a folder whose name is a trap for globs and URLs."""
    return Lake(str(tmp_path / "lake [old] 50% {a,b}"))


@pytest.fixture(params=["local", "s3"])
def lake(request: pytest.FixtureRequest) -> Lake:
    """Both."""
    found = request.getfixturevalue(f"{request.param}_lake")
    assert isinstance(found, Lake)
    return found
