"""What keeps shards of another day out of an index: an opt-out, another condition, another limit, another plan."""

import hashlib
from pathlib import Path

import pytest

from laion_assets.shards.part import download_part
from laion_assets.shards.spec import ShardsSpec
from laion_assets.shards.standing import OutdatedShardsError, refuse_outdated_shards
from laion_assets.subsets.cut import StalePlanError
from laion_assets.subsets.forecast import HostLimits
from laion_assets.subsets.plan import make_plan, planned_rows, read_forecast
from laion_assets.subsets.room import room_for
from laion_assets.subsets.rows import write_rows
from laion_assets.subsets.selection import select
from laion_assets.subsets.spec import CapSpec, PlanSpec, SubsetSpec
from laion_assets.subsets.url_list import UrlListError
from laion_assets_tests.shards.conftest import PART, Downloads, SmallWeb, image_bytes
from laion_assets_tests.subsets.conftest import probes_of, valid_rows


class Subset:
    """One part of six rows with a list of opt-outs, as the assets of a subset make it."""

    def __init__(self, downloads: Downloads, small_web: SmallWeb, listing: Path) -> None:
        self.downloads, self.lake, self.listing = downloads, downloads.lake, listing
        listing.write_text("# nobody yet\n")
        downloads.spec = ShardsSpec(rows_per_shard=3)
        self.urls = [small_web.put(f"row/{index}", image_bytes(1100, 1040, colour=index % 2)) for index in range(6)]
        self.rows = valid_rows(6, url=self.urls)
        self.lake.write_parquet(
            self.lake.uri(["d", "dimension_probes"], "dimension_probes.parquet"), probes_of(self.rows)
        )
        self.subset = SubsetSpec(name="s", exclude_url_hashes=str(listing))

    def select(self) -> None:
        write_rows(self.lake, "d", "s", PART, select(self.rows.lazy(), self.subset, part=PART))

    def plan(self) -> None:
        keeping = self.downloads.spec.keeping(1024)
        make_plan(self.lake, "d", self.subset, keeping=keeping, limits=HostLimits(None, 1), expected_parts=1)

    def download(self) -> None:
        self.downloads.run(planned_rows(self.lake, "d", "s", PART))

    def launch(self) -> list[str]:
        """What a run of the part says, in which nothing is left to do."""
        said: list[str] = []
        download_part(
            self.lake,
            "d",
            self.subset,
            PART,
            spec=self.downloads.spec,
            web=self.downloads.web,
            minimum_side_px=1024,
            carry_out=lambda _: pytest.fail("nothing may be asked for"),
            say=said.append,
        )
        return said

    def check(self) -> None:
        refuse_outdated_shards(
            self.lake, "d", self.subset, [PART, "part-00001"], spec=self.downloads.spec, minimum_side_px=1024
        )


@pytest.fixture
def subset(downloads: Downloads, small_web: SmallWeb, tmp_path: Path) -> Subset:
    """Selected, planned and downloaded into two shards of three rows."""
    made = Subset(downloads, small_web, tmp_path / "opted_out.txt")
    made.select()
    made.plan()
    made.download()
    made.check()
    return made


def test_an_opt_out_keeps_the_index_back_until_the_shard_with_the_row_is_made_anew(
    subset: Subset, small_web: SmallWeb
) -> None:
    subset.listing.write_text(hashlib.sha256(subset.urls[4].encode()).hexdigest() + "\n")
    with pytest.raises(StalePlanError, match=r"rows of part-00000 were selected by other conditions, or another list"):
        subset.check()
    with pytest.raises(StalePlanError, match=r"Materialise rows for these parts, then the plan"):
        subset.plan()
    subset.select()
    with pytest.raises(StalePlanError, match=r"part-00000: the plan was made before its rows"):
        subset.check()
    subset.plan()
    with pytest.raises(OutdatedShardsError, match=r"d/s: 1 shards of part-00000 are not .* Launch shards for these"):
        subset.check()
    small_web.asked.clear()
    subset.download()
    subset.check()
    assert set(small_web.asked) == {"row/3", "row/5"}


def test_a_download_of_rows_that_were_selected_before_an_opt_out_is_refused(subset: Subset) -> None:
    assert subset.launch() == ["6 planned rows; shards: 2 there"]
    subset.listing.write_text(hashlib.sha256(subset.urls[4].encode()).hexdigest() + "\n")
    with pytest.raises(StalePlanError, match="another list of URLs, than today's"):
        subset.launch()


def test_a_download_that_may_fill_the_disk_says_so_and_goes_on(subset: Subset) -> None:
    forecast, keeping = read_forecast(subset.lake, "d", "s"), subset.downloads.spec.keeping(1024)
    room = room_for(subset.lake, "d", subset.subset, forecast, keeping, web=subset.downloads.web)
    between = (max(room.needed.estimate, room.there_bytes) + room.needed.high) / 2 - room.there_bytes
    subset.subset = subset.subset.model_copy(update={"plan": PlanSpec(free_share=between / room.free_bytes)})
    warning, _ = subset.launch()
    assert warning.startswith("part-00000: 0.00 GB of shards expected")
    assert warning.endswith("It may become full: then this stops, and continues when there is room.")


def test_shards_of_other_limits_or_conditions_keep_the_index_back(subset: Subset) -> None:
    before = subset.downloads.spec
    subset.downloads.spec = before.model_copy(update={"maximum_aspect": 2.0})
    with pytest.raises(OutdatedShardsError, match="2 shards of part-00000"):
        subset.check()
    subset.downloads.spec = before.model_copy(update={"processes": 2, "decode_share": 1.0})
    subset.check()
    subset.subset = subset.subset.model_copy(update={"where": {"few": "row < 3"}})
    with pytest.raises(StalePlanError, match="selected by other conditions"):
        subset.check()


def test_a_smaller_cap_needs_another_plan_and_no_other_rows(subset: Subset) -> None:
    subset.subset = subset.subset.model_copy(update={"cap": CapSpec(rows=6)})
    subset.select()
    subset.plan()
    subset.download()
    subset.subset = subset.subset.model_copy(update={"cap": CapSpec(rows=3)})
    subset.plan()
    with pytest.raises(OutdatedShardsError, match="1 shards of part-00000"):
        subset.check()


def test_a_retry_of_today_is_no_reason_against_an_index(subset: Subset, small_web: SmallWeb) -> None:
    small_web.down = True
    subset.downloads.path("00001.tar").unlink()
    subset.download()
    small_web.down = False
    subset.downloads.run(planned_rows(subset.lake, "d", "s", PART), retry=True)
    assert subset.downloads.path("00002.tar").exists()
    subset.check()


def test_a_retry_that_was_interrupted_is_no_reason_either(subset: Subset, small_web: SmallWeb) -> None:
    small_web.down = True
    for tar in ("00000.tar", "00001.tar"):
        subset.downloads.path(tar).unlink()
    subset.download()
    small_web.down = False
    subset.downloads.run(planned_rows(subset.lake, "d", "s", PART), retry=True)
    subset.downloads.path("00003_stats.json").unlink()
    subset.check()


def test_a_part_of_which_nothing_is_planned_any_more_keeps_the_index_back_until_its_shards_are_gone(
    subset: Subset,
) -> None:
    subset.subset = subset.subset.model_copy(update={"where": {"none": "row < 0"}})
    subset.select()
    subset.plan()
    with pytest.raises(OutdatedShardsError, match="2 shards of part-00000"):
        subset.check()
    subset.download()
    subset.check()
    assert not list(subset.downloads.path("").glob("*.tar"))


def test_without_the_list_nothing_is_vouched_for(subset: Subset) -> None:
    subset.listing.unlink()
    with pytest.raises(UrlListError, match=r"opted_out\.txt cannot be read .* Put the list there"):
        subset.check()
