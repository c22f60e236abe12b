#pragma once

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

namespace muster {

// An interface: what the caller has to mend.
enum ExitCode : int { kVerification = 1, kRequest = 2, kMachine = 3, kTemporary = 4, kInterrupted = 130 };

// What the subcommands of `muster` do once its command line has been read. Each writes to `out` and throws
// ConfigError, VerificationError, Interrupted or the machine's errors, which main() turns into exit codes.

struct RunRequest {
  std::string configuration;           ///< a file, or empty: only what is set
  std::vector<std::string> overrides;  ///< key=value
  std::string out;                     ///< a file, or empty: standard output
  bool keep = false;                   ///< leave the database where it is, for `muster log`
  bool host_name = false;              ///< the result says the host's name
  int parent = 0;                      ///< a process with which the run ends, or 0
};
void run_command(const RunRequest& request, std::FILE* out);

/// Which machine: this one, or the one that a file of hwloc's or its synthetic description shows.
struct MachineRequest {
  std::string xml;
  std::string synthetic;
};

/// Says of each line of `in`, a configuration, whether `run` would take it there, and what it comes to.
void check_command(const MachineRequest& machine, std::FILE* in, std::FILE* out);

enum class ListFormat { table, json, markdown };
void list_command(ListFormat format, std::FILE* out);
void list_workloads_command(bool as_json, std::FILE* out);

/// Whether this machine is fit for measuring, point by point. Throws std::runtime_error, once all is said, where a
/// point is bad. `directory` is where runs will keep their databases; empty stands for a temporary one, as theirs does.
void doctor_command(const std::filesystem::path& directory, bool as_json, std::FILE* out);

struct TopologyRequest {
  MachineRequest machine;
  std::string save;  ///< a file for the machine as XML, or empty
  bool json = false;
};
/// Shows the machine as a tree, and what each policy does with it.
void topology_command(const TopologyRequest& request, std::FILE* out);

struct CalibrateRequest {
  std::string out;         ///< a file, or empty: standard output
  double seconds = 0.05;   ///< of one point
  bool host_name = false;  ///< the document says the host's name
};
/// Measures what this machine costs below any log buffer, and writes results/machine_schema.json's document.
void calibrate_command(const CalibrateRequest& request, std::FILE* out);

/// Opens the database in `directory`, which recovers what a crash left, says what that took, and closes it.
void recover_command(const std::filesystem::path& directory, std::FILE* out);

struct HistoryRequest {
  std::string file;
  std::string model;    ///< empty: the file's own
  std::string order;    ///< empty: the order that the level needs
  std::string level;    ///< empty: the strongest level of the order
  std::string picture;  ///< a file; empty: none
  bool json = false;
};
/// Prints what is wrong with a history of transactions, and which levels it satisfies. Then throws VerificationError if it does
/// not satisfy the level. Throws DamageError for a file that is no history.
void history_check_command(const HistoryRequest& request, std::FILE* out);

/// Checks or prints a log up to its newest whole record, also while a database writes it. Verifying throws VerificationError
/// where the log is damaged, dumping DamageError.
void log_verify_command(const std::filesystem::path& directory, std::FILE* out);
void log_dump_command(const std::filesystem::path& directory, std::FILE* out);

/// Checks the files of LSM trees, also while a database is at work in them. Throws VerificationError, once all is said, where
/// something is damaged.
void lsm_verify_command(const std::filesystem::path& directory, std::FILE* out);

struct LsmDumpRequest {
  std::string place;     ///< of trees, as for verify; or one table file
  bool entries = false;  ///< all entries, besides what the manifest and the files' properties say
};
/// Throws DamageError, once all that can be read is printed, where something is damaged.
void lsm_dump_command(const LsmDumpRequest& request, std::FILE* out);

}  // namespace muster
