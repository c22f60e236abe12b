"""A process of scripts/: its failures and exit codes, its signals, its files."""

import argparse
import contextlib
import ctypes
import json
import math
import os
import shlex
import signal
import sys
from pathlib import Path


class Failure(Exception):
    """One line for the user, and the exit code."""

    code = 1  # the run itself failed


class RequestError(Failure):
    code = 2  # mend the request

    @classmethod
    def of(cls, key, value, want):
        """`key = value: want ...`, a long value cut."""
        shown = value if isinstance(value, str) else json.dumps(value)
        if len(shown) > 100:
            shown = shown[:100] + "..."
        return cls(f"{key} = {shown}: want {want}")


class MachineError(Failure):
    code = 3  # mend the machine


def positive(kind):
    def convert(text):
        value = kind(text)
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"{text}: want more than 0, and an end")
        return value

    convert.__name__ = kind.__name__  # as argparse's messages call it
    return convert


def write_text(text, out):
    """The whole file or none; into what is no regular file (a device, a pipe) as it is."""
    path = Path(out)
    partial = path.with_name(path.name + ".new")
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.rename(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise MachineError(f"--out = {path}: {error.strerror}; want a file that can be written") from error


_PRCTL = ctypes.CDLL(None).prctl
_PR_SET_PDEATHSIG = 1


def end_with_parent():
    """A child's preexec_fn: the kernel ends it when this process is killed, so that no run is left to disturb others."""
    _PRCTL(_PR_SET_PDEATHSIG, int(signal.SIGTERM))


def command_line(script):
    return " ".join([f"scripts/{script}", *map(shlex.quote, sys.argv[1:])])


def main(script, action):
    """The process: action() prints what it found and may return an exit code; a failure is one line and a code."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # also where the locale is ASCII
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    try:
        code = action()
        sys.stdout.flush()
    except Failure as failure:
        print(f"{script}: {failure}", file=sys.stderr)
        sys.exit(failure.code)
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"{script}: standard output: {error.strerror}; want one that can be written", file=sys.stderr)
        sys.exit(MachineError.code)
    sys.exit(code or 0)
