// A symbol per function for its trampolines: `main.trampolines`, or `sub_0x1139.trampolines` where
// only an FDE knows that there is a function; `punster.stubs` for what holds no bodies.

#pragma once

#include "backend/emit/functions.h"
#include "backend/emit/trampoline_sections.h"

namespace punster {

/// The new symbol table. All old symbols keep their indices; ours follow.
struct SymbolSections {
  std::vector<std::uint8_t> symbols, names;  ///< contents of .symtab and .strtab
  std::uint32_t locals = 0;  ///< sh_info: index of the first symbol that is not local
  /// Indices of the section headers that these contents replace those of; 0: new ones are needed.
  std::uint32_t symbols_section = 0, names_section = 0;
};

/// Sets `holds_bodies` where a symbol of bodies lies. `first_index`: the section header index that
/// sections[0] will have, the others follow. Nothing when the old table cannot be extended: it is
/// damaged, or has section indices in a table of its own.
[[nodiscard]] std::optional<SymbolSections> symbols_of_trampolines(
    const ElfView& input, const std::vector<FunctionBodies>& functions,
    std::vector<TrampolineSection>& sections, std::uint32_t first_index);

}  // namespace punster
