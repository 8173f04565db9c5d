"""Makes the parts of a dataset known to a Dagster instance, without waiting for a sensor."""

import dagster as dg

from laion_assets.dataset import ImageTextDataset
from laion_assets.sources.fetching import open_source
from laion_assets.sources.patience import Patience
from laion_assets.sources.published import Listing

# Someone sits before a terminal: a source that is away is said to be within seconds.
SOMEONE_WAITS = Patience(attempts=2, longest_asked_pause_s=5.0)


def datasets(definitions: dg.Definitions) -> list[ImageTextDataset]:
    """The datasets under ``defs/``."""
    if definitions.component_tree is None:
        return []
    return list(definitions.component_tree.get_all_components(of_type=ImageTextDataset))


def register_parts(dataset: ImageTextDataset, instance: dg.DagsterInstance) -> Listing:
    """List the source of a dataset and add its parts as partitions.

    Raises:
        SourceError: the source cannot be listed. Parts known from before stay known.
    """
    listing = open_source(dataset.source, patience=SOMEONE_WAITS).list_parts()
    instance.add_dynamic_partitions(str(dataset.parts.name), [part.key for part in listing.parts])
    return listing
