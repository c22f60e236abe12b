#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/catch.h"
#include "tests/harness/muster_command.h"
#include "tests/temporary_directory.h"

namespace {

using namespace muster;

std::string file(const TemporaryDirectory& folder, const std::string& name, const std::string& text) {
  std::ofstream(folder / name) << text;
  return (folder / name).string();
}

// Elle's README: G1c. And write skew, which snapshots allow.
const std::string kG1c =
    "{:process 0, :type :ok, :value [[:append :x 1] [:r :y [1]]]}\n"
    "{:process 1, :type :ok, :value [[:append :x 2] [:append :y 1]]}\n"
    "{:process 2, :type :ok, :value [[:r :x [1 2]]]}\n";
const std::string kSkew = R"([{"process": 0, "type": "ok", "value": [["r", "x", null], ["w", "y", 1]]},)"
                          R"({"process": 1, "type": "ok", "value": [["r", "y", null], ["w", "x", 1]]}])";

TEST_CASE(
    "muster history check: says the anomaly in words, and exits with 1 where the level is not satisfied") {
  const TemporaryDirectory folder;
  const CommandOutcome g1c = run_muster("history check " + file(folder, "g1c.edn", kG1c));
  CHECK(g1c.code == 1);
  CHECK(g1c.err.ends_with("g1c.edn: not serializable: G1c\n"));
  CHECK(g1c.out.find("\nG1c: ") != std::string::npos);
  CHECK(g1c.out.find("T1's [:append x 2] comes after T0's 1") != std::string::npos);

  const std::string skew = file(folder, "skew.json", kSkew);
  CHECK(run_muster("history check " + skew).code == 1);
  const CommandOutcome snapshot = run_muster("history check --level snapshot " + skew);
  CHECK(snapshot.code == 0);
  CHECK(snapshot.err.empty());
  CHECK(snapshot.out.find("G2-item") != std::string::npos);
}

TEST_CASE("muster history check: --json says the same to a program, --picture draws it") {
  const TemporaryDirectory folder;
  const std::string picture = (folder / "cycle.svg").string();
  const CommandOutcome outcome = run_muster("history check --json --order realtime --picture " + picture +
                                            " " + file(folder, "g1c.edn", kG1c));
  CHECK(outcome.code == 1);
  const auto document = nlohmann::json::parse(outcome.out);
  CHECK(document["model"] == "list-append");
  CHECK(document["level"] == "strict_serializable");
  CHECK(document["satisfied"] == false);
  CHECK(document["levels"]["read_committed"] == false);
  CHECK(document["anomalies"][0]["name"] == "G1c");
  CHECK(document["anomalies"][0]["cycle"].size() == 2);
  CHECK(document["anomalies"][0]["transactions"][0]["operations"].size() == 2);
  std::ifstream drawn(picture);
  const std::string svg(std::istreambuf_iterator<char>(drawn), {});
  CHECK(svg.starts_with("<svg "));
  CHECK(svg.find("wr: T0 read [:r y [1]], which T1 had appended to last") != std::string::npos);
}

TEST_CASE("muster history check: bad requests and bad files are refused in one line") {
  const TemporaryDirectory folder;
  const std::string good = file(folder, "good.edn", kG1c);
  refused("history check --level safe " + good, 2, "--level = safe: want one of \"read_committed\"");
  refused("history check --order time " + good, 2, "--order = time: want one of");
  refused("history check --model set " + good, 2, "--model = set: want one of");
  refused("history check --order none --level strict_serializable " + good, 2,
          "--order = none: want \"realtime\", which --level strict_serializable is about");
  refused("history check " + (folder / "none.edn").string(), 3, "none.edn");
  refused("history check --model rw-register " + good, 3, "good.edn:1: operation append: want r or w");
  refused("history check " + file(folder, "cut.edn", kG1c.substr(0, 80)), 3, "cut.edn:2: cut: ");
  refused("history check " + file(folder, "twice.edn", kG1c + kG1c), 3,
          "twice.edn:4: [:append x 1]: the value is written twice");
  refused("history check " + file(folder, "nobody.edn", kG1c + "{:type :ok :value [[:r x [1 2 3]]]}"), 3,
          "nobody.edn:4: [:r x [1 2 3]]: nobody wrote 3");
}

TEST_CASE("muster history: its help names scripts/history, which is about another kind of history") {
  CHECK(run_muster("history check --help").out.find("scripts/history") != std::string::npos);
  CHECK(run_muster("history --help").out.find("scripts/history") != std::string::npos);
}

TEST_CASE(
    "muster run: list_append and rw_register are verified, and the file that they leave can be checked") {
  for (const std::string workload : {"list_append", "rw_register"}) {
    const TemporaryDirectory folder;
    const std::string history = (folder / "history.edn").string();
    const std::string result = (folder / "result.json").string();
    const CommandOutcome run =
        run_muster("run --set algorithm=border_collie --set workload=" + workload +
                   " --set threads=2 --set oversubscribe=true --set warmup_s=0.05 --set "
                   "window_s=0.1 --set windows=2 --set repetitions=2 --set engine.frames=1024 --set "
                   "log.device=memory --set " +
                   workload + ".keys=3 --set " + workload + ".file=" + history + " --out " + result);
    INFO(run.err);
    REQUIRE(run.code == 0);
    std::ifstream written(result);
    const auto document = nlohmann::json::parse(written);
    CHECK(document["verification"].dump().find("transactions whose history is strict_serializable") !=
          std::string::npos);
    CHECK(!document["configuration"][workload].contains("file"));
    const CommandOutcome check = run_muster("history check --level strict_serializable " + history);
    INFO(check.err);
    CHECK(check.code == 0);
  }
}

}  // namespace
