// The calls of a file that change what becomes of SIGILL, which the runtime must own when sites are
// trapped: GOT slots of libc's functions, and displaced `syscall` instructions.

#pragma once

#include "backend/emit/elf_view.h"
#include "runtime/loader_abi.h"

namespace punster {

/// The slots that PUNSTER_OWNED_FUNCTIONS are called through, ascending; each is filled in by the
/// dynamic linker. Empty for a static file. Error "malformed" when a relocation table runs out of
/// the file.
Result<std::vector<PunsterImport>> owned_imports(const ElfView& input);

/// The pages of PT_GNU_RELRO as the dynamic linker protects them, or an empty range at 0.
[[nodiscard]] AddressRange protected_pages(const ElfView& input);

/// What stands at the gate: a jump to the runtime, or, when nothing is owned, straight back to the
/// `syscall` that it came from (gate.S has the convention). Nothing when the runtime is out of
/// reach.
[[nodiscard]] std::optional<std::vector<std::uint8_t>> gate_code(Vaddr gate,
                                                                 std::optional<Vaddr> runtime);

}  // namespace punster
