"""The Dagster checks of a subset."""

import dagster as dg

from laion_assets.lake.lake import Lake
from laion_assets.subsets.forecast import Forecast
from laion_assets.subsets.keeping import Keeping
from laion_assets.subsets.spec import SubsetSpec
from laion_assets.web.spec import WebSpec

FITS_THE_DISK = "fits_the_disk"
FITS_AT_MOST = "fits_the_disk_at_most"


def room_check_specs(plan: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """What is asked of a plan: that what is expected fits, and, as a warning, that its high end does."""
    return [
        dg.AssetCheckSpec(
            FITS_THE_DISK,
            asset=plan,
            blocking=True,
            description="What is expected and not there yet fits the free disk.",
        ),
        dg.AssetCheckSpec(
            FITS_AT_MOST,
            asset=plan,
            description="So does the high end of its interval. Where it does not, probing a larger sample narrows the "
            "interval; a download that fills the disk stops, and continues when there is room.",
        ),
    ]


def room_checks(
    lake: Lake, dataset: str, subset: SubsetSpec, forecast: Forecast, keeping: Keeping, *, web: WebSpec
) -> list[dg.AssetCheckResult]:
    """Whether the rest of the download fits what is free now, in the order of ``room_check_specs``."""
    from laion_assets.subsets.room import room_for

    room = room_for(lake, dataset, subset, forecast, keeping, web=web)
    metadata: dict[str, float | str] = {
        "expected bytes": room.needed.estimate,
        "most bytes": room.needed.high,
        "there bytes": room.there_bytes,
        "free bytes": room.free_bytes,
        "place": room.place,
    }
    return [
        dg.AssetCheckResult(
            check_name=FITS_THE_DISK,
            passed=room.fits,
            description=room.sentence if room.fits else f"{room.sentence} {room.way_out}",
            metadata=metadata,
        ),
        dg.AssetCheckResult(
            check_name=FITS_AT_MOST,
            passed=room.fits_at_most,
            severity=dg.AssetCheckSeverity.WARN,
            description=room.sentence,
            metadata=metadata,
        ),
    ]
