"""A process of scripts/: its command line, failures and exit codes, its signals, its files."""

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


class Parser(argparse.ArgumentParser):
    """A mistake is one line, as everywhere."""

    def error(self, message):
        raise RequestError(f"{message}; {self.prog} --help lists the options")


def positive(kind):
    def convert(text):
        value = kind(text)
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"{text}: want more than 0, and an end")
        return value

    convert.__name__ = kind.__name__  # as argparse's messages call it
    return convert


def out_file(text):
    """An option's type: a path that write_text() can write, tried before anything is measured."""
    path = Path(text)
    try:
        if path.is_dir():
            raise RequestError(f"--out = {path}: this is a folder; want a file")
        if not _is_written_into(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _partial(path).touch()
            _partial(path).unlink()
    except OSError as error:
        raise _cannot_write(path, error) from error
    return path


def write_text(text, out):
    write_bytes(text.encode("utf-8"), out)


def write_bytes(content, out):
    """The whole file or none; into a device, a pipe or what a link leads to as it is."""
    path = Path(out)
    partial = _partial(path)
    try:
        if _is_standard_output(path):
            sys.stdout.flush()
            sys.stdout.buffer.write(content)
        elif _is_written_into(path):
            path.write_bytes(content)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(content)
            partial.rename(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise _cannot_write(path, error) from error


def _partial(path):
    return path.with_name(path.name + ".new")


def _is_written_into(path):
    """What must not be replaced by a file: /dev/stdout, for one, is a link."""
    return path.is_symlink() or (path.exists() and not path.is_file())


def _is_standard_output(path):
    return path.exists() and os.path.samestat(path.stat(), os.fstat(1))


def _cannot_write(path, error):
    return MachineError(f"--out = {path}: {error.strerror}; want a file that can be written")


_PRCTL = ctypes.CDLL(None).prctl
_PR_SET_PDEATHSIG = 1


def end_with_parent():
    """A child's preexec_fn: the kernel ends it when this process is killed, so that no run is left to disturb others."""
    _PRCTL(_PR_SET_PDEATHSIG, int(signal.SIGTERM))


def command_line(script):
    return " ".join([f"scripts/{script}", *map(shlex.quote, sys.argv[1:])])


def main(script, action):
    """The process: action() prints what it found and may return an exit code; a failure is one line and a code.

    What is printed and cannot be written is a failure, too, --help included.
    """
    has_output = _is_open(1)
    _open_streams()
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    code = _outcome(script, action if has_output else _refuse_closed_output)
    try:
        sys.stdout.flush()
    except OSError:  # what is left was meant for a reader that has gone, or for a full disk
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(code)


def _refuse_closed_output():
    raise MachineError("standard output: closed; want one that can be written")


def _open_streams():
    """Opens what is closed of the standard streams, so that no other file gets its number and is written into."""
    for number in range(3):
        if not _is_open(number):
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free: this one
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8")
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # also where the locale is ASCII


def _is_open(number):
    try:
        os.fstat(number)
        return True
    except OSError:
        return False


def _outcome(script, action):
    try:
        try:
            code = action() or 0
        except SystemExit as end:  # argparse's --help, a signal
            code = end.code or 0
        sys.stdout.flush()
        return code
    except Failure as failure:
        _complain(f"{script}: {failure}")
        return failure.code
    except BrokenPipeError:  # the reader has seen enough
        return 0
    except OSError as error:
        _complain(f"{script}: standard output: {error.strerror}; want one that can be written")
        return MachineError.code


def _complain(line):
    with contextlib.suppress(OSError):  # a terminal that has gone
        print(line, file=sys.stderr, flush=True)
