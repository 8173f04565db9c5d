"""What is written beside the shards, and that what reads shards can read ours, offline and to the last image."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from laion_assets.shards.card import size_category
from laion_assets.shards.publish import publish_index
from laion_assets.shards.spec import ShardsSpec
from laion_assets.subsets.spec import CapSpec, SubsetSpec
from laion_assets_tests.shards.conftest import PART, Downloads, SmallWeb, image_bytes, planned_of

SUBSET = SubsetSpec(
    name="s",
    description="For tests.",
    where={"big": "short_side >= 1024 OR caption LIKE '%|`%'"},
    languages={"en": 0.2},
)
FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "AVIF"]


@pytest.fixture
def published(downloads: Downloads, small_web: SmallWeb) -> Path:
    """Two shards of 6 and 3 rows, 8 images in five formats; the folder of the subset."""
    downloads.spec = ShardsSpec(rows_per_shard=6)
    urls = [small_web.put(f"{index}", image_bytes(1100, 1040, FORMATS[index % 5])) for index in range(8)]
    captions = [f"<b>caption</b> {index} ---" for index in range(9)]
    downloads.run(planned_of([*urls, small_web.url("gone")], captions=captions))
    publish_index(downloads.lake, "d", SUBSET, [PART, "part-00001"], minimum_side_px=1024)
    return downloads.root / "lake" / "d" / "s"


def front_matter(folder: Path) -> dict[str, object]:
    _, front, _ = (folder / "README.md").read_text().split("---\n", 2)
    return dict(yaml.safe_load(front))


def test_the_manifest_has_the_checksum_of_every_file(published: Path) -> None:
    manifest = json.loads((published / "index" / "manifest.json").read_text())
    assert (manifest["rows"], manifest["images"]) == (9, 8)
    assert manifest["outcomes"] == {"ok": 8, "not_found": 1}
    assert [shard["tar"] for shard in manifest["shards"]] == [f"shards/{PART}/0000{index}.tar" for index in (0, 1)]
    for shard in manifest["shards"]:
        for kind in ("tar", "parquet"):
            content = (published / shard[kind]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == shard[f"{kind}_sha256"]


def snippet(folder: Path, library: str) -> str:
    """The example for a library in the card, as a reader would copy it."""
    blocks = (folder / "README.md").read_text().split("```python\n")[1:]
    return next(block.split("```")[0] for block in blocks if f"{library}" in block)


READ = """
found = sorted((told["key"], image.size, text, told["width"]) for image, text, told in images if image.load())
print(found)
"""


def read_with(folder: Path, library: str, home: Path) -> str:
    """Run the card's own example offline, in the folder of the subset, and decode every image."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(home), "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", snippet(folder, library) + READ],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


EVERY_IMAGE = [
    (f"{PART}_{index // 6:05d}{index % 6}", (1100, 1040), f"<b>caption</b> {index} ---", 1100) for index in range(8)
]


def test_webdataset_reads_every_image_by_the_cards_own_example(published: Path, tmp_path: Path) -> None:
    assert read_with(published, "webdataset", tmp_path) == str(EVERY_IMAGE)


def test_hugging_face_datasets_reads_every_image_by_the_cards_own_example(published: Path, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    assert read_with(published, "datasets", tmp_path) == str(EVERY_IMAGE)


def test_the_wids_index_names_every_shard_with_its_samples(published: Path) -> None:
    index = json.loads((published / "wids.json").read_text())
    assert index["__kind__"] == "wids-shard-index-v1"
    assert [(shard["url"], shard["nsamples"]) for shard in index["shardlist"]] == [
        (f"shards/{PART}/00000.tar", 6),
        (f"shards/{PART}/00001.tar", 2),
    ]
    assert all((published / shard["url"]).stat().st_size == shard["filesize"] for shard in index["shardlist"])


def test_the_dataset_card_says_what_the_hub_asks_for(published: Path) -> None:
    front = front_matter(published)
    assert front["size_categories"] == ["n<1K"]
    assert front["configs"] == [
        {"config_name": "default", "data_files": [{"split": "train", "path": "shards/*/*.tar"}]}
    ]
    card = (published / "README.md").read_text()
    assert "8 images with captions in 2 webdataset shards" in card
    assert "| not_found | 1 | 11.11% |" in card
    assert "| true short side | at least 1024 px |" in card


def test_the_dataset_card_names_what_decided_about_rows_and_claims_no_more(downloads: Downloads) -> None:
    def table(subset: SubsetSpec) -> list[str]:
        publish_index(
            downloads.lake, "d", subset, [], minimum_side_px=2048, maximum_aspect=3.0, opt_out_words=("noai", "noml")
        )
        card = (downloads.root / "lake" / "d" / "s" / "README.md").read_text()
        assert "Publishers whose `X-Robots-Tag` says one of `noai`, `noml` were left out." in card
        return card.split("| condition | |\n|---|---|\n")[1].split("\n\n")[0].splitlines()

    true_size = [
        "| true short side | at least 2048 px |",
        "| true aspect | long side at most 3 times the short one |",
    ]
    assert table(SubsetSpec(name="s", duplicates="keep")) == ["| duplicates | kept |", *true_size]
    everything = SubsetSpec(
        name="s",
        where={"safe": "punsafe < 0.5", "fits": "similarity > 0.2"},
        nulls_pass=["safe", "languages"],
        languages={"en": None},
        exclude_hosts=[f"shop{index}.example" for index in range(12)],
        exclude_url_hashes="/home/someone/opted_out.txt",
        duplicates="drop_same_url",
        cap=CapSpec(rows=20_000_000, best_by="similarity"),
    )
    assert table(everything) == [
        "| safe | `punsafe < 0.5` or unknown |",
        "| fits | `similarity > 0.2` |",
        '| languages | `{"en": null}` (least similarity) or unknown |',
        "| excluded hosts, with their subdomains | "
        + ", ".join(f"`shop{index}.example`" for index in range(10))
        + " and 2 more |",
        "| excluded URLs | those on a list of hashes |",
        "| duplicates | of rows with the same URL, the first |",
        "| cap | at most 20,000,000 rows over all parts, those with the highest `similarity` |",
        *true_size,
    ]
    above = SubsetSpec(name="s", languages={"en": 0.28, "other": 0.26}, cap=CapSpec(rows=7, best_by="similarity"))
    best = "those with the highest `similarity` above the least one of their language"
    assert f"| cap | at most 7 rows over all parts, {best} |" in table(above)
    uniform = SubsetSpec(name="s", cap=CapSpec(rows=7))
    assert "| cap | at most 7 rows over all parts, chosen uniformly |" in table(uniform)


def test_without_words_that_are_obeyed_no_opt_out_is_claimed(published: Path) -> None:
    card = (published / "README.md").read_text()
    assert "X-Robots-Tag" not in card
    assert "true aspect" not in card


def test_nothing_of_the_web_gets_into_card_or_metadata(published: Path) -> None:
    for name in ("README.md", "croissant.json", "wids.json", "shards.txt", "index/manifest.json"):
        text = (published / name).read_text()
        assert "<b>" not in text
        assert "127.9.9.1" not in text


def test_the_same_shards_give_the_same_index(published: Path, downloads: Downloads) -> None:
    names = ["README.md", "croissant.json", "wids.json", "shards.txt", "index/manifest.json"]
    before = [(published / name).read_bytes() for name in names]
    publish_index(downloads.lake, "d", SUBSET, [PART], minimum_side_px=1024)
    assert [(published / name).read_bytes() for name in names] == before


def test_a_subset_without_shards_has_an_index_all_the_same(downloads: Downloads) -> None:
    index, _ = publish_index(downloads.lake, "d", SUBSET, [], minimum_side_px=1024)
    assert (index.images, index.rows) == (0, 0)
    assert front_matter(downloads.root / "lake" / "d" / "s")["size_categories"] == ["n<1K"]


@pytest.mark.parametrize(("images", "word"), [(999, "n<1K"), (1000, "1K<n<10K"), (20_000_000, "10M<n<100M")])
def test_the_size_of_a_dataset_has_the_hubs_word(images: int, word: str) -> None:
    assert size_category(images) == word


def test_the_croissant_metadata_validates_and_its_records_are_the_rows(published: Path) -> None:
    pytest.importorskip("mlcroissant")
    # In a process of its own, because its dependencies use what others have deprecated.
    code = """
import mlcroissant
described = mlcroissant.Dataset("croissant.json")
assert not described.metadata.ctx.issues.errors
print([(record["rows/outcome"].decode(), record["rows/width"]) for record in described.records("rows")])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=published, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str([("ok", 1100)] * 8 + [("not_found", None)])


def test_the_croissant_metadata_names_every_tar_with_its_checksum(published: Path) -> None:
    described = json.loads((published / "croissant.json").read_text())
    assert described["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    files = {entry["@id"]: entry for entry in described["distribution"]}
    for shard in (0, 1):
        tar = f"shards/{PART}/0000{shard}.tar"
        assert files[tar]["sha256"] == hashlib.sha256((published / tar).read_bytes()).hexdigest()
    fields = {entry["name"]: entry["dataType"] for entry in described["recordSet"][0]["field"]}
    assert (fields["url"], fields["width"], fields["similarity"]) == ("sc:Text", "sc:Integer", "sc:Float")
