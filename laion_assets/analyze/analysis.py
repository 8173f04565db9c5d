"""Runs the assets of one source from published files to report, and only what is not up to date.

Everything lies in one folder: the results, the lake they were made in, and the Dagster instance that remembers what was
done, so that the next analysis there, of more rows, say, asks only for what is missing. Nothing has to be set up.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from laion_assets.analyze.adhoc import DECLARED_REPORT, OF_A_PART, PARTS, PROBES, REPORT, AdHocDataset, without_query
from laion_assets.analyze.columns import ColumnsRead, told
from laion_assets.home import NO_PHONING_HOME, Home
from laion_assets.lake.lake import Lake
from laion_assets.metadata.columns import OVERFLOW
from laion_assets.metadata.reading import is_file_of_part
from laion_assets.metadata.schema import VALIDATED_SCHEMA
from laion_assets.metadata.sketch import SKETCHES
from laion_assets.metadata.spec import ColumnsSpec
from laion_assets.pipeline import BlockedError, Pipeline, RunFailedError, Work
from laion_assets.previews import accept_features
from laion_assets.probes.assets import TROUBLE
from laion_assets.probes.spec import SampleSpec
from laion_assets.sources.fetching import open_source
from laion_assets.sources.published import Listing, PublishedPart
from laion_assets.sources.spec import SourceSpec
from laion_assets.statistics import display as shown
from laion_assets.statistics.document import Statistics
from laion_assets.terminal import Display, Stage
from laion_assets.web.outcome import Outcome

# Asked first: a web that cannot be reached shows in so many rows, not after minutes of time-outs. They are the first
# of the sample, so nothing is asked twice.
PILOT_ROWS = 100
_SOURCE_FILE = "source.txt"


class AnalysisError(RuntimeError):
    """An analysis that cannot be made; the message is one sentence."""


@dataclass(frozen=True)
class Analysis:
    """What an analysis found, and where it lies.

    Attributes:
        folder: Where everything lies.
        dataset: What the files are named after.
        statistics: Everything the report says, as numbers.
        columns: Which published column was read as what, in words.
        left_out: Parts that could not be read, one sentence each.
        web_trouble: Why the web could not be asked; none when it could, or was not to be.
    """

    folder: Path
    dataset: str
    statistics: Statistics
    columns: tuple[str, ...]
    left_out: tuple[str, ...]
    web_trouble: str | None

    @property
    def files(self) -> tuple[Path, ...]:
        """The results, the one to open first in front."""
        names = result_names(self.dataset)
        return tuple(self.folder / name for name in names)


def analyze(
    source: str | Path,
    *,
    sample: int = 10_000,
    seed: int = 0,
    requirement_px: int = 1024,
    declared_only: bool = False,
    columns: ColumnsSpec | None = None,
    out: str | Path | None = None,
    display: Display | None = None,
) -> Analysis:
    """Analyse the images behind a table of links.

    Args:
        source: A parquet, CSV, TSV or JSON lines file, a folder of them, or ``hf://``, ``s3://``, ``https://``.
        sample: Rows to probe. More rows later, in the same folder, ask only for those that are new.
        seed: Samples of one seed are nested.
        requirement_px: The side in px that images must have.
        declared_only: Do not ask the web at all.
        columns: Published names per canonical column; the others are guessed by alias.
        out: Folder for results and what they are made from; ``analysis/<name>`` by default.
        display: Where progress is shown; nowhere by default.

    Raises:
        AnalysisError: Not one part can be read, or the folder holds the analysis of another source.
        SourceError: The source cannot be listed.
        RunFailedError: A step failed.
        pydantic.ValidationError: An argument is out of range.
    """
    os.environ.update(NO_PHONING_HOME)
    accept_features()
    display = display or Display(Console(quiet=True))
    dataset = AdHocDataset(SourceSpec(uri=_absolute(str(source))), columns or {}, requirement_px)
    wanted = SampleSpec(size=sample, seed=seed)
    home = Home(Path(out or Path("analysis") / dataset.name).resolve())
    _keep_apart(home, dataset)
    with display.stage("find the parts") as stage:
        listing = open_source(dataset.source).list_parts()
        stage.conclude(_found(listing))
    _claim(home, dataset)
    try:
        return _run(dataset, wanted, listing, home, display, declared_only=declared_only)
    except (OSError, SQLAlchemyError) as error:
        # A full disk, mostly: Dagster keeps its records in SQLite.
        finding = getattr(error, "orig", None) or getattr(error, "strerror", None) or error
        raise AnalysisError(
            f"{home.folder} cannot be written ({finding}). Make room there, or give another folder with --out."
        ) from error


def _run(
    dataset: AdHocDataset,
    wanted: SampleSpec,
    listing: Listing,
    home: Home,
    display: Display,
    *,
    declared_only: bool,
) -> Analysis:
    with dg.DagsterInstance.local_temp(str(home.dagster_home), overrides=_settings(home)) as instance:
        steps = _Steps(dataset, wanted, instance, Lake(str(home.lake)), display)
        left_out = steps.bring(listing)
        web_trouble = None if declared_only else steps.probe()
        steps.report(declared_only=declared_only or web_trouble is not None)
        return Analysis(
            folder=home.folder,
            dataset=dataset.name,
            statistics=steps.results(home.folder),
            columns=tuple(told(read, dataset.columns) for read in steps.columns_read(listing)),
            left_out=left_out,
            web_trouble=web_trouble,
        )


def _settings(home: Home) -> Mapping[str, Any]:
    """Of the instance that keeps this analysis: SQLite in its own folder, whatever the environment says of others."""
    storage = {"base_dir": str(home.dagster_home)}
    return {
        "telemetry": {"enabled": False},
        "storage": {"custom": {"module": "laion_assets.sqlite_storage", "class": "SqliteStorage", "config": storage}},
    }


def result_names(dataset: str) -> tuple[str, ...]:
    """The files an analysis leaves for its reader, the one to open first in front."""
    return (
        "report.html",
        f"{dataset}_analysis.png",
        f"{dataset}_sample_analysis.csv",
        "report.md",
        "statistics.json",
    )


class _Steps:
    """The steps of one analysis, each a job over the assets."""

    def __init__(
        self, dataset: AdHocDataset, sample: SampleSpec, instance: dg.DagsterInstance, lake: Lake, display: Display
    ) -> None:
        self._dataset = dataset
        self._sample = sample
        self._instance = instance
        self._lake = lake
        self._display = display

    def bring(self, listing: Listing) -> tuple[str, ...]:
        """Fetch and validate what is new or changed; returns a sentence for every part that could not be."""
        self._register(listing)
        pipeline = self._pipeline(self._sample)
        pipeline.close_abandoned_runs()
        failures = [_unreadable(part) for part in listing.parts if not is_file_of_part(part.file_name, part.key)]
        works = [Work(PARTS, part.key) for part in listing.parts if is_file_of_part(part.file_name, part.key)]
        versions = {part.key: part.sha256 or self._held_version(part) for part in listing.parts}
        needed = pipeline.needed(works, data_versions=versions)
        with self._display.stage("fetch and validate parts", units=len(works)) as stage:
            stage.advance(len(works) - len(needed))
            for work in needed:
                try:
                    pipeline.run(work, on_message=_speaker(stage, work.part))
                except RunFailedError as error:
                    failures.append(_finding(error, work))
                    self._forget(str(work.part), keep=("raw_metadata",))
                stage.advance()
            reused = len(works) - len(needed)
            read = len(listing.parts) - reused - len(failures)
            notes = ((read, "read"), (reused, "reused"), (len(failures), "left out"))
            stage.conclude(", ".join(f"{count} {what}" for count, what in notes if count))
            if len(failures) == len(listing.parts):
                others = f" None of the {len(failures)} parts can be read." if len(failures) > 1 else ""
                raise AnalysisError(failures[0] + others)
        return tuple(failures)

    def probe(self) -> str | None:
        """Ask the web about the sample; returns why it could not be asked, if so."""
        with self._display.stage("probe the sample") as stage:
            trouble = None
            if min(self._sample.size, self._valid_rows()) > PILOT_ROWS:
                trouble = self._ask(self._sample.model_copy(update={"size": PILOT_ROWS}), stage)
            # Where something does answer, the whole sample decides.
            if trouble is None or self._probes()["reached"].any():
                trouble = self._ask(self._sample, stage)
            probes = self._probes()
            reached = f"{probes['reached'].sum():,} of {probes.height:,} links gave an image"
            stage.conclude("the web could not be asked" if trouble else reached)
        return trouble

    def report(self, *, declared_only: bool) -> None:
        """Measure and write the report."""
        with self._display.stage("write the report"):
            pipeline = self._pipeline(self._sample, declared_only=declared_only)
            # What it says is printed at the end.
            pipeline.run(Work(DECLARED_REPORT if declared_only else REPORT), on_message=lambda _: None)

    def columns_read(self, listing: Listing) -> list[ColumnsRead]:
        """How the columns of every readable part were understood; parts alike count once."""
        valid = [self._dataset.name, "validated_metadata"]
        found: dict[tuple[tuple[str, str], ...], ColumnsRead] = {}
        for part in listing.parts:
            uri = self._lake.uri(valid, f"{part.key}.parquet")
            recorded = self._recorded(dg.AssetKey(valid), part.key)
            table = recorded.metadata.get("columns") if recorded else None
            if not isinstance(table, dg.TableMetadataValue) or not self._lake.exists(uri):
                continue
            canonical = {str(one.data["column"]): str(one.data["published as"]) for one in table.records}
            if (alike := tuple(canonical.items())) not in found:
                names = self._lake.scan_parquet(uri).collect_schema().names()
                others = tuple(name for name in names if name not in VALIDATED_SCHEMA and name != OVERFLOW)
                found[alike] = ColumnsRead(canonical, others)
        return list(found.values())

    def results(self, folder: Path) -> Statistics:
        """Copy the results to where they are looked for."""
        asset = [self._dataset.name, "resolution_statistics"]
        for name in result_names(self._dataset.name):
            with self._lake.local_file(self._lake.uri(asset, name)) as path:
                scratch = folder / f".{name}.tmp"
                shutil.copyfile(path, scratch)
                scratch.replace(folder / name)
        return Statistics.model_validate_json((folder / "statistics.json").read_bytes())

    def _ask(self, sample: SampleSpec, stage: Stage) -> str | None:
        try:
            self._pipeline(sample).run(Work(PROBES), on_message=stage.say)
        except BlockedError as error:
            made = self._recorded(dg.AssetKey([self._dataset.name, "dimension_probes"]))
            return str(made.metadata[TROUBLE].value if made else error)
        return None

    def _valid_rows(self) -> int:
        asset = [self._dataset.name, "metadata_profile"]
        uris = [self._lake.uri(asset, name) for name in self._lake.list_names(asset, ".parquet")]
        return int(self._lake.scan_parquet(uris).select(pl.col("rows_valid").sum()).collect().item())

    def _probes(self) -> pl.DataFrame:
        uri = self._lake.uri([self._dataset.name, "dimension_probes"], "dimension_probes.parquet")
        reached = (pl.col("outcome") == Outcome.OK.value).alias("reached")
        return self._lake.scan_parquet(uri).select("url", "outcome", reached).collect()

    def _pipeline(self, sample: SampleSpec, *, declared_only: bool = False) -> Pipeline:
        definitions = self._dataset.definitions(lake=self._lake.base_uri, sample=sample, declared_only=declared_only)
        return Pipeline(definitions, instance=self._instance, lake=self._lake)

    def _register(self, listing: Listing) -> None:
        """Make the parts known, and forget those that are no longer published: they are not what was asked about."""
        name = str(self._dataset.parts.name)
        published = [part.key for part in listing.parts]
        for gone in set(self._instance.get_dynamic_partitions(name)) - set(published):
            self._instance.delete_dynamic_partition(name, gone)
            self._forget(gone)
        self._instance.add_dynamic_partitions(name, published)

    def _forget(self, part: str, *, keep: Sequence[str] = ()) -> None:
        for asset in (each for each in (*OF_A_PART, SKETCHES) if each not in keep):
            for name in self._lake.list_names([self._dataset.name, asset]):
                if name.partition(".")[0] == part:
                    self._lake.delete(self._lake.uri([self._dataset.name, asset], name))

    def _held_version(self, part: PublishedPart) -> str:
        """For sources without checksums: the version held, if the source's mark says that it still is published."""
        recorded = self._recorded(dg.AssetKey([self._dataset.name, "raw_metadata"]), part.key)
        if recorded is not None and part.etag:
            known = {name: value.value for name, value in recorded.metadata.items()}
            if (known.get("etag"), known.get("published_uri")) == (part.etag, part.uri):
                return str(known.get("sha256"))
        return "unknown"

    def _recorded(self, key: dg.AssetKey, part: str | None = None) -> dg.AssetMaterialization | None:
        wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[part] if part else None)
        records = self._instance.fetch_materializations(wanted, limit=1).records
        return records[0].asset_materialization if records else None


def _absolute(source: str) -> str:
    """A local path as it is named from anywhere; a URI stays as it is."""
    # abspath, as resolve() would give a linked file a name the user never wrote.
    return source if "://" in source or not source.strip() else os.path.abspath(Path(source).expanduser())  # noqa: PTH100


def _keep_apart(home: Home, dataset: AdHocDataset) -> None:
    """Refuse a folder for results in which the source would find them the next time.

    Raises:
        AnalysisError: Results would lie among the data.
    """
    place = Path(dataset.place)
    if "://" in dataset.place or not place.is_dir():
        return
    if home.folder.is_relative_to(place.resolve()):
        raise AnalysisError(
            f"{home.folder} lies in {place}, where the next analysis would take the results for data. Give a folder "
            "outside of it with --out."
        )


def _claim(home: Home, dataset: AdHocDataset) -> None:
    """Take a folder for one source: rows of two would be one report.

    Raises:
        AnalysisError: It holds the analysis of another source, or cannot be written.
    """
    note = home.folder / _SOURCE_FILE
    try:
        with contextlib.suppress(FileNotFoundError):
            if (other := note.read_text().strip()) != dataset.place:
                raise AnalysisError(f"{home.folder} holds the analysis of {other}. Give another folder with --out.")
        home.lake.mkdir(parents=True, exist_ok=True)
        home.dagster_home.mkdir(parents=True, exist_ok=True)
        note.write_text(f"{dataset.place}\n")
    except OSError as error:
        raise AnalysisError(
            f"{home.folder} cannot be written ({error.strerror}). Give another folder with --out."
        ) from None


def _found(listing: Listing) -> str:
    count = len(listing.parts)
    sizes = [part.size_bytes for part in listing.parts]
    told_sizes = [size for size in sizes if size is not None]
    size = f", {shown.size(sum(told_sizes))}" if len(told_sizes) == count else ""
    return f"{count} {shown.pluralize('part', count)}{size} at {without_query(listing.source_uri)}"


def _unreadable(part: PublishedPart) -> str:
    return (
        f"{part.path}: a file with this ending is not read. Name it .parquet, .csv, .tsv, .txt, .jsonl or .ndjson; "
        "text may be compressed as .gz or .zst."
    )


def _finding(error: RunFailedError, work: Work) -> str:
    """The sentence of an asset, without which step of which job said it."""
    _, found, sentence = str(error).partition(f" at {work.part}: ")
    return sentence if found else str(error)


def _speaker(stage: Stage, part: str | None) -> Callable[[str], None]:
    prefix = f"{part}: "
    return lambda message: stage.say(prefix + message.removeprefix(prefix))
