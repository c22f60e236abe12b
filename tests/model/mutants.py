#!/usr/bin/python3
"""Mutants of the algorithms and of parts of the engine: what the explorer must find out, and variants that it must not.

Each is the original's own source with a few places changed. A place that is not there exactly once is an error, so
that a mutant cannot silently become the original.
"""

import argparse
import dataclasses
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

SOURCE = """\
// Made by tests/model/mutants.py.
#include "algorithms/{algorithm}.h"
#include "tests/model/checking_platform.h"
#include "tests/model/programs.h"

namespace muster::model {{
namespace {{

struct Variant;  // of this file alone, so that nothing here is taken for the unchanged source's
using Mutant = {type}<CheckingPlatform<Variant>{counter}>;

[[maybe_unused]] const bool added =
    add_mutant({{.name = "{algorithm}:{name}",
                .info = Mutant::info,
                .why = "{why}",
                .mutant = true,
                .wrong = {wrong},
                .make = &make_log_program<Mutant>}});

}}  // namespace
}}  // namespace muster::model
"""

SCRIPTED = """\
// Made by tests/model/mutants.py.
#include "tests/model/{program}.h"
#include "tests/model/checking_platform.h"
#include "tests/model/programs.h"

namespace muster::model {{
namespace {{

struct Variant;  // of this file alone, so that nothing here is taken for the unchanged source's

[[maybe_unused]] const bool added =
    add_mutant({{.name = "{algorithm}:{name}",
                .scripted = true,
                .info = {{}},
                .why = "{why}",
                .mutant = true,
                .wrong = {wrong},
                .make = &make_scripted_program<{type}<CheckingPlatform<Variant>>>}});

}}  // namespace
}}  // namespace muster::model
"""

GUIDED = """\
// Made by tests/model/mutants.py.
#include "algorithms/{algorithm}.h"
#include "tests/model/gated_program.h"
#include "tests/model/checking_platform.h"

namespace muster::model {{
namespace {{

struct Variant;  // of this file alone, so that nothing here is taken for the unchanged source's
using Mutant = {type}<CheckingPlatform<Variant>>;

[[maybe_unused]] const bool added =
    add_guided({{.name = "{algorithm}:{name}", .why = "{why}", .make = &make_gated_program<Mutant>}});

}}  // namespace
}}  // namespace muster::model
"""

LAG = """\
// Made by tests/model/mutants.py.
#include "algorithms/{algorithm}.h"
#include "harness/lag_benchmark.h"

namespace muster {{
namespace {{

struct Variant : NativePlatform {{}};  // of this file alone, so that nothing here is taken for the unchanged source's

[[maybe_unused]] const bool added = add_lag_benchmarks<{type}<Variant>>("{algorithm}:{name}");

}}  // namespace
}}  // namespace muster
"""


@dataclasses.dataclass
class Mutant:
    algorithm: str  # its header's name
    type: str
    name: str
    why: str
    edits: list  # of (what stands there, what is to stand there)
    wrong: bool = True
    guided: bool = False  # no search reaches what is wrong: guided_test leads there
    file: str = ""  # where that is not the algorithm's own header
    counter: str = ""  # the type of the counter, where that is not the default
    program: str = ""  # of a part of the engine: the header of its threads, whose type is `type`

    @property
    def header(self):
        return self.file or f"{self.algorithm}.h"

    @property
    def folder(self):
        return "engine/lsm" if self.program else "algorithms"

    @property
    def is_measured(self):
        """Where it is safe, how far it lags."""
        return not self.wrong and not self.program

    @property
    def paths(self):
        """Of the changed header, of what makes a mutant of it, and of what measures it where it is safe."""
        folder = f"{self.algorithm}-{self.name}"
        source = "guided.cpp" if self.guided else "mutant.cpp"
        names = [f"{self.folder}/{self.header}", source, *(["lag.cpp"] if self.is_measured else [])]
        return [f"{folder}/{name}" for name in names]

    def texts(self):
        """Of the same."""
        text = (ROOT / self.folder / self.header).read_text(encoding="utf-8")
        for old, new in self.edits:
            if text.count(old) != 1:
                raise ValueError(f"{self.algorithm}:{self.name}: {self.header} has this {text.count(old)} times, want once: {old!r}")
            text = text.replace(old, new)
        words = {"algorithm": self.algorithm, "type": self.type, "name": self.name, "why": self.why}
        words |= {"counter": self.counter and f", {self.counter}", "program": self.program, "wrong": str(self.wrong).lower()}
        source = (GUIDED if self.guided else SCRIPTED if self.program else SOURCE).format(**words)
        return [text, source, *([LAG.format(**words)] if self.is_measured else [])]


def border_collie(name, why, *edits, **more):
    return Mutant("border_collie", "BorderCollie", name, why, list(edits), **more)


def funnels(name, why, *edits):
    return Mutant("border_collie", "BorderCollie", f"funnel_{name}", why, list(edits), counter="AggregatingCounter", file="parts/funnels.h")


def awake(name, why, *edits, **more):
    return Mutant("border_collie_awake", "BorderCollieAwake", name, why, list(edits), **more)


def eleda(name, why, *edits, **more):
    return Mutant("eleda", "Eleda", name, why, list(edits), **more)


def barrier(name, why, *edits):
    return Mutant("order_barrier", "BarrierProgram", name, why, list(edits), program="barrier_program")


def lsm(name, why, *edits, **more):
    return Mutant("lsm", "LsmProgram", name, why, list(edits), program="lsm_program", file="coordination.h", **more)


def mysql(name, why, *edits, **more):
    return Mutant("mysql_link_buf", "MysqlLinkBuf", name, why, list(edits), **more)


def latch_flush_latch(name, why, *edits, **more):
    return Mutant("latch_flush_latch", "LatchFlushLatch", name, why, list(edits), **more)


def of(algorithm, type_, name, why, *edits, **more):
    return Mutant(algorithm, type_, name, why, list(edits), **more)


FLAG_BLACK = "    self.flag.store(black(self.last_end), std::memory_order_release);            // [flag]\n"
FETCH_ADD = "    const Lsn begin = tail_.fetch_add(worker, size, std::memory_order_release);  // [tail]\n"
CUTOFF = """\
    const Lsn cutoff =
        tail_.load(std::memory_order_acquire);  // [tail] before the slots are counted and scanned
"""
COVERED = "    const std::uint32_t covered = workers_.ever_used();\n"
SCAN = """\
    Lsn boundary = covered == workers_.max() ? std::numeric_limits<Lsn>::max() : cutoff;
    for (WorkerId w = 0; w < covered; ++w) {
      const std::uint64_t flag = workers_[w].flag.load(std::memory_order_acquire);  // [flag]
      boundary = std::min(boundary, is_black(flag) ? lsn(flag) : std::max(cutoff, lsn(flag)));
    }
"""
MOVES_IDLE_FLAGS = """\
    Lsn boundary = covered == workers_.max() ? std::numeric_limits<Lsn>::max() : cutoff;
    for (WorkerId w = 0; w < covered; ++w) {{
      const std::uint64_t flag = workers_[w].flag.load(std::memory_order_acquire);
      if (!is_black(flag) && lsn(flag) < cutoff) {{
        {move}
      }}
      boundary = std::min(boundary, is_black(flag) ? lsn(flag) : std::max(cutoff, lsn(flag)));
    }}
"""

# Of both algorithms with insertion locks.
END_AFTER_SCAN = [
    ("    const Lsn cutoff = tail_.load(std::memory_order_acquire);  // [tail] before the scan\n", "    Lsn lowest = locks_.lowest(~Lsn{0});\n"),
    ("std::max(locks_.lowest(cutoff), this->last_found())", "std::max(std::min(lowest, tail_.load(std::memory_order_acquire)), this->last_found())"),
]

# border_collie_awake's.
LIGHT_HALF = "      Platform::light_barrier();                         // pairs with the heavy one in put_to_sleep()\n"
HEAVY_HALF = "    if (has_barrier_) Platform::heavy_barrier();  // pairs with each candidate's light one\n"
PLANT = "    plant(self, black(self.last_end));\n"
WAKE = """\
    if (self.asleep.load(std::memory_order_relaxed) != 0) [[unlikely]]  // [asleep]
      wake_up(worker);
"""
AWAKE_FETCH_ADD = "    // Behind the awake bit:\n    const Lsn begin = tail_.fetch_add(worker, size, std::memory_order_release);  // [tail]\n"
AWAKE_CUTOFF = """\
    const Lsn cutoff = tail_.load(std::memory_order_acquire);  // [tail] before the awake bits
    Lsn boundary = cutoff;
"""
ROUND = "    if (++collie_.advances % Platform::kAdvancesARound == 0) [[unlikely]]\n"
SECOND_LOOK = """\
        if (stands_still(workers_[w], collie_.a_round_ago[w]) ||
            workers_[w].asleep.exchange(0, std::memory_order_acquire) == 0)  // [asleep]
          bits |= bit(w);
"""
WAKING = "    awake_[worker / kBits].fetch_add(bit(worker), std::memory_order_relaxed);  // [awake]\n"
SUBTRACT = "      if (bits != 0) awake_[i].fetch_sub(bits, std::memory_order_relaxed);  // [awake]\n"
# A bit too many in the last worker's place stands for one that is not there: these mutants look at two workers alone.
TWO_WORKERS = ("for (; bits != 0; bits &= bits - 1) f", "for (bits &= 3; bits != 0; bits &= bits - 1) f")
A_ROUND_AGO = "if (std::exchange(collie_.a_round_ago[w], flag) != flag || is_black(flag)) return;"

WAIT_FOR_ROOM = "    ring_.wait_for_room(begin + size, workers_[worker]);\n"
SHARE = "    flush_latch_.share();  // not before there is room, which the flusher makes\n"

# What coordination.h has, or what its mutants do, more than once.
GONE = """\
    {
      const Locked changing(views_);
      View next = *current_.read();
      --next.count;
      publish(next);
    }
"""
EDIT_OF_A_FLUSH = """\
    if (table != nullptr) {
      parts_.sync(*table);  // F3
      const Locked editing(manifest_);
      parts_.edit(*table);
    }
"""

MUTANTS = [
    border_collie(
        "cutoff_after_scan",
        "the global LSN is read after the flags",
        (
            CUTOFF + COVERED + SCAN,
            COVERED
            + """\
    Lsn blacks = std::numeric_limits<Lsn>::max();
    Lsn whites = 0;
    for (WorkerId w = 0; w < covered; ++w) {
      const std::uint64_t flag = workers_[w].flag.load(std::memory_order_acquire);
      if (is_black(flag)) blacks = std::min(blacks, lsn(flag));
      else whites = std::max(whites, lsn(flag));
    }
    const Lsn cutoff = tail_.load(std::memory_order_acquire);
    const Lsn boundary = std::min(blacks, std::max(cutoff, whites));
""",
        ),
    ),
    border_collie(
        "black_after_fetch_add",
        "the black flag is planted behind the reservation",
        (FLAG_BLACK + FETCH_ADD, FETCH_ADD + FLAG_BLACK),
    ),
    border_collie(
        "cutoff_is_the_largest_flag",
        "the cutoff is the maximum of the flags",
        (
            "    return this->found(std::max(boundary, this->last_found()));",
            """\
    Lsn largest = 0;
    for (WorkerId w = 0; w < covered; ++w) {
      largest = std::max(largest, lsn(workers_[w].flag.load(std::memory_order_acquire)));
    }
    Lsn blacks = largest;
    for (WorkerId w = 0; w < covered; ++w) {
      const std::uint64_t flag = workers_[w].flag.load(std::memory_order_acquire);
      if (is_black(flag)) blacks = std::min(blacks, lsn(flag));
    }
    boundary = blacks;
    return this->found(std::max(boundary, this->last_found()));""",
        ),
    ),
    border_collie(
        "publish_before_copy",
        "the white flag is planted before the bytes are there",
        (
            "    return {begin, ring_.bytes(begin, size)};",
            "    self.flag.store(white(begin + size), std::memory_order_release);\n"
            "    return {begin, ring_.bytes(begin, size)};",
        ),
    ),
    border_collie(
        "empty_slot_skipped",
        "a slot that the scan does not cover counts as infinity",
        ("covered == workers_.max() ? std::numeric_limits<Lsn>::max() : cutoff", "covered != 0 ? std::numeric_limits<Lsn>::max() : cutoff"),
    ),
    border_collie(
        "slots_counted_before_cutoff",
        "the slots are counted before the cutoff is read, and the result is not capped",
        (CUTOFF + COVERED, COVERED + CUTOFF),
        ("covered == workers_.max() ? std::numeric_limits<Lsn>::max() : cutoff", "covered != 0 ? std::numeric_limits<Lsn>::max() : cutoff"),
    ),
    border_collie(
        "no_tightened_flag",
        "a worker that waits for room leaves its flag where it was",
        ("      self.flag.store(black(begin), std::memory_order_release);  // [flag]\n", ""),
    ),
    border_collie(
        "moves_idle_flags",
        "the collie moves a white flag to the cutoff by a plain store, over whatever its worker has planted meanwhile",
        (SCAN, MOVES_IDLE_FLAGS.format(move="workers_[w].flag.store(white(cutoff), std::memory_order_release);")),
    ),
    border_collie(
        "exchanges_idle_flags",
        "safe, slower: the collie moves a white flag to the cutoff by an exchange that fails once its worker has moved it",
        (
            SCAN,
            MOVES_IDLE_FLAGS.format(
                move="std::uint64_t found = flag;\n"
                "        workers_[w].flag.compare_exchange(found, white(cutoff), std::memory_order_relaxed, std::memory_order_relaxed);"
            ),
        ),
        wrong=False,
    ),
    border_collie(
        "flag_tightened_to_the_end",
        "a worker that waits for room says that it has got its range already",
        ("      self.flag.store(black(begin), std::memory_order_release);", "      self.flag.store(black(begin + size), std::memory_order_release);"),
    ),
    border_collie(
        "boundary_not_kept",
        "the smallest flag is returned as it is: a lower bound is older than the boundary",
        ("this->found(std::max(boundary, this->last_found()))", "this->found(boundary)"),
    ),
    border_collie(
        "colour_in_an_lsn",
        "the colour is a bit that an LSN may come to",
        ("kBlack = std::uint64_t{1} << 63;", "kBlack = std::uint64_t{1} << 62;"),
        file="parts/collie_flag.h",
    ),
    border_collie(
        "cutoff_and_blacks_only",
        "safe, less fresh: a white flag above the cutoff does not raise the boundary",
        ("std::max(cutoff, lsn(flag))", "cutoff"),
        wrong=False,
    ),
    awake(
        "no_light_half",
        "nothing keeps a worker's look at its mark from coming before its black flag",
        (LIGHT_HALF, ""),
    ),
    awake(
        "no_heavy_half",
        "the collie looks a second time without a barrier",
        (HEAVY_HALF, ""),
    ),
    awake(
        "heavy_half_before_marks",
        "the barrier comes before the candidates are marked",
        ("    if (!mark_candidates()) return;\n" + HEAVY_HALF, HEAVY_HALF + "    if (!mark_candidates()) return;\n"),
    ),
    awake(
        "looks_before_it_plants",
        "a worker looks at its mark, and plants its black flag then",
        (PLANT + WAKE, WAKE + PLANT),
    ),
    awake(
        "bit_after_fetch_add",
        "a worker that wakes up adds its bit behind its reservation",
        (WAKE + AWAKE_FETCH_ADD, AWAKE_FETCH_ADD + WAKE),
    ),
    awake(
        "no_second_look",
        "the collie takes the bits of all that it has marked",
        (SECOND_LOOK, "        bits |= bit(w);\n"),
    ),
    awake(
        "bit_is_set_not_added",
        "a worker whose bit is still there does not add it, and the collie takes it a moment later",
        (
            WAKING,
            "    if ((awake_[worker / kBits].load(std::memory_order_relaxed) & bit(worker)) != 0) return;\n" + WAKING,
        ),
    ),
    awake(
        "bits_are_stored",
        "the collie stores the word without the bits, and so loses one that a worker adds meanwhile",
        (
            SUBTRACT,
            "      const std::uint64_t word = awake_[i].load(std::memory_order_relaxed);\n"
            "      if (bits != 0) awake_[i].store(word - bits, std::memory_order_relaxed);\n",
        ),
    ),
    awake(
        "second_bit_stays",
        "the collie does not subtract the bit that a worker has added twice",
        TWO_WORKERS,
        (
            SECOND_LOOK,
            "        if (stands_still(workers_[w], collie_.a_round_ago[w])) bits |= bit(w);\n"
            "        else workers_[w].asleep.exchange(0, std::memory_order_acquire);\n",
        ),
    ),
    awake(
        "mark_stays",
        "the collie leaves its mark with a worker that has planted a flag meanwhile",
        TWO_WORKERS,
        (SECOND_LOOK, "        if (stands_still(workers_[w], collie_.a_round_ago[w])) bits |= bit(w);\n"),
    ),
    awake(
        "mark_is_taken_twice",
        "a worker looks at its mark and clears it, also where the collie has taken it back meanwhile",
        TWO_WORKERS,
        (
            "    if (workers_[worker].asleep.exchange(0, std::memory_order_release) == 0) return;\n",
            "    if (workers_[worker].asleep.load(std::memory_order_relaxed) == 0) return;\n"
            "    workers_[worker].asleep.store(0, std::memory_order_release);\n",
        ),
    ),
    awake(
        "black_falls_asleep",
        "a worker with a black flag may be a candidate",
        (A_ROUND_AGO, "if (std::exchange(collie_.a_round_ago[w], flag) != flag) return;"),
    ),
    awake(
        "asleep_at_first_sight",
        "a worker may be a candidate whose white flag no scan has acquired",
        (A_ROUND_AGO, "collie_.a_round_ago[w] = flag; if (is_black(flag)) return;"),
    ),
    awake(
        "cutoff_after_scan",
        "the cutoff is read after the awake bits and the flags",
        (AWAKE_CUTOFF, "    Lsn boundary = ~Lsn{0};\n"),
        (ROUND, "    boundary = std::min(boundary, tail_.load(std::memory_order_acquire));\n" + ROUND),
    ),
    awake(
        "no_tightened_flag",
        "a worker that waits for room leaves its flag where it was",
        ("      self.flag.store(black(begin), std::memory_order_release);  // [flag]\n", ""),
    ),
    awake(
        "plain_second_look",
        "without membarrier: the collie's second look is a load",
        ("if (has_barrier_) return candidate.flag.load", "return candidate.flag.load"),
    ),
    awake(
        "plain_black_flag",
        "without membarrier: a worker stores its black flag",
        ("self.flag.exchange(flag, std::memory_order_acquire);", "self.flag.store(flag, std::memory_order_release);"),
    ),
    eleda(
        "counters_not_split",
        "a record that crosses a range's edge counts for its first range alone",
        (
            "      const Lsn upto = std::min(end, end_of_range(from));\n",
            "      const Lsn upto = end;\n",
        ),
    ),
    eleda(
        "counters_of_one_lap",
        "as many counters as the ring has ranges: a window that straddles two aliases two laps",
        ("(std::countr_zero(options.capacity)) + 1)", "(std::countr_zero(options.capacity)))"),
        (
            ".load(std::memory_order_acquire) == full(boundary)",
            ".load(std::memory_order_acquire) >= full(boundary)",
        ),
    ),
    eleda(
        "count_before_list",
        "a record is counted before its list has it: a hop may end inside a record that no list holds",
        (
            "    const std::uint64_t place = self.crawling.push({reservation.begin, end});\n",
            """\
    for (Lsn from = reservation.begin; from < end;) {
      const Lsn upto = std::min(end, end_of_range(from));
      counter_of(from).fetch_add(upto - from, std::memory_order_release);
      from = upto;
    }
    const std::uint64_t place = self.crawling.push({reservation.begin, end});
""",
        ),
        (
            """\
    for (Lsn from = reservation.begin; from < end;) {
      const Lsn upto = std::min(end, end_of_range(from));
      counter_of(from).fetch_add(upto - from, std::memory_order_release);  // [count]
      from = upto;
    }
""",
            "",
        ),
    ),
    eleda("no_hop", "safe, slower: the boundary crawls only", ("    Lsn boundary = hop(this->last_found(), limit);\n", "    Lsn boundary = this->last_found();\n"), wrong=False),
    eleda("no_crawl", "the boundary hops only, and stays below a range that is not full", ("    boundary = crawl(boundary, limit);\n", "")),
    mysql(
        "stale_link",
        "links hold sizes, and one of an earlier lap is not told from a new one",
        ("store(reservation.end(), std::memory_order_release);  // [link]", "store(reservation.bytes.size(), std::memory_order_release);"),
        ("      if (end <= begin || begin > last) return;\n", "      if (end == 0 || begin > last || begin >= reserved()) return;\n"),
        (
            "      if (end >= begin + window_ && followed_.load(std::memory_order_relaxed) != begin) continue;\n"
            "      if (!link.compare_exchange(end, kNone, std::memory_order_relaxed, std::memory_order_relaxed)) continue;\n",
            "      if (!link.compare_exchange(end, 0, std::memory_order_relaxed, std::memory_order_relaxed)) continue;\n"
            "      end += begin;\n",
        ),
        ("      const Lsn end = link_at(lsn)", "      if (lsn >= reserved()) break;\n      const Lsn end = lsn + link_at(lsn)"),
    ),
    mysql(
        "no_window",
        "a link is written before the one that stands in its slot has been followed",
        ("    if (reservation.begin >= followed + window_) wait_for_window(reservation.begin);\n", ""),
    ),
    mysql(
        "next_lap",
        "a link of the next lap is taken for one of this by who looks where links were followed long ago",
        ("      if (end >= begin + window_ && followed_.load(std::memory_order_relaxed) != begin) continue;\n", ""),
    ),
    mysql(
        "taken_link_leaves_its_begin",
        "a taken link leaves its record's begin, where an older record ends: a thread that has read that one's link takes it again",
        ("compare_exchange(end, kNone, ", "compare_exchange(end, begin, "),
    ),
    mysql(
        "followed_by_all",
        "links are followed by several at a time",
        ("      if (!link.compare_exchange(end, kNone, std::memory_order_relaxed, std::memory_order_relaxed)) continue;\n", ""),
    ),
    of(
        "postgres_insert_locks",
        "PostgresInsertLocks",
        "end_after_scan",
        "the reserved end is read after the locks",
        *END_AFTER_SCAN,
    ),
    of(
        "postgres_insert_locks",
        "PostgresInsertLocks",
        "waits_with_its_old_position",
        "a holder that waits for room has not published where it begins",
        ("    locks_.tell(self.holder, begin);\n", ""),
    ),
    of(
        "ermia",
        "Ermia",
        "cutoff_after_scan",
        "the cutoff is read after the LSNs",
        ("    Lsn boundary = this->tail_before_scan();\n", "    Lsn boundary = ~Lsn{0};\n"),
        (
            "    return this->found(std::max(boundary, this->last_found()));",
            "    boundary = std::min(boundary, this->tail_before_scan());\n"
            "    return this->found(std::max(boundary, this->last_found()));",
        ),
    ),
    of(
        "fasterlog_epoch",
        "FasterlogEpoch",
        "enters_after_taking",
        "the epoch is entered when the space has been taken",
        ("    self.entry.store(epoch_.load(std::memory_order_relaxed), std::memory_order_release);  // [epoch], [entry]\n", ""),
        (
            "    if (!ring_.has_room(begin + size, self.room)) [[unlikely]] {\n",
            "    self.entry.store(epoch_.load(std::memory_order_relaxed), std::memory_order_release);\n"
            "    if (!ring_.has_room(begin + size, self.room)) [[unlikely]] {\n",
        ),
    ),
    of(
        "fasterlog_epoch",
        "FasterlogEpoch",
        "waits_inside",
        "room is waited for inside an epoch",
        ("      self.entry.store(fasterlog_epoch::kWaiting | begin, std::memory_order_release);  // [entry]\n", ""),
    ),
    of(
        "fasterlog_epoch",
        "FasterlogEpoch",
        "passes_waiting",
        "a tail is passed though a reservation below it waits for room",
        (
            "      if (remembered_[first_].tail > waiting) {  // it stays, for what lies above\n"
            "        boundary = std::max(boundary, waiting);\n"
            "        break;\n"
            "      }\n",
            "",
        ),
    ),
    of(
        "fasterlog_epoch",
        "FasterlogEpoch",
        "full_list_keeps_the_old_epoch",
        "where the list is full, its youngest entry gets the newer tail and keeps its epoch",
        (
            "    remembered_[(first_ + pending_ - 1) % kRemembered] = {tail, current_};\n",
            "    Remembered& youngest = remembered_[(first_ + pending_ - 1) % kRemembered];\n"
            "    youngest = {tail, full ? youngest.epoch : current_};\n",
        ),
        ("    if (pending_ < kRemembered) ++pending_;\n", "    const bool full = pending_ == kRemembered;\n    if (!full) ++pending_;\n"),
    ),
    latch_flush_latch(
        "shares_after_moving",
        "the flush latch is shared when the position has moved and its latch is free again",
        (SHARE, ""),
        ("    position_latch_.unlock();\n", "    position_latch_.unlock();\n" + SHARE),
    ),
    latch_flush_latch(
        "waits_inside",
        "room is waited for inside the flush latch",
        (WAIT_FOR_ROOM + SHARE, SHARE + WAIT_FOR_ROOM),
    ),
    latch_flush_latch(
        "shares_first",
        "the flush latch is shared before the position latch is taken, whose holder may wait for room",
        (SHARE, ""),
        ("    position_latch_.lock();\n", SHARE + "    position_latch_.lock();\n"),
    ),
    latch_flush_latch(
        "position_after_letting_in",
        "the flusher reads the position when it has let copiers in",
        (
            """\
    const Lsn boundary = flush_latch_.keep_out() ? position_.read() : this->last_found();
    flush_latch_.let_in();
""",
            """\
    const bool alone = flush_latch_.keep_out();
    flush_latch_.let_in();
    const Lsn boundary = alone ? reserved() : this->last_found();
""",
        ),
    ),
    latch_flush_latch(
        "keeps_nobody_out",
        "safe, and seldom finds a time without copiers: the flusher reads the position first, and does not keep them out",
        ("    tail_.store(begin + size, std::memory_order_relaxed);", "    tail_.store(begin + size, std::memory_order_release);"),
        (
            "    const Lsn boundary = flush_latch_.keep_out() ? position_.read() : this->last_found();\n    flush_latch_.let_in();\n",
            "    const Lsn tail = tail_.load(std::memory_order_acquire);\n    const Lsn boundary = flush_latch_.is_free() ? tail : this->last_found();\n",
        ),
        (
            "  /// Flusher: keeps new copiers out;",
            "  bool is_free() const {\n"
            "    const auto is_zero = [](std::uint32_t word) { return word == 0; };\n"
            "    return is_zero(Platform::linger(word_, is_zero, std::memory_order_acquire));\n"
            "  }\n\n"
            "  /// Flusher: keeps new copiers out;",
        ),
        wrong=False,
    ),
    of(
        "mutex",
        "Mutex",
        "ticket_serving_relaxed",
        "a ticket lock lets its holder in without what the one before did",
        (
            "    Platform::await(serving_, is_served, std::memory_order_acquire, WaitFor::lock);",
            "    Platform::await(serving_, is_served, std::memory_order_relaxed, WaitFor::lock);",
        ),
        file="parts/ticket_lock.h",
    ),
    of(
        "decoupled",
        "Decoupled",
        "ticket_not_waited_for",
        "a ticket lock lets in whoever has a number that is not served yet",
        (
            "[number](std::uint64_t serving) { return serving == number; }",
            "[number](std::uint64_t serving) { return serving <= number; }",
        ),
        file="parts/ticket_lock.h",
    ),
    of(
        "consolidation",
        "Consolidation",
        "ticket_taken_twice",
        "a ticket lock is tried by a look at what is served alone",
        ("    return next_.load(std::memory_order_relaxed) == number &&", "    return number + 1 > 0 &&"),
        (
            "next_.compare_exchange(number, number + 1, std::memory_order_relaxed, std::memory_order_relaxed)",
            "(next_.fetch_add(1, std::memory_order_relaxed), true)",
        ),
        file="parts/ticket_lock.h",
    ),
    of(
        "mutex",
        "Mutex",
        "mcs_successor_missed",
        "an MCS lock that finds no successor linked yet is freed, whoever is about to link itself",
        (
            "      if (tail_.compare_exchange(expected, nullptr, std::memory_order_release, std::memory_order_relaxed)) {\n"
            "        return;  // [tail]\n"
            "      }\n"
            "      next = linked_behind(held_);\n",
            "      tail_.compare_exchange(expected, nullptr, std::memory_order_release, std::memory_order_relaxed);\n"
            "      return;\n",
        ),
        file="parts/mcs_lock.h",
    ),
    of(
        "decoupled",
        "Decoupled",
        "mcs_link_left_behind",
        "the holder of an MCS lock does not hand its own link on to the lock's node",
        (
            "    held_.next.store(linked_behind(self), std::memory_order_relaxed);",
            "    linked_behind(self);",
        ),
        file="parts/mcs_lock.h",
    ),
    of(
        "decoupled",
        "Decoupled",
        "released_out_of_order",
        "who has copied does not wait for its predecessor",
        (
            "    Platform::await(published_, my_turn, std::memory_order_acquire, WaitFor::predecessor);  // [published]\n",
            "    (void)my_turn;\n",
        ),
    ),
    of(
        "consolidation",
        "Consolidation",
        "first_leaver_publishes",
        "the first of a group to leave publishes for all",
        ("    return bytes_of(before) == size;", "    return bytes_of(before) != ~std::uint64_t{0} && size != 0;"),
        file="parts/consolidation_array.h",
    ),
    of(
        "consolidation_delegated",
        "ConsolidationDelegated",
        "forgets_what_was_left",
        "who releases does not look for ranges that were left to it",
        ("      if (left <= end) return;\n", "      if (left != ~Lsn{0}) return;\n"),
    ),
    of(
        "wiredtiger_slots",
        "WiredTigerSlots",
        "writers_ignored",
        "a closed slot counts as written while somebody copies",
        ("      if (wiredtiger_slots::has_writers(state)) break;\n", ""),
    ),
    of(
        "wiredtiger_slots",
        "WiredTigerSlots",
        "closes_before_it_is_announced",
        "a slot is replaced before who opened it has announced it: the active number falls",
        (
            "    Platform::await(active_, is_announced, std::memory_order_relaxed, WaitFor::predecessor);\n",
            "    (void)is_announced;\n",
        ),
    ),
    of(
        "border_collie_naive",
        "BorderCollieNaive",
        "empty_slot_skipped",
        "a slot without owner counts as infinity",
        ("flag == kNoOwner ? before_scan : flag", "flag"),
    ),
    of(
        "mutex",
        "Mutex",
        "published_at_once",
        "the end is published when it is reserved",
        (
            "    tail_.store(begin + size, std::memory_order_relaxed);\n",
            "    tail_.store(begin + size, std::memory_order_relaxed);\n"
            "    published_.store(begin + size, std::memory_order_release);\n",
        ),
    ),
    of(
        "consolidation_decoupled",
        "ConsolidationDecoupled",
        "first_leaver_publishes",
        "the first of a group to leave publishes for all",
        ("    return bytes_of(before) == size;", "    return bytes_of(before) != ~std::uint64_t{0} && size != 0;"),
        file="parts/consolidation_array.h",
    ),
    of(
        "wiredtiger_slots",
        "WiredTigerSlots",
        "first_slot_begins_at_zero",
        "the first slot begins at 0, wherever the log does",
        ("    slots_[0].opening.write({0, options.start});\n", "    slots_[0].opening.write({0, 0});\n"),
    ),
    of(
        "wiredtiger_slots",
        "WiredTigerSlots",
        "slot_reused_too_soon",
        "the slot that is opened next may be the oldest, which is not free",
        ("next < freed + slots_.size()", "next <= freed + slots_.size()"),
    ),
    of(
        "wiredtiger_slots",
        "WiredTigerSlots",
        "announced_before_it_is_open",
        "a slot is announced as active before its state says so",
        (
            "    slot.state.store(state, std::memory_order_release);  // [slot]\n"
            "    active_.store(number, std::memory_order_release);    // [active]\n",
            "    active_.store(number, std::memory_order_release);\n"
            "    slot.state.store(state, std::memory_order_release);\n",
        ),
    ),
    of(
        "fasterlog_epoch",
        "FasterlogEpoch",
        "passes_its_own_epoch",
        "a tail is passed though somebody is in the epoch that it has ended",
        ("remembered_[first_].epoch < oldest", "remembered_[first_].epoch <= oldest"),
    ),
    of(
        "fasterlog_epoch",
        "FasterlogEpoch",
        "tail_after_epoch",
        "the tail is read when the next epoch has begun",
        ("    if (tail != newest_) remember(tail);\n", "    if (tail != newest_) remember();\n"),
        ("  void remember(Lsn tail) {\n", "  void remember() {\n    epoch_.store(current_ + 1, std::memory_order_relaxed);\n    const Lsn tail = tail_.load(std::memory_order_acquire);\n"),
        ("    epoch_.store(++current_, std::memory_order_relaxed);  // [epoch]\n", "    ++current_;\n"),
    ),
    mysql(
        "links_of_32_bits",
        "a link holds the lower half of an LSN",
        ("std::vector<typename Platform::template Atomic<Lsn>> links_;", "std::vector<typename Platform::template Atomic<std::uint32_t>> links_;"),
        ("link_at(reservation.begin).store(reservation.end(), ", "link_at(reservation.begin).store(static_cast<std::uint32_t>(reservation.end()), "),
        (
            "      if (!link.compare_exchange(end, kNone, std::memory_order_relaxed, std::memory_order_relaxed)) continue;\n",
            "      auto low = static_cast<std::uint32_t>(end);\n"
            "      if (!link.compare_exchange(low, static_cast<std::uint32_t>(kNone), std::memory_order_relaxed, std::memory_order_relaxed)) continue;\n",
        ),
    ),
    mysql(
        "window_one_too_large",
        "a link is written a whole window ahead, where the next to be followed stands",
        ("    if (reservation.begin >= followed + window_) wait_for_window(reservation.begin);\n", "    if (reservation.begin > followed + window_) wait_for_window(reservation.begin);\n"),
    ),
    mysql(
        "empty_link",
        "a link that ends where it begins, one of the lap before, is followed",
        ("      if (end <= begin || begin > last) return;\n", "      if (end < begin || begin > last) return;\n"),
    ),
    eleda(
        "drops_one_too_many",
        "after a hop a list loses the record that may stand across the range's edge",
        ("worker.crawling.drop_until(landing->place - 1)", "worker.crawling.drop_until(landing->place)"),
    ),
    eleda(
        "hops_or_crawls",
        "a hop is not followed by a crawl, though it may end inside a record",
        ("    boundary = crawl(boundary, limit);\n", "    if (boundary == this->last_found()) boundary = crawl(boundary, limit);\n"),
    ),
    of(
        "ermia",
        "Ermia",
        "no_tightened_lsn",
        "a worker that waits for room leaves its LSN where it was",
        ("      self.lsn.store(dirty(begin), std::memory_order_release);  // [lsn]\n", ""),
        file="parts/ermia_worker.h",
    ),
    of(
        "border_collie_naive",
        "BorderCollieNaive",
        "tail_after_scan",
        "the tail, for slots without owner, is read after the flags",
        ("    const Lsn before_scan = tail_.load(std::memory_order_acquire);  // [tail]\n", "    const Lsn before_scan = kNoOwner;\n"),
        (
            "    return this->found(std::max(boundary, this->last_found()));",
            "    boundary = std::min(boundary, tail_.load(std::memory_order_acquire));\n"
            "    return this->found(std::max(boundary, this->last_found()));",
        ),
    ),
    of(
        "consolidation",
        "Consolidation",
        "group_beyond_the_ring",
        "a group may hold more than the ring",
        ("      if (bytes_of(state) + size <= limit) {\n", "      if (bytes_of(state) + size <= 2 * limit) {\n"),
        file="parts/consolidation_array.h",
    ),
    of(
        "consolidation_decoupled",
        "ConsolidationDecoupled",
        "spare_free_at_its_begin",
        "a slot is taken for free once what lies before its group is published",
        ("    array_.keep(group, range.end);\n", "    array_.keep(group, range.begin);\n"),
        file="parts/consolidating.h",
        guided=True,
    ),
    of(
        "consolidation_decoupled",
        "ConsolidationDecoupled",
        "spare_not_looked_at",
        "a slot is opened again without a look at what has been published",
        ("    if (upto <= locked_.known_published.read()) return;\n", "    if (upto != ~Lsn{0}) return;\n"),
        guided=True,
    ),
    of(
        "consolidation_delegated",
        "ConsolidationDelegated",
        "chain_free_at_its_begin",
        "a chain is used again once what lies before it is published",
        ("chain_begins_[chain + 1 == chain_begins_.size() ? 0 : chain + 1].read()", "chain_begins_[chain].read()"),
        guided=True,
    ),
    of(
        "consolidation_delegated",
        "ConsolidationDelegated",
        "chain_not_looked_at",
        "a chain is used again without a look at what has been published",
        ("    Platform::await(published_, is_reached, std::memory_order_acquire, WaitFor::predecessor);  // [published]\n", "    (void)is_reached;\n"),
        guided=True,
    ),
    of(
        "mutex",
        "Mutex",
        "unlocks_before_it_publishes",
        "the lock is let go before the end is published: the boundary falls",
        (
            "    published_.store(reservation.end(), std::memory_order_release);  // [published]\n    lock_.unlock();\n",
            "    lock_.unlock();\n    published_.store(reservation.end(), std::memory_order_release);\n",
        ),
    ),
    of(
        "postgres_insert_locks",
        "PostgresInsertLocks",
        "locks_after_taking",
        "the insertion lock is taken when the space has been",
        ("    locks_.take(self.holder);\n    const Lsn begin = take_space(size);\n", "    const Lsn begin = take_space(size);\n    locks_.take(self.holder);\n"),
    ),
    of(
        "postgres_lock_free",
        "PostgresLockFree",
        "end_after_scan",
        "the reserved end is read after the locks",
        *END_AFTER_SCAN,
    ),
    of(
        "postgres_lock_free",
        "PostgresLockFree",
        "locks_after_taking",
        "the insertion lock is taken when the space has been",
        (
            "    locks_.take(self.holder);\n    const Lsn begin = tail_.fetch_add(size, std::memory_order_release);  // [tail]\n",
            "    const Lsn begin = tail_.fetch_add(size, std::memory_order_release);  // [tail]\n    locks_.take(self.holder);\n",
        ),
    ),
    of(
        "postgres_lock_free",
        "PostgresLockFree",
        "one_lap_of_links",
        "there are as many links as the ring has bytes: the record at the boundary may not have taken its own yet",
        ("slots_(2 * options.capacity >> granule_bits_)", "slots_(options.capacity >> granule_bits_)"),
    ),
    of(
        "postgres_lock_free",
        "PostgresLockFree",
        "any_link_of_the_slot",
        "a link is taken by whichever record begins in the same few bytes",
        ("word != kNone && (word & mask) == mine;", "word != kNone;"),
    ),
    of(
        "postgres_lock_free",
        "PostgresLockFree",
        "leaves_over_its_own",
        "a worker leaves its link where its own may not have been taken yet",
        ("const bool leaves_first = !links_.share_slot(begin, end);", "const bool leaves_first = true;"),
    ),
    of(
        "postgres_lock_free",
        "PostgresLockFree",
        "link_before_room",
        "a worker leaves its link before it has room",
        ("    ring_.wait_for_room(end, self.room);\n    const bool", "    const bool"),
        ("    return {begin, ring_.bytes(begin, size)};", "    ring_.wait_for_room(end, self.room);\n    return {begin, ring_.bytes(begin, size)};"),
    ),
    of(
        "rocksdb_write_group",
        "RocksdbWriteGroup",
        "returns_before_the_end",
        "a member does not wait for the end of its group, and joins again while its writer is in the list",
        ("      Platform::await(self.state, is_finished, std::memory_order_acquire, WaitFor::predecessor);  // [state]\n", ""),
    ),
    of(
        "rocksdb_write_group",
        "RocksdbWriteGroup",
        "counts_followers_only",
        "the leader is not among those that the group waits for",
        ("    open_.store(members, std::memory_order_relaxed);", "    open_.store(members > 1 ? members - 1 : 1, std::memory_order_relaxed);"),
    ),
    of(
        "rocksdb_write_group",
        "RocksdbWriteGroup",
        "group_larger_than_the_ring",
        "a group has as many members as the leader finds, and waits for more room than there is",
        ("return std::min<std::uint64_t>(most, ring_.capacity());", "return most;"),
    ),
    of(
        "rocksdb_write_group",
        "RocksdbWriteGroup",
        "next_not_told",
        "a writer that joined behind the group is left in the list: nobody tells it to lead",
        ("    next->state.store(rocksdb_write_group::kLeads, std::memory_order_release);  // [state]\n", ""),
    ),
    of(
        "rocksdb_write_group",
        "RocksdbWriteGroup",
        "older_kept",
        "the next leader keeps the last group's writer before it, which may have joined again",
        ("    next->older.write(nullptr);\n", ""),
    ),
    of(
        "length_word",
        "LengthWord",
        "lengths_not_cleared",
        "a length stays, and is found again a lap later",
        ("      length.store(0, std::memory_order_relaxed);  // [length]\n", ""),
    ),
    of(
        "length_word",
        "LengthWord",
        "length_before_copy",
        "the length is written when the space has been taken, as if a record were there",
        (
            "    return {begin, ring_.bytes(begin, size)};",
            "    length_at(begin).store(size, std::memory_order_release);\n    return {begin, ring_.bytes(begin, size)};",
        ),
    ),
    of(
        "length_word",
        "LengthWord",
        "cleared_by_the_worker",
        "a worker clears its word when it has the space, in place of the drainer: until then the last lap's length stands there",
        ("      length.store(0, std::memory_order_relaxed);  // [length]\n", ""),
        (
            "    ring_.wait_for_room(begin + size, workers_[worker]);\n",
            "    ring_.wait_for_room(begin + size, workers_[worker]);\n    length_at(begin).store(0, std::memory_order_relaxed);\n",
        ),
    ),
    funnels(
        "entry_told_before_it_is_read",
        "an entry is told anew while the worker of a lap ago may not have read it",
        ("    Platform::await(entry.state, is_free, std::memory_order_acquire, WaitFor::predecessor);  // [entry]\n", ""),
        ("    const auto is_free = [=](std::uint64_t state) { return state == free(of_ticket); };\n", ""),
    ),
    funnels(
        "members_begin_with_the_batch",
        "a member's range begins where the batch does",
        ("batch.begin + bytes(joined - batch.joined);", "batch.begin;"),
    ),
    funnels(
        "leader_adds_its_own",
        "the leader adds its own bytes alone, and tells others that came in as well",
        ("counter.fetch_add(bytes(closed - joined), order);", "counter.fetch_add(bytes(closed - joined) / ticket(closed - joined), order);"),
    ),
    funnels(
        "members_unseen",
        "the leader does not acquire what members did before they came in: their black flags",
        ("funnel.word.load(releases ? std::memory_order_acquire : std::memory_order_relaxed);", "funnel.word.load(std::memory_order_relaxed);"),
    ),
    barrier(
        "looks_by_a_load",
        "issue looks at a slot by a load, which may miss a section that has begun",
        ("fetch_add(0, std::memory_order_release);  // [entered]", "load(std::memory_order_acquire);"),
    ),
    barrier(
        "enters_by_a_store",
        "a producer enters by a store, behind which its next load may be early",
        (
            "number_(slot_.entered.fetch_add(1, std::memory_order_acquire) + 1) {  // [entered]\n",
            "number_(slot_.entered.load(std::memory_order_acquire) + 1) {\n"
            "      slot_.entered.store(number_, std::memory_order_release);\n",
        ),
    ),
    barrier(
        "leaves_in_the_same_word",
        "a producer leaves by a store to the word in which it enters: what issue has released there is gone",
        ("slot_.left.store(number_, std::memory_order_release); }", "slot_.entered.store(number_ + 1, std::memory_order_release); }"),
        (
            "[number = entered_[i]](std::uint64_t left) { return left >= number; };",
            "[number = entered_[i]](std::uint64_t now) { return number % 2 == 0 || now != number; };",
        ),
        ("Platform::await(order_.slots_[i].left, has_left,", "Platform::await(order_.slots_[i].entered, has_left,"),
    ),
    barrier(
        "misses_the_first_slot",
        "issue leaves out a slot",
        ("      for (std::size_t i = 0; i < entered_.size(); ++i)\n", "      for (std::size_t i = 1; i < entered_.size(); ++i)\n"),
    ),
    barrier(
        "waits_for_one_less",
        "await returns while the section that issue has found is still open",
        ("return left >= number; };", "return left + 1 >= number; };"),
    ),
    barrier(
        "waits_for_later_ones",
        "await waits for sections that have begun since",
        ("[number = entered_[i]](std::uint64_t left)", "[number = order_.slots_[i].entered.fetch_add(0, std::memory_order_release)](std::uint64_t left)"),
    ),
    lsm(
        "flush_without_a_barrier",
        "a flush does not wait for writes that go on in the memtable",
        ("    flushed_.wait();  // F3: no write goes on in it\n", ""),
    ),
    lsm(
        "memtable_gone_before_its_table",
        "the memtable leaves the view before its table is written",
        ("--next.count;", ""),
        ("    flushed_.wait();  // F3: no write goes on in it\n", "    flushed_.wait();\n" + GONE),
    ),
    lsm(
        "memtable_gone_then_table_there",
        "the memtable's removal and the table's appearance are two steps",
        ("--next.count;", "--next.count; publish(next);"),
    ),
    lsm(
        "table_there_then_memtable_gone",
        "the same two steps, the table first: reads may find the entry twice, and it is the same one",
        ("--next.count;", "if (table != nullptr) next.tables.add(*table);\n      publish(next);\n      --next.count;"),
        ("      if (table != nullptr) next.tables.add(*table);  // F4\n", ""),
        wrong=False,
    ),
    lsm(
        "log_not_needed_before_the_flush",
        "the log is needed from the active memtable on, while older ones are not flushed",
        ("return now.memtables[now.count - 1].lower;  // F5", "return now.memtables[0].lower;"),
    ),
    lsm(
        "view_before_the_manifest",
        "a view has the table, so that the log may go, before the manifest names it",
        (EDIT_OF_A_FLUSH, ""),
        ("    wait_for_sections();\n    discard_views(replaced);\n    parts_.discard(oldest);\n", EDIT_OF_A_FLUSH + "    wait_for_sections();\n    discard_views(replaced);\n    parts_.discard(oldest);\n"),
    ),
    lsm(
        "manifest_before_the_sync",
        "the manifest names a table whose content is not on the disk yet",
        ("      parts_.sync(*table);  // F3\n", ""),
        ("      parts_.edit(*table);\n", "      parts_.edit(*table);\n      parts_.sync(*table);\n"),
    ),
    lsm(
        "lower_after_the_switch",
        "a switch reads the log's end when writers find the new memtable already",
        ("{fresh.get(), parts_.reserved()};  // W2", "{fresh.get(), 0};"),
        ("publish(next);  // F1\n", "publish(next);\n    next.memtables[0].lower = parts_.reserved();\n    publish(next);\n"),
    ),
    lsm(
        "appends_before_it_finds_the_memtable",
        "a writer appends its record, and finds the active memtable then",
        ("    const View& view = *view_.load(std::memory_order_acquire);  // [view]\n", ""),
        (
            "const Lsn lsn = append(view);",
            "const Lsn lsn = append(*view_.load(std::memory_order_acquire));\n"
            "    const View& view = *view_.load(std::memory_order_acquire);",
        ),
    ),
    lsm(
        "finds_the_memtable_before_it_enters",
        "a writer finds the active memtable, and enters then",
        ("const Section inside(writers_, writer);", ""),
        (
            "    const View& view = *view_.load(std::memory_order_acquire);  // [view]\n",
            "    const View& view = *view_.load(std::memory_order_acquire);\n    const Section inside(writers_, writer);\n",
        ),
    ),
    lsm(
        "flushes_at_a_time",
        "two flushes take the same memtable",
        ("now.count == 1 || tree_.flushing_.read()", "now.count == 1"),
    ),
    lsm(
        "newest_first",
        "the newest of the old memtables is flushed first: its table stands behind an older memtable",
        ("return memtable_ = now.memtables[now.count - 1].memtable;", "return memtable_ = now.memtables[1].memtable;"),
        (
            "--next.count;",
            "std::remove_if(next.memtables.begin(), next.memtables.begin() + next.count, "
            "[&](const auto& held) { return held.memtable == oldest; }); --next.count;",
        ),
    ),
    lsm(
        "frees_while_readers_read",
        "a view, its memtable and its tables are freed while readers may be at them",
        ("    read_.await();\n", ""),
    ),
    lsm(
        "frees_views_of_writers",
        "a view is freed while a writer may be at it",
        ("    written_.await();\n", ""),
    ),
    lsm(
        "removes_tables_at_once",
        "a compaction removes the old tables' files while readers may be at them",
        ("    wait_for_sections();  // C1\n    discard_views(replaced);\n    for (Table* const table : job.inputs) parts_.discard(table);\n", "    for (Table* const table : job.inputs) parts_.discard(table);\n    wait_for_sections();\n    discard_views(replaced);\n"),
    ),
    lsm(
        "table_in_two_compactions",
        "a compaction does not claim its tables",
        ("      tree_.claimed_.insert(tree_.claimed_.end(), std::begin(job.inputs), std::end(job.inputs));  // C2\n", ""),
    ),
    lsm(
        "old_tables_go_first",
        "the old tables leave the view before the new ones are there",
        ("next.tables.replace(job);", "Job gone = job; gone.outputs = {}; next.tables.replace(gone); publish(next); for (Table* const table : job.outputs) next.tables.add(*table);"),
    ),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--list", action="store_true", help="the files that --write makes, one a line")
    group.add_argument("--write", metavar="DIR", help="write the sources there; what is right already is not touched")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(path for mutant in MUTANTS for path in mutant.paths))
        return 0
    try:
        sources = {path: text for mutant in MUTANTS for path, text in zip(mutant.paths, mutant.texts())}
    except ValueError as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 1
    for path, text in sources.items():
        file = pathlib.Path(arguments.write) / path
        if file.exists() and file.read_text(encoding="utf-8") == text:
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
