"""The page: material through the template, with its style and script inside, so that the file needs no network."""

import json
from datetime import datetime, timezone
from pathlib import Path

import jinja2
from markupsafe import Markup

from lab import panels, results
from lab.wording import amount
from reporting import benchmarks, figures, tables

HERE = Path(__file__).resolve().parent


def page(material, place, command):
    """The HTML of everything."""
    drawn = []
    sections = [_section(section, drawn) for section in material.sections]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["cell"] = cell
    environment.tests["amount"] = lambda value: figures.number(value) is not None
    return environment.get_template("report.html").render(
        title=Path(place).resolve().name,
        command=command,
        date=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        sections=sections,
        papers=material.figures,
        claims=tables.claims(material.figures),
        skipped=material.skipped,
        count=len(material.all_results()),
        style=Markup((HERE / "report.css").read_text(encoding="utf-8")),
        script=Markup((HERE / "charts.js").read_text(encoding="utf-8")),
        # Nothing in the data may end the script element that holds it.
        data=Markup(json.dumps(drawn, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")),
    )


def cell(value):
    """As people read it; the CSV has the value itself."""
    if value is None:
        return "\N{EN DASH}"
    return amount(value) if isinstance(value, float) else str(value)


def _section(section, drawn):
    parts = []
    for found in section.origins():
        groups = results.groups(found)
        panels_of_part = []
        for title, group in zip(panels.titles(groups), groups):
            made, absent = figures.of_group(group, title)
            panels_of_part.append({"title": title, "figures": _numbered(made, drawn), "absent": absent})
        loads = figures.of_load(groups)
        made = [
            tables.origin(found), tables.points(groups), tables.storage(groups), tables.placement(found), tables.disturbed(found),
            tables.activity(found), tables.not_measured(found), tables.verification(found), tables.every_result(found),
        ]  # fmt: skip
        parts.append({"panels": panels_of_part, "loads": _numbered(loads, drawn), "tables": made})
    measured = [
        {"figures": _numbered(benchmarks.of_file(side, known), drawn), "table": tables.benchmark(side)} for side, known in section.benchmarks
    ]
    return {"name": section.name, "parts": parts, "benchmarks": measured}


def _numbered(made, drawn):
    numbers = range(len(drawn), len(drawn) + len(made))
    drawn += made
    return [(number, figure) for number, figure in zip(numbers, made)]
