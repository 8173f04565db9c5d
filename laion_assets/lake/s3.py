"""How we talk to S3: one client for reading and writing, and what its failures mean.

The usual ``AWS_…`` variables hold, read at the time of use. The lake and the sources share this; what they do with the
bytes is theirs.
"""

import os
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

# s3fs's own are 50 MiB and 10, all of them in memory: half a gigabyte for each file on its way.
BLOCK_BYTES = 16 << 20
BLOCKS_AT_ONCE = 4


def s3_endpoint() -> str | None:
    """The endpoint the environment names, if it is not Amazon's own."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def s3_files(*, anonymous: bool = False) -> Any:  # noqa: ANN401 (s3fs has no types)
    """An s3fs filesystem that caches no listing: another process may have published since."""
    import s3fs

    return s3fs.S3FileSystem(
        anon=anonymous,
        endpoint_url=s3_endpoint(),
        use_listings_cache=False,
        default_block_size=BLOCK_BYTES,
        max_concurrency=BLOCKS_AT_ONCE,
    )


def block_bytes(file_bytes: int) -> int:
    """How large the pieces of an upload are: S3 takes 10,000 of them at most."""
    return max(BLOCK_BYTES, -(-file_bytes // 10_000))


def polars_storage_options() -> dict[str, str]:
    """The same endpoint for polars, which otherwise knows only one of the two variables, and insists on a region."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    options = {"aws_region": region}
    endpoint = s3_endpoint()
    if endpoint:
        options["aws_endpoint_url"] = endpoint
    return options


# What polars says where its client gave up; permissions and absence it tells in other words.
_POLARS_BEGINS = "object-store error: Generic S3 error"
_POLARS_STATUS = re.compile(r"status code: (\d{3})")


@dataclass(frozen=True)
class S3Finding:
    """What S3 or its client said, for one sentence of an error.

    Attributes:
        sentence: The finding and the next step, without the URI in front.
        retryable: Whether asking again later can help.
        no_credentials: Whether the client had nothing to sign with.
    """

    sentence: str
    retryable: bool
    no_credentials: bool = False


def s3_errors() -> tuple[type[BaseException], ...]:
    """What s3fs raises; it turns many of S3's codes into OSErrors, and lets its client's own errors through."""
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

    return (BotoCoreError, ClientError, OSError)


def is_no_bucket(error: BaseException | None) -> bool:
    """Whether the bucket is missing rather than the object: s3fs calls both FileNotFoundError."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict) and response.get("Error", {}).get("Code") == "NoSuchBucket":
            return True
        error = error.__cause__ or error.__context__
    return False


def s3_finding(uri: str, error: BaseException) -> S3Finding:
    """Say what an error of `s3_errors` means and what to do about it."""
    from botocore.exceptions import (
        ConnectionError as BotoConnectionError,
    )
    from botocore.exceptions import (
        HTTPClientError,
        NoCredentialsError,
    )

    bucket = urlsplit(uri).netloc
    said = " ".join(str(error).split())[:300] or type(error).__name__
    if isinstance(error, NoCredentialsError):
        sentence = "there are no S3 credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile."
        return S3Finding(sentence, retryable=False, no_credentials=True)
    if is_no_bucket(error):
        return S3Finding(f"there is no bucket {bucket!r}. Create it, or correct the URI.", retryable=False)
    if isinstance(error, FileNotFoundError):
        return S3Finding("there is no such object. Correct the URI.", retryable=False)
    if isinstance(error, PermissionError):
        sentence = f"S3 refused ({said}). Check the credentials and the policy of bucket {bucket!r}."
        return S3Finding(sentence, retryable=False)
    if isinstance(error, (BotoConnectionError, HTTPClientError)):
        endpoint = urlsplit(s3_endpoint() or "")
        where = f"{endpoint.scheme}://{endpoint.netloc.rpartition('@')[2]}" if endpoint.netloc else "Amazon S3"
        return S3Finding(f"{where} does not answer. Check AWS_ENDPOINT_URL and your network.", retryable=True)
    answer = _answer(error)
    return S3Finding(
        f"S3 did not do it ({said}). Check the service, then run again.",
        retryable=answer is None or _passes(answer["ResponseMetadata"]["HTTPStatusCode"]),
    )


def is_outage_met_by_polars(error: OSError) -> bool:
    """Whether polars, which reads from S3 with a client of its own, gave up for a reason that may pass."""
    said = str(error)
    refused = _POLARS_STATUS.search(said)
    return said.startswith(_POLARS_BEGINS) and (refused is None or _passes(int(refused[1])))


def _answer(error: BaseException | None) -> dict[str, Any] | None:
    """What S3 answered, where an answer is what the error comes from."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict) and "HTTPStatusCode" in response.get("ResponseMetadata", {}):
            return response
        error = error.__cause__ or error.__context__
    return None


def _passes(status: int) -> bool:
    """Whether an answer is about the service at this moment, overloaded or broken, and not about what was asked."""
    return status >= 500 or status == 429
