"""What is tried in a guest, and how it is judged: what was asked for against what the guest's own kernel says.

While a run is measured, the kernel says of each of its threads which units it may use and which it is on
(/proc/PID/task), and of the ring's pages which node each is on (/proc/PID/numa_maps). The result says what the
executable found.
"""

import json
import re
from dataclasses import dataclass

from lab.guests import distance

RING_BYTES = 4 << 20
HUGE_BYTES = 2 << 20  # a huge page of this processor
PAGES = "/sys/kernel/mm/transparent_hugepage/shmem_enabled"
# $1: key=value words of a run. Says what the kernel says while it is measured, then the result.
HELPERS = f"""
look() {{
  for task in /proc/$1/task/*; do
    echo "task $(awk '/^Cpus_allowed_list/ {{ print $2 }}' $task/status) $(awk '{{ print $39 }}' $task/stat)"
  done 2>/dev/null >/tmp/look
  [ $(grep -c '^task [0-9]* [0-9]*$' /tmp/look) -ge $2 ] && cp /tmp/look /tmp/seen
}}
run() {{
  rm -f /tmp/result /tmp/seen
  options=
  pinned=2  # threads with one unit: the workers and the flusher
  for word in "$@"; do
    options="$options --set $word"
    case $word in threads=*) pinned=$((${{word#threads=}} + 1)) ;; esac
  done
  muster run --set workload=append --set algorithm=border_collie --set log_buffer.capacity={RING_BYTES} \\
    --set warmup_s=0.5 --set window_s=0.5 --set windows=4 $options --out /tmp/result &
  pid=$!
  while [ -d /proc/$pid/task ] && ! look $pid $pinned; do sleep 0.1; done
  look $pid $pinned  # once more: a thread that has just been pinned may be on its way, and all may have ended since
  cat /tmp/seen 2>/dev/null
  grep muster-ring /proc/$pid/numa_maps 2>/dev/null
  wait $pid
  code=$?
  [ -f /tmp/result ] && echo "result:" && cat /tmp/result
  return $code
}}
"""


@dataclass
class Check:
    name: str
    asked: str
    lines: str  # of a shell in the guest
    judge: object  # judge(step) -> (found in words, [complaint])


@dataclass
class Seen:
    """A run, as the kernel and its result say."""

    pinned: list  # units of threads that may use one only, sorted
    strayed: list  # (unit it may use, unit it is on) of those that are elsewhere
    ring: dict  # node -> pages
    result: dict | None

    @classmethod
    def of(cls, step):
        said, _, result = step.said.partition("result:\n")
        tasks = [(may, int(on)) for may, on in re.findall(r"^task (\S+) (\d+)$", said, re.MULTILINE)]
        pinned = sorted(int(may) for may, _ in tasks if may.isdigit())
        strayed = [(int(may), on) for may, on in tasks if may.isdigit() and int(may) != on]
        ring = {}
        for line in re.findall(r"^.*muster-ring.*$", said, re.MULTILINE):
            for node, pages in re.findall(r" N(\d+)=(\d+)", line):
                ring[int(node)] = ring.get(int(node), 0) + int(pages)
        return cls(pinned, strayed, ring, json.loads(result) if result else None)

    def workers(self):
        return [worker["found"] for worker in self.result["placement"]["workers"]]

    def flusher(self):
        return self.result["placement"]["flusher"]["found"]

    def last_look(self, region):
        """What the result says of it; None where it says nothing."""
        looks = (self.result.get("memory") or {}).get("looks") or [{"regions": []}]
        return next((found for found in looks[-1]["regions"] if found["region"] == region), None)


def checks(machine, keys):
    """All for a machine, and for an executable with these keys ({name: about})."""
    found = [topology(machine), *threads(machine, keys), offline(machine), cpuset(machine)]
    if "memory.ring" in keys:
        found += memory(machine)
    if "log_buffer.pages" in keys:
        found += huge_pages(machine)
    return found


def topology(machine):
    def judge(step):
        said = json.loads(step.said)
        where = {unit["number"]: unit["node"] for unit in said["units"]}
        wrong = [f"unit {unit} on node {node}" for unit, node in where.items() if node != machine.node_of(unit)]
        if len(where) != machine.nodes * machine.units:
            wrong.append(f"{len(where)} units")
        for one, node in enumerate(said["nodes"]):
            if node["distances"] != [distance(one, other) for other in range(machine.nodes)]:
                wrong.append(f"distances of node {one}: {node['distances']}")
        return f"{len(where)} units on {len(said['nodes'])} nodes, distances {said['nodes'][0]['distances']}", wrong

    asked = f"{machine.nodes} nodes of {machine.units} units, distances as the firmware says them"
    return Check("topology", asked, "muster topology --json", judge)


def threads(machine, keys):
    everyone = list(range(machine.nodes * machine.units))
    policies = {"compact": everyone, "scatter": None}
    want = keys["placement"]["want"]
    for name in ("smt_last", "cache"):
        if f'"{name}"' in want:
            policies[name] = None
    if '"node:<k>"' in want:
        policies[f"node:{machine.nodes - 1}"] = list(machine.units_of(machine.nodes - 1))
    count = len(everyone) - 1  # the flusher has the last for itself
    made = [_threads(machine, name, units, min(count, len(units or everyone))) for name, units in policies.items()]
    backwards = everyone[::-1]
    return [*made, _threads(machine, json.dumps(backwards).replace(" ", ""), backwards, count)]


def _threads(machine, policy, units, count):
    """units: those that the workers may have, in order; None: any, each node about as many."""

    def judge(step):
        if step.code != 0:
            return f"exit code {step.code}", [step.complaint.strip()]
        seen = Seen.of(step)
        workers, wrong = seen.workers(), []
        if units is not None and workers != units[:count]:
            wrong.append(f"asked for {units[:count]}")
        if len(set(workers)) != count:
            wrong.append("a unit twice")
        if policy == "scatter":
            per_node = [sum(machine.node_of(unit) == node for unit in workers) for node in range(machine.nodes)]
            if max(per_node) - min(per_node) > 1:
                wrong.append(f"workers a node {per_node}")
        expected = sorted([*workers, *([seen.flusher()] if seen.flusher() is not None else [])])
        if seen.pinned != expected:
            wrong.append(f"the kernel says pinned to {seen.pinned}, the result {expected}")
        if seen.strayed:
            wrong.append(f"the kernel saw threads elsewhere: {seen.strayed}")
        nodes = [worker.get("node") for worker in seen.result["placement"]["workers"]]
        if nodes[0] is not None and nodes != [machine.node_of(unit) for unit in workers]:
            wrong.append(f"nodes of workers {nodes}")
        return f"workers on {_words(workers)}, flusher on {seen.flusher()}; the kernel: pinned to {_words(seen.pinned)}", wrong

    name = "list" if policy.startswith("[") else policy.replace(":", "-")
    return Check(f"threads-{name}", f"placement = {policy}, {count} threads", f"{HELPERS}run threads={count} placement={policy}", judge)


def offline(machine):
    last = machine.nodes * machine.units - 1
    lines = f"""{HELPERS}
echo 0 >/sys/devices/system/cpu/cpu{last}/online
run threads={last + 1} || echo "refused all: $?" >&2
run threads=1 "placement=[{last}]" || echo "refused unit: $?" >&2
run threads={last}
code=$?
echo 1 >/sys/devices/system/cpu/cpu{last}/online
exit $code"""

    def judge(step):
        wrong = [] if step.code == 0 else [f"exit code {step.code}"]
        wrong += [f"{what} not refused with 2" for what in ("all", "unit") if f"refused {what}: 2" not in step.complaint]
        if not re.search(rf"placement.*{last}", step.complaint):
            wrong.append("the refusal does not name the unit")
        found = "no result"
        if step.code == 0:
            seen = Seen.of(step)
            found = f"workers on {_words(seen.workers())}, {last + 1} threads and unit {last} refused"
            wrong += ["an offline unit was used"] if last in seen.workers() + seen.pinned else []
        return found, wrong

    return Check("offline", f"unit {last} offline: it is never asked for", lines, judge)


def cpuset(machine):
    units = [0, machine.nodes * machine.units - 1]
    nodes = sorted({machine.node_of(unit) for unit in units})
    lines = f"""{HELPERS}
echo +cpuset >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p /sys/fs/cgroup/few
echo {_list(units)} >/sys/fs/cgroup/few/cpuset.cpus
echo {_list(nodes)} >/sys/fs/cgroup/few/cpuset.mems
echo $$ >/sys/fs/cgroup/few/cgroup.procs
run threads=3 || echo "refused: $?" >&2
run threads=2 placement=scatter
code=$?
echo $$ >/sys/fs/cgroup/cgroup.procs
exit $code"""

    def judge(step):
        wrong = [] if "refused: 2" in step.complaint else ["three threads not refused with 2"]
        if step.code != 0:
            return "no result", [*wrong, step.complaint.strip()]
        seen = Seen.of(step)
        wrong += [] if sorted(seen.workers()) == units and set(seen.pinned) <= set(units) else ["not the cpuset's units"]
        return f"workers on {_words(seen.workers())}; the kernel: pinned to {_words(seen.pinned)}; 3 threads refused", wrong

    return Check("cpuset", f"a cpuset of units {_words(units)}", lines, judge)


def memory(machine):
    last = machine.nodes - 1
    asked = {f"node:{node}": {node} for node in (0, last)}
    asked |= {"interleave": set(range(machine.nodes)), "local": None}
    return [_memory(machine, policy, nodes) for policy, nodes in asked.items()] + [_off_limits(machine)]


def _memory(machine, policy, nodes):
    """nodes: where its pages are to be; None: on the flusher's."""

    def judge(step):
        if step.code != 0:
            return f"exit code {step.code}", [step.complaint.strip()]
        seen, wrong = Seen.of(step), []
        wanted = {machine.node_of(seen.flusher())} if nodes is None else nodes
        look = seen.last_look("ring")
        if look is None:
            return "no look", ["the result says nothing of the ring"]
        result = {of["node"]: of["pages"] for of in look["found"] if of["pages"]}
        if set(result) != wanted or look["misplaced"]:
            wrong.append(f"asked for nodes {_words(sorted(wanted))}")
        if set(seen.ring) != wanted:
            wrong.append(f"the kernel says {seen.ring}")
        spread = list(seen.ring.values())
        if policy == "interleave" and spread and max(spread) > 1.1 * min(spread):
            wrong.append("not evenly")
        return f"the result: pages a node {_nodes(result)}; the kernel: {_nodes(seen.ring)}", wrong

    lines = f"{HELPERS}echo never >{PAGES}\nrun threads=2 memory.ring={policy} placement=compact"
    return Check(f"memory-{policy.replace(':', '-')}", f"memory.ring = {policy}", lines, judge)


def _off_limits(machine):
    """A node that is not there."""

    def judge(step):
        named = f'memory.ring = "node:{machine.nodes}"' in step.complaint
        return step.complaint.strip(), [] if step.code == 2 and named else [f"exit code {step.code}: want 2, and the key's name"]

    lines = f"{HELPERS}run threads=1 memory.ring=node:{machine.nodes}"
    return Check("memory-no-such-node", f"memory.ring = node:{machine.nodes}: refused", lines, judge)


def huge_pages(machine):
    """Where the kernel forbids them, the run refuses. Where it gives them, a ring of one huge page is on one node,
    whatever was asked for: a strict run says so and ends, another reports it."""

    def refused(step):
        named = "shmem_enabled" in step.complaint
        return step.complaint.strip(), [] if step.code in (2, 3) and named else [f"exit code {step.code}: want a refusal that names {PAGES}"]

    def defeated(step):
        said = step.complaint.strip().replace("\n", "; ")
        wrong = [] if "refused: 0" not in said and "memory.ring" in said else ["the strict run does not say where the ring is"]
        if step.code != 0:
            return said, [*wrong, f"exit code {step.code}"]
        seen = Seen.of(step)
        look = seen.last_look("ring")
        wrong += [] if look["huge_bytes"] >= HUGE_BYTES else ["no huge page was seen"]
        wrong += [] if look["misplaced"] else ["no page was found misplaced"]
        wrong += [] if len(seen.ring) == 1 else [f"the kernel says {seen.ring}"]
        found = f"{look['misplaced']} of {look['looked_at']} pages misplaced, {look['huge_bytes'] >> 20} MiB of huge pages"
        return f"{found}; the kernel: {_nodes(seen.ring)}; strict: {said}", wrong

    one = f"log_buffer.pages=transparent log_buffer.capacity={HUGE_BYTES}"
    forbidden = f"{HELPERS}echo never >{PAGES}\nrun threads=2 {one}"
    interleaved = f"""{HELPERS}
echo always >{PAGES}
run threads=2 {one} memory.ring=interleave >/dev/null
echo "refused: $?" >&2
run threads=2 {one} memory.ring=interleave memory.strict=false"""
    return [
        Check("pages-forbidden", "log_buffer.pages = transparent where the kernel forbids them", forbidden, refused),
        Check("pages-interleaved", "memory.ring = interleave of a ring that is one huge page", interleaved, defeated),
    ]


def judged(found, steps):
    """A line a check, and how many failed."""
    lines, failed = [], 0
    for check in found:
        try:
            words, wrong = check.judge(steps[check.name])
        except (ValueError, KeyError, TypeError, IndexError) as error:
            words, wrong = "nothing that can be read", [f"{type(error).__name__} {error}", steps[check.name].complaint.strip()]
        failed += bool(wrong)
        lines.append(f"{'ok    ' if not wrong else 'FAILED'}  {check.name}: asked: {check.asked}; found: {words}" + "".join(f"; {one}" for one in wrong))
    return lines, failed


def _words(numbers):
    return " ".join(map(str, numbers))


def _list(numbers):
    return ",".join(map(str, numbers))


def _nodes(pages):
    return ", ".join(f"{node}: {count}" for node, count in sorted(pages.items())) or "none"
