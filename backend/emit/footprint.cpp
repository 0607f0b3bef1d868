// Where the output's additions go, decided before anything is solved.
//
//   position-independent executable        fixed-address executable      shared object
//   image-2G .. image   trampolines        0x10000 .. image              (nothing: ld.so reserves no
//   image               original           original                       room below the first header)
//   image.hi ..         header table       header table                  header table
//   .. image+2G         trampolines        trampolines                   trampolines
//   above the highest   tables, runtime, state: they end the span of the program headers
//
// What will be raised (backend/raise) has room below its image, as in the first column. Program headers
// can name such addresses only when it is raised; what is not, and has its trampolines mapped by headers,
// has only those above.
//
// The header table's place is not a choice. Kernels before 5.18 tell a program that its headers are at
// base + e_phoff, whatever the segments say, and so do programs that look for themselves; so the table
// must be as far from the first segment in memory as it is in the file. Where the first segment is the
// original's, the first offset past the end of the file that is past the end of the image too is the
// lowest that works; a hole it leaves in the file is sparse. Where the first segment is ours (raised files,
// trampolines mapped by headers below the image), the table stands right behind it: layout.cpp.

#include "backend/emit/footprint.h"

#include <algorithm>

#include "backend/emit/dynamic_section.h"
#include "backend/emit/emit.h"
#include "protocol/hex.h"
#include "runtime/loader_abi.h"

namespace punster {
namespace {

constexpr std::uint64_t gib = 1ull << 30, mib = 1ull << 20;
constexpr std::uint64_t address_limit = 1ull << 47;
// vm.mmap_min_addr of every distribution.
constexpr std::uint64_t lowest_address = 0x10000;
// A header table of more than a page: kernels before 6.17 refuse to start what has one. ld.so takes
// thousands, but keeps them on the stack, and each costs two mappings.
constexpr unsigned most_headers_of_program = 4096 / sizeof(Elf64_Phdr);
constexpr unsigned most_arenas_of_shared_object = 60;

AddressRange image_of(const ElfView& input) {
  std::uint64_t lo = ~0ull, hi = 0;
  for (const auto& p : input.segments())
    if (p.p_type == PT_LOAD) {
      lo = std::min<std::uint64_t>(lo, p.p_vaddr);
      hi = std::max<std::uint64_t>(hi, p.p_vaddr + p.p_memsz);
    }
  return {page_floor(Vaddr{lo}), page_ceil(Vaddr{hi})};
}

Result<void> refuse_what_we_cannot_rewrite(const ElfView& input) {
  const auto file = input.path().string();
  PUNSTER_TRY(const auto dynamic, DynamicSection::read(input));
  std::uint64_t end_of_last = 0;
  bool last_executable = false;
  for (const auto& p : input.segments()) {
    if (p.p_type != PT_LOAD) continue;
    if (p.p_filesz >= sizeof(std::uint64_t)) {
      PUNSTER_TRY(const auto magic, input.read<std::uint64_t>(FileOffset{p.p_offset}));
      if (magic == PUNSTER_MAGIC)
        return error("already_rewritten", file + ": was written by punster; rewrite the original");
    }
    if ((p.p_flags & PF_X) && (p.p_flags & PF_W))
      return error_at("unsupported",
                      file + ": code in a writable segment; the program may change it as it runs",
                      Vaddr{p.p_vaddr});
    const bool executable = (p.p_flags & PF_X) != 0;
    if (page_floor(Vaddr{p.p_vaddr}).value < end_of_last && (executable || last_executable))
      return error_at("unsupported", file + ": a page holds the end of one segment and the start of the "
                                            "next, and one of them is code", Vaddr{p.p_vaddr});
    end_of_last = page_ceil(Vaddr{p.p_vaddr + p.p_memsz}).value;
    last_executable = executable;
  }
  const auto flags = dynamic.find(DT_FLAGS);
  if (dynamic.find(DT_TEXTREL) || (flags && (flags->value & DF_TEXTREL)))
    return error("unsupported", file + ": has relocations in its code (DT_TEXTREL); link with -z text");
  const auto soname = dynamic.soname(input);
  if (input.kind() == FileKind::dso && (soname.starts_with("ld-") || soname.starts_with("ld.so")))
    return error("unsupported",
                 file + ": is the dynamic loader, which runs before anything could be mapped for it");
  return success();
}

// In a static-PIE the kernel itself places the vDSO, from the top of the address space down, into the first
// hole that is large enough: one of ours. A hole beside the image that nothing uses is offered to it.
constexpr std::uint64_t room_for_vdso = 1 * mib;

/// As many as every kernel and ld.so on a small stack can bear.
unsigned sound_number_of_headers(const ElfView& input) {
  const auto segments = input.segments();
  const bool started_by_kernel =
      input.kind() != FileKind::dso ||
      std::any_of(segments.begin(), segments.end(), [](const auto& p) { return p.p_type == PT_INTERP; });
  if (started_by_kernel) return most_headers_of_program;
  return static_cast<unsigned>(segments.size()) + most_added_segments + most_arenas_of_shared_object;
}

std::vector<AddressRange> free_ranges(FileKind kind, AddressRange image, AddressRange table,
                                      FootprintOptions::Below below) {
  const bool self_placed = kind == FileKind::static_pie;
  // Everything stays within rel32 of every byte of the image, and the bodies beside the image within
  // rel32 of every stub.
  const std::uint64_t margin = image.size().value + 16 * mib;
  if (margin >= 2 * gib) return {};
  const std::uint64_t reach = 2 * gib - margin;

  using Below = FootprintOptions::Below;
  std::vector<AddressRange> free;
  if (kind == FileKind::exec || kind == FileKind::static_exec) {
    const auto lo = std::max(lowest_address + room_for_low_end,
                             image.hi.value > reach ? image.hi.value - reach : 0);
    if (lo < image.lo.value) free.push_back({Vaddr{lo}, image.lo});
  } else if (below == Below::raised || (below == Below::as_kind && kind != FileKind::dso)) {
    const Vaddr lo = page_ceil(Vaddr{image.hi.value - reach});
    const Vaddr hi = Vaddr{image.lo.value - page_size.value};
    if (lo < hi) {
      free.push_back({lo, hi});
    } else {  // linked above 0: the range wraps
      free.push_back({lo, Vaddr{0 - page_size.value}});
      if (hi.value > 0) free.push_back({Vaddr{}, hi});
    }
  }
  const Vaddr lo{table.hi.value + (self_placed ? room_for_vdso : 0)};
  const Vaddr hi = page_floor(Vaddr{std::min(image.lo.value + reach, address_limit - 64 * mib)});
  if (lo < hi) free.push_back({lo, hi});
  return free;
}

}  // namespace

std::uint64_t unused_room_below_tables(FileKind kind) {
  return kind == FileKind::static_pie ? room_for_vdso : 0;
}

// `strip` and `objcopy` (BFD) move a segment that holds program headers to where the one before it ends,
// and when that needs alignment, they take it off its address. So it begins at an address that needs
// none: the file's last loaded byte, modulo the page size (rounded to 8: then it is off by 7 at most, and
// its page is its own).
Bytes header_table_start(const ElfView& input) {
  std::uint64_t end = 0;
  for (const auto& p : input.segments())
    if (p.p_type == PT_LOAD) end = p.p_offset + p.p_filesz;
  return Bytes{((end & (page_size.value - 1)) + 7) & ~7ull};
}

Result<Footprint> footprint(const ElfView& input, const FootprintOptions& options) {
  PUNSTER_TRY(refuse_what_we_cannot_rewrite(input));
  const auto file = input.path().string();
  const auto image = image_of(input);
  const auto& segments = input.segments();
  const auto first = *std::find_if(segments.begin(), segments.end(),
                                   [](const auto& p) { return p.p_type == PT_LOAD; });

  const std::uint64_t headers =
      options.most_headers > 0 ? options.most_headers : sound_number_of_headers(input);
  if (segments.size() + most_added_segments > headers)
    return error("no_room", file + ": has " + std::to_string(segments.size()) + " program headers, with ours " +
                                std::to_string(segments.size() + most_added_segments) +
                                ", and at most " + std::to_string(headers) +
                                " can be loaded everywhere; --max-headers allows more");

  const auto file_end = page_ceil(Vaddr{input.file().size()}).value;
  // Wraps when the first segment is nearer to 0 in memory than in the file, which is as it should be.
  const auto difference = first.p_vaddr - first.p_offset;
  const auto offset = std::max(file_end, image.hi.value - difference);
  if (image.hi.value - difference > file_end && offset - file_end > gib)
    return error("no_room", file + ": its image in memory is over 1 GiB larger than the file; no place "
                                   "for a program header table");
  const Vaddr page{offset + difference};
  const auto start = header_table_start(input);
  // One more: the rest of the page is a section, see section_headers.cpp.
  const auto end = page_ceil(page + start + Bytes{(headers + 1) * sizeof(Elf64_Phdr)});
  if (page < image.hi || page.value > address_limit - gib)
    return error("no_room", file + ": no address for a program header table");

  Footprint result;
  result.image = image;
  result.header_table = {page, end};
  result.most_headers = static_cast<unsigned>(headers);
  result.free = free_ranges(input.kind(), image, result.header_table, options.below);
  if (result.free.empty())
    return error("no_room", file + ": image of " + std::to_string(image.size().value / mib) +
                                " MiB leaves no addresses within 2 GiB");
  return result;
}

}  // namespace punster
