#include "backend/emit/tool_sections.h"

#include "backend/emit/compressed.h"

namespace punster {
namespace {

// Arenas of stubs come in dozens; a file with more of them has other troubles.
constexpr std::size_t most_sections = 4096;

// The .debug_frame that there is already.
const Elf64_Shdr* debug_frame(const ElfView& input) {
  for (const auto& s : input.sections())
    if (!(s.sh_flags & SHF_ALLOC) && input.section_name(s) == ".debug_frame") return &s;
  return nullptr;
}

void add_rows(const ElfView& input, const CallFrames& frames, const BodyList& bodies,
              ToolSections& out) {
  out.summary.note = frames.damage;
  const auto* old = debug_frame(input);
  std::vector<std::uint8_t> before;
  if (old) {
    const auto contents = input.contents(*old);
    before.assign(contents.begin(), contents.end());
    if (old->sh_flags & SHF_COMPRESSED) {
      auto whole = decompressed(contents);
      if (!whole) {
        out.summary.note = ".debug_frame is compressed, and cannot be read: no unwind rows";
        return;
      }
      before = std::move(*whole);
    }
  }
  FrameWriter writer(before);
  const auto rows = unwind_rows(input, frames, bodies, writer);
  out.summary.functions = rows.functions;
  out.summary.left_out = rows.left_out;
  out.summary.scattered = rows.scattered;
  if (rows.functions == 0 && rows.scattered == 0) return;
  auto& section = writer.contents().bytes;
  auto smaller = compressed(section, frames_alignment);
  out.frames_compressed = smaller.has_value();
  out.frames = smaller ? std::move(*smaller) : std::move(section);
  out.summary.bytes += out.frames.size();
  out.frames_section = old ? static_cast<std::uint32_t>(old - input.sections().data()) : 0;
}

void add_symbols(const ElfView& input, const CallFrames& frames, const BodyList& bodies,
                 std::uint32_t first_index, ToolSections& out) {
  std::vector<SymbolTable> tables;
  for (const std::uint32_t type : {SHT_SYMTAB, SHT_DYNSYM})
    if (const auto table = symbol_table(input, type)) tables.push_back(*table);
  const auto functions = functions_with_bodies(tables, frames, bodies);
  out.symbols = symbols_of_trampolines(input, functions, out.trampolines, first_index);
  if (!out.symbols) return;
  out.summary.symbols = functions.size();
  out.summary.bytes += out.symbols->symbols.size() + out.symbols->names.size();
}

}  // namespace

ToolSections tool_sections(const ElfView& input, const EmitPlan& plan, const OutputLayout& layout,
                           std::uint32_t first_index) {
  ToolSections out;
  const bool for_strip = plan.layout == Layout::headers && input.names_section() != SHN_UNDEF;
  if (for_strip) out.trampolines = trampoline_sections(plan, layout);
  if (!plan.bodies || plan.bodies->size() == 0) return out;
  if (input.names_section() == SHN_UNDEF) {
    out.summary.note = "the file has no section headers: no unwind rows, no symbols";
    return out;
  }
  auto trampolines = trampoline_sections(plan, layout);
  if (trampolines.size() > most_sections || first_index + trampolines.size() >= SHN_LORESERVE - 8) {
    out.summary.note = "too many sections: no unwind rows, no symbols";
    return out;
  }
  out.trampolines = std::move(trampolines);
  if (!for_strip) out.summary.bytes = out.trampolines.size() * sizeof(Elf64_Shdr);
  const auto frames = read_call_frames(input);
  add_rows(input, frames, *plan.bodies, out);
  add_symbols(input, frames, *plan.bodies, first_index, out);
  return out;
}

}  // namespace punster
