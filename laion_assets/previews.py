"""The preview and beta features of Dagster that we use knowingly, one by one.

Dagster warns at every use; an operator who starts a process is not the one to be told. A feature that is not named
here still warns, and fails the tests.
"""

import re
import warnings

from dagster_shared.utils.warnings import BetaWarning, PreviewWarning

ACCEPTED_FEATURES: dict[str, type[Warning]] = {
    # A check has a result per part, which is what blocks that part and not the others.
    "Specifying a partitions_def on an AssetCheckSpec": PreviewWarning,
    # Dagster's own loader and Pipes client use these; we never call them.
    "Function `PipesMessageReader.expected_writer_count`": PreviewWarning,
    "Class `CodeReferencesMetadataValue`": BetaWarning,
    "Class `LocalFileCodeReference`": BetaWarning,
    "Parameter `owners` of initializer `SensorDefinition.__init__`": BetaWarning,
    "Parameter `execution_type` of function `AssetsDefinition.__init__`": BetaWarning,
    "Parameter `use_user_code_server` of initializer `AutomationConditionSensorDefinition.__init__`": BetaWarning,
}


def accept_features() -> None:
    """Stop the warnings about the accepted features, in this process."""
    for feature, category in ACCEPTED_FEATURES.items():
        warnings.filterwarnings("ignore", message=re.escape(feature), category=category)
