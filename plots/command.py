"""The command line that all figures share."""

import style  # first: it finds scripts/ and sets matplotlib up

from lab import command, panels, results


def main(name, description, draw):
    """Reads the results, calls draw(results, groups, arguments) and prints the paths that it returns."""
    parser = command.Parser(prog=f"{name}.py", description=description)
    parser.add_argument("results", metavar="RESULTS", help="folder that scripts/sweep.py wrote, or a packed one")
    panels.add_where(parser)

    def drawn(arguments):
        found = panels.read(arguments)
        return draw(found, results.groups(found), arguments)

    report(name, parser, drawn)


def report(name, parser, draw):
    """The process: draw(arguments) returns the paths to print; a mistake is one line and an exit code."""
    parser.add_argument("--out", metavar="FILE", required=True, help="the figure: FILE.svg, .png, .pdf and .csv are written")

    def action():
        arguments = parser.parse_args()
        style.base_of(arguments.out)
        for path in draw(arguments):
            print(f"figure: {path}")

    command.main(name, action)
