from pathlib import Path
import polars as pl
from laion_assets.lake.lake import Lake
def test_it(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "a [b] c"))
    u = lake.uri(["a", "b"], "x.parquet")
    lake.write_parquet(u, pl.DataFrame({"a": [1, 2]}))
    assert lake.scan_parquet([u]).collect().height == 2
    lake.write_json(lake.uri(["a"], "j.json"), {"a": 1})
    assert lake.read_json(lake.uri(["a"], "j.json")) == {"a": 1}
    assert lake.list_names(["a", "b"]) == ["x.parquet"]
    assert sorted(p.name for p in (tmp_path / "a [b] c" / "a" / "b").iterdir()) == ["x.parquet"]
