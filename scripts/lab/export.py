"""Results as one table: a row a window, or a row an interval of the series, a column for every key of a configuration."""

import csv
import io
import lzma
import sqlite3
import tempfile
from pathlib import Path

from lab import measurements, results
from lab.runs import flat

KINDS = (".csv", ".csv.xz", ".sqlite")
WHOSE = {  # column: where it stands in a result
    "git_commit": ("muster", "git_commit"),
    "build_id": ("muster", "build_id"),
    "host_id": ("machine", "host_id"),
    "cpu_model": ("machine", "cpu_model"),
    "processing_units": ("machine", "processing_units"),
}
IN_WINDOW = ("seconds", "operations", "bytes")
LISTS = ("windows", "series", "distributions", "activity")  # of a repetition: no numbers of it as a whole


def kind_of(path):
    """The one of KINDS that a file's name says, or None."""
    return next((kind for kind in reversed(sorted(KINDS, key=len)) if str(path).endswith(kind)), None)


def table(place, measured_in):
    """(columns, rows, skipped): rows are dicts that lack what is unknown; skipped, a line each.

    measured_in is windows or intervals: what a row stands for.
    """
    files, skipped = [], []
    for name, document in results.documents(place):
        if isinstance(document, results.ResultError):
            skipped.append(str(document))
        else:
            files.append(_File(name, document, measured_in))
    _number(files)
    rows = [row for file in files for row in file.rows]
    columns = dict.fromkeys(key for row in rows for key in row)
    return list(columns), rows, skipped


class _File:
    """One result as rows, which are numbered when all files are there."""

    def __init__(self, name, document, measured_in):
        self.point = measurements.point_of(document["configuration"])
        self.order = (document["configuration"]["seed"], results.natural(name))
        self.repetitions = len(document["repetitions"])
        self.rows = list(_rows(name, document, measured_in))


def _number(files):
    """A number a point, which is a configuration without seed and places; its repetitions go on from file to file in
    the order of seeds, so that point, repetition and window name one row."""
    points = {point: number for number, point in enumerate(dict.fromkeys(file.point for file in files), 1)}
    before = dict.fromkeys(points, 0)
    for file in sorted(files, key=lambda file: file.order):
        for row in file.rows:
            row["point"] = points[file.point]
            row["repetition"] += before[file.point]
        before[file.point] += file.repetitions


def windows(repetition):
    """Of each measured window, what was counted in it."""
    for w, window in enumerate(repetition["windows"]):
        yield {"window": w + 1, **{key: window.get(key) for key in IN_WINDOW}}


def intervals(repetition):
    """Of each interval of the series, in which window it lies, and every column; none of a result without a series."""
    series = {key: values for key, values in repetition.get("series", {}).items() if isinstance(values, list)}
    count = len(series.get("seconds", []))
    for i in range(count):
        window = i * len(repetition["windows"]) // count + 1  # every window has as many
        yield {"window": window, "interval": i + 1, **{key: values[i] for key, values in series.items()}}


def _rows(name, document, measured_in):
    of_run = {"result": name, "point": None, "unit": document["throughput"]["unit"]}
    for column, path in WHOSE.items():
        of_run[column] = _at(document, path)
    of_run.update(flat(results.without_place(document["configuration"])))
    for r, repetition in enumerate(document["repetitions"]):
        whole = {key: value for key, value in repetition.items() if key not in LISTS}
        of_repetition = {f"repetition.{key}": value for key, value in flat(whole) if value is not None}
        for measured in measured_in(repetition):
            rate = measured["operations"] / measured["seconds"]
            yield {**of_run, "repetition": r + 1, **measured, "rate": rate, **of_repetition}


def _at(document, path):
    for key in path:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def encoded(kind, columns, rows, name):
    """The bytes of a file of that kind; in a database the table has that name."""
    if kind == ".sqlite":
        return _database(columns, rows, name)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    content = text.getvalue().encode("utf-8")
    return lzma.compress(content) if kind == ".csv.xz" else content


def _cell(value):
    """As pandas reads it back: nothing for null, true and false as it spells them, a list as text."""
    if value is None:
        return ""
    return str(value) if isinstance(value, (bool, list)) else value


def _database(columns, rows, name):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.sqlite"
        connection = sqlite3.connect(path)
        names = ", ".join(f'"{column}"' for column in columns)
        connection.execute(f"CREATE TABLE {name} ({names})")
        marks = ", ".join("?" * len(columns))
        values = ([_field(row.get(column)) for column in columns] for row in rows)
        connection.executemany(f"INSERT INTO {name} VALUES ({marks})", values)
        connection.commit()
        connection.close()
        return path.read_bytes()


def _field(value):
    """What SQLite can hold: no list, and no integer of 64 bits without a sign."""
    if isinstance(value, list) or (isinstance(value, int) and value >= 1 << 63):
        return str(value)
    return value
