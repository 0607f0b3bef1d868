// The header tables of an ELF file, checked by ourselves before any library sees the file.

#pragma once

#include <elf.h>

#include <string>
#include <vector>

#include "frontend/image/byte_view.h"
#include "protocol/result.h"

namespace punster {

/// Header, program headers and section headers of a 64-bit little-endian x86-64 file. Holds:
///  - both tables lie inside the file, and the section name table does;
///  - every PT_LOAD's bytes lie inside the file, memory size >= file size, no wrap-around, all below
///    2^47, ascending and disjoint, address congruent to offset modulo the page size;
///  - every executable section lies inside one executable PT_LOAD at the matching offset, and they
///    do not overlap each other.
struct ElfTables {
  Elf64_Ehdr header{};
  std::vector<Elf64_Phdr> programs;
  std::vector<Elf64_Shdr> sections;  // entry 0 included; empty when the file has none
  ByteView section_names;

  /// `name` stands in messages. Error kinds: "not_elf", "unsupported_class", "unsupported_machine",
  /// "unsupported_byte_order", "unsupported_type", "malformed".
  static Result<ElfTables> read(ByteView file, const std::string& name);

  /// Of a debug file, whose program headers describe what it does not hold: header and section
  /// headers alone, `programs` empty, nothing checked against segments.
  static Result<ElfTables> read_sections_only(ByteView file, const std::string& name);

  /// The first program header of this type, or nullptr.
  [[nodiscard]] const Elf64_Phdr* program(std::uint32_t type) const;
  /// File bytes of a section; empty for SHT_NOBITS and when they do not lie inside the file.
  [[nodiscard]] static ByteView contents(ByteView file, const Elf64_Shdr& section);
  /// File bytes from a virtual address to the end of its segment's file bytes; empty when there are
  /// none.
  [[nodiscard]] ByteView from(ByteView file, std::uint64_t address) const;
};

}  // namespace punster
