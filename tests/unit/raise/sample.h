// A shared object with every carrier of an address, compiled while the test runs, and copies of it
// with one thing changed.

#pragma once

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "backend/emit/dynamic_section.h"
#include "backend/raise/raise.h"
#include "tests/unit/emit/small_program.h"

namespace punster {

/// The C source: constructors, IFUNCs, thread-local variables of both kinds, tables of pointers, a
/// weak symbol, probes. `int check(void)` returns 42 when all of it works.
std::string sample_source();

/// A file in memory that can be changed before it is opened.
class Draft {
 public:
  Draft(const Workshop& shop, const std::filesystem::path& original);

  std::vector<std::uint8_t> bytes;

  template <typename T>
  [[nodiscard]] T read(std::uint64_t offset) const {
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
  }
  template <typename T>
  void write(std::uint64_t offset, const T& value) {
    std::memcpy(bytes.data() + offset, &value, sizeof value);
  }
  /// File offset of the dynamic entry with `tag`; fails the test without one.
  [[nodiscard]] std::uint64_t dynamic(std::int64_t tag) const;
  /// Of what the entry points to.
  [[nodiscard]] std::uint64_t pointed_to(std::int64_t tag) const;
  /// Of the header of the segment, or section, of that type or name.
  [[nodiscard]] std::uint64_t segment(std::uint32_t type) const;
  [[nodiscard]] std::uint64_t section(const std::string& name) const;
  /// Of the first relocation of that type in DT_RELA or DT_JMPREL.
  [[nodiscard]] std::uint64_t relocation(std::uint64_t type) const;
  [[nodiscard]] std::uint64_t offset_of(std::uint64_t address) const;
  /// Of the first defined symbol of the type in .dynsym.
  [[nodiscard]] std::uint64_t symbol(unsigned type) const;

  [[nodiscard]] Result<ElfView> open() const;

 private:
  std::filesystem::path place_;
  ElfView view_;  // of the original
};

}  // namespace punster
