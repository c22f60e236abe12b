"""The folder that a sweep writes: who may write it, what is planned for it.

    *.json                 results, each whole
    .running.json          the run that is going on; .running-2-of-3.json of a shard
    .plan.json             what is to be there; .plan-2-of-3.json of a shard
    .lock-2-of-3           held by the shard that runs
    .slurm/                what was submitted: lab/slurm.py

A sweep holds the folder's lock alone. Shards share it, and each holds its own.
"""

import fcntl
import json
import os
import time

from lab import results, shards
from lab.command import MachineError, RequestError, write_text

LOCK_S = 3  # a run that ends with its sweep may take so long


class Folder:
    """As a sweep writes it, or one of its shards."""

    def __init__(self, out, shard=None):
        self.out, self.shard = out, shard
        word = f"-{shard.word}" if shard else ""
        self.running = out / f".running{word}.json"  # no result before it is whole and fits the schema
        self.probe = out / f".running{word}.json.probe"
        self.plan = out / f".plan{word}.json"

    def claim(self):
        """Locks, taken before anything there is changed. A run that outlives its sweep still holds them."""
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            folder = os.open(self.out, os.O_RDONLY | os.O_DIRECTORY)
            own = os.open(self.out / f".lock-{self.shard.word}", os.O_RDWR | os.O_CREAT, 0o666) if self.shard else None
        except OSError as error:
            raise cannot_write(self.out, error) from error
        if own is None:
            return [_locked(folder, fcntl.LOCK_EX, self.out, "another sweep is")]
        return [
            _locked(folder, fcntl.LOCK_SH, self.out, "another sweep is"),
            _locked(own, fcntl.LOCK_EX, self.out, f"another sweep of shard {self.shard} is"),
        ]

    def want_same_matrix(self, fingerprint):
        """Shards of as many that have been here divide the same runs."""
        if self.shard is None:
            return
        for path in sorted(self.out.glob(f".plan-*-of-{self.shard.count}.json")):
            if path != self.plan and _plan(path)["of_all"]["fingerprint"] != fingerprint:
                raise RequestError(
                    f"--shard = {self.shard}: {path.name} in {self.out} is of other runs; want the same matrix and --only for all "
                    "shards, and --units where the servers have not as many processing units; or remove that file"
                )

    def clear(self):
        """Takes away what is not whole."""
        for path in self.out.glob(self.running.name + "*"):
            path.unlink()

    def write_plan(self, plan):
        write_text(json.dumps(plan), self.plan)

    def has(self, cell):
        """Whether a result is there and whole."""
        try:
            results.load(self.out / cell.name)
            return True
        except results.ResultError:
            return False


def plan(cells, whole, run_s, shard=None):
    """What `cells` of the runs `whole` are to bring."""
    return {
        "runs": [cell.name for cell in cells],
        "seconds": [round(run_s(cell), 3) for cell in cells],
        "failed": [],
        "shard": str(shard) if shard else None,
        "of_all": {"runs": len(whole), "seconds": round(sum(map(run_s, whole)), 3), "fingerprint": shards.fingerprint(whole)},
    }


def read_plan(folder):
    """The plan that was made last; of a shard, with those of the others of as many."""
    found = sorted(folder.glob(".plan*.json"), key=lambda path: path.stat().st_mtime_ns)
    if not found:
        raise RequestError.of("DIR", str(folder), "a folder that scripts/sweep.py writes")
    last = _plan(found[-1])
    if last["shard"] is None:
        return last
    count = last["shard"].partition("/")[2]
    whole = folder / ".plan.json"
    parts = [_plan(path) for path in sorted(folder.glob(f".plan-*-of-{count}.json"))]
    merged = {key: [value for part in parts for value in part[key]] for key in ("runs", "seconds", "failed")}
    if whole.exists() and _plan(whole)["of_all"] == last["of_all"]:
        merged = {**_plan(whole), "failed": merged["failed"]}
    return {**merged, "shard": last["shard"], "of_all": last["of_all"]}


def is_claimed(folder):
    """Whether a sweep writes there, on this host."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(handle)


def hosts(folder):
    """How many the results there come from."""
    found = (document for _, document in results.documents(folder) if isinstance(document, dict))
    return len({document["machine"].get("host_id") for document in found})


def cannot_write(out, error):
    return MachineError(f"--out = {out}: {error.strerror}; want a folder that can be written; what is complete is kept")


def _plan(path):
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        runs = {"runs": len(found["runs"]), "seconds": sum(found["seconds"]), "fingerprint": None}
        return {"shard": None, "of_all": runs, **found}  # earlier ones say nothing of shards
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError.of("DIR", str(path.parent), "a folder that scripts/sweep.py writes") from error


def _locked(handle, how, out, who):
    give_up = time.monotonic() + LOCK_S
    while True:
        try:
            fcntl.flock(handle, how | fcntl.LOCK_NB)
            return handle
        except BlockingIOError as error:
            if time.monotonic() > give_up:
                os.close(handle)
                raise MachineError(f"--out = {out}: {who} writing there; want a folder of its own") from error
        time.sleep(0.05)
