"""The documents that scripts/model writes: model.json, and longer.json that goes on from it."""

import json

from lab import benchmarks, command
from explorer import tables
from explorer.search import ended
from explorer.shapes import EXHAUSTIVE, RANDOM
from explorer.tables import PARTS, subject_of

EXHAUSTED = PARTS[:2]


def read(file, option, tables):
    """A document from which its tables can be made."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        tables(document)
    except (OSError, ValueError) as failure:
        error = failure
    except (AttributeError, LookupError, TypeError) as failure:
        error = f"is not what this command writes ({failure!r})"
    else:
        return document
    raise command.RequestError(f"{option}: {file}: {error}; want what a run without {option} has written")


def write(document, folder):
    benchmarks.write(document, folder / "model.json")
    command.write_text(tables.markdown(document), folder / "tables.md")


def write_longer(document, folder):
    benchmarks.write(document, folder / "longer.json")
    command.write_text(tables.longer(document), folder / "longer.md")


def joined(earlier, later, explored, subjects, shapes=None):
    """`earlier` with what `later` has of the subjects `explored`, in the place of what it has of them itself.

    Of these `shapes` alone, where they are given.
    What `later` did not reach as well: the source may be another one. In the order of all `subjects`; what is none of
    them any more is left out. Runs that are later than that of all are numbered, and each entry names its own.
    """
    order = [shape.name for shape in (*EXHAUSTIVE, *RANDOM)]
    runs = earlier.get("later", [])
    number = 1 + max((run["run"] for run in runs), default=0)
    document = dict(earlier)
    for part in PARTS:

        def shape_of(entry, by_shape=part not in ("mutants", "weakenings")):
            return entry["shape"] if by_shape else None

        def place(entry, shape_of=shape_of):
            shape = shape_of(entry)
            return order.index(shape) if shape in order else len(order), subjects.index(subject_of(entry))

        def is_kept(entry, shape_of=shape_of):
            is_other = subject_of(entry) not in explored or (shapes is not None and shape_of(entry) not in shapes)
            return subject_of(entry) in subjects and is_other

        kept = list(filter(is_kept, earlier[part]))
        document[part] = sorted([*kept, *({**entry, "run": number} for entry in later[part])], key=place)
    left = {entry.get("run") for part in PARTS for entry in document[part]}
    document["later"] = [run for run in (*runs, {"run": number, **later["context"]}) if run["run"] in left]
    return document


def without_end(folder, shapes):
    """(what a run has left without an end, part by part, as --longer has gone on with it; its commit; seconds taken).

    What --longer has found of an algorithm that was explored anew since is left out.
    """
    document = read(folder / "model.json", "--longer", tables.markdown)
    of_all = document["context"]["git_commit"]
    commits = {None: of_all, **{run["run"]: run["git_commit"] for run in document.get("later", [])}}
    parts = {}
    for part in EXHAUSTED:
        left = [entry for entry in document[part] if not ended(entry) and entry["shape"] in shapes]
        parts[part] = {(entry["algorithm"], entry["shape"]): begun(entry, commits[entry.get("run")]) for entry in left}
    seconds = 0.0
    file = folder / "longer.json"
    if file.exists():
        later = read(file, "--longer", tables.longer)
        other = later["context"].get("goes_on_from", "an older form")
        if other != of_all:
            of = f"of the model.json of {other}, and that is of {of_all}"
            raise command.RequestError(f"--longer: {file}: {of}; want it moved away")
        seconds = later["context"]["seconds"]
        for part, known in parts.items():
            for entry in later[part]:
                key = (entry["algorithm"], entry["shape"])
                if key in known and entry.get("run") == known[key].get("run"):
                    known[key] = entry
    return {part: list(known.values()) for part, known in parts.items()}, of_all, seconds


def begun(entry, commit):
    """What --longer knows of a search to begin with."""
    bounded = {"bounded": {**entry["bounded"], "commit": commit}} if "bounded" in entry else {}
    return {**entry, **bounded, "commit": commit}
