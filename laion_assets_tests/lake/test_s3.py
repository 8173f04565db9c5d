"""What is particular to a lake in a bucket: refusals, large files, nothing half there."""

import time
from pathlib import Path

import polars as pl
import pytest

from laion_assets.lake.errors import LakeError
from laion_assets.lake.lake import Lake
from laion_assets_tests.lake.refusing_s3 import refusing_s3
from laion_assets_tests.lake.test_lake import publish

KEY = ["laion_hr", "raw_metadata"]


def test_a_file_of_many_upload_parts_arrives_whole(s3_lake: Lake) -> None:
    uri = s3_lake.uri(KEY, "big.bin")
    content = bytes(range(251)) * (35 << 12)  # 34 MiB: three pieces up, and three down
    s3_lake.write_bytes(uri, content)
    assert s3_lake.size_bytes(uri) == len(content)
    assert s3_lake.read_bytes(uri) == content


@pytest.mark.usefixtures("s3_environment")
def test_a_bucket_that_is_not_there_is_named(tmp_path: Path) -> None:
    lake = Lake("s3://nobody-made-this/prefix")
    uri = lake.uri(KEY, "x.bin")
    with pytest.raises(LakeError, match=r"there is no bucket 'nobody-made-this'\. Create it"):
        lake.write_bytes(uri, b"x")
    assert not [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (403, "InvalidAccessKeyId"), (403, "ExpiredToken")]
)
@pytest.mark.usefixtures("s3_environment")
def test_a_refusal_is_one_sentence_and_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int, code: str
) -> None:
    lake = Lake("s3://bucket/prefix")
    uri = lake.uri(KEY, "x.bin")
    with refusing_s3(status, code, methods=("PUT", "POST")) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(
            LakeError, match=r"x\.bin: S3 refused \(.*\)\. Check the credentials and the policy"
        ) as caught:
            lake.write_bytes(uri, b"x")
    assert "\n" not in str(caught.value)
    assert "sandbox" not in str(caught.value)
    assert not [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()]


@pytest.mark.usefixtures("s3_environment")
def test_the_last_file_of_a_pass_is_not_sent_before_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake("s3://bucket/prefix")
    uris = [lake.uri(KEY, name) for name in ("first.bin", "last.bin")]
    with refusing_s3(403, "AccessDenied", methods=("PUT", "POST")) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(LakeError, match=r"first\.bin: S3 refused"):
            publish(lake, *uris)


@pytest.mark.usefixtures("s3_environment")
def test_reading_what_is_refused_says_so_too(monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake("s3://bucket/prefix")
    with refusing_s3(403, "AccessDenied") as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        for read in (lake.read_bytes, lake.size_bytes, lake.exists):
            with pytest.raises(LakeError, match="S3 refused"):
                read(lake.uri(KEY, "x.bin"))
        with pytest.raises(LakeError, match="S3 refused"):
            lake.list_names(KEY)


@pytest.mark.parametrize(
    ("status", "code", "passes"),
    [
        (500, "InternalError", True),
        (429, "TooManyRequests", True),
        (400, "InvalidArgument", False),
    ],
)
@pytest.mark.usefixtures("s3_environment")
def test_what_may_pass_is_told_from_what_will_not(
    monkeypatch: pytest.MonkeyPatch, *, status: int, code: str, passes: bool
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    lake = Lake("s3://bucket/prefix")
    with refusing_s3(status, code) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(LakeError) as caught:
            lake.list_names(KEY)
    assert caught.value.retryable is passes


@pytest.mark.usefixtures("s3_environment")
def test_an_endpoint_where_nothing_listens_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    lake = Lake("s3://bucket/prefix")
    began = time.monotonic()
    with pytest.raises(LakeError, match=r"http://127\.0\.0\.1:9 does not answer\. Check AWS_ENDPOINT_URL") as caught:
        lake.write_bytes(lake.uri(KEY, "x.bin"), b"x")
    assert caught.value.retryable
    assert time.monotonic() - began < 60


@pytest.mark.usefixtures("s3_environment")
def test_without_credentials_the_error_says_which_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    # Another endpoint, since a client that already signed once keeps what it signs with.
    with refusing_s3(403, "AccessDenied") as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        lake = Lake("s3://bucket/prefix")
        with pytest.raises(LakeError, match=r"no S3 credentials\. Set AWS_ACCESS_KEY_ID"):
            lake.write_bytes(lake.uri(KEY, "x.bin"), b"x")


def test_polars_scans_many_parts_of_a_bucket(s3_lake: Lake) -> None:
    uris = [s3_lake.uri(KEY, f"part-{number:05d}.parquet") for number in range(12)]
    for number, uri in enumerate(uris):
        s3_lake.write_parquet(uri, pl.DataFrame({"part": [number] * 100, "row": range(100)}))
    found = s3_lake.scan_parquet(uris).group_by("part").agg(pl.len()).sort("part").collect()
    assert found["len"].to_list() == [100] * 12


def test_the_endpoint_for_s3_alone_wins(s3_endpoint: str, s3_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = s3_lake.uri(KEY, "x.parquet")
    s3_lake.write_parquet(uri, pl.DataFrame({"row": [1]}))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)
    assert s3_lake.scan_parquet(uri).collect().height == 1
    assert s3_lake.list_names(KEY) == ["x.parquet"]
