"""What a subset's YAML may say about its shards."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from laion_assets.dataset import DatasetSubset
from laion_assets.shards import process
from laion_assets.shards.job import Job
from laion_assets.shards.session import SMALL_ROWS, processes_for
from laion_assets.shards.spec import HashSpec, ResizeSpec, ShardsSpec
from laion_assets.subsets.at_once import most_shards
from laion_assets.web.spec import WebSpec


def job_of(spec: ShardsSpec, rows: int) -> Job:
    shards = -(-rows // spec.rows_per_shard)
    return Job(
        lake_uri="/lake",
        key=("d", "s", "shards"),
        part="part-00000",
        rows_file="rows.parquet",
        columns=("part", "row"),
        digests=dict.fromkeys(range(shards), "digest"),
        done=(),
        rows=rows,
        first_shard=0,
        retry_round=0,
        scratch="/scratch",
        spec=spec,
        web=WebSpec(per_host=8),
        minimum_side_px=1024,
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"formats": ["jpeg", "svg"]}, r"formats: \['svg'\] are not among"),
        ({"rows_per_shard": 0}, "greater than or equal to 1"),
        ({"resize": {"encode_format": "png", "encode_quality": 95}}, "compression goes from 0 to 9"),
        ({"resize": {"mode": "stretch"}}, "keep_ratio_largest"),
        ({"image_size": 256}, "Extra inputs are not permitted"),
    ],
)
def test_a_mistake_is_refused_with_what_would_be_right(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ShardsSpec.model_validate(fields)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({}, r"'md5' is not declared under extra_columns. Write extra_columns: {md5: text}."),
        ({"md5_hash": "text"}, r"'md5' is not declared under extra_columns. Did you mean 'md5_hash'\?"),
        ({"md5": "integer"}, r"'md5' is declared as integer under extra_columns. Write extra_columns: {md5: text}."),
    ],
)
def test_a_hash_column_that_the_rows_will_not_have_is_refused(extra: dict[str, str], message: str) -> None:
    written = {"name": "s", "extra_columns": extra, "shards": {"verify_hash": {"column": "md5", "kind": "md5"}}}
    with pytest.raises(ValidationError, match=f"shards.verify_hash.column: {message}"):
        DatasetSubset.model_validate(written)
    assert DatasetSubset.model_validate({**written, "extra_columns": {"md5": "text"}}).shards.verify_hash is not None


def test_what_decides_about_images_changes_the_digest_and_means_do_not() -> None:
    assert ShardsSpec().digest() == ShardsSpec(processes=8, memory_mb=999, decode_share=1.0).digest()
    assert ShardsSpec().digest() != ShardsSpec(maximum_aspect=3.0).digest()
    assert ShardsSpec().digest() != ShardsSpec(resize=ResizeSpec()).digest()


def test_the_plan_knows_how_many_rows_are_in_the_making_at_once() -> None:
    def rows_at_once(spec: ShardsSpec) -> int:
        keeping = spec.keeping(1024)
        return keeping.rows_per_shard * most_shards(keeping.processes, WebSpec(per_host=8))

    assert rows_at_once(ShardsSpec(rows_per_shard=100, processes=7)) == 700
    assert rows_at_once(ShardsSpec(rows_per_shard=100, processes=1)) == 400
    assert rows_at_once(ShardsSpec(rows_per_shard=100, processes=64)) == 800
    assert 400 <= rows_at_once(ShardsSpec(rows_per_shard=100)) <= 800


def test_a_job_survives_being_written() -> None:
    spec = ShardsSpec(resize=ResizeSpec(image_size=512), verify_hash=HashSpec(column="sha256"), rows_per_shard=7)
    job = job_of(spec, 30)
    assert Job.from_json(job.to_json()) == job
    assert (job.missing, job.rows_left) == ([0, 1, 2, 3, 4], 30)


def test_few_rows_are_not_worth_a_second_process() -> None:
    assert processes_for(job_of(ShardsSpec(rows_per_shard=100), SMALL_ROWS)) == 1
    assert processes_for(job_of(ShardsSpec(rows_per_shard=100), SMALL_ROWS + 1)) > 1
    assert processes_for(job_of(ShardsSpec(rows_per_shard=1_000_000), 900_000)) == 1
    assert processes_for(job_of(ShardsSpec(rows_per_shard=100, processes=3), 5000)) == 3


@pytest.mark.parametrize(("per_host", "wanted"), [(1, 3), (2, 3), (4, 3), (4, 32), (5, 3), (7, 4)])
def test_all_processes_together_never_ask_a_host_more_at_once_than_one_client_may(per_host: int, wanted: int) -> None:
    web = WebSpec(per_host=per_host, per_domain=9, concurrency=40)
    job = replace(job_of(ShardsSpec(rows_per_shard=100, processes=wanted), 50_000), web=web)
    processes = processes_for(job)
    assert processes == min(per_host, wanted)
    share = process.share_of(web, processes)
    for limit in ("per_host", "per_domain", "concurrency"):
        assert 1 <= getattr(share, limit) * processes <= getattr(web, limit)


def test_processes_share_the_manners_of_one_client() -> None:
    shared = process.share_of(WebSpec(concurrency=256, per_host=4, per_domain=16, host_requests_per_s=20.0), 4)
    assert (shared.concurrency, shared.per_host, shared.per_domain, shared.host_requests_per_s) == (64, 1, 4, 5.0)
    alone = WebSpec(host_requests_per_s=None)
    assert process.share_of(alone, 1) is alone
    assert process.share_of(alone, 2).host_requests_per_s is None
