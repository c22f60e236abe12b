"""The tables of a report: a title, columns and rows of plain values; the page writes them, and their CSV, from these."""

import json
import statistics
from collections import Counter, defaultdict

from lab import panels
from lab.algorithms import SHARES_OF
from lab.recipe_measures import CAUSES
from lab.results import rates
from lab.statistics import Spread
from reporting.figures import get, number


def table(title, columns, rows, note="", wide=False):
    """A table; `wide`: too long for paper."""
    return {"title": title, "columns": columns, "rows": rows, "note": note, "wide": wide}


MACHINE = ("cpu_model", "processing_units", "cores", "numa_nodes", "memory_bytes", "kernel", "os", "hypervisor", "governor", "turbo", "smt", "transparent_huge_pages", "file_system", "host_name")
BUILD = ("git_commit", "version", "compiler", "build_type", "flags", "allocator", "sanitizer", "build_id")


def said(value):
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value) if isinstance(value, (list, dict)) else "none" if value == "" else value


def origin(found):
    """What ran where: one build on one machine."""
    days = sorted(result.get("time") or "" for result in found)
    rows = [["results", len(found)], ["first ended", days[0] or "unknown"], ["last ended", days[-1] or "unknown"]]
    for section, keys in (("machine", MACHINE), ("muster", BUILD)):
        for key in keys:
            values = sorted({str(said(result[section].get(key))) for result in found})
            rows.append([f"{section}.{key}", ", ".join(values)])
    return table("Machine and build", ["what", "value"], rows)


def points(groups):
    rows = []
    for title, group in zip(panels.titles(groups), groups):
        for algorithm in group.algorithms():
            for threads in group.threads(algorithm):
                rates_of = group.throughput(algorithm, threads)
                shares = [group.share_of(control, algorithm, threads) for control in SHARES_OF.values()]
                of_point = [r for run in group.runs[algorithm, threads].values() for r in run["repetitions"]]
                rows.append(
                    [title, group.known.title(algorithm), threads, group.unit, rates_of.median, rates_of.q1, rates_of.q3]
                    + ["noisy" if panels.is_noisy(rates_of) else "", *(share.median if share else None for share in shares)]
                    + [_median(of_point, "commit_latency_us", key) for key in ("p50", "p99", "p999")]
                    + [_median(of_point, "boundary_lag_bytes", key) for key in ("p50", "p99")]
                    + [len(of_point), sum(bool(get(r, "activity", "disturbed")) for r in of_point)]
                )
    columns = ["configuration", "algorithm", "threads", "unit", "median", "first quartile", "third quartile", "noise", *(f"share of {name}" for name in SHARES_OF)]
    columns += ["commit p50, us", "commit p99, us", "commit p99.9, us", "lag p50, bytes", "lag p99, bytes", "repetitions", "disturbed"]
    note = f"Medians over all windows, or over repetitions. Noisy: half the distance of the quartiles is more than {panels.NOISY:.0%} of the median."
    return table("Every point", columns, rows, note, wide=True)


def _median(of_point, *path):
    values = [number(get(r, *path)) for r in of_point]
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def storage(groups):
    """What was written, a byte of user data, and what the data takes; no rows where nothing was changed."""
    rows = []
    for title, group in zip(panels.titles(groups), groups):
        for algorithm in group.algorithms():
            for threads in group.threads(algorithm):
                of_point = [r for run in group.runs[algorithm, threads].values() for r in run["repetitions"]]
                written = [_over(of_point, cause, "user_bytes") for cause in CAUSES]
                if written[0] is not None:
                    rows.append(
                        [title, group.known.title(algorithm), threads, *written, _over(of_point, "file_bytes", "live_bytes")]
                        + [_median(of_point, "storage", "log_kept_bytes"), _median(of_point, "lsm", "files")]
                        + [_median(of_point, "lsm", "slowed"), _median(of_point, "lsm", "stopped")]
                    )
    columns = ["configuration", "algorithm", "threads", "log", "pages", "double-write area", "flushes", "compactions", "space"]
    columns += ["log kept, bytes", "files", "changes slowed", "changes stopped"]
    note = "Medians over repetitions. From log to compactions: bytes written a byte of keys and values that were committed; space: bytes of table files a live byte."
    return table("Bytes by cause", columns, rows, note)


def _over(of_point, key, unit):
    """The median of a ratio of two numbers of `storage`."""
    pairs = [(number(get(r, "storage", key)), number(get(r, "storage", unit))) for r in of_point]
    ratios = [value / of for value, of in pairs if value is not None and of]
    return statistics.median(ratios) if ratios else None


def every_result(found):
    rows = [
        [get(r, "configuration", "algorithm"), get(r, "configuration", "threads"), get(r, "configuration", "seed"), statistics.median(rates(r))]
        + [r.get("time"), r.get("command")]
        for r in found
    ]
    return table("Every result", ["algorithm", "threads", "seed", "median rate", "ended", "command"], rows, "The command repeats the run.", wide=True)


def placement(found):
    """Where threads were asked to be and were found, alike ones counted."""
    counts = Counter()
    for result in found:
        workers = get(result, "placement", "workers")
        if not isinstance(workers, list):
            continue
        asked = ", ".join(str(said(get(w, "asked"))) if get(w, "asked") is not None else "free" for w in workers)
        seen = ", ".join(str(said(get(w, "found"))) for w in workers)
        flusher = get(result, "placement", "flusher") or {}
        elsewhere = sum(get(w, "asked") is not None and get(w, "asked") != get(w, "found") for w in workers)
        counts[len(workers), get(result, "placement", "policy"), asked, seen, said(flusher.get("asked")), said(flusher.get("found")), elsewhere] += 1
    rows = [[*key, count] for key, count in sorted(counts.items(), key=str)]
    columns = ["threads", "policy", "workers asked", "workers found", "flusher asked", "flusher found", "elsewhere", "results"]
    return table("Where threads ran", columns, rows, "Units by the operating system's number. Elsewhere: workers found on another unit than asked.")


def disturbed(found):
    rows = []
    for result in found:
        for place, repetition in enumerate(result["repetitions"], 1):
            for line in get(repetition, "activity", "disturbed") or []:
                c = result["configuration"]
                rows.append([result.get("title") or c["workload"], c["algorithm"], c["threads"], c["seed"], place, line])
    return table("Disturbed repetitions", ["configuration", "algorithm", "threads", "seed", "repetition", "what"], rows, "They count like all others, and are hollow in figures.")


ACTIVITY = {
    "steal share": ("steal_share",),
    "CPU pressure": ("pressure", "cpu_some_share"),
    "I/O pressure": ("pressure", "io_some_share"),
    "voluntary switches": ("context_switches", "voluntary"),
    "involuntary switches": ("context_switches", "involuntary"),
    "migrations": ("migrations",),
    "page faults": ("software", "page_faults"),
    "task clock, ns": ("software", "task_clock_ns"),
    "cycles": ("counters", "cycles", "value"),
    "instructions": ("counters", "instructions", "value"),
    "cache misses": ("counters", "cache_misses", "value"),
}


def activity(found):
    """What the machine did, over repetitions: median and largest."""
    rows = []
    for what, path in ACTIVITY.items():
        values = [number(get(r, "activity", *path)) for result in found for r in result["repetitions"]]
        values = [value for value in values if value is not None]
        if values:
            spread = Spread.of(values)
            rows.append([what, spread.median, spread.q1, spread.q3, max(values), len(values)])
    return table("What the machine did", ["what", "median", "first quartile", "third quartile", "largest", "repetitions"], rows)


def not_measured(found):
    rows = {(get(e, "what"), get(e, "reason"), get(e, "remedy")) for r in found for e in r.get("not_measured") or []}
    return table("Not measured", ["what", "reason", "remedy"], sorted(map(list, rows), key=str))


def verification(found):
    counts, runs = defaultdict(int), Counter()
    for result in found:
        for check in get(result, "verification", "checks") or []:
            counts[get(check, "name")] += number(get(check, "count")) or 0
            runs[get(check, "name")] += 1
    rows = [[name, count, runs[name]] for name, count in counts.items()]
    return table("Verification", ["what was checked", "how often", "results"], rows, "A run that fails a check writes no result.")


def benchmark(side):
    rows = []
    for point, series in side.points.items():
        for (metric, unit), values in series.items():
            spread = Spread.of(values)
            name = " ".join(f"{key}={value}" for key, value in point)
            rows.append([name, metric, unit, spread.median, spread.q1, spread.q3, len(values)])
    columns = ["benchmark", "metric", "unit", "median", "first quartile", "third quartile", "repetitions"]
    facts = "; ".join(f"{fact} {', '.join(map(str, values))}" for fact, values in sorted(side.facts.items()))
    return table(side.place.rsplit("/", 1)[-1], columns, rows, facts, wide=True)


def claims(figures):
    rows = []
    for figure in figures:
        for claim in figure["claims"]:
            low, high = claim.get("interval") or (None, None)
            rows.append([str(figure.get("figure", "")), claim.get("text"), claim.get("verdict"), claim.get("ratio"), low, high, claim.get("why")])
    return table("Claims", ["figure", "claim", "verdict", "ratio", "from", "to", "why"], rows)
