#include "backend/emit/tables.h"

#include <algorithm>
#include <cstring>

#include "backend/emit/arenas.h"
#include "backend/emit/code_pages.h"
#include "backend/emit/owned_calls.h"

namespace punster {
namespace {

PunsterMappingKind kind_of(const PageMapping& m) {
  if (m.overlay) return PUNSTER_OVERLAY;
  switch (m.contents) {
    case Contents::constants:
      return PUNSTER_CONSTANTS;
    case Contents::variables:
      return PUNSTER_VARIABLES;
    default:
      return PUNSTER_TRAMPOLINES;
  }
}

PunsterMapping entry(const PageMapping& m, const Piece& pages, PunsterMappingKind kind) {
  return {m.address.value, pages.offset.value + m.first_page * page_size.value, m.pages, kind};
}

std::vector<PunsterMapping> entries(const ElfView& input, const EmitPlan& plan,
                                    const OutputLayout& layout, const PatchedInPlace& in_place) {
  std::vector<PunsterMapping> result;
  if (plan.layout == Layout::loader) {
    for (const auto& m : cut_at_segments(input, plan.mappings))
      result.push_back(entry(m, layout.pages, kind_of(m)));
  } else {
    for (const auto& m : arenas_of(plan))
      result.push_back(entry(m, layout.trampolines, PUNSTER_ARENA));
    for (const auto& m : in_place.overlays)
      result.push_back(entry(m, layout.pages, PUNSTER_OVERLAY));
    for (const auto& m : in_place.replaced)
      result.push_back(entry(m, layout.originals, PUNSTER_ORIGINAL));
  }
  return result;
}

template <typename T>
void put(std::vector<std::uint8_t>& out, const T& value) {
  const auto at = out.size();
  out.resize(at + sizeof value);
  std::memcpy(out.data() + at, &value, sizeof value);
}

}  // namespace

Bytes size_of_tables(const ElfView& input, const EmitPlan& plan, const PatchedInPlace& in_place,
                     std::span<const PunsterImport> imports) {
  return Bytes{sizeof(PunsterHeader) +
               entries(input, plan, {}, in_place).size() * sizeof(PunsterMapping) +
               plan.traps.size() * sizeof(PunsterTrap) + imports.size() * sizeof(PunsterImport) +
               plan.calls.size() * sizeof(PunsterCall) +
               (plan.counters ? plan.counters->path.size() + 1 : 0)};
}

namespace {

std::uint64_t dynamic_address(const ElfView& input) {
  for (const auto& segment : input.segments())
    if (segment.p_type == PT_DYNAMIC) return segment.p_vaddr;
  return 0;
}

}  // namespace

std::vector<std::uint8_t> tables_segment(const ElfView& input, const EmitPlan& plan,
                                         const OutputLayout& layout, const PatchedInPlace& in_place,
                                         const Hook& hook, std::span<const PunsterImport> imports) {
  const auto mappings = entries(input, plan, layout, in_place);
  PunsterHeader h{};
  h.magic = PUNSTER_MAGIC;
  h.abi_version = PUNSTER_ABI_VERSION;
  if (input.header().e_type == ET_DYN) h.flags |= PUNSTER_FLAG_POSITION_INDEPENDENT;
  if (input.kind() == FileKind::dso) h.flags |= PUNSTER_FLAG_SHARED_OBJECT;
  if (plan.layout == Layout::headers) h.flags |= PUNSTER_FLAG_HEADER_MAPPED;
  if (header_count(input, plan) > page_size.value / sizeof(Elf64_Phdr))
    h.flags |= PUNSTER_FLAG_MANY_HEADERS;
  if (plan.owns_calls && !plan.traps.empty()) h.flags |= PUNSTER_FLAG_OWNS_CALLS;
  h.hook = hook.kind;
  h.mapping_count = static_cast<std::uint32_t>(mappings.size());
  h.trap_kind = plan.trap_kind;
  h.trap_count = static_cast<std::uint32_t>(plan.traps.size());
  h.import_count = static_cast<std::uint32_t>(imports.size());
  h.header_address = layout.tables.address.value;
  h.header_offset = layout.tables.offset.value;
  h.mappings_offset = sizeof h;
  h.traps_offset = h.mappings_offset + mappings.size() * sizeof(PunsterMapping);
  h.imports_offset = h.traps_offset + plan.traps.size() * sizeof(PunsterTrap);
  h.calls_offset = h.imports_offset + imports.size_bytes();
  h.call_count = static_cast<std::uint32_t>(plan.calls.size());
  h.dynamic_address = dynamic_address(input);
  h.original_entry = hook.original_entry.value;
  h.raised_by = plan.raised_by.value;
  h.span_lo = layout.span.lo.value;
  h.span_hi = layout.span.hi.value;
  if (plan.counters) {
    h.counters_address = plan.counters->address.value;
    h.counters_bytes = plan.counters->size.value;
    h.counters_path = h.calls_offset + plan.calls.size() * sizeof(PunsterCall);
  }
  const auto relro = protected_pages(input);
  h.relro_lo = relro.lo.value;
  h.relro_hi = relro.hi.value;
  if (plan.syscall_gate) h.syscall_gate = plan.syscall_gate->value;
  std::copy(plan.build_key.begin(), plan.build_key.end(), h.build_key);

  std::vector<std::uint8_t> out;
  out.reserve(size_of_tables(input, plan, in_place, imports).value);
  put(out, h);
  for (const auto& m : mappings) put(out, m);
  for (const auto& t : plan.traps) put(out, PunsterTrap{t.site.value, t.trampoline.value});
  for (const auto& i : imports) put(out, i);
  for (const auto& c : plan.calls)
    put(out, PunsterCall{c.address.value, static_cast<std::uint32_t>(c.time), 0});
  if (plan.counters) {
    out.insert(out.end(), plan.counters->path.begin(), plan.counters->path.end());
    out.push_back(0);
  }
  return out;
}

}  // namespace punster
