"""From which columns upstream those of the sample and of the probes come."""

from laion_assets.metadata.column_origins import Origins, taken_over
from laion_assets.metadata.schema import VALIDATED_SCHEMA
from laion_assets.probes.sample import SAMPLE_SCHEMA, STRATUM_OF
from laion_assets.probes.schema import PROBE_SCHEMA
from laion_assets.probes.spec import SampleSpec

PROBE_ORIGINS: Origins = {**taken_over(SAMPLE_SCHEMA), **{name: {"url"} for name in PROBE_SCHEMA}}
"""What the web says of a URL depends on nothing else in its row."""


def sample_origins(spec: SampleSpec) -> Origins:
    """Of the sampled rows: what was validated, and what their weight depends on where they are drawn in strata.

    Args:
        spec: how the sample is drawn.
    """
    strata = {name for key in spec.strata for name in STRATUM_OF[key].meta.root_names()}
    return {**taken_over(VALIDATED_SCHEMA), "weight": strata}
