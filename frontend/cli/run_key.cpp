#include "frontend/cli/run_key.h"

#include <filesystem>
#include <sstream>

#include "frontend/cli/backend_process.h"
#include "frontend/cli/client.h"
#include "protocol/hex.h"

namespace punster {
namespace {

namespace fs = std::filesystem;

/// `addr in "FILE"`, `name[0]` with name.csv, `f()@FILE`: expressions and calls may name files, by
/// any text between quotes or spaces that is one.
Result<void> add_files_named(std::string& key, const std::string& expression, RunCache& cache) {
  std::string text = expression;
  for (char& c : text)
    if (std::string_view("\"'()[]=<>!,@").find(c) != std::string_view::npos) c = ' ';
  std::istringstream words(text);
  for (std::string word; words >> word;)
    for (const std::string& name : {word, word + ".csv"}) {
      std::error_code failed;
      if (fs::is_regular_file(name, failed)) {
        PUNSTER_TRY(key, with_contents(key + name, name, cache));
      }
    }
  return success();
}

}  // namespace

Result<std::string> with_contents(std::string text, const std::string& path, RunCache& cache) {
  PUNSTER_TRY(const std::string hash, cache.contents_of(path));
  return text + " " + hash + "\n";
}

Result<std::string> key_of_options(const PatchOptions& options, RunCache& cache) {
  std::string key = "punster " PUNSTER_VERSION "\n";
  PUNSTER_TRY(const auto backend, find_backend(options.backend.backend));
  for (const std::string& program : {std::string("/proc/self/exe"), backend.string()}) {
    PUNSTER_TRY(key, with_contents(key, program, cache));
  }
  key += to_json(options_request(options.backend, 1)).dump() + "\n";
  for (const auto& group : options.groups) {
    for (const auto& match : group.matches) {
      key += "-M " + match + "\n";
      PUNSTER_TRY(add_files_named(key, match, cache));
    }
    for (const auto& action : group.actions) {
      key += "-P " + action + "\n";
      PUNSTER_TRY(add_files_named(key, action, cache));
    }
  }
  key += std::string(options.intel_syntax ? "intel" : "att") + " doubt " +
         std::to_string(static_cast<int>(options.evidence.doubt)) + "\n";
  const EvidenceOptions& evidence = options.evidence;
  for (const auto& range : evidence.excluded) key += "-E " + range + "\n";
  for (const auto& [name, ranges] : {std::pair{"code ", &evidence.code}, {"data ", &evidence.data}})
    for (const auto& range : *ranges)
      key += name + to_hex(range.lo) + "-" + to_hex(range.hi) + "\n";
  std::vector<std::string> files = evidence.addresses;
  if (evidence.debug_file) files.push_back(*evidence.debug_file);
  for (const auto& file : files) {
    PUNSTER_TRY(key, with_contents(key + file, file, cache));
  }
  if (options.counters) key += "counters " + *options.counters + "\n";
  return key;
}

}  // namespace punster
