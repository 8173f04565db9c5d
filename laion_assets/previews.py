"""The preview features of Dagster that we use knowingly, one by one.

Dagster warns at every use; an operator who starts a process is not the one to be told. A feature that is not named
here still warns, and fails the tests.
"""

import re
import warnings

from dagster_shared.utils.warnings import PreviewWarning

ACCEPTED_PREVIEWS = (
    # A check has a result per part, which is what blocks that part and not the others.
    "Specifying a partitions_def on an AssetCheckSpec",
)


def accept_previews() -> None:
    """Stop the warnings about the accepted features, in this process."""
    for feature in ACCEPTED_PREVIEWS:
        warnings.filterwarnings("ignore", message=re.escape(feature), category=PreviewWarning)
