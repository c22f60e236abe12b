"""The command line that all figures share."""

import argparse

import style  # first: it finds scripts/ and sets matplotlib up

from lab import command, panels, results


def main(name, description, draw):
    """Reads the results, calls draw(results, groups, arguments) and prints the paths that it returns."""
    parser = argparse.ArgumentParser(prog=f"{name}.py", description=description)
    parser.add_argument("results", metavar="RESULTS", help="folder that scripts/sweep.py wrote, or a packed one")
    panels.add_where(parser)
    add_out(parser)
    arguments = parser.parse_args()

    def drawn():
        found = panels.chosen(results.load_all(arguments.results), arguments.where)
        return draw(found, results.groups(found), arguments)

    report(name, arguments.out, drawn)


def add_out(parser):
    parser.add_argument("--out", metavar="FILE", required=True, help="the figure: FILE.svg and FILE.png are written")


def report(name, out, draw):
    """The process: draw() returns the paths to print; a mistake is one line and an exit code."""

    def action():
        style.base_of(out)
        for path in draw():
            print(f"figure: {path}")

    command.main(name, action)
