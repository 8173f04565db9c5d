"""The lake as Dagster meets it: a resource, and steps that try again when it is away for a while."""

import contextlib
import functools
import inspect
import random
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import dagster as dg
from pydantic import Field
from typing_extensions import ParamSpec

from laion_assets.lake.errors import LakeError
from laion_assets.lake.lake import Lake
from laion_assets.lake.s3 import is_outage_met_by_polars

P = ParamSpec("P")
R = TypeVar("R")

# Beyond the tries of the S3 clients themselves, which take half a minute: 30, 60 and 120 s at most.
MAX_RETRIES = 3
FIRST_PAUSE_S = 30.0


class LakeResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where all assets keep their files."""

    base_uri: str = Field(
        default="lake",
        description="A folder, or s3://bucket/prefix with the usual AWS_… variables (AWS_ENDPOINT_URL included).",
    )
    pages_url: str = Field(
        default="",
        description="Where a browser finds the lake's pages, such as http://127.0.0.1:3001. Empty: pages have no link.",
    )

    def open(self) -> Lake:
        """The lake, ready to use."""
        return Lake(self.base_uri)

    def link(self, uri: str) -> dg.MetadataValue:
        """A file of the lake as the UI shows it: a link where its pages are served, else where the file lies."""
        if not self.pages_url:
            return dg.MetadataValue.path(uri)
        inside = uri.removeprefix(self.open().base_uri + "/")
        return dg.MetadataValue.url(f"{self.pages_url.rstrip('/')}/{inside}")


def outlasting_outages(step: Callable[P, R]) -> Callable[P, R]:
    """The function of a step, for which Dagster makes another attempt when the lake fails for the moment.

    With anything else that the lake cannot do, the step fails at once, and its one sentence is the reason.
    """

    @functools.wraps(step)
    def returning(*args: P.args, **kwargs: P.kwargs) -> R:
        with _told_to_dagster():
            return step(*args, **kwargs)

    @functools.wraps(step)
    def yielding(*args: P.args, **kwargs: P.kwargs) -> Iterator[Any]:
        with _told_to_dagster():
            yield from cast("Iterator[Any]", step(*args, **kwargs))

    return cast("Callable[P, R]", yielding) if inspect.isgeneratorfunction(step) else returning


@contextlib.contextmanager
def _told_to_dagster() -> Iterator[None]:
    try:
        yield
    except (LakeError, OSError) as error:
        outage = error.retryable if isinstance(error, LakeError) else is_outage_met_by_polars(error)
        if outage:
            _try_again_unless_too_often(error)
        elif not isinstance(error, LakeError):
            raise
        # The sentence says it all: the stack of a full disk or a refused key leads nowhere.
        raise dg.Failure(str(error), allow_retries=False) from None


def _try_again_unless_too_often(error: Exception) -> None:
    context = dg.OpExecutionContext.get()
    if context.retry_number < MAX_RETRIES:
        # Drawn, so that the runs that an outage stopped do not come back all at once.
        pause_s = FIRST_PAUSE_S * 2**context.retry_number * random.uniform(0.5, 1.0)  # noqa: S311 (spreads load)
        context.log.warning("%s Again in %.0f s, %d times at most.", error, pause_s, MAX_RETRIES)
        raise dg.RetryRequested(MAX_RETRIES, pause_s) from error
