#include "harness/config.h"

#include <set>
#include <string>

#include "algorithms/registry.h"
#include "engine/error.h"
#include "harness/workload_kind.h"
#include "tests/catch.h"
#include "workloads/append.h"

namespace {

using namespace muster;
using Json = nlohmann::ordered_json;

Configuration read(const std::string& text, const std::vector<std::string>& overrides = {}) {
  Json document = parse_json(text, "test.json");
  for (const std::string& assignment : overrides) override_key(document, assignment);
  return read_configuration(document);
}

std::string error(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    read(text, overrides);
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "none";
}

/// The error for one more key beside a valid append configuration.
std::string append_error(const std::string& assignment) {
  return error(R"({"workload": "append", "algorithm": "mutex"})", {assignment});
}
std::string ycsb_error(const std::string& assignment) {
  return error(R"({"workload": "ycsb", "algorithm": "mutex", "log": {"device": "memory"}})", {assignment});
}

TEST_CASE("configuration: what is not given has its default") {
  const Configuration c = read(R"({"workload": "append", "algorithm": "eleda"})");
  CHECK(c.threads == 1);
  CHECK(c.windows == 5);
  CHECK(options_of<AppendOptions>(c).bytes == std::vector<std::uint32_t>{120});
  CHECK(c.database.log_buffer.capacity == 16777216);
}

/// A configuration of a workload that uses the key.
Configuration user_of(const ConfigKey& key) {
  Configuration configuration;
  for (const WorkloadKind& kind : workload_kinds()) {
    if (uses(kind, key)) configuration.use(kind);
  }
  return configuration;
}

TEST_CASE("configuration: every key's default is in its own range") {
  for (const ConfigKey& key : config_keys()) {
    INFO(key.name);
    Configuration into = user_of(key);
    CHECK(key.take(default_of(key), into));
    CHECK_FALSE(key.meaning.empty());
    CHECK(describe_keys().find(key.name) != std::string::npos);
  }
}

TEST_CASE("configuration: no key takes a value of another type") {
  for (const ConfigKey& key : config_keys()) {
    INFO(key.name);
    Configuration into = user_of(key);
    CHECK_FALSE(key.take(Json(nullptr), into));
    CHECK_FALSE(key.take(Json::object(), into));
    CHECK_FALSE(key.take(Json::array({"x"}), into));
    CHECK_FALSE(key.take(Json(-1), into));
  }
}

TEST_CASE("configuration: the effective one reads back to itself") {
  for (
      const char* text :
      {R"({"workload": "append", "algorithm": "bound", "placement": [1, 0], "append": {"bytes": [48, 120]}})",
       R"({"workload": "ycsb", "algorithm": "mutex", "ycsb": {"mix": "F", "distribution": "zipf", "theta": 0.7},
            "engine": {"policy": "pipelined"}, "log": {"device": "memory", "latency_us": 5}})",
       R"({"workload": "ycsb", "algorithm": "mutex", "ycsb": {"mix": "A", "reads": 0.25}, "log": {"device": "memory"}})",
       R"({"workload": "ycsb", "algorithm": "mutex", "ycsb": {"mix": "load"}, "log": {"device": "memory"}})"}) {
    const Json effective_once = effective(read(text));
    CHECK(effective_once == effective(read_configuration(effective_once)));
  }
  CHECK(effective(read(R"({"workload": "append", "algorithm": "mutex"})")).contains("ycsb") == false);
}

TEST_CASE("configuration: seconds are what the engine gets, and what is shown") {
  const Configuration c =
      read(R"({"workload": "ycsb", "algorithm": "mutex", "engine": {"directory": "d", "checkpoint_s": 7}})");
  CHECK(c.database.checkpoint_time == std::chrono::seconds(7));
  CHECK(effective(c)["engine"]["checkpoint_s"] == 7);
}

TEST_CASE("configuration: a place is no part of the effective one") {
  const Json shown =
      effective(read(R"({"workload": "ycsb", "algorithm": "mutex", "engine": {"directory": "/somewhere"}})"));
  CHECK(shown.dump().find("directory") == std::string::npos);
}

TEST_CASE("configuration: the repeating command sets what differs from the defaults, quoted for a shell") {
  const Configuration c =
      read(R"({"workload": "append", "algorithm": "null", "append": {"bytes": [48, 120]}})");
  CHECK(repeating_command(c) ==
        "muster run --set workload=append --set algorithm=null --set 'append.bytes=[48,120]'");
  Json document = Json::object();
  for (const char* assignment : {"workload=append", "algorithm=null", "append.bytes=[48,120]"}) {
    override_key(document, assignment);
  }
  CHECK(effective(read_configuration(document)) == effective(c));

  const Configuration d =
      read(R"({"workload": "ycsb", "algorithm": "mutex", "engine": {"directory": "/of/this/machine"}})");
  CHECK(repeating_command(d).ends_with(" --set engine.directory=DIRECTORY"));
}

TEST_CASE("configuration: append.bytes = report is a course report's mix, and keeps its name") {
  const Configuration c =
      read(R"({"workload": "append", "algorithm": "null", "append": {"bytes": "report"}})");
  const auto& bytes = options_of<AppendOptions>(c).bytes;
  CHECK(std::ranges::count(bytes, 28) == 10);
  CHECK(std::ranges::count(bytes, 288) == 20);
  CHECK(std::ranges::count(bytes, 296) == 1);
  CHECK(bytes.size() == 31);
  CHECK(effective(c)["append"]["bytes"] == "report");
}

TEST_CASE("--set: replaces, adds sections, and reads a value as JSON or else as a string") {
  const Configuration c =
      read(R"({"workload": "append", "algorithm": "mutex", "threads": 4})",
           {"threads=2", "append.bytes=64", "algorithm=null", "log_buffer.capacity=4096"});
  CHECK(c.threads == 2);
  CHECK(options_of<AppendOptions>(c).bytes == std::vector<std::uint32_t>{64});
  CHECK(c.database.algorithm == "null");
  CHECK(c.database.log_buffer.capacity == 4096);
}

TEST_CASE("bad configurations: one line with key, value and what would do") {
  std::string known;
  for (const AlgorithmInfo& info : algorithms()) {
    known.append(known.empty() ? "\"" : ", \"").append(info.name).append("\"");
  }
  CHECK(append_error("algorithm=foo") == R"(algorithm = "foo": want one of )" + known);
  CHECK(append_error("threads=0") == "threads = 0: want an integer from 1 to 4096");
  CHECK(append_error("threads=two") == R"(threads = "two": want an integer from 1 to 4096)");
  CHECK(append_error("threads=1.5") == "threads = 1.5: want an integer from 1 to 4096");
  CHECK(append_error("threads=-1") == "threads = -1: want an integer from 1 to 4096");
  CHECK(append_error("oversubscribe=1") == "oversubscribe = 1: want true or false");
  CHECK(append_error("window_s=0") == "window_s = 0: want a number from 0.001 to 86400");
  CHECK(append_error("log_buffer.capacity=5000") ==
        "log_buffer.capacity = 5000: want a power of two from 4096 to 68719476736");
  CHECK(append_error("append.bytes=15") ==
        "append.bytes = 15: want an integer from 16 (the header) to log_buffer.capacity, a list of such, or "
        "\"report\"");
  CHECK(append_error("append.bytes=16777217") ==
        "append.bytes = 16777217: want 16777216 at most, log_buffer.capacity: a record has to fit into the "
        "ring");
  CHECK(
      append_error("append.bytes=[48,16777217]").starts_with("append.bytes = [48,16777217]: want 16777216"));
  CHECK(append_error("append.bytes=reports").starts_with("append.bytes = \"reports\": want an integer"));
  CHECK(append_error("append.bytes=[]").starts_with("append.bytes = []: want an integer"));
  CHECK(append_error("append.idle_workers=5000") ==
        "append.idle_workers = 5000: want an integer from 0 to 4096");
  CHECK(error(R"({"workload": "append", "algorithm": "mutex", "log_buffer": {"capacity": 4096}})",
              {"append.idle_workers=18"}) ==
        "append.idle_workers = 18: want 17 at most: their records fill half of the ring");
  CHECK(append_error("append.straggler_us=5") ==
        "append.straggler_us = 5: want 0, or threads = 2 at least: beside a straggler others append");
  CHECK(append_error("log_buffer.hop_bits=25") ==
        "log_buffer.hop_bits = 25: want 0, or 1 to 24, log2 of the capacity");
  CHECK(append_error("log_buffer.lock=spin") ==
        R"(log_buffer.lock = "spin": want one of "ttas", "ticket", "mcs", "std_mutex")");
  for (const std::string name : {"consolidation", "consolidation_decoupled", "consolidation_delegated"}) {
    CHECK(error(R"({"workload": "append", "algorithm": ")" + name +
                R"(", "log_buffer": {"lock": "std_mutex"}})") ==
          R"(log_buffer.lock = "std_mutex": want one of ttas, ticket, mcs: )" + name +
              " takes a lock that another thread may release");
  }
  CHECK(append_error("log_buffer.counter=combining") ==
        R"(log_buffer.counter = "combining": want one of "hardware", "aggregating", "adaptive")");
  CHECK(error(R"({"workload": "append", "algorithm": "mutex", "log_buffer": {"counter": "adaptive"}})") ==
        R"(log_buffer.counter = "adaptive": want hardware: mutex has no counter that every record adds to)");
  CHECK(append_error("log_buffer.funnel_slots=0") ==
        "log_buffer.funnel_slots = 0: want an integer from 1 to 64");
  CHECK(append_error("placement=far")
            .starts_with(
                R"(placement = "far": want one of "compact", "scatter", "smt_last", "cache", "none")"));
  CHECK(append_error("thread=1").starts_with("thread = 1: want a known key: workload, algorithm, threads"));
  CHECK(append_error("log_buffer.size=1") ==
        "log_buffer.size = 1: want a known key of log_buffer: capacity, consolidation_slots, "
        "delegation_chain, slot_pool, insert_locks, lock_free_insert_locks, "
        "link_window, hop_bits, lock, counter, funnel_slots, asymmetric_barrier, pages");
  CHECK(append_error("log_buffer=1") ==
        "log_buffer = 1: want an object with capacity, consolidation_slots, delegation_chain, slot_pool, "
        "insert_locks, lock_free_insert_locks, "
        "link_window, hop_bits, lock, counter, funnel_slots, asymmetric_barrier, pages");
  CHECK(append_error("ycsb.mix=A") ==
        R"(ycsb = {"mix":"A"}: want no such section: workload append does not use it)");
  CHECK(append_error("threads") == "--set = threads: want key=value, such as threads=2");
  CHECK(ycsb_error("append.bytes=120").starts_with("append = "));
  CHECK(ycsb_error("ycsb.value_bytes=23") == "ycsb.value_bytes = 23: want an integer from 24 to 1024");
  CHECK(ycsb_error("ycsb.mix=D") == R"(ycsb.mix = "D": want one of "A", "B", "C", "E", "F", "load")");
  CHECK(ycsb_error("ycsb.reads=1.5") == R"(ycsb.reads = 1.5: want a number from 0 to 1, or "mix")");
  CHECK(ycsb_error("ycsb.reads=all") == R"(ycsb.reads = "all": want a number from 0 to 1, or "mix")");
  for (const std::string mix : {"C", "load"}) {
    CHECK(
        error(
            R"({"workload": "ycsb", "algorithm": "mutex", "engine": {"directory": "d"}, "ycsb": {"reads": 0, "mix": ")" +
            mix + R"("}})") == R"(ycsb.reads = 0.0: want "mix", or "ycsb.mix" one of A, B, E, F: )" + mix +
                                   " has operations of one kind");
  }
  CHECK(
      error(
          R"({"workload": "ycsb", "algorithm": "mutex", "engine": {"directory": "d"}, "ycsb": {"mix": "load", "distribution": "zipf"}})") ==
      R"(ycsb.distribution = "zipf": want "uniform": of ycsb.mix load every key is new)");
  CHECK(ycsb_error("engine.checkpoint_s=5") == R"(engine.checkpoint_s = 5: want 0, or "log.device": "file")");
  CHECK(ycsb_error("engine.checkpoint_s=0.5") ==
        R"(engine.checkpoint_s = 0.5: want an integer from 0 to 86400)");
  CHECK(
      error(
          R"({"workload": "ycsb", "algorithm": "mutex", "engine": {"directory": "d"}, "ycsb": {"mix": "load", "distribution": "same_page"}})") ==
      R"(ycsb.distribution = "same_page": want "uniform": of ycsb.mix load every key is new)");
  CHECK(
      error(
          R"({"workload": "ycsb", "algorithm": "mutex", "threads": 3, "engine": {"directory": "d"}, "ycsb": {"records": 2, "distribution": "partitioned"}})") ==
      "ycsb.records = 2: want 3 at least, one for each worker: ycsb.distribution is partitioned");
  CHECK(ycsb_error("engine.read_latch=none") ==
        R"(engine.read_latch = "none": want one of "optimistic", "shared", "exclusive")");
  CHECK(ycsb_error("engine.begin_record=never") ==
        R"(engine.begin_record = "never": want one of "lazy", "eager", "elided")");
  CHECK(ycsb_error("engine.replacement=fifo") ==
        R"(engine.replacement = "fifo": want one of "clock", "lru")");
  CHECK(ycsb_error("log.direct=true") == R"(log.direct = true: want false, or "log.device": "file")");
  CHECK(
      error(
          R"({"workload": "ycsb", "algorithm": "mutex", "engine": {"directory": "d"}, "log": {"latency_us": 5}})") ==
      R"(log.latency_us = 5: want 0, or "log.device": "memory")");
  CHECK(error(R"({"workload": "ycsb", "algorithm": "mutex"})")
            .starts_with(R"(engine.directory = "": want a directory)"));
  CHECK(error(R"({"algorithm": "mutex"})") ==
        R"(workload = nothing: want one of "append", "ycsb", "commit", "list_append", "rw_register")");
  CHECK(error("[]").starts_with("configuration = []: want an object with workload"));
}

TEST_CASE("configuration: lsm keys may stand beside B+ trees, so that one matrix varies engine.table") {
  const std::string btree = R"({"workload": "ycsb", "algorithm": "mutex", "log": {"device": "memory"}})";
  CHECK(read(btree, {"engine.table=btree", "lsm.memtable_bytes=65536"}).database.lsm.memtable_bytes == 65536);
  CHECK(ycsb_error("lsm.memtable_bytes=100") ==
        "lsm.memtable_bytes = 100: want an integer from 65536 to 68719476736");
  CHECK(ycsb_error("lsm.bloom_bits=25") == "lsm.bloom_bits = 25: want an integer from 0 to 24");
  CHECK(ycsb_error("lsm.block_cache_bytes=-1")
            .starts_with("lsm.block_cache_bytes = -1: want an integer from 0"));
  CHECK(ycsb_error("lsm.compaction=none") ==
        R"(lsm.compaction = "none": want one of "leveled", "size_tiered")");
  CHECK(append_error("lsm.bloom_bits=5").starts_with("lsm = "));
}

TEST_CASE("bad JSON: file, line and column, and a key that stands there twice") {
  CHECK(error("{\"workload\": \"append\",\n \"algorithm\": mutex}") ==
        "test.json: line 2, column 15: want JSON");
  CHECK(error("") == "test.json: line 1, column 1: want JSON");
  CHECK(error(R"({"append": {"bytes": 1, "bytes": 2}})") ==
        "append.bytes = twice: want each key once in test.json");
  CHECK(error(R"({"threads": 1, "append": {"bytes": 1}, "threads": 2})") ==
        "threads = twice: want each key once in test.json");
}

TEST_CASE("bad JSON: brackets without end, numbers beyond all ranges and what is no text are one line") {
  const std::string brackets(100'000, '[');
  CHECK(error(brackets) == "test.json: want 16 brackets in one another at most");
  CHECK(error(R"({"append": {"bytes": )" + brackets) == "test.json: want 16 brackets in one another at most");
  CHECK(append_error("append.bytes=" + brackets + std::string(100'000, ']')) ==
        "--set append.bytes: want 16 brackets in one another at most");
  std::string dots;
  for (int i = 0; i < 100'000; ++i) dots += "a.";
  CHECK(append_error(dots + "b=1").ends_with("want a known key"));
  const std::string digits(5000, '9');
  CHECK(error(R"({"threads": )" + digits + "}") ==
        "test.json: a number beyond all ranges: want one of double precision at most");
  CHECK(error(R"({"threads": 1e999})").find("beyond all ranges") != std::string::npos);
  CHECK(append_error("threads=" + digits).starts_with("threads = \"999"));
  CHECK(append_error("threads=" + digits).size() < 200);
  CHECK(append_error("threads=18446744073709551616").ends_with("want an integer from 1 to 4096"));
  CHECK(error(R"({"window_s": NaN})") == "test.json: line 1, column 14: want JSON");
  CHECK(error(R"({"window_s": -Infinity})").find("want JSON") != std::string::npos);
  CHECK(append_error("window_s=NaN") == R"(window_s = "NaN": want a number from 0.001 to 86400)");
  CHECK(error("{\"algorithm\": \"\xff\"}").find("want JSON") != std::string::npos);
  CHECK(append_error("algorithm=\xff") == "--set = \"algorithm=\uFFFD\": want UTF-8");
  CHECK(
      ycsb_error(R"(engine.directory="\udcff")").ends_with("want JSON where the value begins with a quote"));
  CHECK(append_error("a\nb=1").starts_with(R"("a\nb" = 1: want a known key)"));
  CHECK(ycsb_error("engine.directory=\"a\\u0000b\"") == R"(engine.directory = "a\u0000b": want a path)");
}

TEST_CASE("configuration: a whole number may be written 1.0, and is the same") {
  const Configuration c =
      read(R"({"workload": "append", "algorithm": "mutex", "threads": 2.0, "append": {"bytes": [64.0]}})");
  CHECK(c.threads == 2);
  CHECK(effective(c)["threads"].dump() == "2");
  CHECK(effective(c)["append"]["bytes"].dump() == "64");
}

TEST_CASE("workloads: each has its own section, a title whose keys exist, and options that its keys read") {
  std::set<std::string_view> names;
  for (const WorkloadKind& kind : workload_kinds()) {
    INFO(kind.name);
    CHECK(names.insert(kind.name).second);
    CHECK_FALSE(kind.meaning.empty());
    Configuration c;
    c.use(kind);
    CHECK(title_of(c).find('{') == std::string::npos);
    for (const ConfigKey& key : kind.keys) {
      // `load` is a section of those workloads that know a fixed load.
      CHECK((key.name.starts_with(std::string(kind.name) + ".") || key.name.starts_with("load.")));
      CHECK_NOTHROW(key.show(c));
    }
  }
}

TEST_CASE("configuration: the workload may stand behind its section") {
  CHECK(options_of<AppendOptions>(
            read(R"({"append": {"bytes": 64}, "algorithm": "mutex", "workload": "append"})"))
            .bytes == std::vector<std::uint32_t>{64});
}

}  // namespace
