"""Runs of Muster's LSM tree beside RocksDB and LevelDB: what is done in each, and what figures the runs come to."""

from lab import statistics

PHASES = {
    "load": ["load", "settle"],
    "write": ["write", "settle", "warm", "read", "scan", "overwrite"],
    "sync": ["write"],
    "large": ["write", "settle", "read", "scan"],
}
RECORD_BYTES = 108
MIB = 1 << 20


def name_of(workload, phase):
    """What a figure calls a phase."""
    if workload == "sync":
        return "synced writes"
    return f"large: {phase}" if workload == "large" else phase


def rates(runs):
    """{(name of a phase, threads): {system: [figures of a repetition]}}. A write's amplification counts what was settled later."""
    found = {}
    for run in runs:
        put_bytes = written = 0
        for phase in run["phases"]:
            name, operations = phase["phase"], phase["operations"]
            if name in ("load", "write", "settle"):
                put_bytes += operations * RECORD_BYTES
                written += phase["written_bytes"]
            if name == "settle":  # the background work of the fill before it
                filled["processor_us"] += 1e6 * phase["processor_seconds"] / max(filled_operations, 1)
            if name in ("settle", "warm"):
                continue
            entry = {"rate": operations / phase["seconds"], "memory": phase["memory_peak_bytes"]}
            entry["processor_us"] = 1e6 * phase["processor_seconds"] / max(operations, 1)
            found.setdefault((name_of(run["workload"], name), run["threads"]), {}).setdefault(run["name"], []).append(entry)
            if name in ("load", "write"):
                filled, filled_operations = entry, operations
        if put_bytes:
            filled["amplification"] = written / put_bytes
    return found


def figures(runs):
    """A list for the document: one entry a workload, number of threads and system, beside Muster's."""
    entries = []
    for (what, threads), by_system in sorted(rates(runs).items()):
        ours = [entry["rate"] for entry in by_system.get("muster", [])]
        for name, of_system in sorted(by_system.items()):
            values = [entry["rate"] for entry in of_system]
            spread = statistics.Spread.of(values)
            entry = {"what": what, "threads": threads, "system": name, "repetitions": spread.count}
            entry |= {"median": round(spread.median), "q1": round(spread.q1), "q3": round(spread.q3)}
            entry["processor_us"] = round(statistics.Spread.of([each["processor_us"] for each in of_system]).median, 3)
            entry["memory_peak_bytes"] = max(each["memory"] for each in of_system)
            if amplifications := [each["amplification"] for each in of_system if "amplification" in each]:
                entry["write_amplification"] = round(statistics.Spread.of(amplifications).median, 2)
            if name != "muster" and ours:
                entry["muster_over_it"] = {"ratio": round(statistics.Spread.of(ours).median / spread.median, 3)}
                if min(len(ours), len(values)) >= 6:  # below, not even the extremes are an interval of 95 %
                    low, high = statistics.bootstrap_ratio([values], [ours])[0]
                    entry["muster_over_it"] |= {"low": round(low, 3), "high": round(high, 3)}
            entries.append(entry)
    return entries


def table(entries):
    lines = [f"{'':18}{'threads':>8}  {'system':10}{'median /s':>12}{'q1':>11}{'q3':>11}{'Muster over it':>24}{'CPU us':>9}{'write amp.':>12}{'MiB':>7}"]
    for entry in entries:
        over = entry.get("muster_over_it")
        ratio = f"{over['ratio']:.2f}" if over else ""
        if over and "low" in over:
            ratio += f" [{over['low']:.2f}, {over['high']:.2f}]"
        amplification = f"{entry['write_amplification']:.2f}" if "write_amplification" in entry else ""
        lines.append(
            f"{entry['what']:18}{entry['threads']:>8}  {entry['system']:10}{entry['median']:>12,}{entry['q1']:>11,}{entry['q3']:>11,}"
            f"{ratio:>24}{entry['processor_us']:>9.2f}{amplification:>12}{entry['memory_peak_bytes'] // MIB:>7}"
        )
    return "\n".join(lines)
