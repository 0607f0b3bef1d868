// The counters file: one 64-bit slot per counted site, mapped shared into every process that runs the
// rewritten file. It is an ordinary file, so that nothing can leak when a side is killed, and counts
// outlive the processes that made them. Layout: struct PunsterCounters in runtime/loader_abi.h.
//
// shared_counters.cpp is the only file that includes Boost.Interprocess.

#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "protocol/address.h"
#include "protocol/result.h"

namespace punster {

class SharedCounters {
 public:
  /// Makes the file `path` with one zeroed slot per site and maps it writable. A file that exists is
  /// *replaced*, never truncated: processes that still count into the old one go on undisturbed.
  /// The blocks are allocated, so that a full disk is an error here and not a SIGBUS in the program.
  /// Errors: "unwritable", "disk_full".
  static Result<SharedCounters> create(const std::filesystem::path& path,
                                       std::span<const Vaddr> sites);

  /// Maps an existing file read-only, after checking every field of its header against its size.
  /// `/proc/self/fd/N` opens a memfd. Errors: "unreadable", "not_counters".
  static Result<SharedCounters> open(const std::filesystem::path& path);

  [[nodiscard]] std::uint64_t capacity() const;
  /// The count of slot `i` at this moment. Other processes may be incrementing it. i < capacity().
  [[nodiscard]] std::uint64_t count(std::uint64_t i) const;
  /// The link-time address that slot `i` counts. i < capacity().
  [[nodiscard]] Vaddr site(std::uint64_t i) const;

 private:
  struct Mapped;
  std::shared_ptr<Mapped> mapped_;
};

/// The size of a counters file of `capacity` slots, in whole pages.
[[nodiscard]] Bytes counters_file_size(std::uint64_t capacity);

}  // namespace punster
