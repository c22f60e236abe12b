#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>

#include "engine/error.h"
#include "harness/commands.h"
#include "harness/config.h"
#include "harness/machine.h"
#include "harness/output.h"
#include "harness/phases.h"
#include "workloads/workload.h"

namespace {

using muster::kInterrupted;
using muster::kMachine;
using muster::kRequest;
using muster::kTemporary;
using muster::kVerification;

int fail(const std::exception& error, muster::ExitCode code) {
  std::fprintf(stderr, "muster: %s\n", error.what());
  return code;
}

void add_run(CLI::App& app, muster::RunRequest& request) {
  CLI::App* run = app.add_subcommand("run", "Run one configuration, verify it, and write the result as JSON");
  run->add_option("CONFIG.json", request.configuration, "The configuration; without it, what --set says");
  run->add_option("--set", request.overrides,
                  "key=value: sets or replaces a key, such as log_buffer.capacity=65536")
      ->allow_extra_args(false);
  run->add_option("--out", request.out,
                  "File for the result, replaced as a whole; standard output if not given");
  run->add_flag("--keep", request.keep, "Leave the run's database in engine.directory, for muster log");
  run->add_flag("--host-name", request.host_name,
                "Name the host in the result, which otherwise has an opaque id of it only");
  run->add_option("--end-with-parent", request.parent,
                  "PID of the process that starts this one: when it ends, so does the run, as by SIGTERM")
      ->check(CLI::PositiveNumber);
  run->footer([] {
    return muster::describe_keys() +
           "\nExit codes: 0 done, 1 the run failed its own verification, "
           "2 mend the request, 3 mend the machine, 4 something else is in the way for now, 130 interrupted.";
  });
  run->callback([&request] { muster::run_command(request, stdout); });
}

struct ListRequest {
  bool workloads = false;
  bool json = false;
  bool markdown = false;
};

void add_list(CLI::App& app, ListRequest& request) {
  CLI::App* list = app.add_subcommand("list", "List the log buffers, or the workloads");
  CLI::Option* workloads = list->add_flag("--workloads", request.workloads, "The workloads");
  CLI::Option* json = list->add_flag("--json", request.json, "As JSON");
  list->add_flag("--markdown", request.markdown, "As a Markdown table")->excludes(json)->excludes(workloads);
  list->callback([&request] {
    using muster::ListFormat;
    if (request.workloads) return muster::list_workloads_command(request.json, stdout);
    muster::list_command(request.json       ? ListFormat::json
                         : request.markdown ? ListFormat::markdown
                                            : ListFormat::table,
                         stdout);
  });
}

void add_machine(CLI::App& command, muster::MachineRequest& machine) {
  CLI::Option* xml = command.add_option(
      "--xml", machine.xml, "Another machine, from a file that `muster topology --save` or lstopo wrote");
  command
      .add_option("--synthetic", machine.synthetic,
                  "Another machine, as hwloc describes it: \"pack:2 [numa(memory=64GB)] l3:8 core:8 pu:2\"")
      ->excludes(xml);
}

void add_topology(CLI::App& app, muster::TopologyRequest& request) {
  CLI::App* topology = app.add_subcommand(
      "topology", "Show a machine as a tree, and where each policy puts threads and memory on it");
  add_machine(*topology, request.machine);
  topology->add_option("--save", request.save, "File for the machine as hwloc's XML, which --xml reads");
  topology->add_flag("--json", request.json, "As JSON");
  topology->callback([&] { muster::topology_command(request, stdout); });
}

void add_check(CLI::App& app, muster::MachineRequest& machine) {
  CLI::App* check = app.add_subcommand(
      "check",
      "Read configurations from standard input, one JSON object a line, and say of each, in a line "
      "of JSON, whether run would take it on the machine and what it comes to with its defaults");
  add_machine(*check, machine);
  check->callback([&] { muster::check_command(machine, stdin, stdout); });
}

struct DoctorRequest {
  std::string directory;
  bool json = false;
};

void add_doctor(CLI::App& app, DoctorRequest& request) {
  CLI::App* doctor = app.add_subcommand(
      "doctor", "Say point by point whether this machine is fit for measuring, and what to do about it");
  doctor->add_option("--directory", request.directory,
                     "engine.directory of the runs to come; a temporary one if not given, as theirs");
  doctor->add_flag("--json", request.json, "As JSON");
  doctor->footer("Exit codes: 0 nothing is bad, 3 mend the machine.");
  doctor->callback([&request] { muster::doctor_command(request.directory, request.json, stdout); });
}

void add_calibrate(CLI::App& app, muster::CalibrateRequest& request) {
  CLI::App* calibrate = app.add_subcommand("calibrate",
                                           "Measure this machine: transfers of a line between units, "
                                           "contended additions, copying, one thread's costs");
  calibrate->add_option("--out", request.out, "File for the document; standard output if not given");
  calibrate->add_option("--seconds", request.seconds, "Of one point, from 0.001 to 60 (0.05)");
  calibrate->add_flag("--host-name", request.host_name, "Name the host in it, besides an opaque id");
  calibrate->footer(
      "Points grow with the square of the units: 2 take 2 s, 128 take an hour. plots/machine.py draws the "
      "document.");
  calibrate->callback([&request] { muster::calibrate_command(request, stdout); });
}

void add_keys(CLI::App& app, bool& as_json) {
  CLI::App* keys =
      app.add_subcommand("keys", "Print every key of a configuration with its range, default and meaning");
  keys->add_flag("--json", as_json, "As JSON");
  keys->callback([&] {
    const std::string text = as_json ? muster::keys_as_json().dump(2) + "\n" : muster::describe_keys();
    std::fputs(text.c_str(), stdout);
  });
}

void add_log(CLI::App& app, std::string& directory) {
  CLI::App* log = app.add_subcommand("log", "Read a database's log, also while it is being written");
  log->require_subcommand(1);
  CLI::App* verify = log->add_subcommand("verify", "Check every record up to the newest whole one");
  verify->add_option("DIR", directory, "The log's directory, or a database's")->required();
  verify->footer("Exit codes: 0 the log is sound, 1 it is damaged, 2 mend the request, 3 mend the machine.");
  verify->callback([&] { muster::log_verify_command(directory, stdout); });
  CLI::App* dump = log->add_subcommand("dump", "Print every record, one a line");
  dump->add_option("DIR", directory, "The log's directory, or a database's")->required();
  dump->callback([&] { muster::log_dump_command(directory, stdout); });
}

void add_lsm(CLI::App& app, std::string& directory, muster::LsmDumpRequest& request) {
  CLI::App* lsm = app.add_subcommand("lsm", "Read the files of LSM trees, also while a database is at work");
  lsm->require_subcommand(1);
  CLI::App* verify = lsm->add_subcommand("verify",
                                         "Check the manifest and every file that it names: checksums, order, "
                                         "index, filter, properties, levels");
  verify->add_option("DIR", directory, "The directory of a tree (ID.lsm), or of a database for all its trees")
      ->required();
  verify->footer(
      "Exit codes: 0 all is sound, 1 something is damaged, 2 mend the request, 3 mend the machine.");
  verify->callback([&] { muster::lsm_verify_command(directory, stdout); });
  CLI::App* dump = lsm->add_subcommand("dump", "Print the manifest's edits and the properties of every file");
  dump->add_option("DIR", request.place, "As for verify, or one table file (NNNNNN.sst)")->required();
  dump->add_flag("--entries", request.entries, "Print every entry as well, one a line");
  dump->callback([&] { muster::lsm_dump_command(request, stdout); });
}

void add_recover(CLI::App& app, std::string& directory) {
  CLI::App* recover = app.add_subcommand(
      "recover", "Bring a database that a crash cut off to its last committed state, and say what that took");
  recover->add_option("DIR", directory, "The database's directory, or a run's")->required();
  recover->footer(
      "Exit codes: 0 it is closed and whole, 2 mend the request, 3 mend the machine or the damage.");
  recover->callback([&directory] { muster::recover_command(directory, stdout); });
}

void add_history(CLI::App& app, muster::HistoryRequest& request) {
  CLI::App* history = app.add_subcommand(
      "history", "Histories of transactions (for the project's own commits: scripts/history)");
  history->require_subcommand(1);
  CLI::App* check = history->add_subcommand("check",
                                            "Say which anomalies a history of transactions has, as Elle "
                                            "does, and which isolation levels it satisfies");
  check
      ->add_option("FILE", request.file,
                   "A history as Jepsen writes it, in EDN or JSON (workloads/history/README.md)")
      ->required();
  check->add_option("--model", request.model, "list-append or rw-register; the file's own if not given");
  check->add_option("--order", request.order,
                    "Order that also counts: none, session (each process's order), or realtime; if not "
                    "given, the order that "
                    "--level needs, or none");
  check->add_option("--level", request.level,
                    "Level that the history has to satisfy: read_committed, snapshot, serializable, "
                    "strong_session_snapshot, "
                    "strong_session_serializable, strong_snapshot, strict_serializable; the strongest one of "
                    "--order if not "
                    "given");
  check->add_flag("--json", request.json, "As JSON");
  check->add_option("--picture", request.picture, "File for the anomalies as SVG");
  check->footer(
      "Exit codes: 0 the level is satisfied, 1 it is not, 2 mend the request, 3 the file is no history.\n"
      "scripts/history reads another kind of history: throughput over the commits of this project.");
  check->callback([&request] { muster::history_check_command(request, stdout); });
}

/// Runs the subcommand, or prints the help that was asked for.
void parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) throw;
    app.exit(error);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"A laboratory for multicore database logging", "muster"};
  app.require_subcommand(1);
  app.set_version_flag(
      "--version", [] { return muster::describe_build().dump(2); }, "Print version, commit and compiler");
  muster::RunRequest request;
  ListRequest list;
  DoctorRequest doctor;
  muster::CalibrateRequest calibrate;
  muster::TopologyRequest topology;
  muster::MachineRequest checked_machine;
  muster::HistoryRequest history;
  muster::LsmDumpRequest lsm_dump;
  bool keys_json = false;
  std::string directory;
  add_run(app, request);
  add_list(app, list);
  add_doctor(app, doctor);
  add_calibrate(app, calibrate);
  add_topology(app, topology);
  add_log(app, directory);
  add_lsm(app, directory, lsm_dump);
  add_recover(app, directory);
  add_history(app, history);
  add_keys(app, keys_json);
  add_check(app, checked_machine);

  try {
    muster::hold_standard_descriptors();
    std::signal(SIGXFSZ, SIG_IGN);  // a file that has grown to its limit is an error like any other
    parse(app, argc, argv);
    muster::flush_standard_output();  // a result that nobody gets is not a success
    return 0;
  } catch (const CLI::ParseError& error) {
    return fail(error, kRequest);
  } catch (const muster::TemporaryError& error) {
    return fail(error, kTemporary);
  } catch (const muster::Interrupted& error) {
    return fail(error, kInterrupted);
  } catch (const muster::VerificationError& error) {
    return fail(error, kVerification);
  } catch (const std::invalid_argument& error) {  // ConfigError among them
    return fail(error, kRequest);
  } catch (const std::exception& error) {  // std::system_error, DamageError, std::bad_alloc
    return fail(error, kMachine);
  }
}
