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

    def drawn():
        arguments = parser.parse_args()
        style.base_of(arguments.out)
        found = panels.chosen(results.load_all(arguments.results), arguments.where)
        return draw(found, results.groups(found), arguments)

    report(name, drawn)


def add_out(parser):
    parser.add_argument("--out", metavar="FILE", required=True, help="the figure: FILE.svg and FILE.png are written")


def report(name, draw):
    """The process: draw() returns the paths to print; a mistake is one line and an exit code."""

    def action():
        try:
            paths = draw()
        except results.ResultError as error:
            raise command.RequestError(str(error)) from error
        for path in paths:
            print(f"figure: {path}")

    command.main(name, action)
