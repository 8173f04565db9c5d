"""Every fault the sandbox plants, downloaded: each row ends as the sandbox's own truth says, and nothing is harmed."""

from pathlib import Path

import polars as pl
import pytest

from laion_assets.sandbox.process import start_sandbox
from laion_assets.sandbox.spec import SandboxSpec
from laion_assets.shards.audit import audit
from laion_assets.shards.spec import ShardsSpec
from laion_assets.web.spec import WebSpec
from laion_assets_tests.shards.conftest import KEY, PART, Downloads, planned_of

# Either word is true of these: which one comes first depends on how much had arrived.
EITHER = {
    "announced_too_short": {"truncated", "connection_lost", "ok"},
    "endless_garbage": {"not_an_image", "too_large"},
    "endless_headers": {"connection_lost", "too_large"},
    "reset_mid_body": {"connection_lost", "truncated"},
}


@pytest.mark.timeout(170)
def test_every_row_of_the_sandbox_ends_as_its_truth_says(tmp_path: Path) -> None:
    with start_sandbox(SandboxSpec(parts=1, rows_per_part=700, port=0)) as sandbox:
        truth = sandbox.truth().filter(pl.col("expected_download_outcome").is_not_null())
        # All faults, and enough ordinary rows; each fault once, for several wait for a deadline.
        rare = truth.unique("fault", keep="first", maintain_order=True)
        chosen = pl.concat([rare, truth.head(250)]).unique("row", keep="first", maintain_order=True)
        downloads = Downloads(
            tmp_path,
            WebSpec(
                allow_networks=("127.0.0.0/8",),
                nameservers=(sandbox.nameserver,),
                per_host=16,
                per_domain=64,
                host_requests_per_s=None,
                domain_requests_per_s=None,
                deadline_s=12,
                first_byte_s=10,
                breaker_failures=10_000,
            ),
            ShardsSpec(rows_per_shard=100, maximum_bytes=8_000_000),
        )
        downloads.run(planned_of(chosen["url"].to_list()))

    found = downloads.rows().with_columns(chosen["fault", "expected_download_outcome", "true_width", "true_height"])
    wrong = [
        (row["fault"], row["expected_download_outcome"], row["outcome"], row["error_message"])
        for row in found.iter_rows(named=True)
        if row["outcome"] not in EITHER.get(row["fault"], {row["expected_download_outcome"]})
    ]
    assert not wrong
    assert found["fault"].n_unique() >= 25
    kept = found.filter(outcome="ok")
    assert kept.filter(
        (pl.col("width") != pl.col("true_width")) | (pl.col("height") != pl.col("true_height"))
    ).is_empty()
    books = downloads.accounts()
    assert books.balanced, books.findings
    seen = audit(downloads.lake, KEY, PART, minimum_side_px=1024, decode_share=0.1)
    assert seen.passed, seen.findings
    assert seen.decoded > 5
