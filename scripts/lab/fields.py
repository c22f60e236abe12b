"""What a reader may rely on in a result: each field that results/schema.json knows, where it is there, has its type.

What is absent or unknown stays so: this is no validation, which lab.results.check() does.
"""

import functools
import json
import math

from lab.place import ROOT

SCHEMA = ROOT / "results/schema.json"
TYPES = {
    "null": ("null", lambda value: value is None),
    "boolean": ("true or false", lambda value: isinstance(value, bool)),
    "integer": ("an integer", lambda value: _is_finite(value) and value == int(value)),
    "number": ("a number", lambda value: _is_finite(value)),
    "string": ("text", lambda value: isinstance(value, str)),
    "array": ("a list", lambda value: isinstance(value, list)),
    "object": ("an object", lambda value: isinstance(value, dict)),
}


def wrong(document):
    """(place, value, what is wanted) of the first field that is not as the schema says, or None."""
    return _checker()(document, "")


@functools.cache
def _checker():
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return _Compiler(schema["$defs"]).check(schema)


def _is_finite(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _words(rules):
    """The only texts that may stand in the place of something else: [] where a text is all that may, or any text."""
    named = [one for one in rules if "string" in _kinds(one)]
    if len(named) == len(rules) or not all("enum" in one for one in named):
        return []
    return [word for one in named for word in one["enum"] if isinstance(word, str)]


class _Compiler:
    """Makes a function of a rule, so that a thousand results are read in a second."""

    def __init__(self, definitions):
        self._definitions = definitions

    def check(self, rule):
        """A function (value, place) -> what wrong() returns."""
        rules = list(self._alternatives(rule))
        if not all(rules):
            return lambda value, place: None  # anything
        kinds = list(dict.fromkeys(kind for one in rules for kind in _kinds(one)))
        least = min((one.get("minimum", -math.inf) for one in rules if {"number", "integer"} & set(_kinds(one))), default=-math.inf)
        want = " or ".join([TYPES[kind][0] for kind in kinds]) + (f", {least} or more" if least > -math.inf else "")
        tests = [TYPES[kind][1] for kind in kinds]
        fewest = max((one.get("minItems", 0) for one in rules), default=0)
        most = min((one["maxItems"] for one in rules if "maxItems" in one), default=math.inf)
        words = _words(rules)
        of_list, of_object = self._items(rules), self._object(rules)

        def checked(value, place):
            if kinds and not any(test(value) for test in tests):
                return place, value, want
            if isinstance(value, dict):
                return of_object(value, place)
            if isinstance(value, list):
                return of_list(value, place) if fewest <= len(value) <= most else (place, value, f"a list of {fewest}")
            if words and isinstance(value, str) and value not in words:
                return place, value, f"{want}: {', '.join(words)}"
            if isinstance(value, (int, float)) and not isinstance(value, bool) and value < least:
                return place, value, want
            return None

        return checked

    def _alternatives(self, rule):
        """The rules of which one is to hold, each without a reference."""
        if rule is True or "$ref" not in rule:
            yield from map(self._resolved, rule.get("oneOf", [rule]) if rule is not True else [{}])
        else:
            yield from self._alternatives({**self._definitions[rule["$ref"].rpartition("/")[2]], **{k: v for k, v in rule.items() if k != "$ref"}})

    def _resolved(self, rule):
        (found,) = self._alternatives(rule) if "$ref" in rule else [rule]
        return found

    def _properties(self, rule):
        """Also of the branches that its conditions take: a field has one type in all of them."""
        for branch in ("then", "else"):
            if branch in rule:
                yield from self._properties(self._resolved(rule[branch]))
        yield from rule.get("properties", {}).items()

    def _object(self, rules):
        known = {}
        for key, rule in (pair for one in rules for pair in self._properties(one)):
            if rule is not True:
                known[key] = self.check(rule)
        others = [one["additionalProperties"] for one in rules if isinstance(one.get("additionalProperties"), dict)]
        other = self.check(others[0]) if others and not known else None

        def checked(value, place):
            for key, below in value.items():
                check = known.get(key, other)
                found = check and check(below, f"{place}.{key}" if place else key)
                if found:
                    return found
            return None

        return checked

    def _items(self, rules):
        of = [self.check(one["items"]) for one in rules if isinstance(one.get("items"), dict)]
        if not of:
            return lambda value, place: None
        (check,) = of

        def checked(value, place):
            for i, below in enumerate(value):
                found = check(below, f"{place}.{i}")
                if found:
                    return found
            return None

        return checked


def _kinds(rule):
    """The names of the types that a rule allows; none where it allows all."""
    if "type" in rule:
        return rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    values = rule.get("enum", [rule["const"]] if "const" in rule else [])
    return list(dict.fromkeys(next(kind for kind in TYPES if TYPES[kind][1](value)) for value in values))
