"""Parts in a dataset repository of the Hugging Face hub, or of anything that speaks its protocol.

Listing goes through the unmodified huggingface_hub client. The bytes do not: its downloader
keeps a cache of its own, and what it resumes from is not ours to put beside the destination. The address and the
headers are still its own.
"""

import functools
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from laion_assets import __version__
from laion_assets.sources.http import RETRYABLE_STATUS, Answer, Secrets, busy, origin_of, refuse_failure
from laion_assets.sources.http_origin import HttpOrigin
from laion_assets.sources.patience import DEFAULT_PATIENCE, Patience
from laion_assets.sources.patterns import matcher, part_key, refuse_repeated_keys, static_prefix
from laion_assets.sources.published import ChecksumError, Fetched, Listing, OnProgress, PublishedPart, SourceError
from laion_assets.sources.spec import SourceSpec
from laion_assets.sources.transfer import download

_DEFAULT_ENDPOINT = "https://huggingface.co"
_URI = re.compile(
    r"hf://datasets/(?P<repository>[^/@]+/[^/@]+)(?:@(?P<revision>refs/(?:convert|pr)/[^/]+|[^/]+))?(?:/(?P<glob>.*))?\Z"
)


@dataclass(frozen=True)
class HubSource:
    """Files of one dataset repository that match a glob.

    ``HF_ENDPOINT`` and ``HF_TOKEN`` are read when they are needed, not when this is made or imported.
    """

    spec: SourceSpec
    patience: Patience = DEFAULT_PATIENCE

    def list_parts(self) -> Listing:
        """All matching files at the commit the revision points to now."""
        return self.patience.insist(self._list)

    def find_part(self, key: str) -> PublishedPart:
        """One part; the hub lists a repository in pages of a thousand files, so this costs little less than all."""
        return self.list_parts().part(key)

    def fetch(self, part: PublishedPart, destination: Path, *, on_progress: OnProgress | None = None) -> Fetched:
        """Bring a part here, at the commit of its listing."""
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

        hub = _Hub.now(self.repository)
        url = hf_hub_url(self.repository, part.path, repo_type="dataset", revision=part.revision, endpoint=hub.endpoint)
        headers = build_hf_headers(token=hub.token or False, library_name="laion-assets", library_version=__version__)
        origin = HttpOrigin(
            locate=lambda: url,
            shown=part.uri,
            secrets=Secrets(origin_of(hub.endpoint), headers),
            refuse=functools.partial(_refuse, hub),
            silence_s=self.patience.silence_s,
        )
        return download(
            origin,
            part,
            destination,
            patience=self.patience,
            on_progress=on_progress,
            verify=_git_blob_check(part),
        )

    @property
    def repository(self) -> str:
        """``owner/name``."""
        return self._parsed["repository"]

    @property
    def _parsed(self) -> dict[str, str]:
        match = _URI.match(self.spec.uri)
        if match is None:
            raise SourceError(f"{self.spec.uri}: not hf://datasets/<owner>/<name>[@revision]/<glob>. Correct the URI.")
        return {name: value or "" for name, value in match.groupdict().items()}

    def _list(self) -> Listing:
        from huggingface_hub import HfApi
        from huggingface_hub.hf_api import RepoFile

        parsed = self._parsed
        hub = _Hub.now(self.repository)
        revision = unquote(parsed["revision"]) or None
        glob = parsed["glob"]
        wanted = matcher(glob)
        api = HfApi(
            endpoint=hub.endpoint, token=hub.token or False, library_name="laion-assets", library_version=__version__
        )
        with _hub_errors(hub, self.spec.uri):
            commit = api.repo_info(self.repository, repo_type="dataset", revision=revision).sha
        if not commit:
            raise hub.not_a_hub(self.spec.uri)
        files = []
        with _hub_errors(hub, self.spec.uri, nothing_there=True):
            entries = api.list_repo_tree(
                self.repository,
                path_in_repo=static_prefix(glob) or None,
                recursive=True,
                revision=commit,
                repo_type="dataset",
            )
            files = [entry for entry in entries if isinstance(entry, RepoFile)]
        found = sorted((file for file in files if wanted.match(file.path)), key=lambda file: file.path)
        if not found:
            names = ", ".join(sorted(file.path for file in files)[:5]) or "nothing"
            raise SourceError(
                f"{self.spec.uri}: no part matches at revision {commit[:12]}, where /{static_prefix(glob)} holds "
                f"{names}. Correct the glob of the source."
            )
        parts = (self._part(file, commit) for file in found)
        return Listing(self.spec.uri, commit, refuse_repeated_keys(self.spec.uri, parts))

    def _part(self, file: Any, commit: str) -> PublishedPart:  # noqa: ANN401 (RepoFile, imported lazily)
        return PublishedPart(
            key=part_key(file.path, self.spec.part_key),
            uri=f"hf://datasets/{self.repository}@{commit}/{file.path}",
            path=file.path,
            size_bytes=file.lfs.size if file.lfs else file.size,
            sha256=file.lfs.sha256.lower() if file.lfs else None,
            etag=file.lfs.sha256.lower() if file.lfs else file.blob_id,
            revision=commit,
        )


@dataclass(frozen=True)
class _Hub:
    """Who is asked, as whom, for what."""

    endpoint: str
    has_token: bool
    repository: str
    read_token: Callable[[], str | None]  # a function, so that no repr and no traceback shows the token itself

    @classmethod
    def now(cls, repository: str) -> "_Hub":
        from huggingface_hub import get_token

        endpoint = (os.environ.get("HF_ENDPOINT") or _DEFAULT_ENDPOINT).rstrip("/")
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise SourceError(
                "HF_ENDPOINT is not an http(s) URL without user and password. Unset it, or give one such as "
                "https://huggingface.co."
            )
        return cls(endpoint, bool(get_token()), repository, get_token)

    @property
    def token(self) -> str | None:
        return self.read_token()

    @property
    def page(self) -> str:
        return f"{self.endpoint}/datasets/{self.repository}"

    def refusal(self, shown: str, status: int, code: str, message: str) -> SourceError | None:
        """The sentence for a status that means no; ``None`` when the hub has no special word for it."""
        if code == "GatedRepo" or (status in (401, 403) and "gated" in message.lower()):
            if not self.has_token:
                return SourceError(
                    f"{shown}: the repository is gated and there is no token. Accept its terms at {self.page}, "
                    f"make a token at {self.endpoint}/settings/tokens and put it into HF_TOKEN."
                )
            return SourceError(
                f"{shown}: the terms of the repository are not accepted by the owner of this token (HTTP {status}). "
                f"Open {self.page} while signed in, accept them, then run again."
            )
        if code == "RevisionNotFound":
            return SourceError(
                f"{shown}: the repository has no such revision (HTTP {status}). Correct what follows the @ in the "
                f"source URI; {self.page}/tree/main lists the branches."
            )
        if code == "EntryNotFound":
            return SourceError(f"{shown}: the file is not in the repository (HTTP {status}). List the source again.")
        if "disabled" in message.lower():
            return SourceError(
                f"{shown}: the hub has disabled the repository (HTTP {status}). See {self.page} for the reason, or use "
                "a mirror."
            )
        if status == 401 and self.has_token and code != "RepoNotFound":
            return SourceError(
                f"{shown}: the hub does not know this token (HTTP 401). Make a new one at "
                f"{self.endpoint}/settings/tokens and put it into HF_TOKEN."
            )
        if code == "RepoNotFound" or status == 404 or (status == 401 and not self.has_token):
            if self.has_token:
                return SourceError(
                    f"{shown}: there is no dataset repository {self.repository} that this token can see "
                    f"(HTTP {status}). It was renamed, withdrawn or made private: correct the name or ask for access."
                )
            return SourceError(
                f"{shown}: there is no public dataset repository {self.repository} (HTTP {status}). "
                f"Correct the name; if it is private, make a token at {self.endpoint}/settings/tokens and put it into "
                "HF_TOKEN."
            )
        if status in (401, 403):
            return SourceError(
                f"{shown}: the hub refuses this token (HTTP {status}). Give it read access to gated repositories at "
                f"{self.endpoint}/settings/tokens."
            )
        return None

    def not_a_hub(self, shown: str) -> SourceError:
        return SourceError(
            f"{shown}: {self.endpoint} answered, but not as a hub does: a web page or a proxy. Check HF_ENDPOINT."
        )


def _refuse(hub: _Hub, answer: Answer, shown: str) -> None:
    """For `HttpOrigin`: the hub's words where the hub itself speaks, else plain HTTP's."""
    if answer.status < 400:
        return
    if origin_of(answer.url) == origin_of(hub.endpoint):
        headers = answer.headers
        refusal = hub.refusal(
            shown, answer.status, headers.get("X-Error-Code") or "", headers.get("X-Error-Message") or ""
        )
        if refusal is not None:
            raise refusal
    elif answer.status in (400, 401, 403, 404, 410):
        # The hub sent us on with a signature, and where it sent us the signature has run out.
        raise SourceError(
            f"{shown}: the hub's storage refused its own signed address (HTTP {answer.status}). Run again later.",
            retryable=True,
        )
    refuse_failure(answer, shown)


@contextmanager
def _hub_errors(hub: _Hub, shown: str, *, nothing_there: bool = False) -> Iterator[None]:
    """Turn what the client raises into one sentence.

    Args:
        hub: Who was asked.
        shown: What to call the source.
        nothing_there: Let a folder that does not exist pass as an empty one.
    """
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, RemoteEntryNotFoundError

    # httpx's HTTPError, or httpx2's in newer clients: whichever this client raises when nothing answers; and OSError.
    network_errors: tuple[type[Exception], ...] = HfHubHTTPError.__bases__
    try:
        yield
    except OfflineModeIsEnabled:
        raise SourceError(f"{shown}: HF_HUB_OFFLINE is set, so the hub is not asked. Unset it to list parts.") from None
    except HFValidationError:
        raise SourceError(
            f"{shown}: the hub knows no such kind of name. Write hf://datasets/<owner>/<name>/…"
        ) from None
    except RemoteEntryNotFoundError:
        if not nothing_there:
            raise
    except HfHubHTTPError as error:
        raise _translated(hub, shown, error) from None
    except network_errors as error:
        raise SourceError(
            f"{shown}: the hub at {hub.endpoint} does not answer ({type(error).__name__}). "
            "Check HF_ENDPOINT and your network, or run again later.",
            retryable=True,
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise hub.not_a_hub(shown) from None


def _translated(hub: _Hub, shown: str, error: Any) -> SourceError:  # noqa: ANN401 (HfHubHTTPError, imported lazily)
    response = error.response
    status, headers = int(response.status_code), response.headers
    code, message = headers.get("X-Error-Code") or "", headers.get("X-Error-Message") or ""
    refusal = hub.refusal(shown, status, code, message)
    if refusal is not None:
        return refusal
    if status in RETRYABLE_STATUS:
        return busy(shown, f"the hub at {hub.endpoint}", status, headers)
    return SourceError(
        f"{shown}: the hub at {hub.endpoint} does not take the request (HTTP {status}). Check the source URI."
    )


def _git_blob_check(part: PublishedPart) -> Callable[[Path], None] | None:
    """Small files lie in git itself: their mark is the SHA-1 of git's blob, not a SHA-256."""
    blob_id = part.etag or ""
    if part.sha256 is not None or not re.fullmatch(r"[0-9a-f]{40}", blob_id):
        return None

    def check(path: Path) -> None:
        import hashlib

        digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
        digest.update(path.read_bytes())
        if digest.hexdigest() != blob_id:
            raise ChecksumError(
                f"{part.uri}: git blob {digest.hexdigest()} arrived where the publisher gives {blob_id}, and "
                "fetching it again changed nothing. Nothing was kept; report it to the publisher."
            )

    return check
