// Writing the rewritten file.
//
// Problem: make room in a finished ELF file for new code, tables and a runtime, without moving a byte of
// what is there. In-place punning has chosen jump targets relative to where everything stands, programs
// read their own headers in more ways than one, and every tool from `strip` to the kernel has its own
// idea of what it may assume. Re-laying the file out, as ELF libraries do when they write, cannot be
// borne; appending is what remains, and appending has four obstacles.
//
// 1. The program header table cannot grow where it is. It moves to the end of the file, into a segment of its
//    own. Its address is dictated (footprint.cpp, layout.cpp): kernels before 5.18, and programs, compute it
//    as base + e_phoff.
// 2. The kernel puts the heap behind the highest segment, and ld.so reserves, for a shared object, the
//    range from the lowest to the highest. So our last segment stands above the highest trampoline: the
//    heap then grows away from us, and ld.so's reservation holds everything. For programs the kernel
//    reserves nothing, but nothing else lives near them when they start.
// 3. Trampolines are scattered over up to 2 GiB, and there cannot be many program headers: Linux before 6.17
//    starts no program with more than 73. Where they suffice (Layout::headers), every run of
//    trampolines is a PT_LOAD, code is patched where it stands in the file, and the very first instruction
//    that runs is a patched one. Else (Layout::loader) the runs are listed in a table and mapped by the
//    runtime, from pages that stand in the file in the order of the plan.
// 4. What the runtime does comes late: IFUNC resolvers and the initialisers of other objects have run. So
//    code pages that need it (all of them when it maps the trampolines, else those with a trap and what
//    is joined to them) stay original; their patched copies are among the pages, and mapped over them
//    last. Counters with a program header are private zeros at first: what was counted by then is added
//    to the file that the runtime maps over them.
//
//      offset   original bytes      unchanged but for ELF header, hook, property bits, build id, patched code
//        |      (sparse hole)       when the image is larger in memory than in the file
//        v      low end             .punster.low_end   where the first segment is ours: the headers, a copy
//               program headers     .punster.phdr
//               trampolines         .punster.bodies, .punster.stubs   with program headers of their own
//               unwind rows         .eh_frame_hdr, .punster.eh_frame   where the program is to find them
//               tables              .punster.tables    PunsterHeader, mappings, traps, path
//               pages               .punster.pages     overlays; of a loader-mapped file trampolines, too
//               originals           .punster.original  of a header-mapped one: code as it was
//               runtime             .punster.text      where it is needed
//               state               .punster.state
//               counters            .punster.counts    zeros, sparse; of a header-mapped file
//               for tools           .debug_frame, symbols, names; read by nobody at run time
//               section headers
//
// Pages and originals are part of the read-only segment of the tables although nobody reads them there: it
// costs address space only, and what belongs to no segment is moved by `strip`.
//
// In either layout pages at different addresses may be the same page of the file; the kernel and ld.so do
// not mind. eu-elflint does, of program headers (it looks for the sections of a segment by their offsets),
// and `strip` writes such pages once for each address.
//
// A raised file (the plan says by how much; backend/raise made the input) begins at address 0, any other
// with program headers for trampolines below the image just below those, with a segment of ours. What
// finds an object by its lowest address (dladdr, dl_iterate_phdr and all who look for an ELF header there)
// finds one: a copy, with a copy of the program header table behind it. The table itself follows.
//
// The program header table is as the input's with ours added (a segment of code whose last page was patched
// behind its end grows to the end of that page; it is in memory anyway), so that PT_NOTE, PT_GNU_RELRO,
// PT_GNU_STACK and PT_GNU_PROPERTY stay what they were.

#include "backend/emit/emit.h"

#include <algorithm>

#include "backend/emit/arenas.h"
#include "backend/emit/code_pages.h"
#include "backend/emit/footprint.h"
#include "backend/emit/hook.h"
#include "backend/emit/layout.h"
#include "backend/emit/mapping_count.h"
#include "backend/emit/notes.h"
#include "backend/emit/output_file.h"
#include "backend/emit/owned_calls.h"
#include "backend/emit/process_frames.h"
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
  if (plan.layout == Layout::headers)
    assert(std::all_of(plan.mappings.begin(), plan.mappings.end(),
                       [last = trampoline_pages(plan)](const PageMapping& m) {
                         return !m.overlay || m.first_page >= last;
                       }) &&
           "overlays' pages come last");
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
  const auto at =
      layout.trampolines.offset + Bytes{home->first_page * page_size.value} + (gate - home->address);
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

/// What the layout and the hook ask for, before anything has its place.
struct Additions {
  PatchedInPlace in_place;
  Hook hook;
  std::vector<PunsterImport> imports;
};

Result<Additions> additions_of(const ElfView& input, const EmitPlan& plan) {
  Additions additions;
  if (plan.layout == Layout::headers) additions.in_place = patched_in_place(input, plan);
  if (needs_runtime(plan)) {
    PUNSTER_TRY(additions.hook, find_hook(input, !plan.traps.empty()));
  }
  if (!plan.traps.empty()) {
    PUNSTER_TRY(additions.imports, owned_imports(input));
  }
  return additions;
}

/// Asserts what a caller must see to; returns what the layout cannot do.
Result<void> check(const ElfView& input, const Footprint& place, const EmitPlan& plan) {
  assert_sound(place, plan);
  if (plan.layout == Layout::loader) return success();
  const auto file = input.path().string() + ": ";
  if (const auto why = why_not_in_place(input); !why.empty())
    return error("unsupported", file + why + "; use the loader layout");
  if (const auto count = header_count(input, plan); count > place.most_headers)
    return error("no_room", file + std::to_string(count) + " program headers, and at most " +
                                std::to_string(place.most_headers) + " are allowed");
  return success();
}

}  // namespace

Result<EmitResult> emit(const ElfView& input, const EmitPlan& plan, const std::filesystem::path& output) {
  PUNSTER_TRY(const auto place, footprint(input, {.most_headers = plan.most_headers}));
  PUNSTER_TRY(check(input, place, plan));
  const auto additions = additions_of(input, plan);
  if (additions.has_error()) return additions.error();
  const auto& [in_place, hook, imports] = additions.value();

  const auto blob = runtime_blob();
  const bool runs = needs_runtime(plan);
  const bool loaded = plan.layout == Layout::loader;
  std::optional<ProcessFrames> frames;
  if (plan.frames_for_process) frames.emplace(input, *plan.bodies);
  auto layout =
      lay_out(input, place, plan,
              {.tables = size_of_tables(input, plan, in_place, imports),
               .pages = Bytes{loaded ? plan.pages.size() : in_place.overlay_pages.size()},
               .originals = Bytes{in_place.originals.size()},
               .runtime = Bytes{runs ? blob.bytes.size() : 0},
               .state = Bytes{runs ? blob.state_bytes : 0},
               .frame_index = frames ? frames->index_size() : Bytes{},
               .frames = frames ? frames->size() - frames->index_size() : Bytes{}});
  layout.tails = in_place.tails;
  layout.gaps = in_place.gaps;
  // From here on every address and file offset of the output is known.

  const auto headers = new_program_headers(input, plan, layout);
  const auto tables = tables_segment(input, plan, layout, in_place, hook, imports);
  PUNSTER_TRY(const auto gate, gate_edit(plan, layout, blob));
  const auto tools = tool_sections(input, plan, layout, first_trampoline_section(input, layout));
  const auto sections = new_section_headers(input, plan, layout, tools);
  const auto edits = edits_of(input, plan, layout, hook, blob, sections);
  const auto end = layout.end + Bytes{sections ? sections->bytes.size() : 0};

  PUNSTER_TRY(auto file, OutputFile::create(output));
  PUNSTER_TRY(file.resize(Bytes{end.value}));
  PUNSTER_TRY(file.write(FileOffset{0}, input.file()));
  // Code first: the ELF header may stand on one of its pages.
  for (const auto& edit : in_place.code) {
    PUNSTER_TRY(file.write(edit.at, edit.bytes));
  }
  for (const auto& edit : edits) {
    PUNSTER_TRY(file.write(edit.at, edit.bytes));
  }
  PUNSTER_TRY(file.write(layout.header_table.offset, bytes_of(headers)));
  if (layout.low_end.size.value > 0) {
    PUNSTER_TRY(file.write(layout.low_end.offset, low_end(input.header(), headers)));
  }
  if (frames) {
    PUNSTER_TRY(file.write(layout.frame_index.offset, frames->placed(layout.frame_index.address)));
  }
  PUNSTER_TRY(file.write(layout.tables.offset, tables));
  const std::span pages(plan.pages);
  PUNSTER_TRY(file.write(layout.trampolines.offset,
                         loaded ? pages : pages.first(layout.trampolines.size.value)));
  if (!loaded) {
    PUNSTER_TRY(file.write(layout.pages.offset, in_place.overlay_pages));
  }
  PUNSTER_TRY(file.write(layout.originals.offset, in_place.originals));
  if (gate) {
    PUNSTER_TRY(file.write(gate->at, gate->bytes));
  }
  if (runs) {
    PUNSTER_TRY(file.write(layout.runtime.offset, configured_runtime(blob, layout)));
  }
  if (sections) {
    PUNSTER_TRY(file.write(layout.end, sections->bytes));
  }
  PUNSTER_TRY(file.commit(input.path()));
  auto unwind = tools.summary;
  if (frames) unwind.for_process = frames->functions();
  if (frames) unwind.bytes += frames->size().value;
  return EmitResult{Bytes{end.value}, added_mappings(input, headers, plan, layout, in_place.overlays), unwind};
}

}  // namespace punster
