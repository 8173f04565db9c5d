"""The answer key and our own client agree about every fault: one of them would be wrong otherwise."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import polars as pl
import pytest

from laion_assets.probes.header import Header, NeedMore, read_header
from laion_assets.sandbox import RunningSandbox, SandboxSpec, start_sandbox
from laion_assets.web.client import GuardedClient
from laion_assets.web.request import Request
from laion_assets.web.spec import WebSpec

PAGES_PER_FAULT = 4


def needs_more(prefix: bytes, complete: bool) -> int | None:  # noqa: FBT001 - called by position
    found = read_header(prefix, complete=complete)
    return found.at_least_bytes if isinstance(found, NeedMore) else None


@pytest.fixture(scope="module")
def fresh_sandbox() -> Iterator[RunningSandbox]:
    """One that has turned nobody away yet."""
    with start_sandbox(SandboxSpec(seed=4, parts=1, rows_per_part=4000, port=0)) as running:
        yield running


def test_our_client_finds_what_the_truth_says(fresh_sandbox: RunningSandbox) -> None:
    usable = (
        fresh_sandbox.truth()
        .filter(pl.col("expected_outcome").is_not_null() & pl.col("row_defect").is_null())
        .unique("page", maintain_order=True)
    )
    some = usable.filter(
        (pl.int_range(pl.len()).over("fault") < PAGES_PER_FAULT)
        | ((pl.col("fault") == "none") & (pl.col("page") % 20 == 0))
    )
    expected = {row["url"]: row for row in some.to_dicts()}
    spec = WebSpec(
        allow_networks=("127.0.0.0/8",), nameservers=(fresh_sandbox.nameserver,), deadline_s=8, first_byte_s=4, dns_s=1
    )

    async def probe() -> list[str]:
        disagreements = []
        async with GuardedClient(spec) as client:
            async for request, answer in client.answers(Request(url, more=needs_more) for url in expected):
                row = expected[request.url]
                outcome: str = answer.outcome.value
                if outcome == "ok":
                    header = read_header(answer.body, complete=answer.complete)
                    if not isinstance(header, Header):
                        outcome = "not_an_image"
                    elif (header.width, header.height) != (row["true_width"], row["true_height"]):
                        outcome = f"{header.width} x {header.height}"
                    elif answer.file_bytes not in (None, row["file_bytes"]):
                        outcome = f"{answer.file_bytes} bytes"
                if outcome != row["expected_outcome"]:
                    disagreements.append(f"{row['fault']}: {outcome} instead of {row['expected_outcome']}")
        return disagreements

    assert Counter(asyncio.run(probe())) == Counter()
    assert len(expected) > 300
