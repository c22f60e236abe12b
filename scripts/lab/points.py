"""The points of a matrix, as the gate runs them: each once, in the matrix's order."""

import json

from lab import matrix
from lab.gate import Point
from lab.runs import Muster


def points_of(path, executable, directory):
    """`executable` says what the matrix's words stand for, and refuses what it would not run."""
    found = matrix.points(matrix.read(path), Muster(executable), directory)
    return [Point(point.title(), json.dumps(point.configuration)) for point in found]
