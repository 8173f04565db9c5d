"""Which parts the assets over all parts may read: those whose contract has not failed.

A blocking check keeps the assets of the same part from being made. Assets that read many parts at once are not
partitioned, so nothing keeps them from a part that failed; they ask here instead. A part whose contract is still to be
checked in the run that made it, or was when that run was cancelled, is left out as well. One that was made in a run
without that check is not.
"""

from laion_assets.lake.lake import Lake
from laion_assets.metadata.contract_docs import FOLDER

CONTRACT = "contract"
"""The name of the check."""
_REJECTED = ".rejected.txt"


def accepted_parts(lake: Lake, dataset: str, asset: str = "validated_metadata") -> list[str]:
    """Keys of the parts an asset holds whose contract has neither failed nor is still to be checked, in order."""
    held = (name.removesuffix(".parquet") for name in lake.list_names([dataset, asset], ".parquet"))
    rejected = set(rejected_parts(lake, dataset))
    return [part for part in held if part not in rejected]


def rejected_parts(lake: Lake, dataset: str) -> list[str]:
    """Keys of the parts whose contract failed when it was last checked, or is still to be checked, in order."""
    return [name.removesuffix(_REJECTED) for name in lake.list_names(_folder(dataset), _REJECTED)]


def record_verdict(lake: Lake, dataset: str, part: str, *, failure: str | None) -> None:
    """Keep what the contract said of a part, until it is checked again.

    Args:
        lake: where it is kept.
        dataset: first segment of the asset keys.
        part: whose contract was checked.
        failure: the finding when a critical expectation was not met; none when the part may be used.
    """
    uri = lake.uri(_folder(dataset), f"{part}{_REJECTED}")
    if failure is not None:
        lake.write_bytes(uri, f"{failure}\n".encode())
    elif lake.exists(uri):
        lake.delete(uri)


def await_verdict(lake: Lake, dataset: str, part: str) -> None:
    """Leave out a part that is made anew, until the contract has been checked that its run goes on to check."""
    finding = f"made, but its {CONTRACT} has not been checked yet. Run this check of {dataset}/validated_metadata."
    record_verdict(lake, dataset, part, failure=finding)


def _folder(dataset: str) -> list[str]:
    return [dataset, "metadata_profile", FOLDER]
