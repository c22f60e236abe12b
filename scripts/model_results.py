"""The documents that scripts/model writes: model.json, and longer.json that goes on from it."""

import json

import benchmarks
import model_tables
from model_search import ended
from model_shapes import EXHAUSTIVE, RANDOM

EXHAUSTED = ("exhaustive", "sequential")
LISTS = (*EXHAUSTED, "random", "mutants", "weakenings")


def read(file, option, parts):
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        missing = [part for part in ("context", *parts) if part not in document]
        if not missing:
            return document
        error = f"has no {missing[0]}"
    except (OSError, ValueError) as failure:
        error = failure
    raise benchmarks.RequestError(f"{option}: {file}: {error}; want what a run without {option} has written")


def write(document, folder):
    benchmarks.write(document, folder / "model.json")
    benchmarks.write_text(model_tables.markdown(document), folder / "tables.md")


def write_longer(document, folder):
    benchmarks.write(document, folder / "longer.json")
    benchmarks.write_text(model_tables.longer(document), folder / "longer.md")


def joined(earlier, later, explored, subjects):
    """`earlier` with what `later` has of the subjects `explored`, in the place of what it has of them itself.

    In the order of all `subjects`; what is none of them any more is left out.
    """
    shapes = [shape.name for shape in (*EXHAUSTIVE, *RANDOM)]
    commit = later["context"]["git_commit"]
    document = dict(earlier)
    for part in LISTS:

        def place(entry, by_shape=part not in ("mutants", "weakenings")):
            shape = entry["shape"] if by_shape else None
            return shapes.index(shape) if shape in shapes else len(shapes), subjects.index(subject_of(entry))

        kept = [entry for entry in earlier[part] if subject_of(entry) in subjects and subject_of(entry) not in explored]
        document[part] = sorted([*kept, *({**entry, "commit": commit} for entry in later[part])], key=place)
    commits = {entry.get("commit") for part in LISTS for entry in document[part]}
    runs = [run for run in earlier.get("later", []) if run["command"] != later["context"]["command"]]
    document["later"] = [run for run in (*runs, later["context"]) if run["git_commit"] in commits]
    return document


def subject_of(entry):
    return entry.get("name") or entry["algorithm"]


def without_end(folder, shapes):
    """(what a run has left without an end, part by part, as --longer has gone on with it; its commit; seconds taken).

    What --longer has found of an algorithm that was explored anew since is left out.
    """
    document = read(folder / "model.json", "--longer", EXHAUSTED)
    of_run = document["context"]["git_commit"]
    parts = {}
    for part in EXHAUSTED:
        left = [entry for entry in document[part] if not ended(entry) and entry["shape"] in shapes]
        parts[part] = {(entry["algorithm"], entry["shape"]): begun(entry, of_run) for entry in left}
    seconds = 0.0
    file = folder / "longer.json"
    if file.exists():
        later = read(file, "--longer", EXHAUSTED)
        other = later["context"].get("goes_on_from", "an older form")
        if other != of_run:
            of = f"of the model.json of {other}, and that is of {of_run}"
            raise benchmarks.RequestError(f"--longer: {file}: {of}; want it moved away")
        seconds = later["context"]["seconds"]
        for part, known in parts.items():
            for entry in later[part]:
                key = (entry["algorithm"], entry["shape"])
                if key in known and entry.get("goes_on_from", of_run) == known[key]["goes_on_from"]:
                    known[key] = {"goes_on_from": of_run, **entry}
    return {part: list(known.values()) for part, known in parts.items()}, of_run, seconds


def begun(entry, of_run):
    """What --longer knows of a search to begin with: all is of the run that was last to explore its algorithm."""
    commit = entry.get("commit", of_run)
    bounded = {"bounded": {**entry["bounded"], "commit": commit}} if "bounded" in entry else {}
    return {**entry, **bounded, "commit": commit, "goes_on_from": commit}
