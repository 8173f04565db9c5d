"""What long work looks like in a terminal: one line per stage, moving while it works, staying when it is done.

Where there is no terminal (a log, a pipe) the same lines come plainly, with news every few seconds.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

PLAIN_NEWS_INTERVAL_S = 5.0


class Stage:
    """One line of the display: a count of units done and the latest message."""

    def __init__(self, console: Console, progress: Progress, task: TaskID, title: str) -> None:
        self._console = console
        self._progress = progress
        self._task = task
        self._title = title
        self._last_news = time.monotonic()
        self._note = ""

    def say(self, message: str) -> None:
        """Show a message beside the bar, replacing the one before."""
        line = " ".join(message.split())[:160]
        self._progress.update(self._task, message=escape(line))
        if not self._console.is_terminal and time.monotonic() - self._last_news >= PLAIN_NEWS_INTERVAL_S:
            self._last_news = time.monotonic()
            self._console.print(f"    {escape(self._title)}: {escape(line)}", highlight=False, soft_wrap=True)

    def advance(self, units: int = 1) -> None:
        """Count units as done."""
        self._progress.advance(self._task, units)

    def conclude(self, note: str) -> None:
        """What the finished line says."""
        self._note = note

    @property
    def note(self) -> str:
        """What the finished line says."""
        return self._note


class Display:
    """Prints stages one after the other."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def stage(self, title: str, *, units: int = 1) -> Iterator[Stage]:
        """Show one stage while the block works."""
        progress = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description:<26}"),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[message]}", table_column=None),
            console=self.console,
            transient=True,
            refresh_per_second=8,
            disable=not self.console.is_terminal,
        )
        started = time.monotonic()
        with progress:
            task = progress.add_task(escape(title), total=units, message="")
            stage = Stage(self.console, progress, task, title)
            yield stage
        seconds = f"{time.monotonic() - started:.1f} s"
        self.console.print(
            f"  [green]✓[/green] {escape(title):<26} [dim]{seconds:>7}[/dim]  {escape(stage.note)}",
            highlight=False,
            soft_wrap=True,
        )


@contextmanager
def stderr_into(log: Path) -> Iterator[None]:
    """Append what this process and its children write to standard error to a file while the block works.

    Libraries print there whatever they think of; between the lines of a display it would only be noise.
    """
    sys.stderr.flush()
    terminal = os.dup(2)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
