"""From a URI to the source it names."""

from laion_assets.sources.patience import DEFAULT_PATIENCE, Patience
from laion_assets.sources.published import Source
from laion_assets.sources.spec import SourceSpec


def open_source(spec: SourceSpec, *, patience: Patience = DEFAULT_PATIENCE) -> Source:
    """The source a spec describes. Nothing is asked of it yet.

    Args:
        spec: Where the parts are published.
        patience: How long to keep asking when it fails for the moment.

    Example:
        >>> open_source(SourceSpec(uri="hf://datasets/laion/relaion-high-resolution/**/*.parquet")).list_parts()
    """
    scheme = spec.uri.split("://", 1)[0] if "://" in spec.uri else "file"
    if scheme == "hf":
        from laion_assets.sources.hub import HubSource

        return HubSource(spec, patience)
    if scheme in ("http", "https"):
        from laion_assets.sources.web_list import WebListSource

        return WebListSource(spec, patience)
    if scheme == "s3":
        from laion_assets.sources.files import BucketSource

        return BucketSource(spec, patience)
    from laion_assets.sources.files import LocalSource

    return LocalSource(spec, patience)
