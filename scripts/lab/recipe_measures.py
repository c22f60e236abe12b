"""What a panel of a recipe may draw: of each repetition one number, or one an interval of its series."""

from dataclasses import dataclass
from typing import Callable

TIME = "seconds"  # the key along which a series runs: since the first window began


@dataclass(frozen=True)
class OverTime:
    """A measure of each interval of a series; drawn against TIME."""

    of_interval: Callable  # (series, its index): the value, or None

    def values(self, repetition):
        """[(seconds, value)] of the intervals that have one."""
        series = repetition.get("series") or {}
        starts = series.get("start_s", [])
        found = [(round(series["interval_s"] * i, 6), self.of_interval(series, i)) for i in range(len(starts))]
        return [(start, value) for start, value in found if value is not None]


def _column(name):
    return OverTime(lambda series, i: series[name][i] if name in series else None)


def _rate(*names):
    """Of counts: a second; None where the result has none of them."""
    return OverTime(lambda series, i: sum(series[name][i] for name in names) / series["seconds"][i] if names[0] in series else None)


def _seconds(repetition):
    return sum(window["seconds"] for window in repetition["windows"])


def _idle_share(result, repetition):
    """Of the processing units that the run was pinned to; None where the kernel did not say how long its threads ran."""
    busy_ns = ((repetition.get("activity") or {}).get("software") or {}).get("task_clock_ns")
    placement = result["placement"]
    units = {worker["asked"] for worker in placement["workers"]} | {(placement["flusher"] or {}).get("asked")}
    used = len(units - {None})
    if busy_ns is None or not used:
        return None
    return 100 * max(0.0, 1 - busy_ns / 1e9 / _seconds(repetition) / used)


def _hit_share(result, repetition):
    """An operation that reads two pages counts twice; None where it is not known."""
    misses = (repetition.get("buffers") or {}).get("misses")
    operations = sum(window["operations"] for window in repetition["windows"])
    operations *= result["configuration"].get("ycsb", {}).get("operations", 1)
    return None if misses is None or not operations else 100 * max(0.0, 1 - misses / operations)


def _retracted_share(repetition):
    begins = repetition.get("begins") or {}
    ended = sum(begins.values())
    return 100 * begins["retracted"] / ended if ended else None


def _abort_share(repetition):
    counts = repetition["transactions"]
    tries = counts["committed"] + counts["aborted"]
    return 100 * counts["aborted"] / tries if tries else None


def _amplification(*causes):
    """Bytes written for these causes, a byte of user data; None where nothing was changed."""

    def of(_, repetition):
        storage = repetition.get("storage") or {}
        return sum(storage[cause] for cause in causes) / storage["user_bytes"] if storage.get("user_bytes") else None

    return of


def _space(_, repetition):
    storage = repetition.get("storage") or {}
    return storage["file_bytes"] / storage["live_bytes"] if storage.get("live_bytes") else None


def _of_section(section, key):
    return lambda _, repetition: (repetition.get(section) or {}).get(key)


def _held_up(_, repetition):
    lsm = repetition.get("lsm")
    return (lsm["slowed"] + lsm["stopped"]) / _seconds(repetition) if lsm else None


CAUSES = ("log_bytes", "page_bytes", "double_write_bytes", "flush_bytes", "compaction_bytes")

MEASURES = {  # what a panel may draw: title, unit (None: the result's), and how a repetition says it
    "throughput": ("throughput", None, lambda result, repetition: repetition["throughput"]["median"]),
    "bandwidth": ("bandwidth", "bytes/s", lambda result, repetition: repetition["bytes_per_s"]["median"]),
    "lag": ("boundary lag p50", "bytes", lambda result, repetition: repetition["boundary_lag_bytes"]["p50"]),
    "lag_p99": ("boundary lag p99", "bytes", lambda result, repetition: repetition["boundary_lag_bytes"]["p99"]),
    "idle_share": ("idle share of the units used", "%", _idle_share),
    "hit_share": ("operations that read no page from a file", "%", _hit_share),
    "retracted_share": ("begins of readers that were taken back", "%", lambda _, repetition: _retracted_share(repetition)),
    "latency": ("commit latency p50", "us", lambda result, repetition: repetition["commit_latency_us"]["p50"]),
    "latency_p99": ("commit latency p99", "us", lambda result, repetition: repetition["commit_latency_us"]["p99"]),
    "latency_p999": ("commit latency p99.9", "us", lambda result, repetition: repetition["commit_latency_us"]["p999"]),
    "latency_max": ("longest commit latency", "us", lambda result, repetition: repetition["commit_latency_us"]["max"]),
    "abort_share": ("tries that were rolled back", "%", lambda _, repetition: _abort_share(repetition)),
    "write_amplification": ("bytes written a byte of user data", "", _amplification(*CAUSES)),
    "log_writes": ("log", "", _amplification("log_bytes")),
    "page_writes": ("pages", "", _amplification("page_bytes")),
    "double_writes": ("double-write area", "", _amplification("double_write_bytes")),
    "flush_writes": ("flushes", "", _amplification("flush_bytes")),
    "compaction_writes": ("compactions", "", _amplification("compaction_bytes")),
    "space_amplification": ("bytes of table files a live byte", "", _space),
    "log_kept": ("log kept", "bytes", _of_section("storage", "log_kept_bytes")),
    "files": ("table files", "", _of_section("lsm", "files")),
    "held_up": ("changes slowed or stopped a second", "", _held_up),
    # Of each interval of a series, against TIME.
    "throughput_now": ("throughput", None, _rate("operations")),
    "latency_p999_now": ("commit latency p99.9", "us", _column("commit_latency_p999_us")),
    # Of a benchmark: the field of its entry.
    "advance_time": ("time of an advance", "ns", "real_time"),
    "records_time": ("time of 10,000 records", "ms", "real_time"),
    "lost": ("finished transactions that a crash takes back", "transactions", "lost"),
    "restart_time": ("time of the opening after a crash", "ms", "restart_ms"),
}
