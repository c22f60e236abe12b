#include "workloads/history/history_file.h"

#include <string>

#include "tests/catch.h"
#include "workloads/history/simulated_history.h"

namespace {

using namespace muster;
using namespace muster::history;

std::string refused(const std::string& text) {
  try {
    read_history(text, "file");
  } catch (const DamageError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("history files: what is written is what is read, in EDN and in JSON, of lists and of registers") {
  for (const Model model : {Model::list_append, Model::rw_register}) {
    for (const Syntax syntax : {Syntax::edn, Syntax::json}) {
      const History history =
          simulate({.model = model, .regime = Regime::read_committed, .transactions = 500});
      const std::string text = to_text(history, syntax);
      const History again = read_history(text, "file");
      CHECK(again.model() == model);
      CHECK(again.transactions().size() == history.transactions().size());
      CHECK(again.operations().size() == history.operations().size());
      CHECK(to_text(again, syntax) == text);
    }
  }
}

TEST_CASE("history files: EDN's and JSON's forms of one history are the same") {
  const char* edn =
      "; as Jepsen writes it\n"
      "[#jepsen.history.Op{:index 0, :time 12, :type :invoke, :process 3, :f :txn, :value [[:append :x 1] "
      "[:r \"y\" nil]]}\n"
      " {:index 1, :time 13, :type :info, :process :nemesis, :f :kill, :value {:n1 [:killed #{1 2}]}}\n"
      " {:value [[:append :x 1] [:r \"y\" [2 3]]], :f :txn, :process 3, :type :ok, :time 1.5e3, :index 2}\n"
      " {:type :invoke, :process 4, :value [[:append y 2] [:append y 3] [:r 7 nil]]}]\n";
  const char* json =
      R"([{"index":0,"time":12,"type":"invoke","process":3,"f":"txn","value":[["append","x",1],["r","y",null]]},)"
      R"({"index":1,"type":"info","process":"nemesis","f":"kill","value":null},)"
      R"({"type":"ok","process":3,"error":{"a":[true,false]},"value":[["append","x",1],["r","y",[2,3]]]},)"
      R"({"type":"invoke","process":4,"value":[["append","y",2],["append","y",3],["r",7,null]]}])";
  const History a = read_history(edn, "edn"), b = read_history(json, "json");
  CHECK(to_text(a, Syntax::edn) == to_text(b, Syntax::edn));
  REQUIRE(a.transactions().size() == 2);
  CHECK(a.transactions()[0].outcome == Outcome::ok);
  CHECK(a.transactions()[0].line == 4);
  CHECK(a.transactions()[1].outcome == Outcome::info);
  CHECK(a.in_words(a.operations()[1]) == "[:r y [2 3]]");
  CHECK(a.in_words(a.operations()[4]) == "[:r 7 ?]");
}

TEST_CASE("history files: what is no history is refused with its line and the reason") {
  const std::string good = "{:type :invoke, :process 0, :value [[:append x 1]]}\n";
  CHECK(refused("") == "file:1: not a history: no event is in it");
  CHECK(refused("hello") ==
        "file:1: not a history: want a map for each event, one behind the other or all in one list");
  CHECK(refused(good + "{:type :ok, :process 0, :value [[:app") ==
        "file:2: cut: what begins here has no end");
  CHECK(refused("[" + good) == "file:2: cut: the list of events has no end");
  CHECK(refused(good + "{:type :ok") == "file:2: cut: the event has no end");
  CHECK(refused(good + "{:type :okay, :process 0}") == "file:2: type = okay: want invoke, ok, fail or info");
  CHECK(refused(good + good) == "file:2: process 0 begins a transaction while that of line 1 is open");
  CHECK(refused(good + "{:type :ok, :process 1, :value []}") ==
        "file:2: process 1 ends a transaction that it has not begun");
  CHECK(refused("\n{:type :ok, :process 0, :value [[:append x one]]}") ==
        "file:2: operation append x: want an integer for its value");
  CHECK(refused("{:type :ok, :process 0, :value [[:append x 1] [:w x 1]]}") ==
        "file:1: operation w: want r or append");
  CHECK(refused("{:type :ok, :process 0, :value [[:r x 1] [:append x 1]]}") ==
        "file:1: operation r x: want a list of integers, or nil");
  CHECK(refused("{:type :ok, :process 0, :value 3}") == "file:1: value: want a list of operations");
  CHECK(
      refused("{:type :ok, :process 0, :index 5, :value []}\n{:type :ok, :process 0, :index 5, :value []}") ==
      "file:2: index = 5, and 5 before it: want events in their order");
  CHECK(refused("{\"type\": \"ok\", \"process\": 0, \"value\": [[\"append\", \"x") ==
        "file:1: cut: a text has no end");
}

/// Whatever is cut off, or becomes another letter, the reader says so or reads a history: it never does anything else.
TEST_CASE("history files: no damage makes the reader do anything but refuse") {
  for (const Syntax syntax : {Syntax::edn, Syntax::json}) {
    const std::string text = to_text(simulate({.transactions = 12}), syntax);
    for (std::size_t at = 0; at < text.size(); ++at) {
      refused(text.substr(0, at));
      for (const char letter : {'[', ']', '{', '}', '"', ':', ' ', '\\', '-', '#'}) {
        std::string damaged = text;
        damaged[at] = letter;
        refused(damaged);
      }
    }
  }
}

TEST_CASE("history: the longest list of a key is its order, whichever was read first") {
  History history(Model::list_append);
  const Key x = history.key("x");
  history.add({.process = 0});
  for (const Value value : {1, 2, 3, 9}) history.write(x, value);
  const std::vector<std::vector<Value>> lists{{9}, {1}, {1, 2, 3}, {1, 2}, {}};
  for (const auto& list : lists) history.read_list(x, list);
  history.seal();
  CHECK(std::vector<Value>(history.order(x).begin(), history.order(x).end()) == std::vector<Value>{1, 2, 3});
  REQUIRE(history.others().size() == 1);
  for (std::size_t i = 0; i < lists.size(); ++i) {
    const auto list = history.list(history.operations()[4 + i]);
    CHECK(std::vector<Value>(list.begin(), list.end()) == lists[i]);
  }
}

}  // namespace
