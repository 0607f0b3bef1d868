// The functions of the input that have trampolines: what symbols and unwind rows are given to.

#pragma once

#include <string>

#include "backend/emit/body_list.h"
#include "backend/emit/call_frames.h"

namespace punster {

/// A symbol table of the input and its names, checked: both lie inside the file, names end in a
/// zero.
struct SymbolTable {
  std::uint32_t section = 0;  ///< index of its section header
  std::uint32_t names_section = 0;
  std::span<const std::uint8_t> symbols, names;
  [[nodiscard]] std::size_t count() const { return symbols.size() / sizeof(Elf64_Sym); }
  [[nodiscard]] Elf64_Sym at(std::size_t i) const;  ///< precondition: i < count()
  [[nodiscard]] std::string_view name(const Elf64_Sym& symbol) const;  ///< empty: not in the table
};

/// The first table of that type (SHT_SYMTAB, SHT_DYNSYM); nothing when there is none, or a damaged
/// one.
[[nodiscard]] std::optional<SymbolTable> symbol_table(const ElfView& input, std::uint32_t type);

/// The bodies of one function.
struct FunctionBodies {
  std::string_view name;  ///< of the function, without a version; empty: nobody named it
  Vaddr function;         ///< its first address
  AddressRange bodies;
};

/// One for every function with bodies that a symbol or an entry of `frames` knows, ascending. Of
/// several names at one address the alphabetically first. The names point into the tables.
[[nodiscard]] std::vector<FunctionBodies> functions_with_bodies(std::span<const SymbolTable> tables,
                                                                const CallFrames& frames,
                                                                const BodyList& bodies);

}  // namespace punster
