// A file of hooks, as `punster cc` makes it: code and data that trampolines of a rewritten program
// call, mapped into it segment by segment, with no dynamic linker to help.
//
//   PUNSTER_TRY(const auto file, HookFile::open("count"));
//   for (const HookFunction* f : file->functions("entry")) ...
//
// Addresses are those of the file, which is linked at 0; in the rewritten program all of them are
// higher by one constant.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/address.h"
#include "protocol/result.h"

namespace punster {

struct HookFunction {
  std::string name;  // as it was written: "entry", "ns::entry"
  /// The types of the parameters of a C++ function: "long*", "char const*"; nothing for C.
  std::optional<std::vector<std::string>> parameters;
  Vaddr address;
  /// "entry", "entry(long*)"
  [[nodiscard]] std::string described() const;
};

/// Whole pages of the same protection. All chunks together are contiguous.
struct HookChunk {
  Vaddr address;
  std::string bytes;  // what the file has; the rest is zero
  Bytes length;       // a multiple of the page size
  std::string protection;
};

class HookFile {
 public:
  /// Refuses what cannot work without a dynamic linker. Errors, one line each: "unreadable",
  /// "bad_hook", and those of ElfTables::read.
  /// `shown` stands in messages, `path` where it is empty.
  static Result<std::shared_ptr<const HookFile>> open(const std::string& path,
                                                      const std::string& shown = "");

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::vector<HookChunk>& chunks() const { return chunks_; }
  /// All functions of this name: several when they are overloaded.
  [[nodiscard]] std::vector<const HookFunction*> functions(const std::string& name) const;
  /// Why there is no such function, with the names that there are: one sentence.
  [[nodiscard]] std::string no_function(const std::string& name) const;

  /// To be called before the program, with argc, argv, envp and _DYNAMIC; nothing when that would
  /// do nothing.
  [[nodiscard]] std::optional<Vaddr> start() const { return start_; }
  /// To be called at the program's end; likewise.
  [[nodiscard]] std::optional<Vaddr> end() const { return end_; }
  /// Whether the hook relies on end() being called: it defines fini, or has destructors.
  [[nodiscard]] bool needs_end() const { return needs_end_; }
  /// Calls the function in rax with vector state saved: of files that `punster cc --vector` made.
  [[nodiscard]] std::optional<Vaddr> vector_call() const { return vector_call_; }
  /// Some code has string instructions, which rely on the direction flag.
  [[nodiscard]] bool uses_direction_flag() const { return uses_direction_flag_; }

 private:
  friend class HookReader;
  HookFile() = default;
  std::string path_;
  std::vector<HookChunk> chunks_;
  std::vector<HookFunction> functions_;
  std::vector<std::string> variables_;
  std::optional<Vaddr> start_, end_, vector_call_;
  bool needs_end_ = false, uses_direction_flag_ = false;
};

}  // namespace punster
