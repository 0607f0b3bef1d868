#pragma once

#include "backend/emit/code_pages.h"
#include "backend/emit/hook.h"
#include "backend/emit/layout.h"

namespace punster {

/// Bytes that tables_segment() will return.
[[nodiscard]] Bytes size_of_tables(const ElfView& input, const EmitPlan& plan,
                                   const PatchedInPlace& in_place,
                                   std::span<const PunsterImport> imports);

/// PunsterHeader | PunsterMapping[] | PunsterTrap[] | PunsterImport[] | strings, as
/// runtime/loader_abi.h describes them.
[[nodiscard]] std::vector<std::uint8_t> tables_segment(const ElfView& input, const EmitPlan& plan,
                                                       const OutputLayout& layout,
                                                       const PatchedInPlace& in_place,
                                                       const Hook& hook,
                                                       std::span<const PunsterImport> imports);

}  // namespace punster
