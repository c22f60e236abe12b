"""Runs build/release/bin/muster_bench for the scripts that look at its benchmarks, and writes what it found."""

import argparse
import json
import pathlib
import subprocess
import tempfile

from lab.command import Failure, MachineError, Parser, RequestError, command_line, main, out_file, positive, write_text
from lab.place import BIN

BENCH = BIN / "muster_bench"
MUSTER = BIN / "muster"
CLOCK_NS = 1  # times below are below the clock's resolution
INSTRUCTIONS = BIN / "muster_instructions"
# Where it ran is said by the machine's description; its name and folders are nobody's business.
PRIVATE = ("host_name", "executable")


def listed(pattern):
    """The benchmarks' names, in the registry's order."""
    if not BENCH.exists():
        raise MachineError(f"build/release/bin/{BENCH.name} is not there: want scripts/setup first")
    command = [str(BENCH), f"--benchmark_filter={pattern}", "--benchmark_list_tests"]
    names = subprocess.run(command, check=False, capture_output=True, text=True).stdout.split()
    if not names:
        raise RequestError(f"--filter = {pattern}: matches no benchmark; {BENCH.name} --benchmark_list_tests lists them")
    return names


def run(names, pattern, repetitions, seconds, directory=None):
    """The benchmarks' own JSON, files in `directory`: a random order over all repetitions of all of them, so that drift hits all alike."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "benchmarks.json"
        command = [
            str(BENCH),
            f"--benchmark_out={out}",
            "--benchmark_out_format=json",
            f"--benchmark_repetitions={repetitions}",
            f"--benchmark_min_time={seconds}",
            f"--benchmark_filter={pattern}",
            "--benchmark_enable_random_interleaving=true",
            "--benchmark_display_aggregates_only=true",
            *([f"--directory={directory}"] if directory else []),
        ]
        done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            last = done.stderr.strip().splitlines()
            raise Failure(f"{BENCH.name} failed: {last[-1] if last else f'exit code {done.returncode}'}")
        document = json.loads(out.read_text(encoding="utf-8"))
    document["context"] = {key: value for key, value in document["context"].items() if key not in PRIVATE}
    # The library's own aggregates follow from these.
    entries = [entry for entry in document["benchmarks"] if entry["run_type"] == "iteration"]
    document["benchmarks"] = sorted(entries, key=lambda entry: names.index(entry["run_name"]))
    # What figures say of the algorithms, in their order.
    said = json.loads(output([str(MUSTER), "list", "--json"])[0])
    document["algorithms"] = [{key: about[key] for key in ("name", "title", "unsafe", "stalls_on_idle")} for about in said]
    return document


def output(command):
    """What a program says, on stdout and on stderr."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise MachineError(f"{error.filename} is not there: want scripts/setup first") from error
    if done.returncode != 0:
        last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise Failure(f"{' '.join(command)}: {last}")
    return done.stdout, done.stderr


def context(script):
    """The build and the machine as a benchmark's JSON describes them, for what is not one of the library's."""
    described = json.loads(output([str(INSTRUCTIONS)])[0])
    return {**described, "command": command_line(script)}


def write(document, out):
    """One line an entry of a list, so that what changes from run to run can be read."""
    lines = []
    for key, value in document.items():
        if isinstance(value, list):
            entries = ",\n".join("  " + json.dumps(entry) for entry in value)
            lines.append(f" {json.dumps(key)}: [\n{entries}\n ]")
        else:
            lines.append(f" {json.dumps(key)}: " + json.dumps(value, indent=2).replace("\n", "\n "))
    write_text("{\n" + ",\n".join(lines) + "\n}\n", out)


def main_of_fixed(script, description, pattern, key, figures, table):
    """main() of a script over benchmarks that say themselves how long they take: what figures(document) makes of them
    goes into the document under `key`, and table() of that is printed."""

    def action():
        parser = Parser(
            prog=f"{script}.py", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.add_argument("--out", metavar="FILE", type=out_file, help=f"write the benchmarks' JSON there, with the {key}")
        parser.add_argument("--repetitions", type=positive(int), default=9, help="of each benchmark (9)")
        parser.add_argument("--filter", default=pattern, help="a regular expression over the benchmarks' names")
        arguments = parser.parse_args()
        names = listed(arguments.filter)
        if not all(name.startswith(pattern) for name in names):
            raise RequestError(f"--filter = {arguments.filter}: want one that matches names of {pattern} only")
        document = run(names, arguments.filter, arguments.repetitions, seconds=1)
        document["context"]["command"] = command_line(f"{script}.py")
        document[key] = figures(document)
        if arguments.out:
            write(document, arguments.out)
        print(table(document[key]))

    main(script, action)
