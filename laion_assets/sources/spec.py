"""What a dataset's YAML says about where its parts are published."""

import re
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

_HUB = re.compile(r"hf://datasets/[\w.-]+/[\w.-]+(@[^\s]+)?(/.*)?\Z", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class SourceSpec(BaseModel):
    """Where the metadata files of a dataset are, and which partition each of them is."""

    # A URI may carry somebody's signature by mistake; an error message is no place for it.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    uri: str = Field(
        description="hf://datasets/<owner>/<name>[@revision]/<glob>, https://…/part-{00000..00127}.parquet, "
        "s3://bucket/<glob>, or a local folder, file or glob."
    )
    part_key: str = Field(
        default=r"(part-\d{5})",
        description="Regular expression searched in each file's path; its first group is the partition key. "
        "Where it does not match, the key is made from the file's name.",
    )

    @field_validator("uri")
    @classmethod
    def _is_a_kind_we_know(cls, uri: str) -> str:
        uri = uri.strip()
        if not uri or _CONTROL.search(uri):
            raise ValueError(
                "the source URI is empty or holds control characters. Give hf://, https://, s3:// or a path."
            )
        scheme = uri.split("://", 1)[0] if "://" in uri else ""
        if scheme not in ("", "file", "hf", "http", "https", "s3"):
            raise ValueError(f"no source is reached by {scheme[:20]}://. Give hf://, https://, s3:// or a local path.")
        if scheme == "hf" and not _HUB.match(uri):
            raise ValueError(
                "a hub source reads hf://datasets/<owner>/<name>[@revision]/<glob>, "
                "such as hf://datasets/laion/relaion-high-resolution/**/*.parquet."
            )
        if scheme in ("http", "https") and "@" in urlsplit(uri).netloc:
            raise ValueError("the source URI carries a user name or password. Publish without, or use s3:// or hf://.")
        if scheme in ("http", "https", "s3") and not urlsplit(uri).netloc:
            raise ValueError(f"the source URI names no {'bucket' if scheme == 's3' else 'host'} after {scheme}://.")
        return uri

    @field_validator("part_key")
    @classmethod
    def _has_a_group(cls, part_key: str) -> str:
        try:
            compiled = re.compile(part_key)
        except re.error as error:
            raise ValueError(f"part_key is not a regular expression ({error}). Escape special characters.") from error
        if compiled.groups < 1:
            raise ValueError(r"part_key has no group. Put the key in parentheses, such as (part-\d{5}).")
        return part_key
