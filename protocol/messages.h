// The messages of the protocol, as plain structs. PROTOCOL.md describes each with an example.
//
// from_json checks everything that can be checked without the binary and names the place of a fault
// as a JSON pointer; to_json is its inverse. Unknown fields are ignored. Addresses are hexadecimal
// strings (numbers are accepted below 2^53).

#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/address.h"
#include "protocol/result.h"

namespace punster {

using Json = nlohmann::json;

inline constexpr int protocol_version = 1;

/// Linux reads no table of program headers that is longer than 64 KiB.
inline constexpr unsigned most_program_headers = 1170;

struct InitializeRequest {
  int version = 0;
  std::string client_name, client_version;
};
struct InitializeReply {
  int version = protocol_version;
  std::string server_name, server_version;
  std::vector<std::string> capabilities;
  std::map<std::string, std::uint64_t> limits;
};

/// A file as requests name it: by path, or by the number of a descriptor that came along the
/// socket.
struct FileName {
  std::string path;
  std::optional<std::uint64_t> descriptor;
};

struct BinaryRequest {
  std::string filename;
  std::string mode;  // "", "exe" or "dso": E9Patch's hint; checked against the file
  std::optional<std::uint64_t> descriptor;  // instead of a name
};
struct BinaryReply {
  std::string kind;  // "pie", "exec", "dso", "static", "static-pie"
  std::string build_id;
};

/// What may stand at trapped sites, in the order of PunsterTrapKind.
inline constexpr std::string_view trap_names[] = {"ud2", "int3", "int-03", "hlt"};

/// Which unwind rows an output may have, in the order of UnwindRows.
inline constexpr std::string_view unwind_row_names[] = {"auto", "bodies", "all", "process"};

struct OptionsRequest {
  std::vector<std::string> tactics;  // empty: all
  std::optional<std::uint64_t> max_mappings;
  std::optional<bool> traps;               // false: --no-traps
  std::optional<std::string> trap_with;    // one of trap_names
  std::optional<bool> chaining;            // false: --no-chaining
  std::optional<bool> unwind;              // false: --no-unwind
  std::optional<std::string> unwind_rows;  // one of unwind_row_names
  std::optional<std::string> raise;        // "auto", "never" or "always"
  std::optional<std::string> layout;       // "auto", "headers" or "loader"
  std::optional<unsigned> max_headers;
  std::optional<bool> share_pages;  // true: --share-pages
  std::optional<unsigned> jobs;
  std::optional<std::string> build_id;  // "keep" or "new"
  std::optional<std::string> solver;    // "joint" or "greedy"
  std::optional<bool> landing_pads;     // false: --no-landing-pads
  std::optional<bool> stubs;            // false: --no-stubs
  std::optional<unsigned> lookahead;    // 0 to 5
  std::optional<std::string> optimize;  // "balanced", "speed", "mappings" or "size"
  std::vector<std::string> ignored;     // E9Patch options that mean nothing here, for a warning
};

struct TrampolineRequest {
  std::string name;
  Json code;  // an array in the template language; backend/trampoline compiles it
  /// The payload does not care where rsp points, and leaves only through $instr: at a call it may
  /// run with the return address pushed already.
  bool retarget_calls = false;
};

/// A contiguous run: instruction k starts at address + sum(lengths[0..k)).
struct InstructionsRequest {
  Vaddr address;
  std::vector<std::uint8_t> lengths;  // each 1 to 15
};
struct PaddingRequest {
  std::vector<AddressRange> ranges;
};

/// Sites: the k-th stands at address + sum(deltas[0..k]); deltas[0] is usually 0. Every column
/// holds one value (template-language JSON) per site: the macro of that name, for that site.
struct PatchesRequest {
  Vaddr address;
  std::vector<std::int64_t> deltas;
  std::string trampoline;
  std::map<std::string, std::vector<Json>> columns;
  /// In-place replacement: instead of a trampoline, these bytes (at most the instruction's length,
  /// the rest becomes NOPs) are written over the instruction. `trampoline` is then empty.
  std::optional<std::string> replace;
  bool trap = false;  // nothing but a trap may stand there (tactic B0)
};

struct ReserveRequest {
  std::optional<Vaddr> address;  // nothing: the backend chooses
  std::uint64_t length = 0;
  std::string bytes;       // contents; empty: zeros of `length`
  std::string protection;  // "r", "rw", "rx", ...
  Json raw;                // fields of E9Patch's dialect that later work reads (init, fini, mmap)
};
struct ReserveReply {
  Vaddr address;
};

struct CountersRequest {
  std::string path;  // absolute
  std::uint64_t capacity = 0;
};
struct CountersReply {
  Vaddr address;  // link-time address of slot 0; slot i is 8 * i bytes further
};

struct EmitRequest {
  std::string filename;
  std::string format = "binary";
  std::optional<std::uint64_t> descriptor;  // instead of a name
};

/// What debuggers and profilers were given. Only emit knows it; `plan` answers zeros.
struct UnwindStatistics {
  std::uint64_t functions = 0;    // that have unwind rows for their bodies
  std::uint64_t left_out = 0;     // functions with bodies whose rows cannot be carried over
  std::uint64_t stubs = 0;        // stubs, and other pieces far from their function, with rows
  std::uint64_t for_process = 0;  // functions with rows that the running program finds
  std::uint64_t symbols = 0;      // functions that have a symbol for their bodies
  std::uint64_t bytes = 0;        // of the output that all this takes
  std::string note;               // why there is less than asked for; "": there is not
};

/// The figures of DESIGN's `--stats` that the backend knows; the frontend adds its own.
struct Statistics {
  std::uint64_t sites = 0, patched = 0, trapped = 0, failed = 0;
  std::map<std::string, std::uint64_t> by_tactic;  // sums to patched + trapped
  std::map<std::string, std::uint64_t> by_means;
  std::uint64_t mappings = 0, virtual_pages = 0, physical_pages = 0, output_bytes = 0;
  std::string layout = "loader";  // or "headers"
  std::string layout_reason;      // why this one
  std::uint64_t raised_by = 0;    // bytes
  std::string not_raised;         // why a shared object was not, although it might have been
  bool shadow_stack_cleared = false, branch_tracking_cleared = false;
  UnwindStatistics unwind;
  double seconds_ingest = 0, seconds_solve = 0, seconds_place = 0, seconds_share = 0,
         seconds_emit = 0;
  std::uint64_t peak_rss_bytes = 0;
};

struct ResultsRequest {
  std::uint64_t from = 0, count = 4096;
};
/// Columns, one entry per site in address order.
struct ResultsReply {
  std::vector<Vaddr> address;
  std::vector<std::string> result;  // "patched", "trapped" or "failed"
  std::vector<std::string> tactic;  // "" when failed
  std::vector<std::vector<std::string>> means;
  std::vector<std::optional<Vaddr>> trampoline;  // the body's address
  std::vector<std::vector<Vaddr>> evicted;
  std::vector<std::string> reason;  // "" unless failed or trapped
  std::uint64_t total = 0;          // sites altogether
};

struct ExplainRequest {
  std::vector<Vaddr> addresses;
};
/// One alternative that the solver looked at, and what became of it.
struct Alternative {
  std::string tactic;
  std::string outcome;  // "chosen", or what ruled it out, in words
};
struct Explanation {
  Vaddr address;
  std::string result, tactic;
  std::optional<Vaddr> jump_target, trampoline;
  std::vector<Alternative> alternatives;
  std::vector<Vaddr> borrowed_from;  // addresses of bytes past the instruction that its jump uses
  std::string note;                  // e.g. "not a site"
};
struct ExplainReply {
  std::vector<Explanation> explanations;
};

/// Names the notification method: {"method":"progress","params":{"phase","done","total"}}.
struct Progress {
  std::string phase;
  std::uint64_t done = 0, total = 0;
};

// to_json / from_json for each of the above; `where` is the JSON pointer of `json` itself, so that
// nested faults name their full place.
#define PUNSTER_MESSAGE(T)              \
  [[nodiscard]] Json to_json(const T&); \
  [[nodiscard]] Result<T> from_json(const Json& json, const T* tag, const std::string& where)
PUNSTER_MESSAGE(InitializeRequest);
PUNSTER_MESSAGE(InitializeReply);
PUNSTER_MESSAGE(BinaryRequest);
PUNSTER_MESSAGE(BinaryReply);
PUNSTER_MESSAGE(OptionsRequest);
PUNSTER_MESSAGE(TrampolineRequest);
PUNSTER_MESSAGE(InstructionsRequest);
PUNSTER_MESSAGE(PaddingRequest);
PUNSTER_MESSAGE(PatchesRequest);
PUNSTER_MESSAGE(ReserveRequest);
PUNSTER_MESSAGE(ReserveReply);
PUNSTER_MESSAGE(CountersRequest);
PUNSTER_MESSAGE(CountersReply);
PUNSTER_MESSAGE(EmitRequest);
PUNSTER_MESSAGE(UnwindStatistics);
PUNSTER_MESSAGE(Statistics);
PUNSTER_MESSAGE(ResultsRequest);
PUNSTER_MESSAGE(ResultsReply);
PUNSTER_MESSAGE(ExplainRequest);
PUNSTER_MESSAGE(ExplainReply);
PUNSTER_MESSAGE(Progress);
#undef PUNSTER_MESSAGE

/// `parse_message<BinaryRequest>(params, "/params")`.
template <typename T>
[[nodiscard]] Result<T> parse_message(const Json& json, const std::string& where = "") {
  return from_json(json, static_cast<const T*>(nullptr), where);
}

}  // namespace punster
