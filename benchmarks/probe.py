"""Learning the true size of images: ours, img2dataset, a plain download loop, and the limit of the server.

``python -m benchmarks.probe [--quick] [--json FILE]``. The sandbox serves web-like images (median about 430 KB) of many
hosts, without faults, from a process of its own, once over HTTP and once over TLS. Every contender runs alone, in fresh
processes, on hosts that need no name server, and checks what it learned against the truth. The clock starts after
imports: for img2dataset it runs from the first shard's start to the last one's end, for the others it is their own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console

from benchmarks.claims import Claim, show, write
from laion_assets.sandbox import RunningSandbox, SandboxSpec, start_sandbox
from laion_assets.sandbox.spec import WEB_LIKE_BYTES_PER_MEGAPIXEL

CORES = os.cpu_count() or 1
HOSTS = 400
GOAL_RATIO, GOAL_BYTES, GOAL_SETTLED = 50.0, 8_000, 0.999
OURS, PEER, PLAIN, LIMIT = "ours", "img2dataset", "whole files with aiohttp", "limit of the server"


@dataclass(frozen=True)
class Learned:
    """What one contender found out, and how long it took."""

    name: str
    scheme: str
    urls: int
    right: int
    """Sizes learned that are the true ones."""
    seconds: float
    bytes_per_url: float
    settled_early: float = 0.0
    """Share of the sizes that were learned without reading the file whole."""

    @property
    def rate(self) -> float:
        """Right sizes learned per second."""
        return self.right / self.seconds


# --- the contenders, each a program of its own: arguments as JSON, findings as JSON in a file -------------------------

OUR_PROGRAM = """
import json, sys, polars as pl
from laion_assets.lake.lake import Lake
from laion_assets.probes.probe import probe_sample
from laion_assets.probes.spec import ProbeSpec
from laion_assets.probes.store import ProbeStore
from laion_assets.web.spec import WebSpec
asked = json.load(sys.stdin)
run = probe_sample(
    pl.DataFrame({"url": asked["urls"]}),
    # The defaults for the open web, politeness included; only the sandbox's addresses are let in.
    web=WebSpec(allow_networks=("127.0.0.0/8",), tls_ca_file=asked["ca"]),
    spec=ProbeSpec(processes=asked["cores"]),
    store=ProbeStore(Lake(asked["folder"]), ["bench", "dimension_probes"]),
)
rows = run.frame.select("url", "true_width", "true_height", "bytes_read", "file_bytes", "outcome").rows()
early = [row[3] < row[4] for row in rows if row[5] == "ok" and row[4]]
json.dump({
    "sizes": {row[0]: row[1:3] for row in rows if row[5] == "ok"},
    "seconds": run.seconds,
    "bytes": run.bytes_read,
    "early": sum(early) / max(1, len(early)),
}, open(asked["found"], "w"))
"""

PLAIN_PROGRAM = """
import asyncio, io, json, ssl, sys, time, aiohttp, uvloop
from PIL import Image
Image.init()
asked = json.load(sys.stdin)
sizes, total = {}, 0
async def main():
    global total
    context = ssl.create_default_context(cafile=asked["ca"]) if asked["ca"] else True
    connector = aiohttp.TCPConnector(limit=256, ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session:
        urls = iter(asked["urls"])
        async def work():
            global total
            for url in urls:
                async with session.get(url) as answer:
                    body = await answer.read()
                total += len(body)
                sizes[url] = Image.open(io.BytesIO(body)).size
        began = time.monotonic()
        await asyncio.gather(*(work() for _ in range(64)))
        return time.monotonic() - began
seconds = uvloop.run(main())
json.dump({"sizes": sizes, "seconds": seconds, "bytes": total}, open(asked["found"], "w"))
"""

# The least a client can do: the same range requests over as many connections, answers counted and thrown away.
LIMIT_PROGRAM = """
import asyncio, json, ssl, sys, time, uvloop
from collections import defaultdict
from urllib.parse import quote, urlsplit
asked = json.load(sys.stdin)
by_host = defaultdict(list)
for url in asked["urls"]:
    parts = urlsplit(url)
    path = quote(parts.path + (f"?{parts.query}" if parts.query else ""), safe="/?&=%:;,+~!$'()*@")
    by_host[parts.hostname, parts.port].append(
        f"GET {path} HTTP/1.1\\r\\nHost: {parts.netloc}\\r\\nRange: bytes=0-4095\\r\\n\\r\\n".encode("ascii")
    )
context = ssl.create_default_context(cafile=asked["ca"]) if asked["ca"] else None
total = 0
async def main():
    global total
    hosts = iter(by_host.items())
    async def work():
        global total
        for (host, port), requests in hosts:
            reader, writer = await asyncio.open_connection(host, port, ssl=context)
            for request in requests:
                writer.write(request)
                head = (await reader.readuntil(b"\\r\\n\\r\\n")).lower()
                length = int(head.split(b"content-length:")[1].split(b"\\r\\n")[0])
                await reader.readexactly(length)
                total += length
            writer.close()
    began = time.monotonic()
    await asyncio.gather(*(work() for _ in range(64)))
    return time.monotonic() - began
seconds = uvloop.run(main())
json.dump({"answers": len(asked["urls"]), "seconds": seconds, "bytes": total}, open(asked["found"], "w"))
"""

# The fastest we found of img2dataset's settings that still learns sizes: nothing resized, re-encoded, hashed or kept.
PEER_PROGRAM = """
import json, pathlib, sys
import img2dataset
if __name__ == "__main__":
    asked = json.load(open(sys.argv[1]))
    folder = pathlib.Path(asked["folder"])
    list_of_urls = folder / "urls.txt"
    list_of_urls.write_text("\\n".join(asked["urls"]))
    img2dataset.download(
        url_list=str(list_of_urls), input_format="txt", output_folder=str(folder / "out"), output_format="dummy",
        processes_count=asked["cores"], thread_count=64, number_sample_per_shard=asked["per_shard"],
        resize_mode="no", skip_reencode=True, extract_exif=False, compute_hash=None, retries=0,
    )
    stats = [json.loads(path.read_text()) for path in (folder / "out").glob("*_stats.json")]
    json.dump({
        "learned": sum(one["successes"] for one in stats),
        "seconds": max(one["end_time"] for one in stats) - min(one["start_time"] for one in stats),
    }, open(asked["found"], "w"))
"""


def run_program(program: str, urls: list[str], sandbox: RunningSandbox) -> dict[str, Any]:
    """Run one contender and read what it found."""
    with tempfile.TemporaryDirectory(prefix="bench-probe-") as folder:
        found = Path(folder) / "found.json"
        authority = sandbox.certificate_authority
        asked = {
            "urls": urls,
            "folder": folder,
            "found": str(found),
            "cores": CORES,
            # Two shards per process, so that none is idle for long at the end.
            "per_shard": max(1, -(-len(urls) // (2 * CORES))),
            "ca": str(authority) if authority else None,
        }
        script, arguments = Path(folder) / "contender.py", Path(folder) / "asked.json"
        script.write_text(program)
        arguments.write_text(json.dumps(asked))
        environment = {**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1", "WANDB_MODE": "disabled", "TQDM_DISABLE": "1"}
        if authority:
            environment["SSL_CERT_FILE"] = str(authority)
        with arguments.open() as stdin:
            done = subprocess.run(
                [sys.executable, str(script), str(arguments)],
                stdin=stdin,
                capture_output=True,
                text=True,
                env=environment,
                check=False,
            )
        if done.returncode or not found.exists():
            raise SystemExit(f"a contender failed:\n{done.stderr[-2000:]}")
        result: dict[str, Any] = json.loads(found.read_text())
        return result


def measure(name: str, program: str, rows: pl.DataFrame, sandbox: RunningSandbox, scheme: str) -> Learned:
    """One contender on some URLs, checked against the truth."""
    found = run_program(program, rows["url"].to_list(), sandbox)
    truth = {row[0]: list(row[1:]) for row in rows.select("url", "true_width", "true_height").iter_rows()}
    if "sizes" in found:
        right = sum(list(size) == truth[url] for url, size in found["sizes"].items())
    else:
        right = found.get("learned", found.get("answers", 0))
    # img2dataset reads every file whole, and does not say how many bytes that was.
    read = found.get("bytes", rows["file_bytes"].sum())
    return Learned(name, scheme, rows.height, right, found["seconds"], read / rows.height, found.get("early", 0.0))


def measure_all(scheme: str, counts: dict[str, int], say: Callable[[Learned], None]) -> dict[str, Learned]:
    """Every contender over one scheme."""
    spec = SandboxSpec(
        parts=max(1, counts[OURS] // 3_000),
        rows_per_part=4_500 if scheme == "http" else 6_000,
        port=0,
        faults=False,
        hosts=HOSTS,
        bytes_per_megapixel=WEB_LIKE_BYTES_PER_MEGAPIXEL,
        tls=scheme == "https",
    )
    programs = {OURS: OUR_PROGRAM, PEER: PEER_PROGRAM, PLAIN: PLAIN_PROGRAM, LIMIT: LIMIT_PROGRAM}
    learned: dict[str, Learned] = {}
    with start_sandbox(spec) as sandbox:
        rows = sandbox.truth().filter(
            pl.col("url").str.starts_with(f"{scheme}://127.") & (pl.col("expected_outcome") == "ok")
        )
        rows = rows.unique("url", keep="first", maintain_order=True).sample(fraction=1, shuffle=True, seed=1)
        for name, program in programs.items():
            learned[name] = measure(name, program, rows.head(counts[name]), sandbox, scheme)
            say(learned[name])
    return learned


def claims_of(measured: dict[str, dict[str, Learned]]) -> list[Claim]:
    """What the measurements say about the goals."""
    claims = []
    for scheme, best in measured.items():
        ours = best[OURS]
        for peer, goal in ((PEER, GOAL_RATIO), (PLAIN, None), (LIMIT, None)):
            ratio = ours.rate / best[peer].rate
            claims.append(
                Claim(
                    f"sizes learned per second over {scheme}", "1/s", ours.rate, best[peer].rate, peer, ratio,
                    f">= {goal:.0f} x" if goal else "", ratio >= goal if goal else None,
                )
            )  # fmt: skip
        peer_bytes = best[PLAIN].bytes_per_url
        claims.append(
            Claim(
                f"bytes read per URL over {scheme}", "B", ours.bytes_per_url, peer_bytes, PLAIN,
                ours.bytes_per_url / peer_bytes, f"<= {GOAL_BYTES:,} B", ours.bytes_per_url <= GOAL_BYTES,
            )
        )  # fmt: skip
        settled = ours.settled_early * ours.right / ours.urls
        claims.append(
            Claim(
                f"images settled right without reading them whole, {scheme}", "share", settled, None, "", None,
                f">= {GOAL_SETTLED}", settled >= GOAL_SETTLED,
            )
        )  # fmt: skip
    return claims


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="fewer images: ends within a minute")
    parser.add_argument("--json", type=Path, help="write the claims here, and all measurements beside it")
    arguments = parser.parse_args()
    counts = (
        {OURS: 6_000, PEER: 240, PLAIN: 400, LIMIT: 6_000}
        if arguments.quick
        else {OURS: 40_000, PEER: 1_500, PLAIN: 3_000, LIMIT: 40_000}
    )
    console = Console(width=max(150, Console().width))

    def say(one: Learned) -> None:
        console.print(
            f"{one.name:<26}{one.scheme:<7}{one.rate:>9,.0f} sizes/s{one.bytes_per_url:>11,.0f} B/URL"
            f"{one.right:>9,} of {one.urls:,} right",
            highlight=False,
            soft_wrap=True,
        )

    console.print(f"{CORES} cores, the server among them; {HOSTS:,} hosts", highlight=False)
    measured = {scheme: measure_all(scheme, counts, say) for scheme in ("http", "https")}
    claims = claims_of(measured)
    console.print()
    show(claims, console)
    if arguments.json:
        write(claims, arguments.json)
        details = [asdict(one) | {"rate": one.rate} for best in measured.values() for one in best.values()]
        arguments.json.with_suffix(".details.json").write_text(json.dumps(details, indent=2) + "\n")


if __name__ == "__main__":
    main()
