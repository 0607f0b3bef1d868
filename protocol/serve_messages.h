// The messages that only `punster serve` knows: a session with the frontend inside.

#pragma once

#include "protocol/messages.h"

namespace punster {

struct OpenRequest {
  FileName file;
  std::optional<std::string> bytes;  // instead of a file: its contents
  unsigned jobs = 1;
};
struct OpenReply {
  std::string kind, build_id, sha256;
  std::uint64_t bytes = 0, instructions = 0;
  std::uint64_t text_bytes = 0, code_bytes = 0, data_bytes = 0, padding_bytes = 0, doubt_bytes = 0;
};

struct SitesRequest {
  std::vector<std::string> match;  // all must match; none: everything does
  std::string syntax = "att";      // or "intel"
  std::uint64_t from = 0, count = 4096;
};
/// Columns, one entry per site in address order.
struct SitesReply {
  std::vector<Vaddr> address;
  std::vector<std::optional<FileOffset>> offset;
  std::vector<std::uint64_t> size;
  std::vector<std::string> bytes, assembly;
  std::vector<std::optional<std::string>> section, symbol;
  std::uint64_t total = 0;
};

/// What `punster patch` takes as one -M ... -P ... group.
struct RewriteRule {
  std::vector<std::string> match, action;
};
struct RewriteRequest {
  std::vector<RewriteRule> rules;
  std::optional<FileName> file;         // nothing: plan only
  std::optional<std::string> counters;  // absolute path; nothing: beside the output
  std::string syntax = "att";
  OptionsRequest options;
};
struct RewriteReply {
  Json statistics;                      // as `emit` answers
  std::optional<std::string> counters;  // nothing: no action counts
};

struct ProveRequest {
  std::optional<FileName> file;  // nothing: the last output that has a name
};

#define PUNSTER_MESSAGE(T)              \
  [[nodiscard]] Json to_json(const T&); \
  [[nodiscard]] Result<T> from_json(const Json& json, const T* tag, const std::string& where)
PUNSTER_MESSAGE(OpenRequest);
PUNSTER_MESSAGE(SitesRequest);
PUNSTER_MESSAGE(RewriteRule);
PUNSTER_MESSAGE(RewriteRequest);
PUNSTER_MESSAGE(ProveRequest);
#undef PUNSTER_MESSAGE
[[nodiscard]] Json to_json(const OpenReply&);
[[nodiscard]] Json to_json(const SitesReply&);
[[nodiscard]] Json to_json(const RewriteReply&);

}  // namespace punster
