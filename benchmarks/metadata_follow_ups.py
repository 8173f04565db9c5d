"""What follows the pass over the parts of a dataset: the sample is drawn, duplicates are found, a contract is checked.

``folder`` is that of the dataset in a lake.
"""

from dataclasses import asdict
from functools import partial
from pathlib import Path

import polars as pl


def sample(folder: Path, rows: int) -> int:
    """Draw a sample as ``dimension_sample`` does; returns of how many parts nothing but the sketch was read."""
    from laion_assets.lake.lake import Lake
    from laion_assets.metadata.sketch import sketches_of
    from laion_assets.probes.sample import draw_sample
    from laion_assets.probes.spec import SampleSpec

    spec = SampleSpec(size=rows)
    parts = {path.stem: pl.scan_parquet(path) for path in _validated(folder)}
    sketches = sketches_of(Lake(str(folder.parent)), folder.name, sorted(parts), seed=spec.seed)
    return draw_sample(parts, spec, sketches=sketches).from_sketches


def duplicates(folder: Path) -> dict[str, int]:
    """Find the URLs that occur in several parts."""
    from laion_assets.metadata.duplicates import find_duplicates

    sources = {path.stem: partial(pl.scan_parquet, path) for path in _validated(folder)}
    return asdict(find_duplicates(sources, folder / "duplicate_urls"))


def contract(profile: Path) -> int:
    """Check the contract of a part; returns how long its page is."""
    from laion_assets.metadata.contract import check_contract, expectations_of, figures_of
    from laion_assets.metadata.contract_docs import contract_page
    from laion_assets.metadata.rulebook import rulebook
    from laion_assets.metadata.spec import ExpectationsSpec

    row = pl.read_parquet(profile).row(0, named=True)
    suite = expectations_of(
        rulebook(), ExpectationsSpec(), rows=row["rows_in"], not_applicable=row["rules_not_applicable"]
    )
    return len(contract_page(check_contract(figures_of(row), suite, part=row["part"])))


def _validated(folder: Path) -> list[Path]:
    return sorted((folder / "validated_metadata").glob("*.parquet"))
