// Small programs, compiled while the test runs, and hand-made plans that patch one instruction of them.

#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "backend/emit/emit.h"

namespace punster {

/// A directory that is removed with everything in it.
class Workshop {
 public:
  Workshop();
  ~Workshop();
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;

  [[nodiscard]] std::filesystem::path file(const std::string& name) const { return root_ / name; }
  /// Compiles C `source` with `cc -O1 FLAGS` to `name`; fails the test when the compiler does.
  std::filesystem::path compile(const std::string& name, const std::string& source,
                                const std::string& flags) const;

 private:
  std::filesystem::path root_;
};

/// What a command wrote and how it ended; 128 + signal when killed.
struct Outcome {
  int status = 0;
  std::string output, errors;
};
Outcome run(const std::string& command);

/// The address of a symbol, read by LIEF.
Vaddr symbol(const std::filesystem::path& file, const std::string& name);

/// A plan under construction for one input.
class PlanMaker {
 public:
  explicit PlanMaker(const std::filesystem::path& input);

  /// A page of trampolines at `address`, filled with CC behind `code`.
  PlanMaker& trampoline(Vaddr address, const std::vector<std::uint8_t>& code);
  /// Overwrites `bytes` at `site`, in an overlay of its page.
  PlanMaker& patch(Vaddr site, const std::vector<std::uint8_t>& bytes);
  PlanMaker& trap(Vaddr site, Vaddr trampoline);

  /// Replaces `mov $1, %eax` at `site` by a jump to a trampoline at `address` with `mov $value, %eax`.
  PlanMaker& answer(Vaddr site, Vaddr address, std::uint8_t value);
  /// The same with ud2.
  PlanMaker& answer_by_trap(Vaddr site, Vaddr address, std::uint8_t value);

  EmitPlan plan;
  ElfView view;
};

/// Emits to `output`; fails the test when that fails.
EmitResult emit_to(const PlanMaker& maker, const std::filesystem::path& output);

/// What must hold of the program headers of every output: at most 73, PT_LOADs ascend and are never
/// writable and executable, PT_PHDR names the table, which is as far from the first segment in the file as
/// in memory.
void check_headers(const std::filesystem::path& file);

/// The lowest free page above the image, the highest below.
Vaddr above(const ElfView& view, std::uint64_t pages = 0);
Vaddr below(const ElfView& view);

/// `int answer(void)`: returns 1 by the instruction at the symbol `site`.
std::string answer_source();
/// The same and a main() that prints it.
std::string program_source();

/// `mov $value, %eax` at `address`, then a jump to the end of the five-byte instruction at `site`.
std::vector<std::uint8_t> answer_trampoline(Vaddr site, Vaddr address, std::uint8_t value);
std::vector<std::uint8_t> jump(Vaddr from, Vaddr to);

}  // namespace punster
