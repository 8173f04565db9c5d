"""What ``laion-assets analyze`` does, from Python: probe a sample of LAION-High-Resolution and read the figures.

The dataset is gated: accept its terms on the hub and export HF_TOKEN. Without a network, run it on the sandbox: start
``laion-assets sandbox`` in another shell and paste the ``export`` lines that it prints here.

    python examples/analyze_laion_hr.py [ROWS TO PROBE]
"""

import sys

from rich.console import Console

from laion_assets.analyze import analyze
from laion_assets.statistics.document import Estimate
from laion_assets.terminal import Display

SOURCE = "hf://datasets/laion/relaion-high-resolution"


def main() -> None:
    """Analyse, then print a few of the figures; all of them are in ``found.statistics``."""
    found = analyze(
        SOURCE,
        sample=int(sys.argv[1]) if len(sys.argv) > 1 else 10_000,  # more later probes only what is new
        requirement_px=1024,
        out="analysis/laion_hr",
        display=Display(Console()),  # leave it out for silence
    )
    figures = found.statistics

    # Declared sizes of all rows are exact; what is true of the images is estimated from those that answered.
    for measure in figures.sizes:
        declared, true = measure.views.declared_all, measure.views.true_sample
        if declared and true and true.n:
            median, real = declared.percentiles["p50"].estimate, true.percentiles["p50"]
            print(f"{measure.name}: median {median:g} declared, {real.estimate:g} true{interval(real, 'g')}")

    # "Below 1024" can mean four things; each has a share of its own, with a 95 % interval.
    for kind in figures.anomaly.kinds:
        if kind.share.estimate is not None:
            print(f"{kind.kind}: {kind.share.estimate:.2%}{interval(kind.share, '.2%')}")

    for statement in figures.conclusions.recommendations:
        print(f"- {statement.text}")
    print(f"The report: {found.files[0]}")


def interval(figure: Estimate, form: str) -> str:
    """The 95 % interval; a few rows are too few for one."""
    if figure.low is None or figure.high is None:
        return ""
    return f" ({figure.low:{form}} to {figure.high:{form}})"


if __name__ == "__main__":
    main()
