"""How Great Expectations is loaded and run: late, quietly, and without a word to anybody else.

Importing it costs some 3 s of CPU, so nothing imports it before figures are there to be checked, and what it imports
itself for work that nobody asks it for here is left out: 1.5 s remain. Which expectations there are is the business of
the caller.
"""

import contextlib
import importlib
import importlib.util
import os
import sys
import types
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.core import ExpectationSuiteValidationResult

# Charts of distributions, Kolmogorov-Smirnov tests, secrets in Amazon's store: imported with it, 1 s of CPU for each
# part that Dagster runs in a process of its own.
_SELDOM_USED = ("altair", "scipy.stats", "boto3")


class _UntilUsed(types.ModuleType):
    """Stands for a module until somebody wants something from it, and from then on passes that on."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever the module has)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


@contextlib.contextmanager
def _not_before_used(names: Sequence[str]) -> Iterator[None]:
    """While the block imports, these modules are stood for; afterwards everybody else imports the real ones."""
    standing = {name: _UntilUsed(name) for name in names if name not in sys.modules and importlib.util.find_spec(name)}
    sys.modules.update(standing)
    try:
        yield
    finally:
        for name, module in standing.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def load() -> Any:  # noqa: ANN401 (a module)
    """The great_expectations module, with analytics off."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read at import
    if "great_expectations" in sys.modules:
        return importlib.import_module("great_expectations")
    with warnings.catch_warnings(), _not_before_used(_SELDOM_USED):
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
