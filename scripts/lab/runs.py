"""The executable `muster`: what it is asked, and its runs, each a process of its own."""

import functools
import json
import os
import shlex
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from lab.command import Failure, MachineError, RequestError

TEMPORARY = 4  # the exit code that says: try again later
PAUSES_S = (2, 5, 15)  # before each further try


@dataclass
class Outcome:
    """How a run ended."""

    code: int
    said: str  # the last line that it printed
    command: list

    def __str__(self):
        return f"{self.said or f'exit code {self.code}'} [{shlex.join(self.command)}]"


class Muster:
    """One executable. A relative path is one from here, never a program of that name in PATH. `topology`: a file that
    describes another machine than this one, whose units and nodes are then asked about."""

    def __init__(self, path, topology=None):
        self.path = Path(path).absolute()
        self.machine = [] if topology is None else ["--xml", str(topology)]

    def ask(self, *words, text=None):
        """What it prints; `text` is its standard input."""
        try:
            done = subprocess.run(
                [self.path, *words], input=text or "", capture_output=True, encoding="utf-8", errors="replace", check=False
            )
        except OSError as error:
            raise MachineError(f"{self.path}: {error.strerror}; scripts/setup builds it") from error
        if done.returncode == RequestError.code and self.machine:
            raise RequestError(_last_line(done.stderr).removeprefix("muster: "))
        if done.returncode != 0:
            raise MachineError(f"{self.path} {' '.join(words)} failed: {_last_line(done.stderr) or done.returncode}")
        return done.stdout

    def ask_json(self, *words):
        said = self.ask(*words)
        try:
            return json.loads(said)
        except ValueError as error:
            raise MachineError(f"{self.path} {' '.join(words)}: want JSON: {error}") from error

    @functools.cached_property
    def topology(self):
        return self.ask_json("topology", "--json", *self.machine)

    @functools.cached_property
    def units(self):
        """How many processing units it sees."""
        return len(self.topology["units"])

    @functools.cached_property
    def near_node(self):
        """The first NUMA node with processing units and memory."""
        with_units = {unit["node"] for unit in self.topology["units"]}
        return min(with_units & set(self.topology["nodes_with_memory"]) or with_units)

    @functools.cached_property
    def far_node(self):
        """The node with units and memory that is furthest from near_node; None where there is one node."""
        with_units = {unit["node"] for unit in self.topology["units"]} & set(self.topology["nodes_with_memory"])
        nodes = self.topology["nodes"]
        distances = next(node["distances"] for node in nodes if node["number"] == self.near_node)
        distance = dict(zip((node["number"] for node in nodes), distances))
        return max(with_units - {self.near_node}, key=lambda node: (distance.get(node, 0), -node), default=None)

    @functools.cached_property
    def siblings(self):
        """A placement: two units of one core, then one of another core of its node. None where no core has two units."""
        units = self.topology["units"]
        second = next((unit for unit in units if unit["sibling"] == 1), None)
        if second is None:
            return None
        first = next(unit for unit in units if unit["core"] == second["core"] and unit["sibling"] == 0)
        others = [unit for unit in units if unit["node"] == second["node"] and unit["core"] != second["core"]]
        return [unit["number"] for unit in (first, second, *others[:1])]

    @functools.cached_property
    def algorithms(self):
        return self.ask_json("list", "--json")

    @functools.cached_property
    def keys(self):
        """The keys of a configuration, each with its workloads, default and meaning."""
        return {key["name"]: key for key in self.ask_json("keys", "--json")}

    @functools.cached_property
    def ends_with_parent(self):
        """Earlier executables do not know the option."""
        return "--end-with-parent" in self.ask("run", "--help")

    def check(self, configurations):
        """What it would do with each: {"ok": True, "configuration": what is effective} or the refusal."""
        lines = "".join(json.dumps(configuration) + "\n" for configuration in configurations)
        answers = [json.loads(line) for line in self.ask("check", *self.machine, text=lines).splitlines()]
        if len(answers) != len(configurations):
            raise MachineError(f"{self.path} check: {len(answers)} answers to {len(configurations)} configurations")
        return answers

    def probe(self):
        """A result of a run of a millisecond, for what it says of build and machine."""
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "result.json"
            short = {"workload": "append", "algorithm": "null", "warmup_s": 0, "window_s": 0.001, "windows": 1}
            outcome = Runner().run(self, short, out)
            if outcome.code != 0:
                raise MachineError(f"cannot run: {outcome}")
            return json.loads(out.read_text(encoding="utf-8"))


class Runner:
    """Runs one configuration after the other. The run of a process that ends, however it ends, ends with it."""

    def __init__(self, options=(), keep_open=()):
        self.options = list(options)  # of `muster run`
        self.keep_open = tuple(keep_open)  # file descriptors that a run holds, too
        self.child = None
        self.stopped_by = None  # a signal's number

    def stop_on_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.stop)

    def stop(self, number, _frame=None):
        """A signal's handler. The child ends by the first one, and is killed by the second."""
        if self.child is not None:
            self.child.send_signal(signal.SIGINT if self.stopped_by is None else signal.SIGKILL)
        self.stopped_by = number

    def run(self, muster, configuration, out, limit_s=600):
        """One run into the file `out`; one that something else is in the way of is tried again a few times."""
        command = [str(muster.path), "run"]
        for key, value in flat(configuration):
            command += ["--set", f"{key}={json.dumps(value)}"]
        hidden = [*self.options, f"--out={out}"]  # of no interest to a reader of the message
        if muster.ends_with_parent:
            hidden.append(f"--end-with-parent={os.getpid()}")
        for pause_s in (*PAUSES_S, None):
            outcome = self._run_once(command, hidden, limit_s)
            if outcome.code != TEMPORARY or pause_s is None or not self._wait(pause_s):
                return outcome
        raise AssertionError("unreachable")

    def _run_once(self, command, hidden, limit_s):
        try:
            # A group of its own: a terminal's Ctrl-C reaches this process, which passes it on once.
            self.child = subprocess.Popen(
                [*command, *hidden],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                process_group=0,
                pass_fds=self.keep_open,
            )
        except OSError as error:
            raise MachineError(f"{command[0]}: {error.strerror}") from error
        if self.stopped_by is not None:
            self.child.send_signal(signal.SIGINT)  # it came while there was no child to pass it on to
        try:
            said, _ = self.child.communicate(timeout=limit_s)
            return Outcome(self.child.returncode, _last_line(said), command)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.communicate()
            return Outcome(Failure.code, f"no end after {limit_s:.0f} s", command)
        finally:
            self.child = None

    def _wait(self, seconds):
        """False: it has been stopped meanwhile."""
        until = time.monotonic() + seconds
        while self.stopped_by is None and time.monotonic() < until:
            time.sleep(0.05)
        return self.stopped_by is None


def flat(configuration, prefix=""):
    """(dotted key, value) of each."""
    for key, value in configuration.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _last_line(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
