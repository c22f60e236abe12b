"""Files of scripts/append_benchmarks.py and its like: reading them, the command line, the line about the machine."""

import json
from pathlib import Path

import command
import style

from lab import results
from lab.command import Parser
from lab.algorithms import Algorithms
from lab.statistics import Spread

SAME = (
    *("git_commit", "compiler", "flags", "build_type", "sanitizer", "cpu_model", "processing_units", "kernel"),
    *("placement", "flusher_placement"),
)


def spread(entry, keys, unit=1):
    """The median and quartiles under these keys."""
    median, q1, q3 = (entry[key] * unit for key in keys)
    return Spread(median, q1, q3, entry["repetitions"])


def load(paths, key):
    """The entries under `key` of all files, and the context of the first, with `known`: what it says of algorithms. All
    files are of one machine and build."""
    entries, contexts = [], []
    for path in paths:
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
            entries += document[key]
            known = Algorithms.of_list(document.get("algorithms", []))
            contexts.append({**document["context"], "known": known})
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise results.ResultError(f"{path}: not a benchmark's result: {error}") from error
        except (KeyError, TypeError) as error:
            raise results.ResultError(f"{path}: has no {error}: not of this figure's script") from error
        for name in SAME:
            if contexts[-1].get(name) != contexts[0].get(name):
                raise results.ResultError(f"{path}: another {name} than {paths[0]}'s: {contexts[-1].get(name)}; want one")
    if not entries:
        raise results.ResultError(f"{paths[0]}: holds nothing to draw")
    return entries, contexts[0]


def machine_line(context):
    units, cores = int(context["processing_units"]), int(context["cores"])
    parts = [
        context["cpu_model"],
        f"{units} processing unit{'' if units == 1 else 's'} on {cores} core{'' if cores == 1 else 's'}",
        f"{context['numa_nodes']} NUMA node{'' if context['numa_nodes'] == '1' else 's'}",
        "virtual machine" if context["hypervisor"] == "true" else None,
        context["kernel"],
        f"{context['compiler']} {context['build_type']}",
        f"{context['sanitizer']} sanitizer, not for figures" if context["sanitizer"] else None,
        context["date"][:10],
        "commit " + style.commit(context["git_commit"]),
    ]
    return ", ".join(part for part in parts if part) + "."


def count_line(entries, what):
    counts = sorted({entry["repetitions"] for entry in entries})
    number = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{what}: median of {number} interleaved repetitions"


def main(name, description, key, draw, **options):
    """Reads the files, calls draw(entries, context, out) and prints the paths that it returns. `options` are further ones
    of the command line, each a word -> what argparse takes; the context has their values."""
    parser = Parser(prog=f"{name}.py", description=description)
    parser.add_argument("files", metavar="FILE", nargs="+", help="what the script's --out wrote, of one machine and build")
    for option, how in options.items():
        parser.add_argument(f"--{option}", **how)

    def drawn(arguments):
        entries, context = load(arguments.files, key)
        return draw(entries, {**context, **{option: getattr(arguments, option) for option in options}}, arguments.out)

    command.report(name, parser, drawn)
