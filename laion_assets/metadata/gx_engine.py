"""How Great Expectations is loaded and run: late, quietly, and without a word to anybody else.

Importing it costs some 3 s of CPU, so nothing imports it before figures are there to be checked. Which expectations
there are is the business of the caller.
"""

import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.core import ExpectationSuiteValidationResult


def load() -> Any:  # noqa: ANN401 (a module)
    """The great_expectations module, with analytics off."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read at import
    with warnings.catch_warnings():
        # It imports sre_constants and other parts of the standard library that are on their way out.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        import great_expectations
    return great_expectations


def run_suite(
    table: "pd.DataFrame",
    expectations: Sequence[dict[str, Any]],
    *,
    suite_name: str,
    table_name: str,
    result_format: dict[str, Any] | None = None,
) -> "ExpectationSuiteValidationResult":
    """Check a table in memory.

    Args:
        table: What to check.
        expectations: Per expectation its ``type`` (snake case), ``kwargs``, and whatever else a configuration takes:
            ``severity``, ``notes``, ``meta``.
        suite_name: Name of the suite on the page.
        table_name: Name of the table on the page.
        result_format: How much to say about rows; figures only by default.
    """
    gx = load()
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    settings = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )
    context = gx.get_context(mode="ephemeral", project_config=settings)
    # All at once: adding one by one replaces an earlier expectation of the same type on the same column.
    suite = gx.ExpectationSuite(
        name=suite_name, expectations=[ExpectationConfiguration(**one).to_domain_obj() for one in expectations]
    )
    batch = (
        context.data_sources.add_pandas("tables")
        .add_dataframe_asset(table_name)
        .add_batch_definition_whole_dataframe("whole")
        .get_batch(batch_parameters={"dataframe": table})
    )
    return batch.validate(suite, result_format=result_format or {"result_format": "BASIC"})  # type: ignore[no-any-return]
