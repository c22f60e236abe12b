"""Machines with many NUMA nodes that are not there: guests of QEMU's software emulation.

A guest is a kernel of Debian's package, unpacked and not installed, and a small root in memory with the executable, the
libraries that it loads, and busybox. Its first process runs steps, shell lines each, and says how each ended.
"""

import contextlib
import gzip
import os
import re
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from lab.command import Failure, MachineError, end_with_parent

KERNEL_OF = "linux-image-cloud-amd64"  # depends on the package that holds it
BUSYBOX = "/bin/busybox"
PROGRAMS = {"qemu-system-x86_64": "qemu-system-x86", "dpkg-deb": "dpkg", "apt-get": "apt", "ldd": "libc-bin"}
INIT = """#!/bin/sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /usr/bin /usr/sbin /sbin /etc
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t cgroup2 cgroup /sys/fs/cgroup
echo 0123456789abcdef0123456789abcdef >/etc/machine-id
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/tmp
dmesg -n 1  # the kernel writes nothing more between the lines below
cd /tmp
for step in /steps/*; do
  echo
  echo "<<<${step##*/}"
  sh "$step" 2>/tmp/.errors
  code=$?
  echo "!!!"
  cat /tmp/.errors
  echo ">>>$code"
done
echo "all steps done"
poweroff -f
"""


@dataclass
class Machine:
    """What a guest is to be: nodes that are alike, and some that lack one thing."""

    nodes: int
    units: int  # of each node
    memory_mib: int = 256  # of each node
    threads: int = 1  # units of a core

    def options(self):
        """QEMU's. Nodes stand in a row: the farther apart, the larger the distance."""
        words = ["-smp", f"{self.nodes * self.units},sockets={self.nodes},cores={self.units // self.threads},threads={self.threads}"]
        words += ["-m", str(self.nodes * self.memory_mib)]
        for node in range(self.nodes):
            first = node * self.units
            words += ["-object", f"memory-backend-ram,id=m{node},size={self.memory_mib}M"]
            words += ["-numa", f"node,nodeid={node},cpus={first}-{first + self.units - 1},memdev=m{node}"]
        for one in range(self.nodes):
            for other in range(self.nodes):
                words += ["-numa", f"dist,src={one},dst={other},val={distance(one, other)}"]
        return words

    def units_of(self, node):
        return range(node * self.units, (node + 1) * self.units)

    def node_of(self, unit):
        return unit // self.units


def distance(one, other):
    """As the firmware says it."""
    return 10 if one == other else 20 + abs(one - other)


@dataclass
class Step:
    """How a step ended."""

    code: int
    said: str
    complaint: str


@dataclass
class Guest:
    """What is in it and what it does."""

    machine: Machine
    executable: Path
    cache: Path  # for the kernel
    steps: dict = field(default_factory=dict)  # name -> shell lines, in this order

    def run(self, limit_s=300):
        """{step's name: Step}, and all that the guest said; a guest that does not end is a failure."""
        want_programs()
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "root.gz"
            root.write_bytes(_archive(self._files()))
            said = _boot(self.machine, kernel(self.cache), root, limit_s)
        found = _steps(said)
        if list(found) != list(self.steps):
            missing = next((name for name in self.steps if name not in found), "none")
            raise Failure(f"the guest ended before step {missing}; it said last: {said[-300:].strip()!r}")
        return found, said

    def _files(self):
        files = {"init": (0o755, INIT.encode()), "bin/busybox": (0o755, Path(BUSYBOX).read_bytes())}
        files["bin/sh"] = (0o120777, b"/bin/busybox")
        for path in [Path(self.executable), *_libraries(self.executable)]:
            name = "bin/muster" if path == Path(self.executable) else str(path).lstrip("/")
            files[name] = (0o755, path.read_bytes())
        for number, (name, lines) in enumerate(self.steps.items()):
            files[f"steps/{number:03d}-{name}"] = (0o755, (lines + "\n").encode())
        return files


def missing():
    """Why no guest can be booted here; None where it can."""
    lacking = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    lacking += [] if Path(BUSYBOX).exists() and not _libraries(BUSYBOX) else ["busybox-static"]
    if os.uname().machine != "x86_64":
        return "guests are of x86-64, as the executable would have to be"
    return f"needs {', '.join(lacking)} of scripts/packages-all.txt: scripts/test --all installs them" if lacking else None


def want_programs():
    why = missing()
    if why:
        raise MachineError(f"guest: {why}")


def kernel(cache):
    """Its path; downloaded once into the folder, with the client that checks what it downloads."""
    cache = Path(cache)
    found = sorted(cache.glob("vmlinuz-*"))
    if found:
        return found[-1]
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        said = _output(["apt-cache", "depends", KERNEL_OF])
        packages = re.findall(r"Depends: (linux-image-\S+)", said)
        if not packages:
            raise MachineError(f"guest: apt-cache knows no {KERNEL_OF}: want apt-get update, and Debian's packages")
        # Its own user may not write here.
        _output(["apt-get", "download", "-o", "APT::Sandbox::User=root", packages[0]], cwd=folder)
        (package,) = Path(folder).glob("*.deb")
        _output(["dpkg-deb", "--extract", package, f"{folder}/root"])
        (image,) = Path(folder).glob("root/boot/vmlinuz-*")
        image.rename(cache / image.name)
    return cache / image.name


def _output(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise MachineError(f"guest: {command[0]}: {last}; want a kernel of {KERNEL_OF}")
    return done.stdout


def _libraries(executable):
    """The paths of what it loads, its loader too; none of a static one."""
    done = subprocess.run(["ldd", executable], capture_output=True, text=True, check=False)
    return [Path(path) for path in re.findall(r"(/\S+) \(0x", done.stdout)]


def _archive(files):
    """What the kernel unpacks as its root: cpio, in the format newc, gzipped. {path: (mode, content)}."""
    folders = {str(parent) for path in files for parent in Path(path).parents if str(parent) != "."}
    entries = [(path, stat.S_IFDIR | 0o755, b"") for path in sorted(folders)]
    entries += [(path, mode if mode >> 12 else stat.S_IFREG | mode, content) for path, (mode, content) in files.items()]
    packed = bytearray()
    for number, (path, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        name = path.encode() + b"\0"
        # inode, mode, owner, group, links, time, size, device and special device, a name's length, a check
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
        packed += b"070701" + b"".join(b"%08X" % one for one in fields) + name
        packed += bytes(-len(packed) % 4)
        packed += content
        packed += bytes(-len(packed) % 4)
    return gzip.compress(bytes(packed), compresslevel=1, mtime=0)


def _boot(machine, image, root, limit_s):
    """All that its console said."""
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35,kernel-irqchip=off", "-cpu", "max"]
    command += [*machine.options(), "-kernel", str(image), "-initrd", str(root), "-nographic", "-no-reboot", "-nic", "none"]
    command += ["-append", "console=ttyS0 quiet panic=-1 random.trust_cpu=on"]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=end_with_parent
    )
    try:
        said, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired as error:
        process.kill()
        said, _ = process.communicate()
        raise Failure(f"the guest does not end within {limit_s} s; it said last: {_text(said)[-300:].strip()!r}") from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
    if process.returncode != 0:
        raise MachineError(f"guest: qemu: {_text(said).strip()[-300:]}")
    return _text(said)


def _text(said):
    return said.decode("utf-8", "replace").replace("\r", "")


def _steps(said):
    found = {}
    for name, output, complaint, code in re.findall(r"^<<<\d+-(\S+)\n(.*?)^!!!\n(.*?)^>>>(\d+)$", said, re.DOTALL | re.MULTILINE):
        found[name] = Step(int(code), output, complaint)
    return found
