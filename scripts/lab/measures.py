"""What a figure can have on its y axis: the metrics of a comparison, and every other number of a result by its place.

A place is that in the repetition (waits.lock.ns), else that in the result (machine.memory_bytes). What a list holds is
not one number of a repetition, and is no measure.
"""

from dataclasses import dataclass

from lab import measurements
from lab.measurements import METRICS
from lab.runs import flat

NO_MEASURES = ("schema", "configuration", "repetitions")  # of a result: they are x, or have places of their own


@dataclass(frozen=True)
class Measure:
    key: str
    unit: str  # empty where the key ends in it, as places do

    @property
    def title(self):
        name = METRICS[self.key].title if self.key in METRICS else self.key
        return f"{name}, {self.unit}" if self.unit else name


def of_repetition(name, result, repetition):
    """Measure -> value, in the order in which they are listed; nothing for what is null or absent."""
    metrics = measurements.of_repetition(name, repetition, result["throughput"]["unit"])
    found = {Measure(key, unit): value for (key, unit), value in metrics.items()}
    of_result = {key: value for key, value in result.items() if key not in NO_MEASURES}
    places = dict(flat(of_result)) | dict(flat(repetition))
    return found | {Measure(place, _unit(place, result)): value for place, value in places.items() if is_number(value)}


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _unit(place, result):
    section, _, what = place.partition(".")
    return result["throughput"]["unit"] if section == "throughput" and what != "windows" else ""
