// What a user asked for, one plain struct per subcommand, and the exit statuses that scripts rely
// on. command_line.cpp fills the structs; nothing here knows how options are spelled.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/address.h"
#include "protocol/service/listener.h"

namespace punster {

namespace exit_status {
inline constexpr int done = 0;
inline constexpr int failed = 1;  // the job failed, or nothing matched
inline constexpr int usage = 2;   // faults in match and action expressions included
inline constexpr int strict = 3;  // done, but --strict was given and a site failed
inline constexpr int interrupted = 130;
}  // namespace exit_status

enum class Format : std::uint8_t { text, json, csv };

/// `-M a -M b -P x -P y`: x, then y, at every instruction that a and b both match. Without -M: at
/// all.
struct ActionGroup {
  std::vector<std::string> matches, actions;
};

/// Options that reach the backend.
struct BackendOptions {
  std::optional<std::string> backend;  // --backend
  std::vector<std::string> tactics;    // empty: all
  bool traps = true, chaining = true, unwind = true, landing_pads = true, stubs = true;
  std::optional<std::uint64_t> max_mappings;
  std::optional<unsigned> lookahead;
  std::optional<std::string> trap_with, build_id, solver, optimize, raise, layout, unwind_rows;
  std::optional<unsigned> max_headers;
  bool share_pages = false;
};

/// What the caller knows about the input, and what shall be done where nobody knows.
struct EvidenceOptions {
  std::vector<AddressRange> code, data;  // --code, --data
  std::vector<std::string> excluded;     // --exclude: ranges to be left alone
  std::vector<std::string> addresses;    // --addresses: files that list instruction starts
  std::optional<std::string> debug_file;
  /// --doubt: whether doubtful instructions can be sites, and then what is done there.
  enum class Doubt : std::uint8_t { skip, trap, patch } doubt = Doubt::skip;
};

struct PatchOptions {
  std::vector<ActionGroup> groups;  // in command-line order
  std::string input, output;
  std::optional<std::string> stats, sites, counters;
  std::optional<std::string> with_libraries;  // of their names; then `output` is a folder
  EvidenceOptions evidence;
  BackendOptions backend;
  bool strict = false, allow_no_sites = false, intel_syntax = false, quiet = false;
  unsigned jobs = 1;
  Format format = Format::text;
  std::vector<std::string> argv;
};

struct RunOptions {
  PatchOptions patch;                // input and output are not the user's
  std::vector<std::string> command;  // the program, as a shell would find it, and its arguments
  std::optional<std::string> cache;  // a folder
  std::uint64_t cache_mebibytes = 4096;
  bool verbose = false;
};

struct BisectOptions {
  std::vector<ActionGroup> groups;  // in command-line order
  std::string input;
  std::vector<std::string> check;  // a command; {} in it is the patched file
  double timeout = 60;             // seconds, of one run of it
  bool verbose = false;            // its output is shown
  EvidenceOptions evidence;
  BackendOptions backend;
  bool intel_syntax = false;
  unsigned jobs = 1;
  Format format = Format::text;
};

struct SitesOptions {
  std::vector<std::string> matches;
  std::string input;
  EvidenceOptions evidence;
  bool allow_no_sites = false, intel_syntax = false;
  unsigned jobs = 1;
  Format format = Format::text;
};

struct ExplainOptions {
  std::vector<Vaddr> at;
  std::optional<std::string> sites;  // either this,
  std::vector<ActionGroup> groups;   // or these and an input
  std::string input;
  EvidenceOptions evidence;
  BackendOptions backend;
  bool intel_syntax = false;
  unsigned jobs = 1;
  Format format = Format::text;
};

struct AnalyzeOptions {
  std::string input;
  EvidenceOptions evidence;
  std::optional<std::string> instructions, drawing;
  unsigned rows = 20;  // of the doubtful regions; 0: all
  unsigned jobs = 1;
  Format format = Format::text;
};

struct ShowOptions {
  std::string patched;
  std::vector<Vaddr> at;
  bool intel_syntax = false;
  Format format = Format::text;
};

struct VerifyOptions {
  std::string original, patched;
  std::optional<std::string> sites;
  EvidenceOptions evidence;  // the same as for the rewriting
  unsigned jobs = 1;
  Format format = Format::text;
};

struct CheckOptions {
  std::vector<std::string> files;
  std::optional<std::uint64_t> address_space_mebibytes, stack_kibibytes;
  std::optional<std::string> kernel;
  Format format = Format::text;
};

struct TopOptions {
  std::string data;
  std::optional<std::string> names;  // a file whose symbols name the sites
  bool once = false;
  unsigned rows = 0;  // 0: what fits the terminal, or all
  double interval = 1.0;
  Format format = Format::text;
};

enum class ExportFormat { drcov, lcov, csv, json };
inline constexpr const char* export_format_names[] = {"drcov", "lcov", "csv", "json"};

struct ExportOptions {
  std::string data, input;  // the counters, and the original that they count
  ExportFormat to = ExportFormat::drcov;
  EvidenceOptions evidence;  // the same as for the rewriting
  unsigned jobs = 1;
};

struct CalibrateOptions {
  unsigned rounds = 2000;
  Format format = Format::text;
};

struct CcOptions {
  std::vector<std::string> sources, flags;  // `flags`: for the compiler
  std::string output;
  bool vector = false;
};

struct ServeOptions {
  ListenOptions listen;
  std::optional<std::string> backend;
};

// One file per subcommand; each returns the exit status.
int run_patch(const PatchOptions& options);
int run_run(const RunOptions& options);
int run_bisect(const BisectOptions& options);
int run_sites(const SitesOptions& options);
int run_explain(const ExplainOptions& options);
int run_analyze(const AnalyzeOptions& options);
int run_show(const ShowOptions& options);
int run_verify(const VerifyOptions& options);
int run_check(const CheckOptions& options);
int run_top(const TopOptions& options);
int run_export(const ExportOptions& options);
int run_calibrate(const CalibrateOptions& options);
int run_cc(const CcOptions& options);
int run_serve(const ServeOptions& options);

}  // namespace punster
