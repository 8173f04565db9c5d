"""Makes the parts of every dataset known to a Dagster instance, without waiting for a sensor."""

from collections.abc import Mapping

import dagster as dg

from laion_assets.dataset import ImageTextDataset
from laion_assets.sources.fetching import open_source
from laion_assets.sources.published import Listing


def datasets(definitions: dg.Definitions) -> list[ImageTextDataset]:
    """The datasets under ``defs/``."""
    if definitions.component_tree is None:
        return []
    return list(definitions.component_tree.get_all_components(of_type=ImageTextDataset))


def register_parts(definitions: dg.Definitions, instance: dg.DagsterInstance) -> Mapping[str, Listing]:
    """List the source of every dataset and add its parts as partitions.

    Returns:
        The listing per dataset name.

    Raises:
        SourceError: a source cannot be listed and none of its parts is known from before.
    """
    listings = {}
    for dataset in datasets(definitions):
        listing = open_source(dataset.source).list_parts()
        instance.add_dynamic_partitions(str(dataset.parts.name), [part.key for part in listing.parts])
        listings[dataset.name] = listing
    return listings
