// The file of JSON lines that `punster patch --sites` writes: what it says happened at every site.

#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "protocol/address.h"
#include "protocol/result.h"

namespace punster {

enum class SiteResult : std::uint8_t { patched, trapped, failed };
[[nodiscard]] const char* to_string(SiteResult result);

struct SiteRecord {
  Vaddr address;
  std::uint8_t size = 0;
  SiteResult result = SiteResult::failed;
  std::string bytes;                    ///< of the original instruction; may be empty
  std::optional<Vaddr> trampoline;      ///< the body
  std::optional<Vaddr> jump;            ///< goes there instead of running the instruction
  std::optional<std::string> replaced;  ///< these bytes instead of the instruction
  std::optional<std::int64_t> exit;     ///< ends the program with this status
};

struct SiteFile {
  std::vector<SiteRecord> sites;  ///< ascending, each address once
  std::vector<Vaddr> evicted;     ///< ascending, each address once
  [[nodiscard]] const SiteRecord* find(Vaddr address) const;
  [[nodiscard]] bool is_evicted(Vaddr address) const;
};

/// Unknown fields are ignored. Errors: "unreadable", "bad_site_file" naming the line.
Result<SiteFile> read_site_file(const std::filesystem::path& path, unsigned jobs);

}  // namespace punster
