// The input file, read through one bounds-checked view. Truncated and unaligned input is boring here:
// read<T>() copies out or returns an error, and nothing casts a pointer into the map.

#pragma once

#include <elf.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "protocol/address.h"
#include "protocol/result.h"

namespace punster {

enum class FileKind : std::uint8_t { pie, exec, dso, static_exec, static_pie };
[[nodiscard]] const char* to_string(FileKind kind);  // "pie", "exec", "dso", "static", "static-pie"

class ElfView {
 public:
  /// Maps `path` read-only and checks the ELF header and program headers: x86-64, 64-bit, little-endian,
  /// ET_EXEC or ET_DYN, tables inside the file, PT_LOADs ascending, disjoint, not wrapping.
  /// Errors: "unreadable", "not_elf", "unsupported_class" (32-bit), "unsupported_byte_order",
  /// "unsupported_machine", "unsupported_type" (object file, core), "unsupported", "malformed".
  static Result<ElfView> open(const std::filesystem::path& path);

  /// The same file with `by` added to each of the 8-byte `words`; the file on disk is left alone.
  /// Costs a copy of the pages that they stand on. Precondition: they lie inside the file. Errors:
  /// as open().
  [[nodiscard]] Result<ElfView> with_added(std::span<const FileOffset> words, Bytes by) const;

  [[nodiscard]] const std::filesystem::path& path() const;
  [[nodiscard]] std::span<const std::uint8_t> file() const;
  [[nodiscard]] FileKind kind() const;
  [[nodiscard]] const Elf64_Ehdr& header() const;
  [[nodiscard]] std::span<const Elf64_Phdr> segments() const;
  /// Empty when the file has no section headers (which is fine).
  [[nodiscard]] std::span<const Elf64_Shdr> sections() const;
  /// The index of the section that holds the sections' names; 0: there is none.
  [[nodiscard]] std::uint64_t names_section() const;
  /// Empty when it has none that lies inside the file.
  [[nodiscard]] std::string_view section_name(const Elf64_Shdr& section) const;
  /// Its bytes in the file; empty when it has none (SHT_NOBITS) or they do not lie inside the file.
  [[nodiscard]] std::span<const std::uint8_t> contents(const Elf64_Shdr& section) const;

  /// Where `address` lies in the file, or nothing (holes, .bss).
  [[nodiscard]] std::optional<FileOffset> to_offset(Vaddr address) const;
  /// The address that `offset` is mapped at by a PT_LOAD, or nothing.
  [[nodiscard]] std::optional<Vaddr> to_vaddr(FileOffset offset) const;
  /// File bytes from `address` on, at most `size`, cut at the segment's end; empty when unmapped.
  [[nodiscard]] std::span<const std::uint8_t> bytes_at(Vaddr address, Bytes size) const;
  /// Whether `address` lies in a PT_LOAD with PF_X.
  [[nodiscard]] bool executable(Vaddr address) const;

  /// Copies a T out of the file at `offset`. Error "malformed" when it does not fit.
  template <typename T>
  [[nodiscard]] Result<T> read(FileOffset offset) const {
    const auto bytes = file();
    if (offset.value > bytes.size() || bytes.size() - offset.value < sizeof(T))
      return error("malformed", path().string() + ": truncated");
    T value;
    std::memcpy(&value, bytes.data() + offset.value, sizeof(T));
    return value;
  }

 private:
  struct Mapped;
  static Result<ElfView> over(std::shared_ptr<Mapped> mapped);
  std::shared_ptr<const Mapped> mapped_;
};

}  // namespace punster
