// Writing the rewritten file.
//
// Problem: make room in a finished ELF file for new code, tables and a runtime, without moving a byte of
// what is there. In-place punning has chosen jump targets relative to where everything stands, programs
// read their own headers in more ways than one, and every tool from `strip` to the kernel has its own
// idea of what it may assume. Re-laying the file out, as ELF libraries do when they write, cannot be
// borne; appending is what remains, and appending has four obstacles.
//
// 1. The program header table cannot grow where it is. It moves to the end of the file, into a segment of its
//    own. Its address is dictated (footprint.cpp): kernels before 5.18, and programs, compute it as
//    base + e_phoff.
// 2. The kernel puts the heap behind the highest segment, and ld.so reserves, for a shared object, the
//    range from the lowest to the highest. So our last segment stands above the highest trampoline: the
//    heap then grows away from us, and ld.so's reservation holds everything. For programs the kernel
//    reserves nothing, but nothing else lives near them when they start.
// 3. Trampolines are scattered over up to 2 GiB in more pieces than there can be program headers. They are
//    listed in a table and mapped by the runtime, from pages that stand in the file in the order of the
//    plan; pages at different addresses may be the same page of the file.
// 4. Code pages in the file stay original, so whatever runs before the runtime (IFUNC resolvers, the
//    initialisers of other objects) is sound; their patched copies are among the pages, and mapped over
//    them last.
//
//      offset   original bytes      unchanged but for ELF header, hook, property bits, build id
//        |      (sparse hole)       when the image is larger in memory than in the file
//        v      program headers     .punster.phdr
//               low end             .punster.low_end   raised files only: the headers again
//               tables              .punster.tables    PunsterHeader, mappings, traps, path
//               pages               .punster.pages     trampolines and overlays; same segment as tables
//               runtime             .punster.text
//               state               .punster.state
//               for tools           .debug_frame, symbols, names; read by nobody at run time
//               section headers
//
// The pages are part of a read-only segment although nobody reads them there: it costs address space only,
// and what belongs to no segment is moved by `strip`.
//
// A raised file (the plan says by how much; backend/raise made the input) begins at address 0 with
// a segment that is nothing but the lower end of what ld.so reserves. What finds an object by its
// lowest address (dladdr, dl_iterate_phdr and all who look for an ELF header there) finds one: a
// copy, with a program header table of its own behind it.
//
// The program header table is as the input's with ours added, so that PT_NOTE, PT_GNU_RELRO,
// PT_GNU_STACK and PT_GNU_PROPERTY stay what they were.

#include "backend/emit/emit.h"

#include <algorithm>

#include "backend/emit/footprint.h"
#include "backend/emit/hook.h"
#include "backend/emit/layout.h"
#include "backend/emit/mapping_count.h"
#include "backend/emit/notes.h"
#include "backend/emit/output_file.h"
#include "backend/emit/owned_calls.h"
#include "backend/emit/program_headers.h"
#include "backend/emit/section_headers.h"
#include "backend/emit/tables.h"
#include "runtime/blob.h"
#include "runtime/loader_abi.h"

namespace punster {
namespace {

constexpr std::uint32_t feature_ibt = 1, feature_shstk = 2;  // GNU_PROPERTY_X86_FEATURE_1_*

void assert_sound(const Footprint& footprint, const EmitPlan& plan) {
  assert(plan.build_key.size() == 32);
  assert(plan.pages.size() % page_size.value == 0);
  for (const auto& m : plan.mappings) {
    assert(m.pages > 0 && m.address == page_floor(m.address));
    assert((std::uint64_t{m.first_page} + m.pages) * page_size.value <= plan.pages.size());
    const AddressRange range{m.address, m.address + Bytes{m.pages * page_size.value}};
    assert(m.overlay || !range.overlaps(footprint.image));
    assert(m.overlay || !range.overlaps(footprint.header_table));
  }
  assert(std::is_sorted(plan.traps.begin(), plan.traps.end(),
                        [](const auto& a, const auto& b) { return a.site < b.site; }));
}

std::vector<std::uint8_t> configured_runtime(const RuntimeBlob& blob, const OutputLayout& layout) {
  std::vector<std::uint8_t> bytes(blob.bytes.begin(), blob.bytes.end());
  const PunsterConfig config{layout.runtime.address.value + blob.config, layout.tables.address.value,
                             layout.state.address.value, layout.state.size.value};
  std::memcpy(bytes.data() + blob.config, &config, sizeof config);
  return bytes;
}

/// All changes to original bytes.
std::vector<FileEdit> edits_of(const ElfView& input, const EmitPlan& plan, const OutputLayout& layout,
                           const Hook& hook, const RuntimeBlob& blob,
                           const std::optional<SectionHeaders>& sections) {
  auto edits = hook.edits;
  const auto init = layout.runtime.address + Bytes{blob.init};
  for (const auto word : hook.words) edits.push_back(edit_of(word, init.value));

  Elf64_Ehdr header = input.header();
  if (hook.kind == PUNSTER_HOOK_ENTRY)
    header.e_entry = (layout.runtime.address + Bytes{blob.entry}).value;
  header.e_phoff = layout.header_table.offset.value;
  header.e_phnum = static_cast<Elf64_Half>(layout.header_table.size.value / sizeof(Elf64_Phdr));
  if (sections) {
    header.e_shoff = sections->table.value;
    header.e_shnum = sections->count;
  }
  edits.push_back(edit_of(FileOffset{0}, header));

  const auto append = [&](std::vector<FileEdit> more) {
    std::move(more.begin(), more.end(), std::back_inserter(edits));
  };
  const std::uint32_t features =
      (plan.clear_ibt ? feature_ibt : 0) | (plan.clear_shstk ? feature_shstk : 0);
  if (features) append(clear_features(input, features));
  if (plan.build_id == BuildId::fresh) append(fresh_build_id(input, plan.build_key));
  return edits;
}

/// The code of the gate, in the page of the plan that holds it. Errors: "out_of_range".
Result<std::optional<FileEdit>> gate_edit(const EmitPlan& plan, const OutputLayout& layout,
                                          const RuntimeBlob& blob) {
  if (!plan.syscall_gate) return std::optional<FileEdit>{};
  const Vaddr gate = *plan.syscall_gate;
  const auto home = std::find_if(plan.mappings.begin(), plan.mappings.end(), [&](const PageMapping& m) {
    return m.address <= gate && gate < m.address + Bytes{m.pages * page_size.value};
  });
  assert(home != plan.mappings.end() && !home->overlay);
  std::optional<Vaddr> runtime;
  if (!plan.traps.empty()) runtime = layout.runtime.address + Bytes{blob.gate};
  auto code = gate_code(gate, runtime);
  if (!code)
    return error_at("out_of_range", "the runtime is over 2 GiB away from the code; use --no-traps", gate);
  const auto at = layout.pages.offset + Bytes{home->first_page * page_size.value} + (gate - home->address);
  return std::optional(FileEdit{at, std::move(*code)});
}

/// What an object without bias looks like from its lowest address: headers, and nothing else.
std::vector<std::uint8_t> low_end(const Elf64_Ehdr& header,
                                  const std::vector<Elf64_Phdr>& segments) {
  Elf64_Ehdr copy = header;
  copy.e_phoff = sizeof copy;
  copy.e_phnum = static_cast<Elf64_Half>(segments.size());
  copy.e_shoff = copy.e_shnum = copy.e_shstrndx = 0;
  std::vector<std::uint8_t> bytes(sizeof copy + segments.size() * sizeof(Elf64_Phdr));
  std::memcpy(bytes.data(), &copy, sizeof copy);
  std::memcpy(bytes.data() + sizeof copy, segments.data(), segments.size() * sizeof(Elf64_Phdr));
  return bytes;
}

template <typename T>
std::span<const std::uint8_t> bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace

Result<EmitResult> emit(const ElfView& input, const EmitPlan& plan, const std::filesystem::path& output) {
  if (plan.layout == Layout::headers)
    return error("unsupported", input.path().string() + ": header-mapped output is not available; use the "
                                                        "loader layout");
  PUNSTER_TRY(const auto place, footprint(input));
  assert_sound(place, plan);
  PUNSTER_TRY(const auto hook, find_hook(input, !plan.traps.empty()));
  std::vector<PunsterImport> imports;
  if (!plan.traps.empty()) {
    PUNSTER_TRY(imports, owned_imports(input));
  }

  const auto blob = runtime_blob();
  const auto layout = lay_out(input, place, plan, size_of_tables(input, plan, imports),
                              Bytes{blob.bytes.size()}, Bytes{blob.state_bytes});
  // From here on every address and file offset of the output is known.

  const auto headers = new_program_headers(input, layout);
  const auto tables = tables_segment(input, plan, layout, hook, imports);
  PUNSTER_TRY(const auto gate, gate_edit(plan, layout, blob));
  const auto runtime = configured_runtime(blob, layout);
  const auto tools = tool_sections(input, plan, layout, first_trampoline_section(input, layout));
  const auto sections = new_section_headers(input, layout, tools);
  const auto edits = edits_of(input, plan, layout, hook, blob, sections);
  const auto end = layout.end + Bytes{sections ? sections->bytes.size() : 0};

  PUNSTER_TRY(auto file, OutputFile::create(output));
  PUNSTER_TRY(file.resize(Bytes{end.value}));
  PUNSTER_TRY(file.write(FileOffset{0}, input.file()));
  for (const auto& edit : edits) {
    PUNSTER_TRY(file.write(edit.at, edit.bytes));
  }
  PUNSTER_TRY(file.write(layout.header_table.offset, bytes_of(headers)));
  if (plan.raised_by.value > 0) {
    PUNSTER_TRY(file.write(layout.low_end.offset, low_end(input.header(), headers)));
  }
  PUNSTER_TRY(file.write(layout.tables.offset, tables));
  PUNSTER_TRY(file.write(layout.pages.offset, plan.pages));
  if (gate) {
    PUNSTER_TRY(file.write(gate->at, gate->bytes));
  }
  PUNSTER_TRY(file.write(layout.runtime.offset, runtime));
  if (sections) {
    PUNSTER_TRY(file.write(layout.end, sections->bytes));
  }
  PUNSTER_TRY(file.commit(input.path()));
  return EmitResult{Bytes{end.value}, added_mappings(input, headers, plan, layout), tools.summary};
}

}  // namespace punster
