#!/usr/bin/python3
"""Runs the append benchmarks of every log buffer interleaved, and prints each one's share of `bound`.

One run: all benchmarks in random order, repeated; the medians of bytes/s are compared. Needs scripts/setup.
"""

import argparse
import json
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BENCH = ROOT / "build/release/bin/muster_bench"
NAME = re.compile(r"append/(?P<algorithm>\w+)/bytes:(?P<bytes>\d+)/real_time/threads:(?P<threads>\d+)")
# Where it ran is said by the machine's description; its name and folders are nobody's business.
PRIVATE = ("host_name", "executable")


def run(repetitions, seconds, pattern):
    """The benchmarks' own JSON, one entry a repetition, in the registry's order."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "benchmarks.json"
        listed = subprocess.run(
            [str(BENCH), f"--benchmark_filter={pattern}", "--benchmark_list_tests"],
            check=False, capture_output=True, text=True,
        ).stdout.split()  # fmt: skip
        if not listed:
            raise ValueError(f"--filter = {pattern}: matches no benchmark; {BENCH.name} --benchmark_list_tests lists them")
        if sys.stderr.isatty():  # the library says nothing before the end; it measures about twice the least time
            minutes = len(listed) * repetitions * seconds * 2 / 60
            print(f"{len(listed)} benchmarks, {repetitions} times each: about {minutes:.0f} min", file=sys.stderr)
        command = [
            str(BENCH),
            f"--benchmark_out={out}",
            "--benchmark_out_format=json",
            f"--benchmark_repetitions={repetitions}",
            f"--benchmark_min_time={seconds}",
            f"--benchmark_filter={pattern}",
            "--benchmark_enable_random_interleaving=true",
            "--benchmark_display_aggregates_only=true",
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        document = json.loads(out.read_text(encoding="utf-8"))
    document["benchmarks"].sort(key=lambda entry: listed.index(entry["run_name"]))  # as run, they are shuffled
    return document


def medians(document):
    """{(bytes, threads): {algorithm: (median, first quartile, third quartile) of bytes/s}}"""
    rates = {}
    for entry in document["benchmarks"]:
        if entry["run_type"] != "iteration":
            continue
        match = NAME.match(entry["name"])
        point = rates.setdefault((int(match["bytes"]), int(match["threads"])), {})
        point.setdefault(match["algorithm"], []).append(entry["bytes_per_second"])
    return {
        point: {
            name: (statistics.median(values), *statistics.quantiles(values, n=4, method="inclusive")[::2])
            if len(values) > 1
            else (values[0],) * 3
            for name, values in of_point.items()
        }
        for point, of_point in rates.items()
    }


def table(points):
    """Shares of bound, a row an algorithm, a column a record size and thread count."""
    order = sorted(points, key=lambda point: (point[1], point[0]))
    names = list(dict.fromkeys(name for point in order for name in points[point]))
    lines = ["share of bound in bytes/s, of medians", "threads ".ljust(22) + "".join(f"{t:>8}" for _, t in order)]
    lines.append("bytes ".ljust(22) + "".join(f"{b:>8}" for b, _ in order))
    for name in names:
        cells = []
        for point in order:
            of_point = points[point]
            known = name in of_point and "bound" in of_point
            cells.append(f"{of_point[name][0] / of_point['bound'][0]:8.2f}" if known else " " * 8)
        lines.append(name.ljust(22) + "".join(cells))
    return "\n".join(lines)


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="append_benchmarks.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", metavar="FILE", help="write the benchmarks' JSON there")
    parser.add_argument("--repetitions", type=int, default=9, help="of each benchmark (9)")
    parser.add_argument("--seconds", type=float, default=0.1, help="of one repetition, at least (0.1)")
    parser.add_argument("--filter", default="append/", help="a regular expression over the benchmarks' names")
    arguments = parser.parse_args(argv)
    for key, value in (("--repetitions", arguments.repetitions), ("--seconds", arguments.seconds)):
        if value <= 0:
            print(f"append_benchmarks: {key} = {value}: want more than 0", file=sys.stderr)
            return 2
    if not BENCH.exists():
        print("append_benchmarks: build/release/bin/muster_bench is not there: want scripts/setup first", file=sys.stderr)
        return 3
    try:
        document = run(arguments.repetitions, arguments.seconds, arguments.filter)
    except ValueError as error:
        print(f"append_benchmarks: {error}", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:
        print(f"append_benchmarks: {BENCH.name} failed: {error.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return 1
    document["context"] = {key: value for key, value in document["context"].items() if key not in PRIVATE}
    document["context"]["command"] = " ".join(["scripts/append_benchmarks.py", *(sys.argv[1:] if argv is None else argv)])
    if arguments.out:
        path = pathlib.Path(arguments.out)
        partial = path.with_name(path.name + ".new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            partial.rename(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            print(f"append_benchmarks: --out = {path}: {error.strerror}", file=sys.stderr)
            return 3
    print(table(medians(document)))
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    sys.exit(main())
