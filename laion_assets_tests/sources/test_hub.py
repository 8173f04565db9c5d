"""A dataset repository of a hub, through the unmodified huggingface_hub client."""

import hashlib
import http.client
import json
import logging
import os
import subprocess
import sys
import traceback
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from laion_assets.lake.resource import LakeResource
from laion_assets.sandbox import RunningSandbox, SandboxSpec, start_sandbox
from laion_assets.sources.assets import raw_metadata
from laion_assets.sources.fetching import open_source
from laion_assets.sources.hub import HubSource
from laion_assets.sources.published import ChecksumError, Listing, SourceError
from laion_assets.sources.spec import SourceSpec
from laion_assets_tests.sources.conftest import ONCE, QUICK
from laion_assets_tests.sources.publisher import Fault, Publisher

REPOSITORY = "laion/relaion-high-resolution"
GLOB = "**/*.parquet"
TOKEN = "hf_a_token_nobody_may_see"  # noqa: S105


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with start_sandbox(SandboxSpec(parts=3, rows_per_part=2000, port=0, token=TOKEN)) as running:
        yield running


@pytest.fixture
def hub(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> RunningSandbox:
    """The sandbox's hub, well, with a token in the environment that it knows."""
    monkeypatch.setenv("HF_ENDPOINT", sandbox.hub_url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    switch(sandbox, kind="none")
    return sandbox


@pytest.fixture
def hub_without_token(hub: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> RunningSandbox:
    """The same, and nobody signed in."""
    monkeypatch.delenv("HF_TOKEN")
    return hub


def ask(method: str, url: str, body: bytes | None = None) -> http.client.HTTPResponse:
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.request(method, parts.path, body=body, headers={"Connection": "close"})
    return connection.getresponse()


def switch(sandbox: RunningSandbox, **fault: object) -> None:
    """Switch a fault of the sandbox's hub on, and forget what it was asked."""
    body = json.dumps(fault).encode()
    with ask("POST", f"{sandbox.hub_url}/sandbox/faults", body) as answer:
        assert answer.status == 200


def asked(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    with ask("GET", f"{sandbox.hub_url}/sandbox/requests") as answer:
        found: list[dict[str, Any]] = json.loads(answer.read())
        return found


def source(glob: str = GLOB, *, revision: str = "", repository: str = REPOSITORY) -> HubSource:
    opened = open_source(SourceSpec(uri=f"hf://datasets/{repository}{revision}/{glob}"), patience=QUICK)
    assert isinstance(opened, HubSource)
    return opened


def refusal(opened: HubSource) -> str:
    with pytest.raises(SourceError) as caught:
        opened.list_parts()
    assert not caught.value.retryable
    assert "\n" not in str(caught.value)
    return str(caught.value)


def fetch_refusal(opened: HubSource, listing: Listing, folder: Path) -> str:
    with pytest.raises(SourceError) as caught:
        opened.fetch(listing.parts[0], folder / "x.parquet")
    assert not caught.value.retryable
    assert not (folder / "x.parquet").exists()
    return str(caught.value)


class TestListing:
    """Parts, their sizes and checksums, at one commit."""

    def test_parts_come_with_size_checksum_and_commit(self, hub: RunningSandbox, tmp_path: Path) -> None:
        opened = source()
        listing = opened.list_parts()
        assert [part.key for part in listing.parts] == ["part-00000", "part-00001", "part-00002"]
        for part in listing.parts:
            fetched = opened.fetch(part, tmp_path / part.file_name)
            content = (tmp_path / part.file_name).read_bytes()
            assert content.startswith(b"PAR1")
            assert (part.size_bytes, part.sha256) == (len(content), hashlib.sha256(content).hexdigest())
            assert (fetched.size_bytes, fetched.sha256) == (part.size_bytes, part.sha256)
            assert part.revision == listing.revision
            assert part.uri == f"hf://datasets/{REPOSITORY}@{listing.revision}/{part.path}"
        assert len(listing.revision or "") == 40
        assert hub.hub_url not in repr(listing)

    def test_the_commit_is_recorded_with_the_asset_whatever_the_branch_is_called(
        self, hub: RunningSandbox, tmp_path: Path
    ) -> None:
        assert hub
        parts = dg.StaticPartitionsDefinition(["part-00000"])
        spec = SourceSpec(uri=f"hf://datasets/{REPOSITORY}@main/{GLOB}")
        with dg.DagsterInstance.ephemeral() as instance:
            made = dg.materialize(
                [raw_metadata("laion_hr", source=spec, parts=parts, group="g", patience=QUICK)],
                partition_key="part-00000",
                instance=instance,
                resources={"lake": LakeResource(base_uri=str(tmp_path))},
            )
        (found,) = made.asset_materializations_for_node("laion_hr__raw_metadata")
        (part,) = (one for one in source().list_parts().parts if one.key == "part-00000")
        recorded = {name: found.metadata[name].value for name in ("revision", "published_uri", "sha256")}
        assert recorded == {"revision": part.revision, "published_uri": part.uri, "sha256": part.sha256}

    def test_a_revision_may_be_a_branch_a_tag_or_a_commit(self, hub: RunningSandbox) -> None:
        commit = source().list_parts().revision
        assert hub
        for revision in ("@main", "@v1.0", f"@{commit}"):
            assert source(revision=revision).list_parts().revision == commit

    def test_what_a_branch_pointed_to_when_it_was_asked_for_is_what_is_listed_and_fetched(
        self, hub: RunningSandbox, tmp_path: Path
    ) -> None:
        opened = source()
        listing = opened.list_parts()
        opened.fetch(listing.parts[0], tmp_path / "x")
        paths = [entry["path"] for entry in asked(hub)]
        assert paths[0].endswith("/revision/main") or paths[0].endswith(f"/datasets/{REPOSITORY}")
        assert f"/tree/{listing.revision}" in paths[1]
        assert f"/resolve/{listing.revision}/" in paths[2]

    def test_the_environment_of_this_moment_counts(
        self, hub: RunningSandbox, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened = source()
        monkeypatch.setenv("HF_ENDPOINT", publisher.url)
        with pytest.raises(SourceError):
            opened.list_parts()
        monkeypatch.setenv("HF_ENDPOINT", hub.hub_url + "/")
        assert len(opened.list_parts().parts) == 3

    def test_a_small_file_in_git_is_verified_by_its_blob(
        self, hub: RunningSandbox, publisher: Publisher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        listing = source("README.md").list_parts()
        part = listing.parts[0]
        assert part.sha256 is None
        source("README.md").fetch(part, tmp_path / "README.md")
        content = (tmp_path / "README.md").read_bytes()
        monkeypatch.setenv("HF_ENDPOINT", publisher.url)
        path = f"/datasets/{REPOSITORY}/resolve/{listing.revision}/README.md"
        publisher.files[path] = content[:-1] + b"?"
        with pytest.raises(ChecksumError, match=f"git blob .* arrived where the publisher gives {part.etag}"):
            source("README.md").fetch(part, tmp_path / "again.md")
        assert not (tmp_path / "again.md").exists()
        assert hub

    def test_a_busy_hub_is_asked_again(self, hub: RunningSandbox) -> None:
        for kind in ("rate_limited", "unavailable"):
            switch(hub, kind=kind, where="/revision/", times=1, retry_after_s=1)
            assert len(source().list_parts().parts) == 3


class TestFetching:
    """Bytes, from wherever the hub sends us for them."""

    def test_the_token_goes_to_the_hub_and_not_to_its_storage(self, hub: RunningSandbox, tmp_path: Path) -> None:
        opened = source()
        part = opened.list_parts().parts[0]
        switch(hub, kind="none")
        opened.fetch(part, tmp_path / "x.parquet")
        with_token = {entry["path"].split("/")[1]: entry["with_token"] for entry in asked(hub)}
        assert with_token == {"datasets": True, "content": False}

    @pytest.mark.parametrize("kind", ["drop", "reset", "corrupt", "rate_limited", "unavailable"])
    def test_whatever_the_storage_does_the_bytes_are_the_same(
        self, hub: RunningSandbox, tmp_path: Path, kind: str
    ) -> None:
        opened = source()
        part = opened.list_parts().parts[0]
        switch(hub, kind=kind, where="/content/", times=2 if kind != "corrupt" else 1, after_bytes=50_000)
        fetched = opened.fetch(part, tmp_path / "x.parquet")
        assert fetched.sha256 == part.sha256
        assert hashlib.sha256((tmp_path / "x.parquet").read_bytes()).hexdigest() == part.sha256

    def test_a_dropped_connection_is_resumed_where_it_broke(self, hub: RunningSandbox, tmp_path: Path) -> None:
        opened = source()
        part = opened.list_parts().parts[0]
        switch(hub, kind="drop", where="/content/", times=1, after_bytes=50_000)
        opened.fetch(part, tmp_path / "x.parquet")
        assert [entry["range"] for entry in asked(hub) if "/content/" in entry["path"]] == [None, "bytes=50000-"]

    def test_a_signed_address_that_ran_out_is_asked_for_anew(
        self, publisher: Publisher, hub: RunningSandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        part = source().list_parts().parts[0]
        source().fetch(part, tmp_path / "x.parquet")
        content = (tmp_path / "x.parquet").read_bytes()
        (tmp_path / "x.parquet").unlink()
        storage = publisher
        storage.files["/signed"] = content
        storage.faults = [Fault(status=403)]
        monkeypatch.setenv("HF_ENDPOINT", "http://localhost:" + publisher.url.rpartition(":")[2])
        path = f"/datasets/{REPOSITORY}/resolve/{part.revision}/{part.path}"
        location = {"Location": f"{publisher.url}/signed?signature=secret"}
        # Hub, storage (refused), hub, storage.
        publisher.faults = [Fault(status=302, headers=location), Fault(status=403), Fault(status=302, headers=location)]
        source().fetch(part, tmp_path / "x.parquet")
        assert (tmp_path / "x.parquet").read_bytes() == content
        assert [seen.path.partition("?")[0] for seen in publisher.gets()] == [path, "/signed"] * 2
        assert hub


class TestRefusals:
    """One sentence for each thing that is wrong, saying what to do."""

    def test_no_token(self, hub_without_token: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        hub = hub_without_token
        listing = source().list_parts()  # as on the real hub, the names of a gated repository are public
        page = f"{hub.hub_url}/datasets/{REPOSITORY}"
        assert fetch_refusal(source(), listing, tmp_path) == (
            f"{listing.parts[0].uri}: the repository is gated and there is no token. Accept its terms at {page}, "
            f"make a token at {hub.hub_url}/settings/tokens and put it into HF_TOKEN."
        )
        monkeypatch.setenv("HF_TOKEN", "")
        assert "there is no token" in fetch_refusal(source(), listing, tmp_path)

    def test_terms_not_accepted(self, hub: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        listing = source().list_parts()
        monkeypatch.setenv("HF_TOKEN", TOKEN + "_no_terms")
        assert fetch_refusal(source(), listing, tmp_path) == (
            f"{listing.parts[0].uri}: the terms of the repository are not accepted by the owner of this token "
            f"(HTTP 403). Open {hub.hub_url}/datasets/{REPOSITORY} while signed in, accept them, then run again."
        )

    def test_a_token_the_hub_does_not_know(
        self, hub: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listing = source().list_parts()
        monkeypatch.setenv("HF_TOKEN", "hf_of_last_year")
        for message in (refusal(source()), fetch_refusal(source(), listing, tmp_path)):
            assert "the hub does not know this token (HTTP 401). Make a new one" in message
            assert "hf_of_last_year" not in message
        assert hub

    def test_repository_gone(self, hub: RunningSandbox) -> None:
        message = refusal(source(repository="laion/gone"))
        assert "there is no dataset repository laion/gone that this token can see (HTTP 404)" in message
        assert "correct the name or ask for access" in message
        assert hub

    @pytest.mark.usefixtures("hub_without_token")
    def test_repository_gone_without_a_token(self) -> None:
        message = refusal(source(repository="laion/gone"))
        assert "there is no public dataset repository laion/gone (HTTP 401)" in message
        assert "HF_TOKEN" in message

    @pytest.mark.usefixtures("hub")
    def test_repository_disabled(self) -> None:
        message = refusal(source(repository="laion/laion-high-resolution"))
        assert "the hub has disabled the repository (HTTP 403)" in message

    def test_no_such_revision(self, hub: RunningSandbox) -> None:
        message = refusal(source(revision="@v9"))
        assert message == (
            f"hf://datasets/{REPOSITORY}@v9/{GLOB}: the repository has no such revision (HTTP 404). Correct what "
            f"follows the @ in the source URI; {hub.hub_url}/datasets/{REPOSITORY}/tree/main lists the branches."
        )

    @pytest.mark.usefixtures("hub")
    @pytest.mark.parametrize("glob", ["*.tsv", "no/such/folder/*.parquet", "part-99999.parquet"])
    def test_no_part_matches(self, glob: str) -> None:
        message = refusal(source(glob))
        assert "no part matches at revision" in message
        assert message.endswith("Correct the glob of the source.")

    @pytest.mark.usefixtures("hub")
    def test_two_files_with_the_same_key(self) -> None:
        spec = SourceSpec(uri=f"hf://datasets/{REPOSITORY}/{GLOB}", part_key="(part)")
        with pytest.raises(SourceError, match=r"part-00000-.* and part-00001-.* would both be part 'part'\. Narrow"):
            open_source(spec).list_parts()

    def test_host_down(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        with pytest.raises(SourceError, match=r"the hub at http://127\.0\.0\.1:9 does not answer") as caught:
            source().list_parts()
        assert caught.value.retryable

    def test_a_web_page_instead_of_a_hub(self, publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_ENDPOINT", publisher.url)
        page = b"<html>Sign in to this network</html>"
        publisher.faults = [Fault(status=200, headers={"Content-Type": "text/html"}, body=page)] * 9
        assert "answered, but not as a hub does: a web page or a proxy. Check HF_ENDPOINT" in refusal(source())

    def test_a_hub_that_stays_broken(self, publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_ENDPOINT", publisher.url)
        publisher.faults = [Fault(status=500)] * 99
        with pytest.raises(SourceError, match=r"is busy or broken for the moment \(HTTP 500\)") as caught:
            source().list_parts()
        assert caught.value.retryable
        assert len(publisher.gets()) == QUICK.attempts

    @pytest.mark.parametrize("endpoint", ["huggingface.co", "ftp://hub", "http://", "https://me:secret@hub"])
    def test_an_endpoint_that_is_none(self, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        message = refusal(source())
        assert message.startswith("HF_ENDPOINT is not an http(s) URL without user and password.")
        assert "secret" not in message

    def test_offline_mode(self) -> None:
        program = (
            "from laion_assets.sources.fetching import open_source; from laion_assets.sources.spec import SourceSpec\n"
            f"open_source(SourceSpec(uri='hf://datasets/{REPOSITORY}/{GLOB}')).list_parts()"
        )
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
        finished = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
        )
        assert "HF_HUB_OFFLINE is set, so the hub is not asked" in finished.stderr


def test_no_token_in_an_error_a_log_or_a_repr(
    hub: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = []
    opened = source()
    part = opened.list_parts().parts[0]
    opened.fetch(part, tmp_path / "y.parquet")
    secret = TOKEN
    for token in (TOKEN, TOKEN + "_no_terms", TOKEN + "_wrong"):
        monkeypatch.setenv("HF_TOKEN", token)
        for attempt in (
            source(revision="@v9").list_parts,
            source(repository="laion/gone").list_parts,
            lambda: open_source(opened.spec, patience=ONCE).fetch(part, tmp_path / "x.parquet"),
        ):
            switch(hub, kind="drop", times=9, after_bytes=10)
            with pytest.raises(SourceError) as caught:
                attempt()
            shown.append("".join(traceback.format_exception(caught.value)))
    shown.extend([repr(opened), repr(part), str(opened.spec), caplog.text])
    assert len(caplog.text) > 100
    assert not any(secret in text for text in shown)
