"""The programs that scripts/model explores: how many workers append how much to a ring of which size.

And of parts of the engine: what each thread does.
"""

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Shape:
    """Workers x records, and so on; its text is what the explorer takes."""

    workers: int
    records: int
    advances: int
    capacity: int = 8
    sizes: str = "3"
    churn: bool = False
    lag: bool = False
    observe: bool = False
    idle: int = 0
    start: int = 0
    options: tuple = ()
    only: str = ""  # a regular expression: algorithms in whose name it is found

    @property
    def name(self):
        sizes = f"{self.workers}w x {self.records}r, {self.advances}a, ring {self.capacity}, sizes {self.sizes}"
        start = [f"start {self.start}"] if self.start else []
        flags = {"churn": self.churn, "lag": self.lag, "observed": self.observe, f"{self.idle} idle": self.idle}
        return ", ".join([sizes, *start, *(word for word, flag in flags.items() if flag), *self.options])

    @property
    def arguments(self):
        values = {
            "--workers": self.workers,
            "--records": self.records,
            "--advances": self.advances,
            "--capacity": self.capacity,
            "--sizes": self.sizes,
        }
        if self.idle:
            values["--idle"] = self.idle
        if self.start:
            values["--start"] = self.start
        flags = {"--churn": self.churn, "--lag": self.lag, "--observe": self.observe}
        words = [str(word) for pair in values.items() for word in pair] + [word for word, flag in flags.items() if flag]
        return words + [word for option in self.options for word in ("--option", option)]

    def fits(self, algorithm):
        return not is_of_engine(algorithm) and re.search(self.only, algorithm) is not None


@dataclasses.dataclass(frozen=True)
class Threads:
    """What each thread of a part of the engine does, a letter an operation: its program says which letters."""

    part: str
    scripts: str
    idle: int = 0

    @property
    def name(self):
        return self.scripts.replace(",", ", ")

    @property
    def arguments(self):
        return ["--threads", self.scripts]

    def fits(self, algorithm):
        return algorithm.split(":")[0] == self.part


ENGINE = ("order_barrier", "lsm")


def is_of_engine(subject):
    return subject.split(":")[0] in ENGINE


def threads(part, *scripts):
    return [Threads(part, script) for script in scripts]


# Which algorithms take a lock, and the locks that they may have besides the default.
LOCKS = {
    "ticket": "mutex|latch|decoupled|consolidation|postgres",
    "mcs": "mutex|latch|decoupled|consolidation|postgres",
    "std_mutex": "mutex|latch|^decoupled|postgres",
}


def with_locks(*shape, **more):
    return [Shape(*shape, options=(f"lock={lock}",), only=only, **more) for lock, only in LOCKS.items()]


# Algorithms in which every record adds to a counter; a mutant has the counter that it is built with. Workers meet in one
# funnel, as the explorer's shapes have it.
COUNTED = "^(bound|border_collie|border_collie_awake|ermia|eleda|fasterlog_epoch)$"


def with_counters(*shape, **more):
    return [Shape(*shape, options=(f"counter={counter}",), only=COUNTED, **more) for counter in ("aggregating", "adaptive")]

# The algorithm that takes an asymmetric barrier, and what it does without membarrier.
AWAKE = "border_collie_awake"
EXCHANGE = ("asymmetric_barrier=exchange",)

# Where the log begins matters to whatever is set up from there: inside a lap and inside a range of hop counters; and
# at the last LSN but two that may be a start, so that the first record comes to new bits, 32 and 62.
ODD_START = 5
LAST_START = 2**62 - 3

# Rings of 8 bytes wrap under 3-byte records and fill; rings of 4 are full after one or two records.
EXHAUSTIVE = [
    Shape(2, 1, 1, churn=True),
    Shape(2, 1, 2, churn=True),
    Shape(2, 2, 2),
    Shape(2, 2, 2, 4, "3,1"),
    Shape(3, 1, 2),
    Shape(2, 2, 2, 4, "2", lag=True),
    Shape(2, 1, 2, start=ODD_START),
    Shape(2, 1, 2, start=LAST_START),
    Shape(3, 1, 1, options=("consolidation_slots=2",), only="consolidation"),
    Shape(2, 2, 1, options=("delegation_chain=1",), only="delegated"),
    Shape(3, 2, 2, 8, "2", only="mysql_link_buf"),  # its window is smaller than the ring
    Shape(3, 1, 2, 16, "4", only="mysql_link_buf"),  # each record is as long as the window: all links are in one place
    *with_locks(2, 2, 2),
    *with_locks(3, 1, 1),
    *with_counters(2, 2, 1),
    *with_counters(3, 1, 1),
    *with_counters(2, 1, 1, churn=True),
    Shape(1, 2, 4, only=AWAKE),  # falls asleep, wakes up, falls asleep again
    Shape(2, 1, 2, options=EXCHANGE, only=AWAKE),
    Shape(2, 2, 2, options=EXCHANGE, only=AWAKE),
    Shape(2, 2, 2, 4, "2", options=EXCHANGE, only=AWAKE),
    Shape(2, 1, 2, churn=True, options=EXCHANGE, only=AWAKE),
    Shape(2, 1, 3, only=AWAKE),
    Shape(2, 3, 2),
    Shape(3, 2, 2),
    # e sections, b barriers (tests/model/barrier_program.h): 1 x 1, 1 x 2, 2 x 1, 2 x 2, and with later sections.
    *threads("order_barrier", "e,b", "ee,bb", "e,e,b", "ee,ee,b", "e,b,b", "e,e,b,b", "ee,ee,b,b", "eee,eee,b,b"),
    *threads("order_barrier", "eee,b,b,b", "ee,ee,bb,b", "ee,ee,bb,bb", "el,le,B,b", "eel,lee,eBb,b"),
    # w writes, r reads, s switches, f flushes, t cuts the log, c compacts (tests/model/lsm_program.h).
    *threads("lsm", "wr,sft", "w,r,sft", "wr,wr,sft", "wr,s,f,t", "wr,r,sf,t", "wwr,sf,sf", "c,c,r", "wr,sft,c", "wr,c,c,sf"),
    *threads("lsm", "wr,r,c,sf", "wsfr,wsfr,r", "wr,r,sf,sf", "wwr,r,sft,sft", "wr,r,sfc,sfc", "wwr,wr,sft,sft,c"),
]
# From small to large: a mutant is tried on one after the other until it is found out.
SHAPES = [
    Shape(2, 1, 1),
    Shape(2, 1, 1, churn=True),
    Shape(2, 1, 1, observe=True),
    Shape(2, 1, 2),
    Shape(1, 2, 3, only=AWAKE),
    Shape(1, 2, 3, options=EXCHANGE, only=AWAKE),
    Shape(2, 1, 2, options=EXCHANGE, only=AWAKE),
    Shape(2, 1, 1, churn=True, options=EXCHANGE, only=AWAKE),
    Shape(1, 2, 4, only=AWAKE),
    Shape(2, 1, 3, only=AWAKE),
    Shape(3, 1, 1, 16, "4", only="mysql_link_buf"),  # records as long as the window of links
    Shape(2, 2, 1, 4, "2"),
    Shape(2, 2, 1, 8, "2"),
    Shape(2, 2, 1, 4, "2", observe=True),
    Shape(2, 2, 1, 8, "3", start=ODD_START),
    Shape(2, 2, 1, 8, "3", start=LAST_START),
    Shape(2, 2, 2, 4, "1,2,3"),
    Shape(2, 1, 2, idle=1),
    Shape(2, 2, 2, 8, "3"),
    Shape(3, 1, 2),
    Shape(2, 3, 2, 4, "2"),
    Shape(2, 3, 3, 8, "3,2"),
    Shape(2, 3, 2, 8, "2", options=("delegation_chain=1",), only="delegated"),
    Shape(3, 1, 1, 4, "1,3,2", only="consolidation"),  # two that wait are more than the ring
    *with_locks(2, 1, 1),
    *with_locks(3, 1, 1),
    *with_counters(2, 1, 1),
    *with_counters(2, 2, 1, 4, "2"),
    *with_counters(3, 1, 1),
    Shape(2, 2, 1, 8, "1", only="postgres_lock_free"),  # records that begin in the same slot of links
    Shape(3, 1, 1, options=("lock=mcs", "consolidation_slots=2"), only="consolidation"),  # a holder and two that wait
    *threads("order_barrier", "e,b", "ee,b", "l,B", "e,b,b"),
    *threads("lsm", "w,sf", "wr,sf", "w,sft", "w,s,ft", "w,sf,t", "c,r", "c,c", "w,sf,f", "wswsfr", "w,r,sf"),
]
RANDOM = [
    Shape(3, 3, 4, 8, "3,1,2"),
    Shape(4, 3, 4, 16, "5,3"),
    Shape(3, 3, 3, 8, "3,2", churn=True),
    Shape(3, 3, 4, 8, "3,2", lag=True, observe=True),
    Shape(3, 3, 4, 8, "3,1,2", start=ODD_START),
    Shape(3, 3, 4, 8, "3,1,2", start=LAST_START),
    Shape(2, 6, 6, 4, "2,1,3"),
    Shape(4, 3, 3, 16, "3,2", options=("consolidation_slots=2", "delegation_chain=1"), only="consolidation"),
    Shape(3, 4, 8, 16, "5", options=("slot_pool=4",), only="wiredtiger"),
    *with_locks(4, 3, 3, 16, "3,2"),
    *with_counters(4, 3, 3, 16, "3,2"),
    Shape(3, 3, 6, 8, "3,1,2", options=EXCHANGE, only=AWAKE),
    Shape(3, 3, 6, 8, "3,2", churn=True, only=AWAKE),
    *threads("order_barrier", "eee,eee,eee,bbb,bbb"),
    *threads("lsm", "wwwr,wwr,rr,sftsft,c", "wswfrt,wswfrt,rr,cc"),
]
# Where an order is needed that only guided_test finds out, and what stands there.
GUIDED = {
    "consolidation_decoupled": "const Lsn published = published_.load(std::memory_order_acquire);",
    "consolidation_delegated": "Platform::await(published_, is_reached, std::memory_order_acquire",
}
