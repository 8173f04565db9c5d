"""img2dataset's downloader with our guarded client as its fetcher: one shard per call, in whatever process.

What is inherited is how it is called: by a distributor, with a slice of rows from the reader. What happens to each row
is in ``shard_run``.
"""

import json
from pathlib import Path

import pyarrow as pa

from laion_assets.lake.errors import LakeError, is_no_room
from laion_assets.lake.lake import Lake
from laion_assets.shards import process
from laion_assets.shards.engine import engine_for
from laion_assets.shards.job import STOP_FILE, Job
from laion_assets.shards.layout import SHARD_DIGITS, shard_files
from laion_assets.shards.progress import ShardProgress, forget_failure, say_failure
from laion_assets.shards.resizing import ExactResizer, QuickResizer
from laion_assets.shards.shard_run import Resizing, ShardRun
from laion_assets.shards.upstream import Downloader
from laion_assets.shards.writer import ShardWriter

# The network is faster than a resizer, and what it brings waits in memory: 256 images are about 200 MB.
_RESIZE_LOOKAHEAD = 256


class GuardedDownloader(Downloader):  # type: ignore[misc]
    """Downloads the rows of a shard and publishes it; called by img2dataset's distributors."""

    def __init__(self, job: Job, column_list: list[str], *, processes: int) -> None:
        spec, resize = job.spec, job.spec.resize
        super().__init__(
            sample_writer_class=ShardWriter,
            resizer=None
            if resize is None
            else (ExactResizer if resize.exact else QuickResizer)(
                image_size=resize.image_size,
                resize_mode=resize.mode,
                resize_only_if_bigger=resize.only_if_bigger,
                encode_quality=resize.encode_quality,
                encode_format=resize.encode_format,
                skip_reencode=resize.skip_reencode,
            ),
            thread_count=job.web.concurrency,
            save_caption=True,
            extract_exif=False,
            output_folder=job.lake_uri,
            column_list=column_list,
            timeout=job.web.deadline_s,
            number_sample_per_shard=spec.rows_per_shard,
            oom_shard_count=SHARD_DIGITS,
            compute_hash=spec.compute_hash,
            verify_hash_type=spec.verify_hash.kind if spec.verify_hash else None,
            encode_format=resize.encode_format if resize else "jpg",
            retries=0,
            user_agent_token=None,
            disallowed_header_directives=None,
        )
        self.job = job
        self.processes = processes

    def __call__(self, row: tuple[int, str]) -> tuple[bool, tuple[int, str]]:
        """Make one shard; what goes wrong is left as a file for the process that started this one."""
        shard, folder = row[0], self.job.folder
        if self.processes > 1 and self.job.spec.distributor == "multiprocessing":
            process.die_with_parent()
        if (folder / STOP_FILE).exists():
            return False, row  # who left it has said why
        try:
            forget_failure(folder, shard)
            self.download_shard(row)
        except Exception as error:  # noqa: BLE001 (a distributor expects an answer, not an exception)
            finding = str(error) if isinstance(error, RuntimeError) else repr(error)
            say_failure(folder, shard, finding, retryable=isinstance(error, LakeError) and error.retryable)
            if is_no_room(error):
                (folder / STOP_FILE).touch()
            return False, row
        return True, row

    def download_shard(self, row: tuple[int, str]) -> None:
        """Download the rows in a slice the reader wrote, and publish tar, parquet and stats as one."""
        shard, slice_file = row
        job = self.job
        web = process.share_of(job.web, self.processes)
        if self.resizer is not None:
            web = web.model_copy(update={"lookahead": min(web.lookahead, _RESIZE_LOOKAHEAD)})
        engine = engine_for(web, resizing_threads=process.resizing_threads(self.processes))
        with pa.OSFile(slice_file, "rb") as source, pa.ipc.open_file(source) as reader:
            table = reader.read_all()
        columns = {name: table[name].to_pylist() for name in self.column_list}
        progress = ShardProgress(job.folder, shard, table.num_rows)
        progress.say()
        lake = Lake(job.lake_uri)
        uris = [lake.uri([*job.key, job.part], name) for name in shard_files(shard)]
        with lake.publish_many(uris) as (tar, parquet, stats):
            writer = ShardWriter(tar=tar, parquet=parquet, schema=self._schema(table.schema))
            run = ShardRun(
                job,
                shard,
                columns,
                writer=writer,
                progress=progress,
                spill=tar.with_suffix(".spill"),
                resizing=Resizing(self.resizer, engine.resizing, engine.resizing_threads) if self.resizer else None,
            )
            try:
                engine.run(run.run(engine.client))
            finally:
                writer.close()
            stats.write_text(json.dumps(run.stats(parquet), indent=4))
        progress.say(finished=True)
        Path(slice_file).unlink()

    def _schema(self, schema: pa.Schema) -> pa.Schema:
        """img2dataset's columns, then ours."""
        for name in ("key", "status", "error_message"):
            schema = schema.append(pa.field(name, pa.string()))
        for name in ("width", "height", "original_width", "original_height"):
            schema = schema.append(pa.field(name, pa.int32()))
        if self.compute_hash is not None and self.compute_hash not in schema.names:
            schema = schema.append(pa.field(self.compute_hash, pa.string()))
        return (
            schema.append(pa.field("outcome", pa.string()))
            .append(pa.field("format", pa.string()))
            .append(pa.field("file_bytes", pa.int64()))
            .append(pa.field("http_status", pa.int16()))
        )
