"""What `muster calibrate` wrote of a machine, and what others have published of theirs."""

import json
import statistics
from pathlib import Path

from lab.place import ROOT
from lab.results import ResultError, first_misfit

SCHEMA = ROOT / "results/machine_schema.json"
PUBLISHED = ROOT / "results/published/series.json"
VERSION = 1
DISTANCES = {"sibling": "same core", "cache": "same cache", "package": "same package", "across": "other package"}


def load(path):
    """The document, checked against the schema and in what a schema cannot say."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ResultError(f"{path}: not a calibration: {error}") from error
    version = document.get("calibration") if isinstance(document, dict) else None
    if version != VERSION:
        later = isinstance(version, int) and version > VERSION
        want = f"want {VERSION} at most; a later Muster wrote it" if later else "want what muster calibrate wrote"
        raise ResultError(f"{path}: calibration = {json.dumps(version)}: {want}")
    misfit = first_misfit(document, SCHEMA)
    if misfit:
        raise ResultError(f"{path}: {misfit}")
    _check_sizes(document, path)
    return document


def _check_sizes(document, path):
    units, nodes = len(document["units"]), len(document["nodes"])
    matrices = {f"line_transfer_ns.{key}": (of, units) for key, of in document["line_transfer_ns"].items() if of is not None}
    matrices["copy_bytes_per_s.nodes"] = document["copy_bytes_per_s"]["nodes"], nodes
    for place, (matrix, size) in matrices.items():
        if len(matrix) != size or any(len(row) != size for row in matrix):
            raise ResultError(f"{path}: {place}: want {size} rows of {size}, as many as there are")


def published():
    return json.loads(PUBLISHED.read_text(encoding="utf-8"))


def medians(matrix):
    """Of each cell; None where nothing was measured."""
    return [[cell and cell["median"] for cell in row] for row in matrix]


def by_distance(document, kind="handoff"):
    """{distance of two units: medians in ns of all such pairs}."""
    units, found = document["units"], {}
    for i, row in enumerate(medians(document["line_transfer_ns"][kind])):
        for j, value in enumerate(row):
            if value is not None:
                found.setdefault(distance(units[i], units[j]), []).append(value)
    return found


def distance(one, other):
    if one["core"] == other["core"]:
        return "sibling"
    return "package" if one["package"] == other["package"] else "across"


def middle(values):
    return statistics.median(values)
