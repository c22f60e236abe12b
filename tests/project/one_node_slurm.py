"""A real Slurm of one node on loopback: munged, slurmctld and slurmd, each a child that ends with this process."""

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
CONFIGURATION = """
ClusterName=try
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldPort={controller}
SlurmdPort={node}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SwitchType=switch/none
MpiDefault=none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MaxArraySize={array_max}
ReturnToService=2
SlurmdTimeout=5
MessageTimeout=5
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={units} Sockets=1 CoresPerSocket={units} ThreadsPerCore=1 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""


def missing():
    """Why it cannot be started here; None where it can."""
    os.environ["PATH"] += ":/usr/sbin"
    lacking = [program for program in PROGRAMS if shutil.which(program) is None]
    if lacking:
        return f"needs {', '.join(lacking)} of scripts/packages-all.txt: scripts/test --all installs them"
    return None if os.geteuid() == 0 else "needs root, which slurmd does"


class OneNodeSlurm:
    """Its commands find it by environment()."""

    def __init__(self, folder, array_max=101):
        self.folder, self.children = Path(folder), {}
        os.chmod(folder, 0o755)  # munged runs as its own user
        for name in ("munge", "state", "spool"):
            (self.folder / name).mkdir()
        host = self.host = socket.gethostname().partition(".")[0]
        controller, node = _free_ports(2)
        text = CONFIGURATION.format(
            folder=folder, host=host, controller=controller, node=node, units=len(os.sched_getaffinity(0)), array_max=array_max
        )
        self.configuration = self.folder / "slurm.conf"
        self.configuration.write_text(text, encoding="utf-8")

    def environment(self):
        return {**os.environ, "SLURM_CONF": str(self.configuration)}

    def start(self):
        # Also where this process is interrupted: slurmctld outlives the signal of a parent's end.
        atexit.register(self.stop)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        self._start_munged()
        self.start_controller()
        self.start_node()

    def start_controller(self):
        self._start("slurmctld", "slurmctld", "-D", "-f", self.configuration)
        self._wait("slurmctld", lambda: self.ask("scontrol", "ping").returncode == 0)

    def start_node(self):
        self._start("slurmd", "slurmd", "-D", "-f", self.configuration)
        self._wait("slurmd", lambda: self.ask("sinfo", "--noheader", "--format=%T").stdout.strip() in ("idle", "allocated", "mixed"))

    def ask(self, *words):
        return subprocess.run(words, env=self.environment(), capture_output=True, text=True, check=False)

    def kill(self, name, how=signal.SIGKILL):
        """At once, as a machine that is switched off. A controller that is killed so forgets its last seconds."""
        child = self.children.pop(name)
        child.send_signal(how)
        child.wait(timeout=60)

    def forget_jobs(self):
        """What a test that failed may have left."""
        self.ask("scancel", "--quiet", "--full", "--user=root")
        for state in ("down", "resume"):  # down: what is still there ends
            if self.ask("squeue", "--noheader").stdout.strip():
                self.ask("scontrol", "update", f"nodename={self.host}", f"state={state}", "reason=test")

    def stop(self):
        """All of it, jobs first: their processes are children of no one here."""
        if {"slurmctld", "slurmd"} <= self.children.keys():
            self.ask("scancel", "--full", "--user=root")
            self._wait("slurmctld", lambda: not self.ask("squeue", "--noheader").stdout.strip(), complain=False)
        for name in ("slurmd", "slurmctld", "munged"):
            if name in self.children:
                child = self.children.pop(name)
                child.send_signal(signal.SIGTERM)
                try:
                    child.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()

    def _start_munged(self):
        place = self.folder / "munge"
        key = place / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        user = pwd.getpwnam("munge")
        for path in (place, key):
            os.chown(path, user.pw_uid, user.pw_gid)
        own = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        files = [f"--{option}={place}/{name}" for option, name in (
            ("key-file", "key"), ("socket", "socket"), ("pid-file", "pid"), ("log-file", "log"), ("seed-file", "seed"))]
        self._start("munged", *own, "--pdeathsig=TERM", "munged", "--foreground", *files)
        self._wait("munged", lambda: self.ask("munge", "-S", place / "socket", "-n").returncode == 0)

    def _start(self, name, *command):
        with open(self.folder / f"{name}.said", "ab") as said:
            ended = ["setpriv", "--pdeathsig=TERM"]
            words = list(map(str, [*ended, *command] if command[0] != "setpriv" else command))
            self.children[name] = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=self.environment(), start_new_session=True
            )

    def _wait(self, name, happened, limit_s=60, complain=True):
        give_up = time.monotonic() + limit_s
        while not happened():
            ended = name in self.children and self.children[name].poll() is not None
            if (ended or time.monotonic() > give_up) and complain:
                said = (self.folder / f"{name}.said").read_text(encoding="utf-8", errors="replace")
                raise AssertionError(f"{name} does not answer: {said[-2000:]}")
            if time.monotonic() > give_up:
                return
            time.sleep(0.1)


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
