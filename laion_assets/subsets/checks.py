"""The Dagster checks of a subset."""

import dagster as dg

from laion_assets.lake.lake import Lake
from laion_assets.subsets.forecast import Forecast
from laion_assets.subsets.spec import SubsetSpec

FITS_THE_DISK = "fits_the_disk"


def fits_the_disk(lake: Lake, dataset: str, subset: SubsetSpec, forecast: Forecast) -> dg.AssetCheckResult:
    """Whether the rest of the download, at the high end of its interval, fits what is free now."""
    from laion_assets.subsets.plan import room_for

    room = room_for(lake, dataset, subset, forecast)
    return dg.AssetCheckResult(
        check_name=FITS_THE_DISK,
        passed=room.fits,
        description=room.sentence,
        metadata={
            "needed bytes": room.needed_bytes,
            "there bytes": room.there_bytes,
            "free bytes": room.free_bytes if room.free_bytes is not None else "unlimited",
        },
    )
