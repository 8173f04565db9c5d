"""The subsets that are shipped: what their conditions ask of declared sizes, their shards ask of the true ones."""

from pathlib import Path

import pytest
import yaml

from laion_assets.dataset import DatasetSubset
from laion_assets.shards.judge import Limits, judge
from laion_assets.subsets.selection import select
from laion_assets.web.outcome import Outcome
from laion_assets_tests.shards.conftest import image_bytes
from laion_assets_tests.subsets.conftest import valid_rows

_FILE = Path(__file__).parents[2] / "laion_assets" / "defs" / "laion_hr" / "defs.yaml"
_WRITTEN = yaml.safe_load(_FILE.read_text())["attributes"]
_PROMISED_SIDE_PX = _WRITTEN["expectations"]["minimum_side_px"]
SUBSETS = {written["name"]: DatasetSubset.model_validate(written) for written in _WRITTEN["subsets"]}

SIZES = [(1023, 1400), (1024, 1024), (1100, 1100), (1040, 3100), (3140, 1040), (2047, 2047), (2048, 2048), (2048, 6800)]


def taken_in_truth(subset: DatasetSubset, width: int, height: int) -> bool:
    verdict = judge(image_bytes(width, height), Limits.of(subset.shards, _PROMISED_SIDE_PX))
    return verdict.outcome is Outcome.OK


def taken_as_declared(subset: DatasetSubset, width: int, height: int) -> bool:
    row = valid_rows(1, declared_width=[width], declared_height=[height], similarity=[0.4])
    return select(row.lazy(), subset, part="part-00000").rows.height == 1


@pytest.mark.parametrize("name", ["vlm_1024", "high_res_2048", "top_20m"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_size_is_taken_in_truth_where_it_is_taken_as_declared(name: str, width: int, height: int) -> None:
    subset = SUBSETS[name]
    assert taken_in_truth(subset, width, height) == taken_as_declared(subset, width, height)


def test_these_are_all_the_subsets_there_are_and_each_takes_something() -> None:
    taken = {name: sum(taken_in_truth(subset, *size) for size in SIZES) for name, subset in SUBSETS.items()}
    assert taken == {"vlm_1024": 5, "high_res_2048": 2, "top_20m": 7}


def test_the_best_twenty_million_are_best_among_what_the_same_model_judged() -> None:
    """The publisher cut English off at 0.28 and everything else at 0.26: no row is lost, and neither has a start."""
    rows = valid_rows(4, language=["en", "de", "en", "nolang"], similarity=[0.28, 0.26, 0.30, 0.29])
    taken = select(rows.lazy(), SUBSETS["top_20m"], part="part-00000").rows
    assert taken.sort("score")["row"].to_list() == [3, 2, 0, 1]
