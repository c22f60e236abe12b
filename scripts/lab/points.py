"""The points of a matrix, as the gate runs them: each once, by title."""

import json
import subprocess

from lab import matrix
from lab.command import MachineError
from lab.gate import Point


def points_of(path, executable, directory):
    """The points of a matrix; `executable` says which algorithms there are and what machine this is."""
    document = {**matrix.read(path), "repetitions": 1}
    machine = matrix.Machine(
        units=len(json.loads(_ask(executable, "topology", "--json"))["units"]),
        algorithms=json.loads(_ask(executable, "list", "--json")),
    )
    found = [Point("", json.dumps(cell.configuration, sort_keys=True)) for cell in matrix.cells(document, machine, directory)]
    settings = [{key: value for key, value in point.settings().items() if key != "seed"} for point in found]
    return sorted((_titled(one, settings) for one in settings), key=lambda point: point.title)


def _titled(settings, others):
    """Named by workload, algorithm, and what differs among the points of its workload."""
    alike = [other for other in others if other["workload"] == settings["workload"]]
    words = [settings["workload"], settings["algorithm"]]
    for key, value in settings.items():
        if key not in ("workload", "algorithm") and any(other.get(key) != value for other in alike):
            words.append(f"{key}={json.dumps(value)}")
    return Point(" ".join(words), json.dumps(settings, sort_keys=True))


def _ask(executable, *words):
    done = subprocess.run([executable, *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MachineError(f"{executable} {' '.join(words)} failed: {done.stderr.strip()}")
    return done.stdout
