"""What a report is made of: sections of results and benchmarks, verdicts, and what was skipped."""

import base64
import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from lab import measurements, results
from lab.algorithms import Algorithms
from lab.machine import BUILD, MACHINE
from lab.results import PACKED, ResultError

VERDICTS = "verdicts.json"


@dataclass
class Section:
    """A folder, a packed sweep or one benchmark's file."""

    name: str
    found: list = field(default_factory=list)  # results of muster run
    benchmarks: list = field(default_factory=list)  # (measurements.Side, Algorithms) each

    def origins(self):
        """The results of one build and machine together: a figure has one origin."""
        parts = defaultdict(list)
        for result in self.found:
            parts[tuple(str(result[s].get(k)) for s, keys in (("muster", BUILD), ("machine", MACHINE)) for k in keys)].append(result)
        return list(parts.values())


@dataclass
class Material:
    sections: list = field(default_factory=list)
    figures: list = field(default_factory=list)  # of papers, with claims
    skipped: list = field(default_factory=list)  # a line each

    def all_results(self):
        return [result for section in self.sections for result in section.found]


def read(place):
    """The Material of a folder, of its direct subfolders, or of one packed sweep; ResultError where there is none."""
    place = Path(place)
    material = Material()
    if not place.is_dir():
        _read_section(material, place.name, place)
    else:
        if (place / VERDICTS).exists():
            _read_verdicts(material, place)
        folders = sorted((p for p in place.iterdir() if p.is_dir() and not p.name.startswith(".")), key=lambda p: results.natural(p.name))
        for folder in [place, *folders]:
            _read_folder(material, folder.name if folder != place else place.resolve().name, folder)
    if not material.sections and not material.figures:
        if not place.is_dir() and material.skipped:
            raise ResultError(material.skipped[0])
        reason = f"; the first of {len(material.skipped)} skipped: {material.skipped[0]}" if material.skipped else ""
        raise ResultError(f"{place}: holds no results: scripts/sweep.py and scripts/reproduce write them{reason}")
    return material


def _read_folder(material, name, folder):
    if any(not p.name.startswith(".") and p.name != VERDICTS for p in folder.glob("*.json")):
        _read_section(material, name, folder)
    for packed in sorted(folder.glob(f"*{PACKED}")):
        _read_section(material, f"{name}/{packed.name}", packed)


def _read_section(material, name, place):
    section, known = Section(name), {}
    try:
        for file, document in results.documents(place):
            if file == VERDICTS:
                continue
            try:
                if isinstance(document, ResultError):
                    _add_benchmark(section, place / file, document)
                else:
                    _add_result(section, file, document, known)
            except ResultError as error:
                material.skipped.append(f"{name}: {error}")
    except ResultError as error:
        material.skipped.append(str(error))
    if section.found or section.benchmarks:
        material.sections.append(section)


def _add_benchmark(section, path, refusal):
    """A file of muster_bench among results; anything else that was refused stays refused."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        document = None
    if not (isinstance(document, dict) and isinstance(document.get("benchmarks"), list)):
        raise refusal
    section.benchmarks.append((measurements.read(path), _algorithms(path.name, document)))


def _algorithms(name, document):
    """What the file says of them; older ones say nothing."""
    listed = document.get("algorithms", [])
    fits = isinstance(listed, list) and all(isinstance(about, dict) and isinstance(about.get("name"), str) for about in listed)
    if not fits or not all(isinstance(about.get("title", ""), str) for about in listed):
        raise ResultError(f"{name}: algorithms = {json.dumps(listed)[:80]}: want a list of objects with a name and a title")
    return Algorithms.of_list(listed)


def _add_result(section, file, document, known):
    fingerprint = json.dumps(
        [results.without_place(document["configuration"]), document["muster"], document["machine"].get("host_id")], sort_keys=True
    )
    if fingerprint in known:
        raise ResultError(f"{file}: the same configuration and seed as {known[fingerprint]}: want each once")
    known[fingerprint] = file
    section.found.append(document)


def _read_verdicts(material, folder):
    path = folder / VERDICTS
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))["figures"]
        shown = [_figure(folder, figure) for figure in figures]
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        material.skipped.append(f"{path}: not verdicts of scripts/reproduce: {type(error).__name__} {error}")
    else:
        material.figures = shown


def _figure(folder, figure):
    """With its picture inside; a path that leads out of the folder is no picture of it."""
    picture = figure.get("picture")
    path = (folder / picture).resolve() if picture else None
    embedded = None
    if path and path.is_file() and path.is_relative_to(folder.resolve()):
        kind = {".svg": "svg+xml", ".png": "png"}.get(path.suffix)
        embedded = f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}" if kind else None
    claims = [dict(claim) for claim in figure.get("claims") or []]
    return {**figure, "claims": claims, "embedded": embedded}
