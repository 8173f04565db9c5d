"""The page a person sees who opens the hub in a browser: what this is, where things are, what goes wrong here."""

import html

from laion_assets.sandbox.defects import DEFECTS
from laion_assets.sandbox.faults import FAULTS
from laion_assets.sandbox.spec import Ports, SandboxSpec

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse}td,th{text-align:left;padding:.2rem 1rem .2rem 0;border-bottom:1px solid #ccc}
td.share{text-align:right;font-variant-numeric:tabular-nums}"""


def front_page(spec: SandboxSpec, ports: Ports) -> str:
    """The page, as HTML."""
    repository = html.escape(spec.repository)
    tls = f", TLS on port {ports.tls}" if ports.tls else ""
    faults = "".join(
        f"<tr><td>{fault.name}<td>{html.escape(fault.meaning)}<td class=share>{fault.share:.2%}<td>{fault.probe.value}"
        f"<td>{fault.expected_download.value}"
        for fault in FAULTS
    )
    defects = "".join(
        f"<tr><td>{defect.name}<td>{html.escape(defect.meaning)}<td class=share>{defect.share:.4%}"
        for defect in DEFECTS
    )
    broken = (
        f"<h2>What goes wrong on its web</h2><table><tr><th>fault<th>what happens<th>pages<th>a probe must say"
        f"<th>a download must say{faults}</table>"
        f"<h2>What is broken in its metadata</h2><table><tr><th>defect<th>what it looks like<th>rows{defects}</table>"
    )
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>laion-assets sandbox</title>
<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>
<h1>A small internet on this machine</h1>
<p>This is the sandbox of laion-assets: a metadata hub and an image web for trying things out, generated from seed
{spec.seed}. Nothing of it is real, and nothing of it leaves this machine.</p>
<ul>
<li>Hub: <a href="/api/datasets/{repository}">{repository}</a>, {spec.parts:,} parts of {spec.rows_per_part:,} rows
{"(gated)" if spec.gated else ""}</li>
<li>Web: {spec.hosts:,} hosts in 127.0.0.0/8 on port {ports.web}{tls}</li>
<li>Name server: 127.0.0.1:{ports.dns} (UDP)</li>
<li>What a correct client must find out about every row: <a href="/truth.parquet">truth.parquet</a></li>
</ul>
{broken if spec.faults else "<p>Its faults are switched off.</p>"}
</body></html>
"""
