"""Results made by hand, for what needs more points than a test can measure."""

import random


def result(workload="append", algorithm="border_collie", threads=1, seed=1, rate=1e6, windows=4):
    chance = random.Random(f"{workload} {algorithm} {threads} {seed}")
    ycsb = workload == "ycsb"
    unit = "transactions/s" if ycsb else "records/s"
    measured = []
    for _ in range(windows):
        operations = int(rate * 0.5 * chance.uniform(0.93, 1.07))
        measured.append({"seconds": 0.5, "operations": operations, "bytes": operations * 120})
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
        "log_buffer": {"capacity": 16777216, "consolidation_slots": 4, "delegation_chain": 32, "hop_bits": 0},
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
            "policy": "durable",
        }
        configuration["log"] = {
            "device": "file",
            "direct": False,
            "latency_us": 0,
            "segment_bytes": 67108864,
            "group_commits": 8,
            "group_timeout_us": 1000,
        }
    else:
        configuration["append"] = {"bytes": 120}
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
        "machine": {
            "cpu_model": "A made-up processor",
            "architecture": "x86_64",
            "processing_units": 8,
            "cores": 4,
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
        },
        "placement": {
            "policy": "compact",
            "workers": [{"worker": i, "asked": i % 8, "found": i % 8} for i in range(threads)],
            "flusher": {"asked": 7, "found": 7, "shares_unit_with_worker": threads >= 8},
            "oversubscribed": threads > 8,
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
            }
        ],
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


def quickstart(repetitions=3):
    """What the quickstart leaves, of a machine with 8 processing units."""
    results = []
    for seed in range(1, repetitions + 1):
        for algorithm, rate in RATES.items():
            for threads in (1, 2, 4, 8):
                factor = threads**0.6 if algorithm != "mutex" else threads**-0.2
                results.append(result("append", algorithm, threads, seed, rate * factor))
        for algorithm in ("mutex", "consolidation", "eleda", "border_collie"):
            for clients in (1, 2, 4, 8, 16, 32):
                rate = RATES[algorithm] / 8e6 * 300 * clients**0.9 + 2000
                results.append(result("ycsb", algorithm, clients, seed, rate))
    return results
