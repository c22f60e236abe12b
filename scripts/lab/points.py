"""The points of a matrix, as the gate runs them: each once, in the matrix's order."""

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
    cells = sorted(matrix.cells(document, machine, directory), key=lambda cell: cell.name)
    return [_point(cell) for cell in cells]


def _point(cell):
    configuration = {key: value for key, value in cell.configuration.items() if key != "seed"}
    title = cell.name.rsplit("-r0-", 1)[0]
    return Point(title, json.dumps(configuration))


def _ask(executable, *words):
    done = subprocess.run([executable, *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MachineError(f"{executable} {' '.join(words)} failed: {done.stderr.strip()}")
    return done.stdout
