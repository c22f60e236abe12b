"""The points of a matrix, as the gate runs them: each once, by title."""

import json

from lab import matrix
from lab.gate import Point
from lab.runs import Muster, flat


def points_of(path, executable, directory=None):
    """The points of a matrix; `executable` says which algorithms there are and what machine this is. Whether a build
    accepts them is seen when they are first run: earlier ones have no `muster check`."""
    spelled = matrix.spelled_points(matrix.read(path), Muster(executable), directory)
    settings = list({json.dumps(one, sort_keys=True): one for one in (dict(flat(p.configuration)) for p in spelled)}.values())
    return sorted((_titled(one, settings) for one in settings), key=lambda point: point.title)


def _titled(settings, others):
    """Named by workload, algorithm, and what differs among the points of its workload."""
    alike = [other for other in others if other["workload"] == settings["workload"]]
    words = [settings["workload"], settings["algorithm"]]
    for key, value in settings.items():
        if key not in ("workload", "algorithm") and any(other.get(key) != value for other in alike):
            words.append(f"{key}={json.dumps(value)}")
    return Point(" ".join(words), json.dumps(settings, sort_keys=True))
