"""A Comparison as text: for a terminal, a pull request, CI and services that keep a history. Each function returns it."""

import dataclasses
import json
import math
import re
import xml.etree.ElementTree as xml

from lab.comparison import ALPHA, FASTER, SLOWER, TOO_FEW, UNDECIDED, VERDICTS
from lab.wording import amount

UNDECIDED_ROWS_MAX = 20  # in tables, of what is neither slower nor faster; --json has all
HEADS = ("verdict", "point", "metric", "BASE", "NEW", "change", "95 % interval", "noise", "p", "repetitions")
LEFT = 3  # columns of words


def summary(comparison):
    """One line."""
    counts = [f"{comparison.count(verdict)} {_verdict(verdict, comparison)}" for verdict in VERDICTS]
    return f"{_many(len(comparison.rows), 'row')}: " + ", ".join(counts)


def notes(comparison):
    """How to read the table, a line each."""
    rows, percent = len(comparison.rows), _percent(comparison.threshold)
    lines = [
        f"slower, faster: the medians differ by {percent} or more, and Mann and Whitney's p, adjusted for "
        f"{_many(rows, 'row')} (Benjamini and Hochberg), is at most {ALPHA}",
        "interval: bootstrap over repetitions; noise: half the distance of BASE's quartiles over its median",
    ]
    few = [row for row in comparison.rows if row.verdict == TOO_FEW]
    if few:
        counts = ", ".join(sorted({f"{row.base_repetitions} and {row.new_repetitions}" for row in few}))
        lines.append(f"too few repetitions: {counts}, want {comparison.want} of each side: whether these differ is not known")
    if comparison.left_out:
        lines.append(f"left out, on one side only: {_many(len(comparison.left_out), 'point')}: {_first(comparison.left_out)}")
    return lines


def table(comparison):
    """What matters first."""
    shown, hidden = _shown(comparison.rows)
    rows = [HEADS] + [_cells(row, comparison) for row in shown]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADS))]
    lines = []
    for row in rows:
        cells = [text.ljust(w) if i < LEFT else text.rjust(w) for i, (text, w) in enumerate(zip(row, widths))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines + _hidden_line(hidden))


def markdown(comparison, heading):
    """A comment on a pull request. `heading` are lines that say what was compared."""
    shown, hidden = _shown(comparison.rows, decided_max=100)  # a comment has a largest size
    lines = [f"### {summary(comparison)}", "", *(f"- {_escaped(line)}" for line in heading), ""]
    lines.append("| " + " | ".join(HEADS) + " |")
    lines.append("|" + "".join("---|" if i < LEFT else "---:|" for i in range(len(HEADS))))
    for row in shown:
        cells = [_escaped(cell) for cell in _cells(row, comparison)]
        if row.verdict in (SLOWER, FASTER):
            cells[0] = f"**{cells[0]}**"
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", *_hidden_line(hidden), *(f"- {_escaped(line)}" for line in notes(comparison))]
    return "\n".join(lines) + "\n"


def junit(comparison, skipped, suite="muster compare"):
    """A test a row: what is slower fails, what is undecided is skipped, a file that cannot be used is an error."""
    counts = {
        "tests": len(comparison.rows) + len(skipped),
        "failures": comparison.count(SLOWER),
        "skipped": comparison.count(*UNDECIDED),
        "errors": len(skipped),
    }
    root = xml.Element("testsuites")
    of_suite = xml.SubElement(root, "testsuite", name=suite, **{key: str(count) for key, count in counts.items()})
    for row in comparison.rows:
        case = xml.SubElement(of_suite, "testcase", classname=_printable(row.name), name=_printable(row.metric))
        cells = dict(zip(HEADS, _cells(row, comparison)))
        message = f"{cells['verdict']}: {cells['BASE']} to {cells['NEW']} {row.unit}, {cells['change']}, {cells['95 % interval']}"
        if row.verdict == SLOWER:
            xml.SubElement(case, "failure", message=message, type=SLOWER)
        elif row.verdict in UNDECIDED:
            xml.SubElement(case, "skipped", message=message)
    for line in skipped:
        case = xml.SubElement(of_suite, "testcase", classname="files", name=_printable(line))
        xml.SubElement(case, "error", message=_printable(line), type="skipped file")
    xml.indent(root)
    return xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def document(comparison, base, new, skipped):
    """All of it as JSON, which plots/compare.py draws. null stands for what is not known, or has no end."""
    rows = [{key: _finite(value) for key, value in dataclasses.asdict(row).items()} for row in comparison.rows]
    whole = {
        "comparison": 1,
        "threshold": comparison.threshold,
        "alpha": ALPHA,
        "repetitions_wanted": comparison.want,
        "base": base,
        "new": new,
        "shared": comparison.shared,
        "left_out": comparison.left_out,
        "skipped": skipped,
        "rows": rows,
    }
    return json.dumps(whole, indent=1, allow_nan=False) + "\n"


def benchmark_action(comparison, better):
    """NEW's medians for github-action-benchmark: customBiggerIsBetter ("more") or customSmallerIsBetter ("less").

    It keeps its own history, by the names, and takes one direction a file."""
    entries = [
        {
            "name": f"{row.name}: {row.metric}",
            "unit": row.unit,
            "value": row.new,
            "range": f"± {(row.new_q3 - row.new_q1) / 2:.3g}",
            "extra": f"{_many(row.new_repetitions, 'repetition')}; against BASE: {_signed(row.ratio)}, {row.verdict}",
        }
        for row in comparison.rows
        if row.better == better
    ]
    return json.dumps(entries, indent=1, allow_nan=False) + "\n"


def bencher(comparison):
    """NEW's medians and quartiles in Bencher Metric Format."""
    benchmarks = {}
    for row in comparison.rows:
        measures = benchmarks.setdefault(row.name, {})
        measures[row.measure.replace("_", "-")] = {"value": row.new, "lower_value": row.new_q1, "upper_value": row.new_q3}
    return json.dumps(benchmarks, indent=1, allow_nan=False) + "\n"


def _shown(rows, decided_max=None):
    """The rows of a table, and how many it leaves out."""
    decided = [row for row in rows if row.verdict in (SLOWER, FASTER)][:decided_max]
    shown = decided + [row for row in rows if row.verdict not in (SLOWER, FASTER)][:UNDECIDED_ROWS_MAX]
    return shown, len(rows) - len(shown)


def _hidden_line(hidden):
    return [f"... and {_many(hidden, 'more row')}; --json FILE has all"] if hidden else []


def _cells(row, comparison):
    ends = ("no end" if math.isinf(end) else _signed(end) for end in (row.low, row.high))
    interval = "?" if math.isnan(row.low) else " to ".join(ends)
    return (
        _verdict(row.verdict, comparison),
        row.title,
        f"{row.metric}, {row.unit}",
        amount(row.base),
        amount(row.new),
        _signed(row.ratio),
        interval,
        "?" if math.isnan(row.noise) else f"±{_percent(row.noise)}",
        "<0.001" if row.p < 0.001 else f"{row.p:.3f}",
        f"{row.base_repetitions} and {row.new_repetitions}",
    )


def _verdict(verdict, comparison):
    return verdict.replace("threshold", _percent(comparison.threshold))


def _signed(ratio):
    if ratio < 10:
        return f"{100 * (ratio - 1):+.1f} %"
    return "from 0" if math.isinf(ratio) else f"×{amount(ratio)}".rstrip()


def _percent(share):
    return f"{100 * share:.3g} %" if share < 10 else f"{100 * share:,.0f} %"


def _many(count, what):
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _first(lines, count=3):
    more = f", and {len(lines) - count} more" if len(lines) > count else ""
    return "; ".join(lines[:count]) + more


def _finite(value):
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _escaped(text):
    return _printable(text).replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


def _printable(text):
    """Without what XML must not hold: a file's name may have any byte."""
    return re.sub("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]", "?", text)
