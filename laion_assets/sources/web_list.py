"""Parts at plain web addresses: one URL, or a list written with braces such as ``part-{00000..00127}.parquet``."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from laion_assets.sources.checksums import CHECKSUM_LIST, CHECKSUM_SUFFIX, MAX_CHECKSUM_FILE_BYTES, checksums_by_name
from laion_assets.sources.http import (
    Answer,
    quoted,
    refuse_failure,
    refuse_web_page,
    request,
)
from laion_assets.sources.http_origin import HttpOrigin
from laion_assets.sources.patience import DEFAULT_PATIENCE, Patience
from laion_assets.sources.patterns import expand_braces, has_magic, part_key, refuse_repeated_keys
from laion_assets.sources.published import Fetched, Listing, OnProgress, PublishedPart, SourceError, no_such_part
from laion_assets.sources.spec import SourceSpec
from laion_assets.sources.transfer import download

# Enough to hide the latency of a far server, few enough to be a polite visitor.
_ASKING_AT_ONCE = 8


@dataclass(frozen=True)
class WebListSource:
    """Files whose names are known, on a server that lists nothing.

    Checksums are used where the publisher puts them: in a ``SHA256SUMS`` beside the files, or in a ``.sha256`` beside
    each of them.
    """

    spec: SourceSpec
    patience: Patience = DEFAULT_PATIENCE

    def list_parts(self) -> Listing:
        """Every address of the list, each of which must exist."""
        return Listing(self._shown, None, self._looked_up(self._addresses()))

    def find_part(self, key: str) -> PublishedPart:
        """One part; the other addresses are not asked for."""
        addresses = self._addresses()
        for part in addresses:
            if part.key == key:
                return self._looked_up([part])[0]
        raise no_such_part(self._shown, key, [part.key for part in addresses])

    def fetch(self, part: PublishedPart, destination: Path, *, on_progress: OnProgress | None = None) -> Fetched:
        """Bring a part here."""
        origin = HttpOrigin(locate=lambda: self._address(part.uri), shown=part.uri, silence_s=self.patience.silence_s)
        return download(origin, part, destination, patience=self.patience, on_progress=on_progress)

    @property
    def _shown(self) -> str:
        return self.spec.uri.partition("?")[0]

    def _addresses(self) -> Sequence[PublishedPart]:
        """The list as it is written, nothing asked yet."""
        if has_magic(self._shown):
            raise SourceError(
                f"{self._shown}: a web server cannot be searched with * or [ ]. "
                "Write the numbers out as {00000..00127}."
            )
        parts = []
        for uri in expand_braces(self._shown):
            path = unquote(urlsplit(uri).path).lstrip("/")
            parts.append(PublishedPart(key=part_key(path, self.spec.part_key), uri=uri, path=path))
        return refuse_repeated_keys(self._shown, parts)

    def _looked_up(self, parts: Sequence[PublishedPart]) -> tuple[PublishedPart, ...]:
        """The same with sizes, marks and checksums."""
        with ThreadPoolExecutor(_ASKING_AT_ONCE) as pool:
            parts = list(pool.map(self._look, parts))
            checksums = self._listed_checksums(parts)
            # A publisher who put no checksum beside the first file put none beside the others.
            if not any(checksums) and self._own_checksum(parts[0]):
                checksums = list(pool.map(self._own_checksum, parts))
        return tuple(replace(part, sha256=checksum) for part, checksum in zip(parts, checksums, strict=True))

    def _address(self, uri: str) -> str:
        """The URI with the query of the source, which may be a key and is in no record."""
        query = self.spec.uri.partition("?")[2]
        return quoted(uri + (f"?{query}" if query else ""))

    def _look(self, part: PublishedPart) -> PublishedPart:
        return self.patience.insist(lambda: self._look_once(part))

    def _look_once(self, part: PublishedPart) -> PublishedPart:
        address, shown, silence_s = self._address(part.uri), part.uri, self.patience.silence_s
        with request("HEAD", address, shown=shown, silence_s=silence_s) as answer:
            if answer.status not in (405, 501):
                return _seen(part, answer, answer.content_length)
        # Some servers know no HEAD; the first byte of a GET says the same.
        with request("GET", address, shown=shown, headers={"Range": "bytes=0-0"}, silence_s=silence_s) as answer:
            total = (answer.headers.get("Content-Range") or "").rpartition("/")[2]
            partial_size = int(total) if total.isdigit() else None
            return _seen(part, answer, partial_size if answer.status == 206 else answer.content_length)

    def _listed_checksums(self, parts: list[PublishedPart]) -> list[str | None]:
        folders = {part.uri.rpartition("/")[0] for part in parts}
        lists = {folder: checksums_by_name(self._small_text(f"{folder}/{CHECKSUM_LIST}")) for folder in folders}
        return [lists[part.uri.rpartition("/")[0]].get(part.path.rpartition("/")[2]) for part in parts]

    def _own_checksum(self, part: PublishedPart) -> str | None:
        return next(iter(checksums_by_name(self._small_text(part.uri + CHECKSUM_SUFFIX)).values()), None)

    def _small_text(self, uri: str) -> str:
        """A small file, or nothing where there is none: checksums are a courtesy, but a busy server is not a no."""

        def ask() -> str:
            with request("GET", self._address(uri), shown=uri, silence_s=self.patience.silence_s) as answer:
                if answer.status == 200:
                    return answer.text(uri, MAX_CHECKSUM_FILE_BYTES)
                if answer.status == 429 or answer.status >= 500:
                    refuse_failure(answer, uri)
                return ""

        return self.patience.insist(ask)


def _seen(part: PublishedPart, answer: Answer, size_bytes: int | None) -> PublishedPart:
    refuse_failure(answer, part.uri)
    refuse_web_page(answer, part.uri)
    encoded = (answer.headers.get("Content-Encoding") or "identity").lower() != "identity"
    return replace(part, size_bytes=None if encoded else size_bytes, etag=answer.strong_etag)
