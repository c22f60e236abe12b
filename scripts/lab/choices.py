"""Prints what a completion offers, a line each: keys, measures, figures, or values KEY. `python3 -m lab.choices`, from scripts/.

Keys are those of results/keys.json, measures the numbers of results/schema.json: no result is read, so that Tab answers
at once. Which of them a folder's results have, the command itself says.
"""

import json
import re
import sys

from lab import recipes
from lab.measurements import KEYS, METRICS
from lab.measures import NO_MEASURES
from lab.results import SCHEMA


def keys():
    return [key["name"] for key in json.loads(KEYS.read_text(encoding="utf-8"))]


def values(name):
    """Those that have names."""
    for key in json.loads(KEYS.read_text(encoding="utf-8")):
        if key["name"] == name:
            return ["true", "false"] if key["want"].startswith("true or false") else re.findall(r'"([^"]*)"', key["want"])
    return []


def measures():
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    of_result = {**schema, "properties": {key: rule for key, rule in schema["properties"].items() if key not in NO_MEASURES}}
    repetition = schema["$defs"]["repetition"]
    return list(dict.fromkeys([*METRICS, *_numbers(schema, repetition), *_numbers(schema, of_result)]))


def _numbers(schema, rule, place=""):
    """The places of numbers below a rule; none in a list."""
    if "$ref" in rule:
        rule = {**schema["$defs"][rule["$ref"].rpartition("/")[2]], **rule}
    for either in rule.get("oneOf", []):
        yield from _numbers(schema, either, place)
    kinds = rule.get("type", [])
    if {"number", "integer"} & set(kinds if isinstance(kinds, list) else [kinds]):
        yield place
    for key, below in rule.get("properties", {}).items():
        yield from _numbers(schema, below, f"{place}.{key}" if place else key)


def figures():
    return ["list", "all", *(recipe.name for recipe in recipes.load().values() if not recipe.unsupported)]


CHOICES = {"figures": figures, "keys": keys, "measures": measures, "values": values}

if __name__ == "__main__":
    print(*CHOICES[sys.argv[1]](*sys.argv[2:]), sep="\n")
