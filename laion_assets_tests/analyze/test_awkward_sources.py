"""Files as people have them: a right answer, or one clear sentence; and nothing secret in either."""

import gzip
import http.server
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from laion_assets.analyze.adhoc import AdHocDataset
from laion_assets.sources.spec import SourceSpec
from laion_assets_tests.analyze.conftest import analyzed

pytestmark = pytest.mark.usefixtures("without_panels")

SECRET = "signature-nobody-may-see"  # noqa: S105


def living(truth: pl.DataFrame, count: int) -> pl.DataFrame:
    """Rows whose image answers and has two different sides."""
    ok = (pl.col("expected_outcome") == "ok") & (pl.col("true_width") != pl.col("true_height"))
    return truth.filter(ok).unique("url", maintain_order=True).head(count)


def lines(*rows: str, end: str = "\n") -> bytes:
    return "".join(row + end for row in rows).encode()


@pytest.mark.timeout(600)  # two analyses, with pictures
@pytest.mark.usefixtures("on_sandbox")
def test_a_folder_of_awkward_files_is_read_and_probed_row_by_row(truth: pl.DataFrame, tmp_path: Path) -> None:
    rows = living(truth, 8)
    urls = rows["url"].to_list()
    folder = tmp_path / "my files"
    folder.mkdir()
    (folder / "no_sizes.csv").write_bytes(lines("url,caption", f"{urls[0]},a red house"))
    (folder / "windows.tsv").write_bytes(lines("url\tcaption", f"{urls[1]}\ta blue house", end="\r\n"))
    (folder / "marked.csv").write_bytes(b"\xef\xbb\xbf" + lines("URL,TEXT", f'{urls[2]},"one, ""two""\nthree"'))
    (folder / "zipped.jsonl.gz").write_bytes(gzip.compress(lines(json.dumps({"link": urls[3], "alt": "a dog"}))))
    (folder / "long.csv").write_bytes(lines("url,caption", f"{urls[4]},{'word ' * 200_000}"))
    pl.DataFrame({"Image_URL": [urls[5]], "title": ["a cat"], "w": [1600.0], "h": [2500.0]}).write_parquet(
        folder / "other_names.parquet"
    )
    (folder / "empty.csv").write_bytes(b"")
    (folder / "old.pq").write_bytes(b"PAR1")
    code, printed = analyzed(folder, out=tmp_path / "out")
    assert code == 0, printed
    assert "6 read, 1 left out" in printed
    assert "Left out: empty.csv (empty): the file is empty, 0 bytes." in printed
    assert "url = Image_URL, caption = title, declared_width = w, declared_height = h (guessed)" in printed
    assert "url = link, caption = alt (guessed); no declared sizes: unknown until probed" in printed

    probes = pl.read_parquet(tmp_path / "out/lake/my_files/dimension_probes/dimension_probes.parquet")
    found = probes.join(rows, on="url", suffix="_in_truth")
    assert found.height == probes.height == 6
    assert found["true_width"].to_list() == found["true_width_in_truth"].to_list()
    assert found["true_height"].to_list() == found["true_height_in_truth"].to_list()
    captions = dict(probes.select("part", "caption").iter_rows())
    assert captions["windows"] == "a blue house"
    assert captions["marked"] == 'one, "two"\nthree'
    assert len(captions["long"]) == 1_000_000
    statistics = json.loads((tmp_path / "out/statistics.json").read_text())
    assert statistics["captions"]["characters"]["maximum"] == pytest.approx(1_000_000, abs=1)
    assert (statistics["coverage"]["parts"], statistics["coverage"]["parts_expected"]) == (6, 7)

    # Another day: one file is another, one is gone, one stays as it was.
    (folder / "no_sizes.csv").write_bytes(lines("url,caption,width,height", *[f"{urls[0]},x,1600,2500"] * 3))
    for name in ("windows.tsv", "marked.csv", "long.csv", "empty.csv"):
        (folder / name).unlink()
    code, printed = analyzed(folder, out=tmp_path / "out", declared_only=True)
    assert code == 0, printed
    assert "1 read, 2 reused" in printed
    coverage = json.loads((tmp_path / "out/statistics.json").read_text())["coverage"]
    assert (coverage["parts"], coverage["rows_in"], coverage["sample_rows"]) == (3, 5, 5)
    for kept in ("validated_metadata", "sample_sketch"):
        held = {path.stem for path in (tmp_path / "out/lake/my_files" / kept).iterdir()}
        assert held == {"no_sizes", "zipped", "other_names"}, kept


@pytest.mark.usefixtures("on_sandbox", "without_panels")
def test_a_row_without_a_size_or_a_caption_is_probed_like_any_other(truth: pl.DataFrame, tmp_path: Path) -> None:
    rows = living(truth, 4)
    urls = rows["url"].to_list()
    (tmp_path / "some.csv").write_bytes(
        lines(
            "url,caption,width,height",
            *(f"{urls[0]},a red house,1600,1200", f"{urls[1]},a house,,", f"{urls[2]},,1600,1200", f"{urls[3]}, ,,900"),
        )
    )
    code, printed = analyzed(tmp_path / "some.csv", out=tmp_path / "out", requirement_px=600)
    assert code == 0, printed
    probes = pl.read_parquet(tmp_path / "out/lake/some/dimension_probes/dimension_probes.parquet")
    assert sorted(probes["url"]) == sorted(urls)
    statistics = json.loads((tmp_path / "out/statistics.json").read_text())
    assert statistics["coverage"]["rows_quarantined"] == 0
    assert statistics["captions"]["blank"]["count"] == 2
    assert statistics["requirement"]["edges_px"] == [600, 1200, 2400]


@pytest.mark.usefixtures("on_sandbox", "without_panels")
def test_a_list_of_urls_is_not_blamed_for_captions_or_promises(truth: pl.DataFrame, tmp_path: Path) -> None:
    urls = living(truth, 2)["url"].to_list()
    (tmp_path / "links.csv").write_bytes(lines("url", *urls))
    code, printed = analyzed(tmp_path / "links.csv", out=tmp_path / "out")
    assert code == 0, printed
    report = (tmp_path / "out/report.md").read_text()
    assert "Captions are short" not in report
    assert "Median words" not in report
    assert "promise" not in report


@pytest.mark.usefixtures("on_sandbox")
def test_exchanged_columns_are_found(truth: pl.DataFrame, tmp_path: Path) -> None:
    rows = living(truth, 12).select("url", WIDTH="true_height", HEIGHT="true_width")
    rows.write_parquet(tmp_path / "swapped.parquet")
    code, printed = analyzed(tmp_path / "swapped.parquet", out=tmp_path / "out")
    assert code == 0, printed
    assert "declared_width = WIDTH, declared_height = HEIGHT (guessed)" in printed
    assert "Width and height are exchanged in 100 % of the reachable rows" in printed
    assert "the columns are the wrong way round" in printed


@pytest.mark.usefixtures("on_sandbox")
def test_one_row_and_a_file_without_a_header(truth: pl.DataFrame, tmp_path: Path) -> None:
    row = living(truth, 1).row(0, named=True)
    (tmp_path / "bare.tsv").write_bytes(lines(f"{row['url']}\tan old boat on a lake"))
    code, printed = analyzed(tmp_path / "bare.tsv", out=tmp_path / "out", columns=("url=#1,caption=#2",))
    assert code == 0, printed
    assert "url = #1, caption = #2 (as told)" in printed
    assert "1 row in 1 part. Of 1 sampled link, 1 (100 %) gave an image whose size could be read." in printed
    statistics = json.loads((tmp_path / "out/statistics.json").read_text())
    short = next(size for size in statistics["sizes"] if size["name"] == "short_side")["views"]["true_sample"]
    assert short["percentiles"]["p50"]["estimate"] == min(row["true_width"], row["true_height"])


URL = "https://example.org/a.jpg"
HOPELESS: dict[str, tuple[str, bytes, tuple[str, ...], str]] = {
    "zero_rows": ("rows.csv", lines("url,caption"), (), "rows.csv (rows): the file has its columns but zero rows."),
    "no_url": (
        "rows.csv",
        lines("picture,words", f"{URL},hello"),
        (),
        "Found 'picture' (String), 'words' (String). Name it with --columns url=picture, or url=#1 if it",
    ),
    "no_header": ("rows.tsv", lines(f"{URL}\thello"), (), "or url=#1 if it is the first column"),
    "semicolons": ("rows.csv", lines("url;caption", f"{URL};x"), (), "Its first line has ; in place of commas"),
    "tabs_in_csv": (
        "rows.csv",
        lines("url\tcaption", f"{URL}\tx, y"),
        (),
        "Its first line has tabs in place of commas: name it .tsv.",
    ),
    "commas_in_tsv": (
        "rows.tsv",
        lines("url,caption", f"{URL},x"),
        (),
        "Its first line has commas in place of tabs: name it .csv.",
    ),
    "unknown_ending": ("rows.xlsx", b"PK", (), "rows.xlsx: a file with this ending is not read. Name it .parquet"),
    "latin_1": ("rows.csv", lines("url,caption") + b"https://a.example/b.jpg,caf\xe9\n", (), "Save it as UTF-8."),
    "not_json": ("rows.jsonl", b"{\n", (), "line 1 is not JSON"),
    "cut_off": ("rows.parquet", b"PAR1PAR", (), "the parquet file is cut off"),
    "columns": ("rows.csv", lines("url", URL), ("nonsense",), "'nonsense' is not of the form name=published"),
}


@pytest.mark.parametrize("case", HOPELESS)
def test_what_cannot_be_read_is_said_in_one_sentence(case: str, tmp_path: Path) -> None:
    name, content, columns, sentence = HOPELESS[case]
    (tmp_path / name).write_bytes(content)
    code, printed = analyzed(tmp_path / name, out=tmp_path / "out", columns=columns)
    assert code == 1
    said = [line for line in printed.splitlines() if not line.startswith("  ")]
    assert len(said) == 1, printed
    assert sentence in said[0]
    assert "defs.yaml" not in printed
    assert "aterialise" not in printed
    assert "__overflow__" not in printed


def test_a_place_that_is_not_there_or_not_allowed_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(lines("url", URL))
    for source, out, sentence in (
        (tmp_path / "missing.csv", None, "no part matches"),
        ("ftp://example.org/x.csv", None, "no source is reached by ftp://"),
        (f"https://me:{SECRET}@example.org/x.csv", None, "carries a user name or password"),
        (tmp_path / "rows.csv", tmp_path / "rows.csv", "cannot be written"),
        (tmp_path, tmp_path / "out", "where the next analysis would take the results for data"),
    ):
        code, printed = analyzed(source, out=out)
        assert code == 1
        assert sentence in printed
        assert len([line for line in printed.splitlines() if "✓" not in line]) == 1
        assert SECRET not in printed
    assert not (tmp_path / "analysis").exists()


def test_rows_of_two_sources_never_become_one_report(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rows.csv").write_bytes(b"")
    assert "the file is empty" in analyzed(tmp_path / "one/rows.csv", out=tmp_path / "out")[1]
    code, printed = analyzed(tmp_path / "two/rows.csv", out=tmp_path / "out")
    assert code == 1
    assert f"holds the analysis of {tmp_path / 'one/rows.csv'}. Give another folder with --out." in printed


@pytest.fixture
def signed_address() -> Iterator[Callable[[bytes], str]]:
    """Serves bytes on loopback to whoever shows the signature."""
    content: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if SECRET not in self.path:
                self.send_error(403)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content[0])))
            self.end_headers()
            self.wfile.write(content[0])

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()

        def serve(body: bytes) -> str:
            content.append(body)
            return f"http://127.0.0.1:{server.server_port}/data/rows.csv?X-Amz-Signature={SECRET}"

        yield serve
        server.shutdown()
        thread.join()


def test_offline_it_gives_the_declared_half_and_a_signature_in_an_address_is_written_nowhere(
    signed_address: Callable[[bytes], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("LAION_ASSETS_WEB_NAMESERVERS", "127.0.0.1:9")
    monkeypatch.setenv("LAION_ASSETS_WEB_DNS_S", "0.5")
    monkeypatch.setenv("LAION_ASSETS_WEB_ATTEMPTS", "1")
    rows = [f"https://host{number}.example/{number}.jpg,a red house,1600,2500" for number in range(300)]
    code, printed = analyzed(signed_address(lines("url,caption,w,h", *rows)), out=tmp_path / "out")
    assert code == 0, printed
    trouble = "our DNS resolver failed or timed out for the names of 100 of 100 hosts"
    assert f"The web could not be asked: {trouble}. This is the declared half" in printed
    statistics = json.loads((tmp_path / "out/statistics.json").read_text())
    assert statistics["reach"] is None
    assert statistics["anomaly"]["historical"]["declared_all"]["count"] == 300
    assert statistics["coverage"]["sample_rows"] == 300

    assert SECRET not in printed
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    assert tmp_path / "out/rows_analysis.png" in files
    assert "dagster_telemetry_logger" not in {record.name for record in caplog.records}


@pytest.mark.parametrize(
    ("uri", "title", "name"),
    [
        (
            "hf://datasets/laion/relaion-high-resolution/**/*.parquet",
            "laion/relaion-high-resolution",
            "relaion_high_resolution",
        ),
        ("hf://datasets/kakao/coyo-700m@main", "kakao/coyo-700m", "coyo_700m"),
        ("s3://bucket/a/part-{00000..00127}.parquet", "a", "a"),
        ("s3://bucket/*.parquet", "bucket", "bucket"),
        ("https://example.org/x/2024 rows.csv.gz?sig=1", "2024 rows.csv.gz", "data_2024_rows"),
        ("./photos.tsv", "photos.tsv", "photos"),
        ("/data/Фото", "Фото", "data"),
        ("/data/" + "x" * 100, "x" * 100, "x" * 63),
    ],
)
def test_a_source_has_a_name_that_files_and_assets_can_have(uri: str, title: str, name: str) -> None:
    dataset = AdHocDataset(SourceSpec(uri=uri), {}, 1024)
    assert (dataset.title, dataset.name) == (title, name)
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,62}", dataset.name)
