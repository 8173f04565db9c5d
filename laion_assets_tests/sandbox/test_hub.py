"""The hub, seen by an unmodified huggingface_hub client and, where it hides something, by a raw one."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from laion_assets.sandbox import RunningSandbox, SandboxError, SandboxSpec, start_sandbox
from laion_assets.sandbox.hub import TAG, WITHDRAWN_REPOSITORY
from laion_assets.sandbox.hub_faults import HubFault
from laion_assets_tests.sandbox.raw_client import ask

if TYPE_CHECKING:
    from huggingface_hub import HfApi

REPOSITORY = "laion/relaion-high-resolution"
TOKEN = SandboxSpec().token


@pytest.fixture(autouse=True)
def _well_again(sandbox: RunningSandbox) -> Iterator[None]:
    sandbox.switch_hub_fault(HubFault("none"))
    yield
    sandbox.switch_hub_fault(HubFault("none"))


@pytest.fixture
def api(sandbox: RunningSandbox) -> "HfApi":
    """A client with the token that is accepted."""
    from huggingface_hub import HfApi

    return HfApi(endpoint=sandbox.hub_url, token=TOKEN)


def with_token(sandbox: RunningSandbox, token: str | None) -> "HfApi":
    from huggingface_hub import HfApi

    return HfApi(endpoint=sandbox.hub_url, token=token or False)


def test_the_client_lists_files_with_sizes_and_checksums(api: "HfApi", parts: list[Path]) -> None:
    info = api.dataset_info(REPOSITORY, files_metadata=True)
    assert info.gated == "auto"
    assert info.sha is not None
    assert len(info.sha) == 40
    by_name = {sibling.rfilename: sibling for sibling in info.siblings or []}
    assert set(by_name) == {"README.md", ".gitattributes", *(path.name for path in parts)}
    for path in parts:
        sibling = by_name[path.name]
        assert sibling.size == path.stat().st_size
        assert sibling.lfs is not None
        assert sibling.lfs.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_tree_says_the_same_page_by_page(api: "HfApi", parts: list[Path]) -> None:
    from huggingface_hub import RepoFile

    entries = api.list_repo_tree(REPOSITORY, repo_type="dataset", recursive=True)
    files = {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}
    assert len(files) == len(parts) + 2
    for path in parts:
        lfs = files[path.name].lfs
        assert lfs is not None
        assert (lfs.size, lfs.sha256) == (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
    assert files["README.md"].lfs is None


def test_pages_of_the_tree_are_linked(sandbox: RunningSandbox, parts: list[Path]) -> None:
    import httpx2

    url = f"{sandbox.hub_url}/api/datasets/{REPOSITORY}/tree/main?recursive=true&limit=2"
    names = []
    while url:
        page = httpx2.get(url, headers={"Authorization": "Bearer hf_sandbox"}, trust_env=False)
        assert len(page.json()) <= 2
        names += [entry["path"] for entry in page.json()]
        url = page.links.get("next", {}).get("url", "")
    assert names == sorted(["README.md", ".gitattributes", *(path.name for path in parts)])


def test_the_client_follows_the_pages_of_a_long_tree() -> None:
    with start_sandbox(SandboxSpec(parts=120, rows_per_part=3, port=0, hosts=11)) as running:
        entries = with_token(running, TOKEN).list_repo_tree(REPOSITORY, repo_type="dataset", recursive=True)
        assert len({entry.path for entry in entries}) == 122
        assert len([request for request in running.hub_requests() if "/tree/" in request.path]) == 3


@pytest.mark.parametrize("revision", [None, "main", TAG, "commit", "short commit"])
def test_revisions_lead_to_the_same_commit(api: "HfApi", revision: str | None) -> None:
    commit = api.dataset_info(REPOSITORY).sha
    assert commit is not None
    asked = {"commit": commit, "short commit": commit[:8]}.get(revision or "", revision)
    assert api.dataset_info(REPOSITORY, revision=asked).sha == commit
    refs = api.list_repo_refs(REPOSITORY, repo_type="dataset")
    assert [(ref.name, ref.target_commit) for ref in refs.branches + refs.tags] == [("main", commit), (TAG, commit)]


def test_a_file_is_downloaded_byte_for_byte_and_cached(
    sandbox: RunningSandbox, api: "HfApi", parts: list[Path], tmp_path: Path
) -> None:
    name = parts[1].name
    downloaded = Path(api.hf_hub_download(REPOSITORY, name, repo_type="dataset", cache_dir=tmp_path))
    assert downloaded.read_bytes() == parts[1].read_bytes()
    # The client keeps the file under the checksum the hub named.
    assert downloaded.resolve().name == hashlib.sha256(parts[1].read_bytes()).hexdigest()
    sandbox.switch_hub_fault(HubFault("none"))
    api.hf_hub_download(REPOSITORY, name, repo_type="dataset", cache_dir=tmp_path)
    assert [request.method for request in sandbox.hub_requests()] == ["HEAD"]


def test_a_snapshot_and_a_small_file_come_too(api: "HfApi", tmp_path: Path) -> None:
    folder = Path(api.snapshot_download(REPOSITORY, repo_type="dataset", cache_dir=tmp_path))
    assert "laion-assets sandbox" in (folder / "README.md").read_text()
    assert len(list(folder.glob("*.parquet"))) == 3


def test_the_file_system_of_the_client_globs_and_reads(sandbox: RunningSandbox, parts: list[Path]) -> None:
    from huggingface_hub import HfFileSystem

    files = HfFileSystem(endpoint=sandbox.hub_url, token=TOKEN)
    found = files.glob(f"datasets/{REPOSITORY}/**/*.parquet")
    assert [Path(path).name for path in found] == [path.name for path in parts]
    with files.open(found[0]) as stream:
        assert pl.read_parquet(stream).height == 2000


def test_the_token_stays_with_the_hub(sandbox: RunningSandbox, api: "HfApi", parts: list[Path], tmp_path: Path) -> None:
    api.hf_hub_download(REPOSITORY, parts[0].name, repo_type="dataset", cache_dir=tmp_path)
    asked = sandbox.hub_requests()
    assert [request.with_token for request in asked if "/content/" in request.path] == [False]
    assert all(request.with_token for request in asked if "/content/" not in request.path)


def test_what_resolve_says_about_a_large_file(sandbox: RunningSandbox, api: "HfApi", parts: list[Path]) -> None:
    url = f"{sandbox.hub_url}/datasets/{REPOSITORY}/resolve/main/{parts[0].name}"
    answer = ask(url, "Authorization: Bearer hf_sandbox", method="HEAD")
    digest = hashlib.sha256(parts[0].read_bytes()).hexdigest()
    assert answer.status == 302
    assert answer.header("X-Linked-ETag") == f'"{digest}"'
    assert answer.header("X-Linked-Size") == str(parts[0].stat().st_size)
    assert answer.header("X-Repo-Commit") == api.dataset_info(REPOSITORY).sha
    assert answer.body == b""
    file = ask(answer.header("Location"))
    assert file.status == 200
    assert file.header("ETag") == f'"{digest}"'
    assert file.body == parts[0].read_bytes()
    # A signed address takes no token, so that a client sending it there is found out; and no other signature.
    assert ask(answer.header("Location"), "Authorization: Bearer hf_sandbox").status == 403
    assert ask(answer.header("Location") + "0").status == 403


def test_ranges_are_served_unless_the_file_has_changed(sandbox: RunningSandbox, parts: list[Path]) -> None:
    plain = parts[0].read_bytes()
    resolved = ask(
        f"{sandbox.hub_url}/datasets/{REPOSITORY}/resolve/main/{parts[0].name}", "Authorization: Bearer hf_sandbox"
    )
    url = resolved.header("Location")
    middle = ask(url, "Range: bytes=1000-1999")
    assert (middle.status, middle.body) == (206, plain[1000:2000])
    assert middle.header("Content-Range") == f"bytes 1000-1999/{len(plain)}"
    rest = ask(url, f"Range: bytes={len(plain) - 10}-")
    assert (rest.status, rest.body) == (206, plain[-10:])
    assert ask(url, "Range: bytes=-7").body == plain[-7:]
    same = ask(url, "Range: bytes=5-9", f'If-Range: "{hashlib.sha256(plain).hexdigest()}"')
    assert (same.status, same.body) == (206, plain[5:10])
    changed = ask(url, "Range: bytes=5-9", 'If-Range: "another"')
    assert (changed.status, changed.body) == (200, plain)
    beyond = ask(url, f"Range: bytes={len(plain)}-")
    assert (beyond.status, beyond.header("Content-Range")) == (416, f"bytes */{len(plain)}")


def test_what_the_client_raises_when_it_may_not(sandbox: RunningSandbox, parts: list[Path], tmp_path: Path) -> None:
    from huggingface_hub import errors

    def refusal(
        token: str | None, repository: str = REPOSITORY, *, name: str = parts[0].name, revision: str = "main"
    ) -> Exception:
        with pytest.raises(errors.HfHubHTTPError) as caught:
            with_token(sandbox, token).hf_hub_download(
                repository, name, repo_type="dataset", revision=revision, cache_dir=tmp_path
            )
        return caught.value

    stranger = refusal(None)
    assert type(stranger) is errors.GatedRepoError
    assert stranger.response.status_code == 401
    assert "Please log in" in str(stranger)
    without_terms = refusal("hf_sandbox_no_terms")
    assert type(without_terms) is errors.GatedRepoError
    assert without_terms.response.status_code == 403
    assert "ask for access" in str(without_terms)
    wrong = refusal("hf_wrong")
    assert wrong.response.status_code == 401  # type: ignore[attr-defined]
    assert "Invalid credentials" in str(wrong)
    assert type(refusal("hf_sandbox", "laion/nowhere")) is errors.RepositoryNotFoundError
    assert type(refusal(None, "laion/nowhere")) is errors.RepositoryNotFoundError
    assert type(refusal("hf_sandbox", revision="v9")) is errors.RevisionNotFoundError
    assert type(refusal("hf_sandbox", name="nothing.parquet")) is errors.RemoteEntryNotFoundError
    with pytest.raises(errors.DisabledRepoError):
        with_token(sandbox, "hf_sandbox").dataset_info(WITHDRAWN_REPOSITORY)


def test_listing_a_gated_repository_needs_no_terms(sandbox: RunningSandbox) -> None:
    assert with_token(sandbox, None).dataset_info(REPOSITORY).siblings
    assert with_token(sandbox, "hf_sandbox_no_terms").whoami()["name"] == "sandbox"


def test_the_client_asks_again_when_a_download_is_cut_off(
    sandbox: RunningSandbox, api: "HfApi", parts: list[Path], tmp_path: Path
) -> None:
    sandbox.switch_hub_fault(HubFault("drop", after_bytes=50_000))
    downloaded = api.hf_hub_download(REPOSITORY, parts[2].name, repo_type="dataset", cache_dir=tmp_path)
    assert Path(downloaded).read_bytes() == parts[2].read_bytes()
    assert len([request for request in sandbox.hub_requests() if "/content/" in request.path]) == 2


def test_the_client_gives_up_when_a_connection_is_reset(
    sandbox: RunningSandbox, api: "HfApi", parts: list[Path], tmp_path: Path
) -> None:
    import httpx2

    sandbox.switch_hub_fault(HubFault("reset", after_bytes=50_000))
    with pytest.raises(httpx2.ReadError, match="reset by peer"):
        api.hf_hub_download(REPOSITORY, parts[2].name, repo_type="dataset", cache_dir=tmp_path)


def test_a_rest_can_be_fetched_after_a_cut(sandbox: RunningSandbox, parts: list[Path]) -> None:
    plain = parts[2].read_bytes()
    url = f"{sandbox.hub_url}/datasets/{REPOSITORY}/resolve/main/{parts[2].name}"
    location = ask(url, "Authorization: Bearer hf_sandbox").header("Location")
    sandbox.switch_hub_fault(HubFault("drop", after_bytes=50_000))
    first = ask(location, keep_alive=True)
    assert (int(first.header("Content-Length")), len(first.body)) == (len(plain), 50_000)
    assert first.body + ask(location, "Range: bytes=50000-").body == plain


@pytest.mark.parametrize(("kind", "status"), [("rate_limited", 429), ("unavailable", 503)])
def test_a_refusal_lasts_as_many_requests_as_asked_for(kind: str, status: int, sandbox: RunningSandbox) -> None:
    sandbox.switch_hub_fault(HubFault(kind, where="/api/", times=2, retry_after_s=7))
    url = f"{sandbox.hub_url}/api/datasets/{REPOSITORY}"
    answers = [ask(url, "Authorization: Bearer hf_sandbox") for _ in range(3)]
    assert [answer.status for answer in answers] == [status, status, 200]
    if status == 429:
        assert answers[0].header("Retry-After") == "7"


def test_a_corrupted_file_differs_by_one_bit(sandbox: RunningSandbox, parts: list[Path]) -> None:
    url = f"{sandbox.hub_url}/datasets/{REPOSITORY}/resolve/main/{parts[0].name}"
    location = ask(url, "Authorization: Bearer hf_sandbox").header("Location")
    sandbox.switch_hub_fault(HubFault("corrupt"))
    good, spoilt = parts[0].read_bytes(), ask(location).body
    assert len(good) == len(spoilt)
    assert sum((a ^ b).bit_count() for a, b in zip(good, spoilt, strict=True)) == 1


def test_a_slow_hub_is_slow(sandbox: RunningSandbox, parts: list[Path]) -> None:
    url = f"{sandbox.hub_url}/datasets/{REPOSITORY}/resolve/main/{parts[0].name}"
    location = ask(url, "Authorization: Bearer hf_sandbox").header("Location")
    sandbox.switch_hub_fault(HubFault("slow", bytes_per_s=50_000))
    answer = ask(location, "Range: bytes=0-4999", keep_alive=True, patience_s=0.6)
    # 5,000 bytes at 50,000 a second come in two pieces, and all of them come.
    assert len(answer.body) == 5000


def test_a_fault_nobody_knows_is_refused() -> None:
    with pytest.raises(SandboxError, match="'flood' is no fault of the hub; choose one of drop, reset"):
        HubFault("flood")


def test_the_front_page_tells_a_person_what_this_is(sandbox: RunningSandbox) -> None:
    page = ask(f"{sandbox.hub_url}/").body.decode()
    for said in (
        "leaves this machine",
        "truth.parquet",
        REPOSITORY,
        "tls_on_plain_port",
        "shifted_columns",
        "2,000 rows",
    ):
        assert said in page
