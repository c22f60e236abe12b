"""The command line that all figures share."""

import argparse
import sys

import style  # noqa: F401  # first: it finds scripts/ and sets matplotlib up

from lab import results


def main(name, description, draw):
    """Reads the folder, calls draw(results, groups, out) and prints the paths that it returns."""
    parser = argparse.ArgumentParser(prog=f"{name}.py", description=description)
    parser.add_argument("results", metavar="RESULTS_DIR", help="folder that scripts/sweep.py wrote")
    parser.add_argument("--out", metavar="FILE", required=True, help="the figure: FILE.svg and FILE.png are written")
    args = parser.parse_args()

    def draw_folder():
        found = results.load_all(args.results)
        return draw(found, results.groups(found), args.out)

    report(name, args.out, draw_folder)


def report(name, out, draw):
    """Calls draw() and prints the paths that it returns; a mistake is one line and an exit code."""
    try:
        paths = draw()
    except results.ResultError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(f"{name}: --out = {out}: {error.strerror}; want a file that can be written", file=sys.stderr)
        sys.exit(3)
    for path in paths:
        print(f"figure: {path}")
