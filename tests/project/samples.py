"""Results made by hand, for what needs more points than a test can measure."""

import json
import random

TITLES = {
    "null": "Null",
    "bound": "Bound (unsafe)",
    "mutex": "Mutex",
    "consolidation": "Consolidation array",
    "eleda": "Eleda",
    "border_collie_naive": "Border-Collie, naive",
    "border_collie": "Border-Collie",
}
DESCRIBED = {
    name: {"title": title, "place": place, "unsafe": name in ("null", "bound"), "stalls_on_idle": "naive" in name}
    for place, (name, title) in enumerate(TITLES.items())
}


def activity(disturbed=()):
    """What the machine did during a repetition."""
    count = {"value": 10**9, "counted_share": 0.75, "kernel": True}
    shares = {f"{whose}{what}_share": 0.01 for whose in ("", "group_") for what in ("cpu_some", "io_some", "io_full")}
    return {
        "counters": {"cycles": dict(count), "instructions": dict(count), "cache_misses": dict(count)},
        "software": {"task_clock_ns": 10**9, "waited_for_unit_ns": 10**6, "page_faults": 10},
        "context_switches": {"voluntary": 100, "involuntary": 3},
        "migrations": 0,
        "pressure": shares,
        "steal_share": 0.001,
        "units": [0, 1],
        "frequency_mhz": {"before": [3000.0, 3000.0], "after": [2990.5, 3000.0]},
        "disturbed": list(disturbed),
    }


def storage(durable):
    """What an LSM tree wrote and takes: 6.5 bytes written, and 1.25 held, a byte of user data."""
    return {
        "storage": {
            "user_bytes": 1000,
            "log_bytes": 2500,
            "page_bytes": 0,
            "double_write_bytes": 0,
            "flush_bytes": 1000,
            "compaction_bytes": 3000,
            "file_bytes": 12500,
            "log_kept_bytes": 2500 if durable else None,
            "live_bytes": 10000,
        },
        "lsm": {"flushes": 2, "compactions": 1, "slowed": 3, "stopped": 1, "files": 4},
    }


STRANGER = {"title": "A stranger", "place": len(DESCRIBED), "unsafe": False, "stalls_on_idle": False}


def result(workload="append", algorithm="border_collie", threads=1, seed=1, rate=1e6, windows=4, size=120, units=8, durable=True, disturbed=()):
    chance = random.Random(f"{workload} {algorithm} {threads} {seed} {size}")
    ycsb = workload == "ycsb"
    unit = "transactions/s" if ycsb else "records/s"
    measured = []
    for _ in range(windows):
        operations = int(rate * 0.5 * chance.uniform(0.93, 1.07))
        measured.append({"seconds": 0.5, "operations": operations, "bytes": operations * size})
    rates = sorted(w["operations"] / w["seconds"] for w in measured)
    # Close enough for the eye: no figure reads a run's own quartiles.
    spread = {"median": rates[len(rates) // 2], "min": rates[0], "max": rates[-1], "q1": rates[0], "q3": rates[-1]}
    three = {"p50": 120, "p99": 480, "max": 960}
    nothing = {"count": 0, "ns": 0}
    configuration = {
        "workload": workload,
        "algorithm": algorithm,
        "threads": threads,
        "placement": "compact",
        "oversubscribe": ycsb,
        "seed": seed,
        "warmup_s": 0.5,
        "window_s": 0.5,
        "windows": windows,
        "repetitions": 1,
        "log_buffer": {
            "capacity": 16777216,
            "consolidation_slots": 4,
            "delegation_chain": 32,
            "slot_pool": 128,
            "insert_locks": 8,
            "link_window": 1048576,
            "hop_bits": 0,
        },
    }
    if ycsb:
        configuration["ycsb"] = {
            "mix": "A",
            "records": 100000,
            "value_bytes": 100,
            "operations": 1,
            "distribution": "zipf",
            "theta": 0.99,
        }
        configuration["engine"] = {
            "directory": "build/data",
            "frames": 65536,
            "early_lock_release": False,
            "policy": "durable" if durable else "pipelined",
            "table": "lsm",
        }
        configuration["lsm"] = {
            "memtable_bytes": 16777216,
            "block_cache_bytes": 67108864,
            "compaction": "leveled",
            "compression": "lz4",
            "bloom_bits": 10,
        }
        configuration["log"] = {
            "device": "file" if durable else "memory",
            "direct": False,
            "latency_us": 0,
            "segment_bytes": 67108864,
            "group_commits": 8,
            "group_timeout_us": 1000,
        }
    else:
        configuration["append"] = {"bytes": size}
    return {
        "schema": 1,
        "muster": {
            "version": "0.1.0",
            "git_commit": "0123456789abcdef0123456789abcdef01234567",
            "compiler": "GNU 12.2.0",
            "flags": "-O3",
            "build_type": "Release",
            "allocator": "jemalloc 5.3.0",
            "sanitizer": "",
        },
        "command": f"muster run --set workload={workload}",
        "time": "2026-11-21T12:00:00Z",
        "configuration": configuration,
        "algorithm": DESCRIBED.get(algorithm, STRANGER),
        "machine": {
            "cpu_model": "A made-up processor",
            "architecture": "x86_64",
            "processing_units": units,
            "cores": units // 2,
            "packages": 1,
            "numa_nodes": 1,
            "memory_bytes": 1 << 34,
            "cache_line_bytes": 64,
            "l1d_bytes": 32768,
            "l2_bytes": 1048576,
            "l3_bytes": 33554432,
            "kernel": "Linux 6.1",
            "os": None,
            "hypervisor": None,
            "governor": None,
            "turbo": None,
            "smt": True,
            "load_average": [0.0, 0.1, 0.2],
            "file_system": "ext4" if ycsb else None,
            "transparent_huge_pages": "madvise",
            "verdicts": {"governor": "unknown", "turbo": "bad", "smt": "bad", "transparent_huge_pages": "good"},
        },
        "placement": {
            "policy": "compact",
            "workers": [{"worker": i, "asked": i % units, "found": i % units} for i in range(threads)],
            "flusher": {"asked": units - 1, "found": units - 1, "shares_unit_with_worker": threads >= units},
            "oversubscribed": threads > units,
        },
        "repetitions": [
            {
                "windows": measured,
                "throughput": {"unit": unit, **spread},
                "bytes_per_s": dict(spread),
                "commit_latency_us": (
                    {"count": 10, "p50": 90.5, "p95": 200.0, "p99": 300.0, "p999": 400.0, "max": 500.0} if ycsb else None
                ),
                "boundary_lag_bytes": three,
                "log": (
                    {"bytes": 1200, "writes": 5, "syncs": 5, "flush_bytes": three, "commits_per_sync": 2.0}
                    if ycsb
                    else None
                ),
                "waits": {"room": nothing, "predecessor": nothing, "lock": nothing},
                "transactions": {"committed": 10, "aborted": 1, "deadlocks": 1} if ycsb else None,
                **(storage(durable) if ycsb else {}),
                "activity": activity(disturbed),
            }
        ],
        "not_measured": [{"what": "governor", "reason": "no cpufreq driver shows it", "remedy": "load it"}],
        "throughput": {"unit": unit, **spread, "windows": windows},
        "verification": {"ok": True, "checks": [{"name": "records", "count": 10}]},
    }


RATES = {
    "null": 50e6,
    "bound": 20e6,
    "mutex": 8e6,
    "consolidation": 9e6,
    "eleda": 12e6,
    "border_collie_naive": 15e6,
    "border_collie": 15.2e6,
}


def quickstart(repetitions=3, units=8, algorithms=RATES):
    """What the quickstart leaves, of a machine with so many processing units."""
    found = []
    for seed in range(1, repetitions + 1):
        for algorithm in algorithms:
            rate = RATES.get(algorithm, 1e7)
            for size in (48, 120, 1024, 4096):
                for threads in (1, units):
                    factor = threads**0.6 if algorithm != "mutex" else threads**-0.2
                    found.append(result("append", algorithm, threads, seed, rate * factor * 120 / size, size=size, units=units))
            if algorithm not in ("null", "bound", "border_collie_naive"):
                found.append(result("ycsb", algorithm, units, seed, 1e6 + rate / 20, units=units, durable=False))
        found.append(result("ycsb", "border_collie", units, seed, 12_000, units=units))
    return found


def many_threads(units=64):
    """A sweep over 7 numbers of threads in 12 configurations."""
    found = []
    for algorithm, rate in RATES.items():
        for threads in (1 << bit for bit in range(units.bit_length())):
            for size in (48, 1024):
                for capacity in (1 << 16, 1 << 20, 1 << 22, 1 << 24, 1 << 26, 1 << 28):
                    made = result("append", algorithm, threads, 1, rate * threads**0.5, size=size, units=units)
                    made["configuration"]["log_buffer"]["capacity"] = capacity
                    found.append(made)
    return found


def step(thread, operation, text="", **more):
    """A marker, a copy or a read; an atomic access has location, order, value, ... besides."""
    return {
        "thread": thread,
        "operation": operation,
        "location": "",
        "order": "",
        "value": "",
        "before": "",
        "source": None,
        "stale": False,
        "text": text,
        "line": "",
        **more,
    }


def access(thread, operation, location, order, value, line, **more):
    return step(thread, operation, location=location, order=order, value=value, line=f"border_collie.h:{line}", **more)


def trace(**more):
    return {
        "schema": 1,
        "algorithm": "border_collie",
        "mutant": "",
        "violation": "a violation",
        "configuration": {"workers": 2, "records": 1, "advances": 1, "capacity": 8, "sizes": [3]},
        "search": "exhaustive, by preemptions",
        "seed": 1,
        "preemptions": 1,
        "command": "scripts/model --algorithm border_collie --workers 2 --records 1 --advances 1 --capacity 8 --sizes 3",
        "threads": ["worker 0", "worker 1", "drainer"],
        "steps": [step(0, "reserve", "3")],
        **more,
    }


def cutoff_after_scan():
    """Border-Collie with its cutoff read when all flags have been looked at."""
    steps = [
        step(2, "advance"),
        access(2, "load", "flag[0]", "acquire", "white 0", 109),
        step(0, "reserve", "3 bytes"),
        access(0, "store", "flag[0]", "release", "black 0", 84),
        access(0, "fetch_add", "tail", "release", "3", 85, before="0"),
        access(0, "load", "recycled", "acquire", "0", 50),
        step(0, "reserved", "0..3"),
        step(1, "reserve", "3 bytes"),
        access(1, "store", "flag[1]", "release", "black 0", 84),
        access(1, "fetch_add", "tail", "release", "6", 85, before="3", source=4),
        access(1, "load", "recycled", "acquire", "0", 50),
        step(1, "reserved", "3..6"),
        step(1, "copy", "bytes 3..6"),
        step(1, "publish"),
        access(1, "store", "flag[1]", "release", "white 6", 96),
        step(1, "published"),
        access(2, "load", "flag[1]", "acquire", "white 6", 109, source=14),
        access(2, "load", "tail", "acquire", "6", 103, source=9),
        access(2, "store", "boundary", "release", "6", 112),
        step(2, "boundary", "6"),
        step(2, "violation", "0..3 is reserved and not published"),
    ]
    return trace(
        mutant="cutoff_after_scan",
        violation="The boundary 6 lies over a hole: worker 0 has reserved 0..3 and not published it",
        steps=steps,
    )


def stale_black_flag():
    """As in the tree but for a relaxed fetch-add: the collie sees the range and not the flag before it."""
    steps = [
        step(0, "reserve", "3 bytes"),
        access(0, "store", "flag[0]", "release", "black 0", 84),
        access(0, "fetch_add", "tail[0]", "relaxed", "3", 85, before="0"),
        step(0, "reserved", "0..3"),
        step(1, "advance"),
        access(1, "load", "tail[0]", "acquire", "3", 103, source=2),
        access(1, "load", "flag[0]", "acquire", "white 0", 109, stale=True),
        access(1, "store", "boundary", "release", "3", 112),
        step(1, "boundary", "3"),
        step(1, "read", "bytes 0..3"),
    ]
    return trace(
        mutant="border_collie.h:85 relaxed",
        violation="The drainer reads byte 0, which worker 0 has not written",
        threads=["worker 0", "drainer"],
        configuration={"workers": 1, "records": 1, "advances": 1, "capacity": 4, "sizes": [3]},
        preemptions=1,
        steps=steps,
    )


def long_trace(threads=4, steps=40):
    """As large as is meant to be looked at."""
    chance = random.Random(1)
    made, stores = [], []
    for i in range(steps - 1):
        thread = chance.randrange(threads)
        if stores and chance.random() < 0.5:
            source = chance.choice(stores)
            newer = any(made[s]["location"] == made[source]["location"] for s in stores if s > source)
            location, value = made[source]["location"], made[source]["value"]
            made.append(access(thread, "load", location, "acquire", value, 100 + i, source=source, stale=newer))
        else:
            stores.append(i)
            made.append(access(thread, "store", f"flag[{chance.randrange(3)}]", "release", f"white {i}", 100 + i))
    made.append(step(threads - 1, "violation"))
    names = [f"worker {i}" for i in range(threads - 1)] + ["drainer"]
    return trace(threads=names, steps=made, configuration={"workers": threads - 1, "records": 2, "capacity": 4})


BENCHMARK_CONTEXT = {
    "date": "2026-11-21T12:00:00+00:00",
    "git_commit": "0123456789abcdef0123456789abcdef01234567",
    "compiler": "GNU 12.2.0",
    "build_type": "Release",
    "flags": "-O3",
    "sanitizer": "",
    "cpu_model": "A made-up processor",
    "processing_units": "4",
    "cores": "4",
    "numa_nodes": "1",
    "hypervisor": "null",
    "kernel": "Linux 6.1",
    "placement": "append: worker i on the i-th unit. advance: not pinned.",
}


LISTED = [{"name": name, **about} for name, about in DESCRIBED.items()]


def append_benchmarks(threads=(1, 2, 8), algorithms=RATES):
    """What scripts/append_benchmarks.py writes, but for the library's own list."""
    chance = random.Random("append")
    shares = []
    for algorithm in algorithms:
        for size in (48, 120, 264, 1024, 4096, 12288):
            for count in threads:
                share = min(1, RATES.get(algorithm, 1e7) / RATES["bound"] * (size / 48) ** 0.05) * chance.uniform(0.9, 1)
                shares.append(
                    {
                        "algorithm": algorithm,
                        "bytes": size,
                        "threads": count,
                        "median": share,
                        "q1": share * 0.97,
                        "q3": share * 1.02,
                        "repetitions": 9,
                        "bytes_per_second": 1_000_000,
                    }
                )
                if "copy_rotating" in algorithms:
                    shares[-1]["copy"] = {"median": share / 2, "q1": share / 2, "q3": share / 2}
    return {"context": dict(BENCHMARK_CONTEXT), "algorithms": LISTED, "benchmarks": [], "shares": shares}


def advance_benchmarks(algorithms=RATES):
    """What scripts/advance_benchmarks.py writes, but for the library's own list."""
    costs = []
    for slope, algorithm in enumerate(algorithms):
        for against, step, steps in (("registered", 2, 9), ("outstanding", 4, 8)):
            for count in (step**i for i in range(steps)):
                ns = 0 if algorithm == "null" else 1 + slope * count**0.8
                spread = {"ns": ns, "q1": ns * 0.9, "q3": ns * 1.2, "repetitions": 9, "clock_ns": 30}
                costs.append({"algorithm": algorithm, "against": against, "count": count, **spread})
    return {"context": dict(BENCHMARK_CONTEXT), "algorithms": LISTED, "benchmarks": [], "costs": costs}


def lag_benchmarks(algorithms=RATES):
    """What scripts/lag_benchmarks.py writes, but for the library's own list."""
    lags = []
    for place, algorithm in enumerate(algorithms):
        for name in (algorithm, f"{algorithm}:a_variant"):
            for idle in (0, 64):
                lag = 0 if algorithm == "null" else 50 * 3.0 ** (place + idle // 64)
                spread = {
                    key: {"median": scale * lag, "q1": scale * lag * 0.9, "q3": scale * lag * 1.3}
                    for key, scale in (("p50", 1), ("p99", 10), ("found", 100))
                }
                lags.append({"algorithm": name, "idle": idle, **spread, "repetitions": 9})
    return {"context": dict(BENCHMARK_CONTEXT), "algorithms": LISTED, "benchmarks": [], "lags": lags}


def google_benchmarks(threads=2, algorithms=RATES, repetitions=3):
    """What the library itself writes of appends, repetitions one after the other."""
    chance = random.Random("google")
    entries = []
    for repetition in range(repetitions):
        for name in algorithms:
            for size in (48, 120, 1024):
                of = f"append/{name}/bytes:{size}/real_time/threads:{threads}"
                rate = RATES[name] * size**0.8 * chance.uniform(0.9, 1.1)
                entries.append({"name": of, "run_name": of, "run_type": "iteration", "repetition_index": repetition, "real_time": 1e9 / rate, "time_unit": "ns", "bytes_per_second": rate})
    return {"context": dict(BENCHMARK_CONTEXT), "algorithms": LISTED, "benchmarks": entries}


PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="300" height="150"><path d="M10 140L290 10" stroke="#0072B2"/></svg>'


def series(windows, chance):
    """Five intervals a window, nothing acknowledged in the first of all."""
    seconds = [w["seconds"] / 5 for w in windows for _ in range(5)]
    some = len(seconds) - 1
    return {
        "interval_s": 0.1,
        "start_s": [sum(seconds[:i]) for i in range(len(seconds))],
        "seconds": seconds,
        "operations": [chance.randrange(900, 1100) for _ in seconds],
        "bytes": [chance.randrange(9000, 11000) for _ in seconds],
        "commit_latency_p50_us": [None] + [150.0] * some,
        "commit_latency_p99_us": [None] + [chance.uniform(200, 400) for _ in range(some)],
        "commit_latency_p999_us": [None] + [450.0] * some,
        "commit_latency_max_us": [None] + [500.0] * some,
        "boundary_lag_max_bytes": [None] + [480] * some,
        "durable_lag_bytes": [960] + [0] * some,
        "table_bytes": [0] * some + [4000],
        "slowed": [0] * some + [3],
        "stopped": [0] * some + [1],
    }


def whole(made, disturbed=()):
    """A result with every optional field that a report shows."""
    chance = random.Random(1)
    for repetition in made["repetitions"]:
        repetition["distributions"] = {
            "commit_latency": {"unit": "ns", "max": 10**7, "buckets": [[1000 * 2**i, 10 ** max(0, 6 - i // 2)] for i in range(14)]}
        }
        repetition["series"] = series(repetition["windows"], chance)
        repetition["activity"] = {"steal_share": 0.01, "migrations": 3, "disturbed": list(disturbed)}
    made["not_measured"] = [{"what": "cycles", "reason": "no counters here", "remedy": "a machine that has them"}]
    return made


def write_reproduction(folder):
    """What scripts/reproduce leaves: two figures, one without a picture."""
    claims = [
        {"text": "A is faster than B", "verdict": "holds", "why": "2 is above 1", "ratio": 2.0, "interval": [1.9, 2.1]},
        {"text": "B does not scale", "verdict": "this machine cannot tell", "why": "2 cores of 8", "ratio": None, "interval": None},
        {"text": "C is flat", "verdict": "does not hold", "why": "it grows", "ratio": 1.4, "interval": [1.3, 1.5]},
    ]
    figures = [
        {"figure": "3", "title": "Scaling", "source": "A paper", "published": "8 times", "picture": "figure-3.svg", "command": "muster run", "claims": claims},
        {"figure": "9", "title": "Latency", "source": "Another", "published": "flat", "picture": None, "command": "muster run", "claims": claims[1:]},
    ]
    groups = {
        "figure-3": [result(algorithm=name, threads=t, rate=rate * t**0.5) for name, rate in RATES.items() for t in (1, 2, 4, 8)],
        "figure-9": [
            whole(result("ycsb", name, t, rate=1e5 * t), ["steal: 7 %; limit 2 %"] if name == "eleda" else ())
            for name in ("mutex", "eleda", "border_collie")
            for t in (1, 4)
        ],
    }
    for name, found in groups.items():
        (folder / name).mkdir(parents=True)
        for i, made in enumerate(found):
            (folder / name / f"{i}.json").write_text(json.dumps(made), encoding="utf-8")
    (folder / "figure-3.svg").write_text(PICTURE, encoding="utf-8")
    (folder / "verdicts.json").write_text(json.dumps({"figures": figures}), encoding="utf-8")
