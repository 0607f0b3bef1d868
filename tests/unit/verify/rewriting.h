// A miniature rewriter for tests: an original and its patched file, written byte by byte by the
// test that wants to see them accepted or rejected. No code of the product makes these files.
//
// The image, linked at 0 (or at 0x400000 when fixed):
//
//   +0x0000  R   ELF header, program headers
//   +0x1000  RX  .text: what insn(), data() and padding() append
//   +0x4000  RW  data
//   ...          trampolines, wherever write() puts them (tests use +0x1000000 and up)
//   +0x100000  header table; tables; runtime; state

#pragma once

#include <elf.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "frontend/verify/verify.h"
#include "runtime/loader_abi.h"

namespace punster::test {

using Machine = std::vector<std::uint8_t>;

Machine operator+(Machine a, const Machine& b);
/// `opcode` followed by the 32-bit displacement from its end, standing at `at`, to `to`. `after`:
/// bytes of the instruction behind the displacement.
Machine relative(Machine opcode, Vaddr at, Vaddr to, unsigned after = 0);
/// E9 rel32, EB rel8, E8 rel32 at `at`.
Machine jump(Vaddr at, Vaddr to);
Machine short_jump(Vaddr at, Vaddr to);
Machine call(Vaddr at, Vaddr to);

class Rewriting {
 public:
  explicit Rewriting(bool movable = true);
  ~Rewriting();
  Rewriting(const Rewriting&) = delete;
  Rewriting& operator=(const Rewriting&) = delete;

  // The original.
  Vaddr insn(const Machine& bytes);  ///< appends a known instruction to .text
  Vaddr data(const Machine& bytes);  ///< bytes that may never change
  Vaddr padding(unsigned length);    ///< CC bytes that may
  [[nodiscard]] Vaddr here() const;  ///< where the next one will stand
  [[nodiscard]] Vaddr image(std::uint64_t offset) const { return Vaddr{base_ + offset}; }

  /// A dynamic section, at image(0x4100); give the end mark too. Makes the original a shared object
  /// in that it is not hooked at its entry: see alter_header and change_dynamic().
  void dynamic(const std::vector<Elf64_Dyn>& entries);
  /// Bytes of the original's data segment.
  void datum(std::uint64_t offset, const Machine& bytes);
  /// A note segment of the original over bytes given by datum().
  void note(std::uint64_t offset, std::uint64_t size);

  // The patched file.
  void patch(Vaddr at, const Machine& bytes);  ///< code bytes after start
  /// Appends to the trampolines at `at`; returns the address behind.
  Vaddr write(Vaddr at, const Machine& bytes);
  void trap(Vaddr site, Vaddr trampoline);

  [[nodiscard]] Vaddr runtime() const;  ///< where the hook has to lead

  // Exposed so that tests can plant faults that no method would make.
  std::vector<PunsterMapping> extra_mappings;
  std::function<void(std::vector<Elf64_Phdr>&)> alter_original_segments;
  std::function<void(PunsterHeader&)> alter_header;
  std::function<void(std::vector<PunsterMapping>&)> alter_mappings;
  std::function<void(std::vector<Elf64_Phdr>&)> alter_segments;
  std::function<void(Machine& file)> alter_file;
  std::string sites;               ///< contents of the site file; empty: none is given
  bool knows_instructions = true;  ///< false: verify learns of instructions from the site file only

  VerifyReport verify();
  Result<VerifyReport> try_verify();
  /// Writes both files; for tests of the reader.
  std::filesystem::path write_original();
  std::filesystem::path write_patched();

 private:
  [[nodiscard]] Machine original_file() const;
  [[nodiscard]] Machine patched_file() const;
  [[nodiscard]] std::vector<Elf64_Phdr> original_segments() const;

  std::uint64_t base_;
  bool movable_;
  std::filesystem::path directory_;
  Machine text_;
  std::vector<Insn> instructions_;
  std::vector<AddressRange> untouchable_, padding_;
  std::map<std::uint64_t, Machine> pages_;  // trampoline pages by address
  Machine patched_text_;
  std::vector<std::pair<Vaddr, Machine>> patches_;
  std::vector<PunsterTrap> traps_;
  std::vector<std::pair<std::uint64_t, Machine>> data_;
  std::vector<Elf64_Phdr> extra_segments_;
};

/// The bytes of a value, as they stand in a file.
template <typename T>
Machine bytes_of(const T& value) {
  const auto* first = reinterpret_cast<const std::uint8_t*>(&value);
  return {first, first + sizeof value};
}

/// A line of the site file.
std::string site_line(Vaddr address, unsigned size, const std::string& bytes,
                      const std::string& result, const std::string& more = "");

/// The kind of the only failure, or all kinds and messages.
std::string only_failure(const VerifyReport& report);

}  // namespace punster::test
