"""Following a source from short ticks: what is requested, what is skipped and why, where the cursor stands."""

import contextlib
import datetime as dt
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from laion_assets.automation.discovery import Cursor
from laion_assets.automation.schedules import monthly_refresh
from laion_assets.automation.sensors import discovery_sensor
from laion_assets.definitions import defs
from laion_assets.sources.spec import SourceSpec
from laion_assets_tests.automation.conftest import PARTS, Toy, key
from laion_assets_tests.sources.publisher import Fault, Publisher, serve

HUB = SourceSpec(uri="hf://datasets/laion/relaion-high-resolution/**/*.parquet")


def sensor_of(source: SourceSpec, *, deadline_s: float = 30.0) -> dg.SensorDefinition:
    job = dg.define_asset_job("toy_parts", dg.AssetSelection.assets(key("raw_metadata")))
    return discovery_sensor("toy", source=source, parts=PARTS, job=job, deadline_s=deadline_s)


def tick(
    sensor: dg.SensorDefinition,
    instance: dg.DagsterInstance,
    *,
    cursor: str | None = None,
    last_run_key: str | None = None,
) -> dg.SensorResult | dg.SkipReason:
    context = dg.build_sensor_context(instance, cursor=cursor, sensor_name="toy_discovery")
    context._last_run_key = last_run_key
    found = sensor(context)
    assert isinstance(found, (dg.SensorResult, dg.SkipReason))
    return found


def reason(found: dg.SensorResult | dg.SkipReason) -> str:
    assert isinstance(found, dg.SkipReason), found
    return str(found.skip_message)


def requests(found: dg.SensorResult | dg.SkipReason) -> dict[str, str]:
    """Run key per requested part."""
    assert isinstance(found, dg.SensorResult), found
    return {str(one.partition_key): str(one.run_key) for one in found.run_requests or []}


def launched(
    instance: dg.DagsterInstance,
    found: dg.SensorResult | dg.SkipReason,
    *,
    but: str = "",
    sensor: str = "toy_discovery",
) -> None:
    """The runs of a tick come to be, as the daemon makes them; but one."""
    for part, run_key in requests(found).items():
        if part != but:
            tags = {"dagster/run_key": run_key, "dagster/sensor_name": sensor}
            instance.add_run(dg.DagsterRun("toy_parts", tags=tags))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        (tmp_path / f"part-{number:05d}.parquet").write_bytes(bytes([number]))
    return tmp_path


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Publisher]:
    """A server that answers as the hub does only where a test says so."""
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with serve(Publisher()) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


@contextlib.contextmanager
def dripping() -> Iterator[str]:
    """A server whose answer never ends: a byte of a header every tenth of a second, below every client's time-out."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        over = threading.Event()

        def drip(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not over.is_set():
                    connection.sendall(b"x")
                    time.sleep(0.1)

        def accept() -> None:
            while not over.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = server.accept()
                    threading.Thread(target=drip, args=(connection,), daemon=True).start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()
            accepting.join()


def test_every_part_is_added_and_requested_once(folder: Path, instance: dg.DagsterInstance) -> None:
    sensor = sensor_of(SourceSpec(uri=f"{folder}/*.parquet"))
    first = tick(sensor, instance)
    assert isinstance(first, dg.SensorResult)
    assert list(requests(first)) == ["part-00000", "part-00001", "part-00002"]
    [added] = first.dynamic_partitions_requests or []
    assert list(added.partition_keys) == ["part-00000", "part-00001", "part-00002"]
    launched(instance, first)
    second = tick(sensor, instance, cursor=first.cursor)
    assert requests(second) == {}


def test_only_what_is_new_or_changed_is_requested(folder: Path, instance: dg.DagsterInstance) -> None:
    sensor = sensor_of(SourceSpec(uri=f"{folder}/*.parquet"))
    first = tick(sensor, instance)
    assert isinstance(first, dg.SensorResult)
    launched(instance, first)
    (folder / "part-00001.parquet").write_bytes(b"other bytes")
    (folder / "part-00003.parquet").write_bytes(b"one more")
    second = tick(sensor, instance, cursor=first.cursor)
    assert set(requests(second)) == {"part-00001", "part-00003"}


def test_a_part_that_changes_back_is_requested_under_another_key(folder: Path, instance: dg.DagsterInstance) -> None:
    sensor = sensor_of(SourceSpec(uri=f"{folder}/*.parquet"))
    keys: list[str] = []
    cursor, last = None, None
    for content in (b"one", b"two, longer", b"one", b"two, longer"):
        (folder / "part-00000.parquet").write_bytes(content)
        found = tick(sensor, instance, cursor=cursor, last_run_key=last)
        assert isinstance(found, dg.SensorResult)
        launched(instance, found)
        keys.append(requests(found)["part-00000"])
        cursor, last = found.cursor, keys[-1]
    assert len(set(keys)) == 4


def test_a_tick_that_is_repeated_asks_for_the_same_runs(folder: Path, instance: dg.DagsterInstance) -> None:
    sensor = sensor_of(SourceSpec(uri=f"{folder}/*.parquet"))
    assert requests(tick(sensor, instance)) == requests(tick(sensor, instance))


def test_a_run_that_never_came_to_be_is_requested_again(folder: Path, instance: dg.DagsterInstance) -> None:
    sensor = sensor_of(SourceSpec(uri=f"{folder}/*.parquet"))
    first = tick(sensor, instance)
    assert isinstance(first, dg.SensorResult)
    launched(instance, first, but="part-00001")
    assert list(requests(tick(sensor, instance, cursor=first.cursor))) == ["part-00001"]


def test_the_runs_of_another_sensor_are_not_taken_for_its_own(folder: Path, instance: dg.DagsterInstance) -> None:
    sensor = sensor_of(SourceSpec(uri=f"{folder}/*.parquet"))
    first = tick(sensor, instance)
    assert isinstance(first, dg.SensorResult)
    launched(instance, first, sensor="other_discovery")
    assert list(requests(tick(sensor, instance, cursor=first.cursor))) == ["part-00000", "part-00001", "part-00002"]


def test_a_withdrawn_part_is_no_reason_to_fail(folder: Path, instance: dg.DagsterInstance) -> None:
    sensor = sensor_of(SourceSpec(uri=f"{folder}/*.parquet"))
    first = tick(sensor, instance)
    assert isinstance(first, dg.SensorResult)
    launched(instance, first)
    (folder / "part-00002.parquet").unlink()
    second = tick(sensor, instance, cursor=first.cursor)
    assert isinstance(second, dg.SensorResult)
    assert requests(second) == {}
    assert "part-00002" in Cursor.from_json(second.cursor).fingerprints


def test_a_hub_that_is_down_is_a_skip_with_the_reason(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    assert "does not answer" in reason(tick(sensor_of(HUB), instance))


def test_a_hub_that_answers_401_is_a_skip_that_says_what_to_do(hub: Publisher, instance: dg.DagsterInstance) -> None:
    hub.faults = [Fault(status=401, headers={"X-Error-Code": "GatedRepo", "X-Error-Message": "gated"})] * 20
    said = reason(tick(sensor_of(HUB), instance))
    assert "HF_TOKEN" in said
    assert "gated" in said


def test_a_hub_that_asks_for_a_long_pause_is_a_skip(hub: Publisher, instance: dg.DagsterInstance) -> None:
    hub.faults = [Fault(status=429, headers={"Retry-After": "100"})] * 20
    assert "429" in reason(tick(sensor_of(HUB), instance))


def test_a_source_that_drips_is_given_up_at_the_deadline(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dripping() as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        said = reason(tick(sensor_of(HUB, deadline_s=1.0), instance))
    assert "no listing within 1 s" in said


def test_a_skipped_tick_leaves_the_cursor_where_it_was(hub: Publisher, instance: dg.DagsterInstance) -> None:
    hub.faults = [Fault(status=401)] * 20
    context = dg.build_sensor_context(instance, cursor='{"parts":{"part-00000":"a"}}', sensor_name="toy_discovery")
    assert isinstance(sensor_of(HUB)(context), dg.SkipReason)
    assert context.cursor == '{"parts":{"part-00000":"a"}}'
    assert not context.cursor_updated


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance on disk: a schedule looks at no other."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def test_the_panel_is_probed_for_the_week_that_is_over(kept: dg.DagsterInstance) -> None:
    repository = defs().get_repository_def()
    schedule = repository.get_schedule_def("laion_hr_link_health_weekly")
    assert schedule.cron_schedule == "0 3 * * 1"
    monday = dt.datetime(2026, 11, 23, 3, 0, tzinfo=dt.timezone.utc)
    context = dg.build_schedule_context(kept, scheduled_execution_time=monday, repository_def=repository)
    [request] = schedule.evaluate_tick(context).run_requests or []
    assert request.partition_key == "2026-11-16"
    assert request.tags["laion_assets/dataset"] == "laion_hr"


def test_the_refresh_goes_over_the_parts_we_hold_and_no_other(kept: dg.DagsterInstance) -> None:
    toy = Toy(kept)
    kept.add_dynamic_partitions("toy_parts", ["p1", "p2", "p3"])
    schedule = monthly_refresh("toy", dg.define_asset_job("toy_parts"), parts=PARTS)
    first = dt.datetime(2026, 12, 1, 2, 0, tzinfo=dt.timezone.utc)

    def evaluated() -> dict[str | None, str | None]:
        context = dg.build_schedule_context(
            toy.instance, scheduled_execution_time=first, repository_def=toy.definitions.get_repository_def()
        )
        found = schedule.evaluate_tick(context).run_requests or []
        return {one.partition_key: one.run_key for one in found}

    assert evaluated() == {}
    for part in ("p1", "p3"):
        toy.run("toy_raw", part)
    assert evaluated() == {"p1": "p1:2026-12-01", "p3": "p3:2026-12-01"}
    kept.delete_dynamic_partition("toy_parts", "p1")
    assert evaluated() == {"p3": "p3:2026-12-01"}


def test_sensors_and_schedules_are_off_until_someone_switches_them_on() -> None:
    repository = defs().get_repository_def()
    assert {one.default_status for one in repository.sensor_defs} == {dg.DefaultSensorStatus.STOPPED}
    assert {one.default_status for one in repository.schedule_defs} == {dg.DefaultScheduleStatus.STOPPED}
