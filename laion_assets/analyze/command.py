"""``laion-assets analyze`` in a terminal: progress, what was found, and one sentence when it cannot be.

What is done is in ``analysis``; here is only what is said about it, and the exit code.
"""

import re
from pathlib import Path

import dagster as dg
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from laion_assets.analyze.analysis import Analysis, AnalysisError, analyze
from laion_assets.analyze.columns import parse_columns
from laion_assets.lake.errors import LakeError
from laion_assets.pipeline import RunFailedError
from laion_assets.sources.published import SourceError
from laion_assets.terminal import Display

INTERRUPTED_EXIT_CODE = 130


def run_analyze(
    source: str,
    console: Console,
    *,
    sample: int,
    seed: int,
    requirement_px: int,
    declared_only: bool,
    columns: tuple[str, ...],
    out: Path | None,
) -> int:
    """Analyse a source and print what was found.

    Args:
        source: As the user wrote it.
        console: Where it is told.
        sample: Rows to probe.
        seed: Of the sample.
        requirement_px: The side in px that images must have.
        declared_only: Do not ask the web.
        columns: ``name=published`` pairs, comma-separated.
        out: Folder for the results; none means one named after the source.

    Returns:
        The exit code: 0, 1 when nothing can be said about the source, 130 when interrupted.
    """
    try:
        found = analyze(
            source,
            sample=sample,
            seed=seed,
            requirement_px=requirement_px,
            declared_only=declared_only,
            columns=parse_columns(columns),
            out=out,
            display=Display(console),
        )
    except ValidationError as error:
        return _give_up(console, "; ".join(_plain(one["msg"]) for one in error.errors()))
    except (AnalysisError, LakeError, RunFailedError, SourceError, ValueError) as error:
        return _give_up(console, _plain(str(error)))
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
        console.print("\nInterrupted. Run it again: what is done is kept.")
        return INTERRUPTED_EXIT_CODE
    _print_found(found, console)
    return 0


def _give_up(console: Console, sentence: str) -> int:
    console.print(f"[red]{escape(sentence)}[/red]", soft_wrap=True)
    return 1


_IN_OUR_WORDS = (
    # Rooms speak of defs.yaml and of materialising; here there is neither.
    (r"Value error, ", ""),
    (r", '__overflow__' \(String\)", ""),
    (r"Found '[^']*\\t[^']*' \(String\)\..*", "Its first line has tabs in place of commas: name it .tsv."),
    (r"Found '[^':]*,[^':]*' \(String\)\..*", "Its first line has commas in place of tabs: name it .csv."),
    (r"Found '([^']*)([;|])([^']*)' \(String\)\..*", r"Its first line has \2 in place of commas: save it with commas."),
    (
        r"Map it in defs\.yaml under columns: \{(\w+): \[(.*?)\]\}\.",
        r"Name it with --columns \1=\2, or \1=#1 if it is the first column of a file without a header.",
    ),
    (r"Map '(\w+)' to another column in defs\.yaml\.", r"Name another with --columns \1=<its name>."),
    (r" ?Fetch the part again[^.]*\.", ""),
    (r"\(invalid utf8\)\.", "(invalid utf8). Save it as UTF-8."),
)


def _plain(sentence: str) -> str:
    """An error of a room, with what to do in the words of the command line."""
    for theirs, ours in _IN_OUR_WORDS:
        sentence = re.sub(theirs, ours, sentence)
    return sentence


def _print_found(found: Analysis, console: Console) -> None:
    said = found.statistics.conclusions
    console.print()
    for line in found.columns:
        _say(console, f"Columns: {line}")
    for sentence in found.left_out:
        _say(console, f"Left out: {_plain(sentence)}", style="yellow")
    if found.web_trouble:
        _say(
            console,
            f"The web could not be asked: {found.web_trouble}. This is the declared half; the same command with a "
            "working network adds the true one.",
            style="yellow",
        )
    if found.statistics.coverage.rows_quarantined:
        cover, reasons = found.statistics.coverage, found.folder / "lake" / found.dataset / "quarantined_metadata"
        _say(
            console,
            f"Quarantined: {cover.rows_quarantined:,} of {cover.rows_in:,} rows cannot be used; "
            f"the reasons are in {_shown(reasons)}",
        )
    console.print("\n[bold]What it found[/bold]")
    for statement in (*said.summary, *said.anomaly):
        if statement.id != "reproduced":  # the headline at length
            _say(console, statement.text)
    console.print("\n[bold]Where it lies[/bold]")
    for path in found.files:
        console.print(f"  {escape(_shown(path))}", highlight=False, soft_wrap=True)


def _say(console: Console, sentence: str, *, style: str = "") -> None:
    """A sentence, broken between words in a terminal and left whole in a log."""
    if console.is_terminal:
        console.print(Padding(Text(sentence, style), (0, 0, 0, 2)))
    else:
        console.print(f"  {escape(sentence)}", style=style, highlight=False, soft_wrap=True)


def _shown(path: Path) -> str:
    """Relative to where the user stands, when it is below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
