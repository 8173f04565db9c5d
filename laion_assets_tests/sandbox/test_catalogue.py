"""What the published metadata looks like, and that it follows from the seed alone."""

import dataclasses
import hashlib
from pathlib import Path

import mmh3
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from laion_assets.metadata.size_classes import historical_bucket
from laion_assets.sandbox import SandboxError, SandboxSpec
from laion_assets.sandbox.captions import LANGUAGES
from laion_assets.sandbox.defects import DEFECTS
from laion_assets.sandbox.draws import Draws
from laion_assets.sandbox.faults import FAULTS
from laion_assets.sandbox.hosts import host_shares, make_hosts
from laion_assets.sandbox.pages import EXTENSIONS, make_pages
from laion_assets.sandbox.rows import PUBLISHED_SCHEMA, make_defects, make_part
from laion_assets.sandbox.spec import Ports
from laion_assets.web.outcome import Outcome

PORTS = Ports(web=18080, hub=18081, dns=18082)


@pytest.fixture(scope="module")
def large() -> SandboxSpec:
    """Enough rows for shares to be close to what they should be."""
    return SandboxSpec(seed=1, parts=2, rows_per_part=40_000)


@pytest.fixture(scope="module")
def rows(large: SandboxSpec) -> pl.DataFrame:
    """All rows of it."""
    pages, defects = make_pages(large), make_defects(large)
    return pl.concat([make_part(large, pages, PORTS, part, defects).table for part in range(large.parts)])


def part_digest(spec: SandboxSpec, part: int) -> str:
    table = make_part(spec, make_pages(spec), PORTS, part, make_defects(spec)).table
    return hashlib.sha256(table.write_csv().encode()).hexdigest()


def test_the_same_seed_gives_the_same_rows_and_another_seed_others() -> None:
    spec = SandboxSpec(seed=5, parts=2, rows_per_part=300)
    assert part_digest(spec, 1) == part_digest(SandboxSpec(seed=5, parts=2, rows_per_part=300), 1)
    assert part_digest(spec, 1) != part_digest(spec, 0)
    assert part_digest(spec, 1) != part_digest(dataclasses.replace(spec, seed=6), 1)


def test_draws_are_those_of_splitmix64_in_plain_integers() -> None:
    def reference(seed: int, purpose: str, number: int) -> int:
        salt = int.from_bytes(hashlib.sha256(f"{seed}:{purpose}".encode()).digest()[:8], "little")
        mixed = (number * 0x9E3779B97F4A7C15 + salt) % 2**64
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
        return mixed ^ mixed >> 31

    drawn = Draws(7).bits("size", np.arange(50, dtype=np.uint64))
    assert drawn.tolist() == [reference(7, "size", number) for number in range(50)]


def test_the_published_schema_is_that_of_laion_high_resolution(parts: list[Path]) -> None:
    assert [path.name for path in parts] == [
        f"part-0000{number}-5d6701c4-b238-4c0a-84e4-fe8e9daea963-c000.snappy.parquet" for number in range(3)
    ]
    for path in parts:
        file = pq.ParquetFile(path)
        assert file.metadata.num_rows == 2000
        assert file.metadata.num_row_groups == 4
        assert file.metadata.row_group(0).column(0).compression == "SNAPPY"
        assert pl.read_parquet_schema(path) == PUBLISHED_SCHEMA


def test_hashes_identify_rows_as_the_publisher_computed_them(rows: pl.DataFrame) -> None:
    for url, text, published in rows.head(200).select("URL", "TEXT", "hash").iter_rows():
        assert published == mmh3.hash64((url or "") + (text or ""))[0]


def test_scores_are_null_together_and_languages_never(rows: pl.DataFrame) -> None:
    assert rows["pwatermark"].is_null().mean() == pytest.approx(0.009, abs=0.002)
    assert rows.select((pl.col("pwatermark").is_null() == pl.col("punsafe").is_null()).all()).item()
    assert rows["LANGUAGE"].null_count() == 0
    assert 0 < rows["TEXT"].null_count() < 100
    assert rows["punsafe"].drop_nulls().is_between(0, 1).all()
    assert (rows["punsafe"] > 0.5).mean() == pytest.approx(0.034, abs=0.005)


def test_declared_sizes_are_drawn_from_the_published_figures(rows: pl.DataFrame) -> None:
    good = rows.filter(pl.col("WIDTH").is_between(1024, 50_000) & (pl.col("HEIGHT") >= 1024))
    width, height = good["WIDTH"], good["HEIGHT"]
    assert width.median() == pytest.approx(1600, abs=10)
    assert height.median() == pytest.approx(1440, abs=15)
    assert width.quantile(0.95) == pytest.approx(3307, rel=0.05)
    lost = good.select(historical_bucket(pl.col("WIDTH"), pl.col("HEIGHT")).eq("< 1024").mean()).item()
    assert lost == pytest.approx(0.165, abs=0.01)


def test_captions_are_what_captions_on_the_web_are_like(rows: pl.DataFrame) -> None:
    shares = dict(rows["LANGUAGE"].value_counts(normalize=True).iter_rows())
    for language in LANGUAGES:
        assert shares[language.code] == pytest.approx(language.share, abs=0.01)
    words = (
        rows.with_columns(words=pl.col("TEXT").str.split(" ").list.len())
        .group_by("LANGUAGE")
        .agg(pl.col("words").median())
    )
    medians = dict(words.iter_rows())
    assert medians["en"] > medians["nolang"] * 2
    text = rows["TEXT"].drop_nulls()
    for awkward in ("|", '"', "<script>", "🔥", "\n", "&amp;", "onerror=", "DROP TABLE"):
        assert text.str.contains(awkward, literal=True).any(), awkward


def test_some_urls_are_published_twice_and_some_rows_too(rows: pl.DataFrame) -> None:
    assert 1 - rows["URL"].n_unique() / rows.height == pytest.approx(0.012, abs=0.002)
    assert 1 - rows.select("URL", "TEXT").n_unique() / rows.height == pytest.approx(0.002, abs=0.001)


def test_host_shares_are_those_of_high_resolution_rows(rows: pl.DataFrame, large: SandboxSpec) -> None:
    shares = host_shares(400)
    assert shares[0] == pytest.approx(0.14)
    assert sum(shares[:10]) == pytest.approx(0.34)
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
    # A long tail: the hundred smallest of four hundred share about what the two after the largest have.
    assert sum(shares[-100:]) == pytest.approx(0.071, abs=0.002)
    hosts = rows.select(pl.col("URL").str.extract(r"^\w+://([^:/]+)")).to_series().value_counts(normalize=True)
    largest = hosts.sort("proportion", descending=True).head(1).row(0)
    assert largest[0] == make_hosts(large.hosts, named_share=0.1)[0].address
    # The faults whose hosts are dead or elsewhere take a little away from it.
    assert largest[1] == pytest.approx(0.14, abs=0.006)


def test_every_host_has_an_address_of_its_own() -> None:
    hosts = make_hosts(8000, named_share=0.1)
    assert len({host.address for host in hosts}) == 8000
    assert all(host.address.startswith("127.") and not host.address.startswith("127.0.") for host in hosts)
    assert not [host for host in hosts if host.address.startswith("127.199.")]
    assert all(0 < int(host.address.split(".")[3]) < 255 for host in hosts)


def test_extensions_are_mixed_as_on_the_web(large: SandboxSpec) -> None:
    pages = make_pages(large)
    shares = np.bincount(pages.extension, minlength=len(EXTENSIONS)) / len(pages)
    by_name = dict(zip(EXTENSIONS, shares, strict=True))
    assert by_name[".jpg"] + by_name[".jpeg"] + by_name[".JPG"] == pytest.approx(0.85, abs=0.02)
    assert by_name[".png"] == pytest.approx(0.07, abs=0.01)
    assert by_name[""] == pytest.approx(0.06, abs=0.01)


def test_faults_have_exactly_their_shares(large: SandboxSpec) -> None:
    counts = Draws(large.seed).quotas("fault", large.rows, [fault.share for fault in FAULTS])
    for number, fault in enumerate(FAULTS):
        assert (counts == number).sum() == round(fault.share * large.rows), fault.name


def test_the_table_of_faults_is_the_measured_mix() -> None:
    failing = dict.fromkeys(Outcome, 0.0)
    for fault in FAULTS:
        failing[fault.probe] += fault.share
    works = 1 - sum(share for outcome, share in failing.items() if outcome is not Outcome.OK)
    assert works == pytest.approx(0.854, abs=0.005)
    for outcome, share in {
        Outcome.NOT_FOUND: 0.061,
        Outcome.FORBIDDEN: 0.014,
        Outcome.DNS_FAILED: 0.014,
        Outcome.TLS_FAILED: 0.0055,
        Outcome.REJECTED: 0.0031,
        Outcome.OPTED_OUT: 0.0030,
        Outcome.REFUSED: 0.0010,
    }.items():
        assert failing[outcome] == pytest.approx(share, abs=0.0025), outcome
    # Ten thousand probes must not take minutes.
    assert failing[Outcome.TIMED_OUT] <= 0.003
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_even_a_small_sandbox_has_each_fault_and_each_defect(truth: pl.DataFrame) -> None:
    impossible = {"swapped", "scaled_down"}  # left out of pages whose size does not allow them
    assert {fault.name for fault in FAULTS} - set(truth["fault"]) <= impossible
    assert {defect.name for defect in DEFECTS} == set(truth["row_defect"].drop_nulls())


def test_planted_defects_look_as_they_are_described(truth: pl.DataFrame, parts: list[Path]) -> None:
    table = pl.concat([pl.read_parquet(path) for path in parts])

    def broken(name: str) -> pl.DataFrame:
        return table.filter(truth["row_defect"].eq_missing(name))

    shifted = broken("shifted_columns")
    assert shifted["URL"].to_list() == ["UNLIKELY"] * shifted.height
    assert shifted["HEIGHT"].null_count() == shifted.height
    assert (shifted["WIDTH"] >= 1024).all()
    assert shifted["LANGUAGE"].to_list() == ["1104"] * shifted.height
    assert broken("size_zero").select("WIDTH", "HEIGHT").rows() == [(0, 0)]
    assert broken("size_absurd")["WIDTH"].to_list() == [50_220]
    assert broken("similarity_absurd")["similarity"].to_list() == [6016.0]
    assert broken("caption_huge")["TEXT"].str.len_chars().to_list() == [1_000_000]
    assert broken("url_huge")["URL"].str.len_chars().to_list() == [13_000]
    assert broken("url_missing")["URL"].to_list() == [None]
    assert broken("url_ftp")["URL"].str.starts_with("ftp://").all()
    assert broken("size_missing").select("WIDTH", "HEIGHT").rows() == [(None, None)]
    assert table.filter(truth["row_defect"].is_null())["URL"].str.starts_with("http").all()


def test_without_faults_every_image_is_as_declared() -> None:
    pages = make_pages(SandboxSpec(faults=False, rows_per_part=500))
    assert (pages.fault == -1).all()
    assert (pages.true_width == pages.declared_width).all()
    assert (pages.true_height == pages.declared_height).all()
    assert (pages.declared_width >= 1024).all()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"parts": 0}, "at least 1"),
        ({"hosts": 3}, "hosts=3"),
        ({"port": 70_000}, "port=70000"),
        ({"seed": 0, "rows_per_part": 1 << 31}, "2^32"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_sentence(fields: dict[str, int], said: str) -> None:
    with pytest.raises(SandboxError, match=said.replace("^", r"\^")):
        SandboxSpec(**fields)  # type: ignore[arg-type]
