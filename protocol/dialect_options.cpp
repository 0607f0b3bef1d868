// E9Patch's command-line options, as its manual lists them. Tactics are switched; everything that
// tunes its allocator, loader or optimiser has no counterpart here and is reported as ignored.

#include <algorithm>
#include <string_view>

#include "protocol/dialect.h"
#include "protocol/fields.h"

namespace punster {
namespace {

constexpr std::string_view all_tactics[] = {"C1", "B1", "B2", "T1", "T2", "T3", "B0"};

constexpr std::string_view ignored_options[] = {"--batch",
                                                "--debug",
                                                "--help",
                                                "--input",
                                                "--output",
                                                "--loader-base",
                                                "--loader-phdr",
                                                "--loader-static",
                                                "--log",
                                                "--mem-granularity",
                                                "--mem-lb",
                                                "--mem-ub",
                                                "--mem-mapping-size",
                                                "--mem-multi-page",
                                                "--mem-rebase",
                                                "--tactic-backward-T3",
                                                "--trap",
                                                "--trap-all",
                                                "--trap-entry",
                                                "--version",
                                                "-h",
                                                "-i",
                                                "-o",
                                                "-v"};

bool is_switch(std::string_view text) {
  return text == "true" || text == "false";
}

}  // namespace

Result<OptionsRequest> translate_options(const std::vector<std::string>& arguments,
                                         std::map<std::string, bool>& tactics) {
  OptionsRequest request;
  auto switched = tactics;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto& argument = arguments[i];
    const auto place = pointer_to("/params/argv", i);
    const auto equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    std::string value = equals == std::string::npos ? "" : argument.substr(equals + 1);
    // The value may be the next element; no option of E9Patch has a value that begins with a dash.
    const bool has_next = i + 1 < arguments.size() && !arguments[i + 1].starts_with('-');
    if (equals == std::string::npos && has_next) value = arguments[++i];

    const std::string tactic = name.starts_with("--tactic-") ? name.substr(9) : "";
    if (std::find(std::begin(all_tactics), std::end(all_tactics), tactic) !=
        std::end(all_tactics)) {
      if (!value.empty() && !is_switch(value))
        return error_in("bad_request", name + " takes true or false, not \"" + value + "\"", place);
      switched[tactic] = value != "false";
    } else if (name.starts_with("-O") ||
               std::find(std::begin(ignored_options), std::end(ignored_options), name) !=
                   std::end(ignored_options)) {
      request.ignored.push_back(value.empty() ? name : name + "=" + value);
    } else {
      return error_in("bad_request", "unknown option \"" + argument + "\"", place);
    }
  }
  tactics = switched;
  if (tactics.empty()) return request;
  for (const auto tactic : all_tactics) {
    const auto found = tactics.find(std::string(tactic));
    if (found == tactics.end() || found->second) request.tactics.emplace_back(tactic);
  }
  if (request.tactics.empty())
    return error_in("bad_request", "every tactic is switched off", "/params/argv");
  if (const auto trap = tactics.find("B0"); trap != tactics.end()) request.traps = trap->second;
  return request;
}

}  // namespace punster
