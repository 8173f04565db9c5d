"""Parts in a bucket that speaks S3."""

import hashlib
import http.client
import random
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from laion_assets.lake.errors import LakeError
from laion_assets.lake.lake import Lake
from laion_assets.lake.resource import LakeResource
from laion_assets.sources.assets import raw_metadata
from laion_assets.sources.fetching import open_source
from laion_assets.sources.published import ChecksumError, Source, SourceError
from laion_assets.sources.spec import SourceSpec
from laion_assets_tests.lake.refusing_s3 import refusing_s3
from laion_assets_tests.sources.conftest import QUICK
from laion_assets_tests.sources.publisher import Fault, Publisher

CONTENT = random.Random(0).randbytes(3_000_000)  # noqa: S311


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    connection = http.client.HTTPConnection(host, port)
    connection.request("PUT", "/published")
    assert connection.getresponse().status == 200
    connection.close()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A way to put objects into the bucket."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "sandbox")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sandbox_secret")
    lake = Lake("s3://published")
    for name in ("part-00000.parquet", "part-00001.parquet"):
        lake.write_bytes(lake.uri(["laion"], name), CONTENT + name.encode())
    lake.write_bytes(lake.uri(["laion"], "readme.txt"), b"hello")
    return lake


def source(uri: str = "s3://published/laion/*.parquet") -> Source:
    return open_source(SourceSpec(uri=uri), patience=QUICK)


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize(
    "uri", ["s3://published/laion/*.parquet", "s3://published/laion", "s3://published/**/*.parquet"]
)
def test_objects_are_listed_and_fetched(tmp_path: Path, uri: str) -> None:
    opened = source(uri)
    parts = opened.list_parts().parts
    assert [part.key for part in parts] == ["part-00000", "part-00001"]
    assert [part.uri for part in parts] == [f"s3://published/laion/part-0000{n}.parquet" for n in (0, 1)]
    for part in parts:
        fetched = opened.fetch(part, tmp_path / part.file_name)
        content = (tmp_path / part.file_name).read_bytes()
        assert content == CONTENT + part.file_name.encode()
        assert part.size_bytes == fetched.size_bytes == len(content)
        assert part.etag == f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def test_a_half_is_resumed_and_never_glued_to_another_version(bucket: Lake, tmp_path: Path) -> None:
    opened = source("s3://published/laion/part-00000.parquet")
    destination = tmp_path / "x"

    def stop(held: int, _: int | None) -> None:
        if held > 500_000:
            raise KeyboardInterrupt

    part = opened.list_parts().parts[0]
    with pytest.raises(KeyboardInterrupt):
        opened.fetch(part, destination, on_progress=stop)
    resumed = opened.fetch(part, destination)
    assert resumed.resumed_from_bytes > 500_000
    assert destination.read_bytes() == CONTENT + b"part-00000.parquet"

    destination.unlink()
    with pytest.raises(KeyboardInterrupt):
        opened.fetch(part, destination, on_progress=stop)
    new = CONTENT[::-1] + b"part-00000.parquet"
    bucket.write_bytes(bucket.uri(["laion"], "part-00000.parquet"), new)
    assert opened.fetch(opened.list_parts().parts[0], destination).resumed_from_bytes == 0
    assert destination.read_bytes() == new


def test_what_was_fetched_is_not_fetched_again_after_the_lake_refused_it(
    bucket: Lake, publisher: Publisher, endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    publisher.files["/x.parquet"] = CONTENT
    publisher.files["/x.parquet.sha256"] = hashlib.sha256(CONTENT).hexdigest().encode()
    opened = source(publisher.url + "/x.parquet")
    part = opened.list_parts().parts[0]
    uri = bucket.uri(["raw"], part.file_name)

    def bring() -> int:
        with bucket.publish_resumable(uri) as path:
            return opened.fetch(part, path).resumed_from_bytes

    with refusing_s3(403, "AccessDenied", methods=("PUT", "POST")) as refusing:
        monkeypatch.setenv("AWS_ENDPOINT_URL", refusing)
        with pytest.raises(LakeError, match="S3 refused"):
            bring()
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    publisher.seen.clear()
    assert bring() == len(CONTENT)
    assert publisher.seen == []
    assert bucket.read_bytes(uri) == CONTENT
    assert [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()] == []


def test_an_asset_goes_from_a_bucket_into_a_lake_in_a_bucket(bucket: Lake) -> None:
    parts = dg.StaticPartitionsDefinition(["part-00000", "part-00001"])
    raw = raw_metadata(
        "laion_hr", source=SourceSpec(uri="s3://published/laion/*.parquet"), parts=parts, group="g", patience=QUICK
    )
    lake = Lake("s3://published/lake")
    reused = []
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(2):
            result = dg.materialize(
                [raw],
                partition_key="part-00001",
                instance=instance,
                resources={"lake": LakeResource(base_uri=lake.base_uri)},
            )
            (found,) = result.asset_materializations_for_node("laion_hr__raw_metadata")
            reused.append(found.metadata["reused"].value)
    assert reused == [False, True]
    assert lake.list_names(["laion_hr", "raw_metadata"]) == ["part-00001.parquet"]
    held = lake.uri(["laion_hr", "raw_metadata"], "part-00001.parquet")
    assert lake.read_bytes(held) == bucket.read_bytes("s3://published/laion/part-00001.parquet")


def test_checksums_beside_the_objects_are_used(bucket: Lake, tmp_path: Path) -> None:
    bucket.write_bytes("s3://published/laion/SHA256SUMS", b"0" * 64 + b"  part-00000.parquet\n")
    bucket.write_bytes("s3://published/laion/part-00001.parquet.sha256", b"1" * 64)
    try:
        opened = source()
        parts = opened.list_parts().parts
        assert [part.sha256 for part in parts] == ["0" * 64, "1" * 64]
        with pytest.raises(ChecksumError):
            opened.fetch(parts[0], tmp_path / "x")
    finally:
        bucket.delete("s3://published/laion/SHA256SUMS")
        bucket.delete("s3://published/laion/part-00001.parquet.sha256")


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("s3://published/laion/*.tsv", r"no part matches; s3://published/laion holds laion/part-00000\.parquet"),
        ("s3://published/nothing/*.parquet", "no part matches; s3://published/nothing holds no object at all"),
        ("s3://nobody-made-this/*.parquet", "there is no bucket 'nobody-made-this'"),
    ],
)
def test_nothing_there_is_said_plainly(uri: str, words: str) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        source(uri).list_parts()
    assert not caught.value.retryable


def test_a_public_bucket_needs_no_credentials(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", publisher.url)
    page = (
        b"<?xml version='1.0'?><ListBucketResult><Name>open</Name><IsTruncated>false</IsTruncated>"
        b"<Contents><Key>part-00000.parquet</Key><Size>3</Size><ETag>&quot;x&quot;</ETag>"
        b"<LastModified>2024-01-01T00:00:00.000Z</LastModified></Contents></ListBucketResult>"
    )
    publisher.faults = [Fault(status=200, headers={"Content-Type": "application/xml"}, body=page)]
    publisher.files["/open/part-00000.parquet"] = b"abc"
    opened = source("s3://open/*.parquet")
    (part,) = opened.list_parts().parts
    opened.fetch(part, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"abc"
    assert not any("authorization" in seen.headers or "Signature" in seen.path for seen in publisher.seen)


def test_a_refusal_shows_neither_signature_nor_secret(
    bucket: Lake, publisher: Publisher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened = source()
    part = opened.list_parts().parts[0]
    monkeypatch.setenv("AWS_ENDPOINT_URL", publisher.url)
    publisher.faults = [Fault(status=403)] * 9
    with pytest.raises(SourceError, match=r"part-00000\.parquet: the server refuses to give it to us") as caught:
        opened.fetch(part, tmp_path / "x")
    assert "ignature" in publisher.gets()[0].path
    assert "ignature" not in f"{caught.value!r}"
    assert "secret" not in f"{caught.value!r}"
    assert bucket
