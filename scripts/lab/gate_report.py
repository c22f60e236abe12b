"""What the gate found, as text, as markdown, as JSON."""

import json
import math
import statistics
from dataclasses import asdict

from lab.wording import amount

FIRST = ("slower", "faster", "cannot tell", "not slower")  # what matters first
COLUMNS = ("point", "base", "new", "new/base", "95 %", "p", "base/base", "verdict")


def document(outcome, base, new, threshold):
    """All of it, in the matrix's order."""
    confirmed = {finding.point for finding in outcome.slower()}
    points = []
    for finding in outcome.findings:
        verdict = finding.verdict
        if verdict == "slower" and finding.point not in confirmed:
            verdict = "cannot tell"
        second = next((f for f in outcome.second if f.point == finding.point), None)
        points.append({**_plain(finding), "verdict": verdict, "second": _plain(second) if second else None})
    return {"base": base, "new": new, "threshold": threshold, "points": points}


def _plain(finding):
    return {**asdict(finding), "point": finding.point.title, "configuration": finding.point.shown()}


def as_json(found):
    def finite(value):
        if isinstance(value, dict):
            return {key: finite(part) for key, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [finite(part) for part in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps(finite(found), indent=1) + "\n"


def as_text(found):
    rows = [COLUMNS, *map(_row, _sorted(found["points"]))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1])]
        lines.append("  ".join([*cells, row[-1]]))
    return "\n".join([*lines, "", *_summary(found)])


def as_markdown(found):
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---|" + "--:|" * (len(COLUMNS) - 2) + "---|"]
    lines += ["| " + " | ".join(_row(point)) + " |" for point in _sorted(found["points"])]
    return "\n".join([*_summary(found), "", *lines]) + "\n"


def _sorted(points):
    return sorted(points, key=lambda point: (FIRST.index(point["verdict"]), point["ratio"]))


def _row(point):
    return (
        point["point"],
        amount(point["base"]),
        amount(point["new"]),
        f"{point['ratio']:.3f}",
        f"{point['interval'][0]:.3f} to {point['interval'][1]:.3f}",
        f"{point['p']:.2g}",
        f"{point['again']:.3f}",
        point["verdict"] + _again(point["second"]),
    )


def _again(second):
    return "" if second is None else f", measured again: {second['ratio']:.3f}"


def _summary(found):
    """The verdict and the noise floor."""
    names = [point["point"] for point in found["points"] if point["verdict"] == "slower"]
    limit = f"{found['threshold']:.3g}" if found["threshold"] < 0.01 else f"{found['threshold']:.1%}"
    said = f"{found['new']} against {found['base']}: "
    said += f"slower by more than {limit}, twice: {', '.join(names)}" if names else f"nothing is slower by more than {limit}"
    unknown = sum(point["verdict"] == "cannot tell" for point in found["points"])
    if unknown:
        said += f"; {unknown} of {len(found['points'])} points cannot tell"
    shifts = [abs(math.log(point["again"])) for point in found["points"]]
    median, most = statistics.median(shifts), max(shifts)
    return [said, f"noise floor: base against itself differs by {median:.1%} at the median point, {most:.1%} at most"]
