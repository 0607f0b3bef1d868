#include "frontend/verify/layout_checks.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "frontend/verify/frame_index.h"
#include "protocol/hex.h"

namespace punster {
namespace {

/// A stretch of pages as signed link-time addresses: below a position-independent image they are
/// negative.
struct Pages {
  std::int64_t lo = 0, hi = 0;
  std::string name;
  [[nodiscard]] bool overlaps(const Pages& other) const { return lo < other.hi && other.lo < hi; }
  [[nodiscard]] bool inside(const Pages& other) const { return other.lo <= lo && hi <= other.hi; }
};

Pages pages_of(const Elf64_Phdr& segment) {
  return {static_cast<std::int64_t>(page_floor(Vaddr{segment.p_vaddr}).value),
          static_cast<std::int64_t>(page_ceil(Vaddr{segment.p_vaddr + segment.p_memsz}).value),
          "the segment at " + to_hex(Vaddr{segment.p_vaddr})};
}

Pages pages_of(const PunsterMapping& mapping) {
  const auto lo = static_cast<std::int64_t>(mapping.address);
  const auto size = static_cast<std::int64_t>(mapping.pages * page_size.value);
  return {lo, lo > INT64_MAX - size ? INT64_MAX : lo + size,
          "the mapping at " + to_hex(Vaddr{mapping.address})};
}

/// A jump with all its prefixes has at most 15 bytes; so many of them lie on one of two pages.
constexpr std::size_t most_of_jump = 14;

bool is_load(const Elf64_Phdr& segment) {
  return segment.p_type == PT_LOAD;
}
bool same(const Elf64_Phdr& a, const Elf64_Phdr& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

std::vector<Elf64_Phdr> loads_of(const PatchedImage& image) {
  std::vector<Elf64_Phdr> loads;
  std::copy_if(image.segments().begin(), image.segments().end(), std::back_inserter(loads),
               is_load);
  return loads;
}

bool has_grown(const Elf64_Phdr& before, const Elf64_Phdr& after) {
  Elf64_Phdr back = after;
  back.p_filesz = before.p_filesz;
  back.p_memsz = before.p_memsz;
  return same(before, back) && is_load(before) && (before.p_flags & (PF_X | PF_W)) == PF_X &&
         before.p_filesz == before.p_memsz && after.p_filesz == after.p_memsz &&
         before.p_filesz < after.p_filesz &&
         page_ceil(Vaddr{before.p_vaddr + before.p_filesz}) ==
             Vaddr{after.p_vaddr + after.p_filesz};
}

/// Nothing of the original may have stood where a segment grew.
void check_growth(const PatchedImage& original, const Elf64_Phdr& before, const Elf64_Phdr& after,
                  FailureLog& log) {
  const auto lo = before.p_offset + before.p_filesz, hi = after.p_offset + after.p_filesz;
  const auto file = original.file();
  const bool zeros =
      hi <= file.size() && std::all_of(file.begin() + static_cast<std::ptrdiff_t>(lo),
                                       file.begin() + static_cast<std::ptrdiff_t>(hi),
                                       [](std::uint8_t byte) { return byte == 0; });
  const bool claimed = std::any_of(
      original.segments().begin(), original.segments().end(), [&](const Elf64_Phdr& other) {
        return !same(other, before) && other.p_offset < hi && lo < other.p_offset + other.p_filesz;
      });
  if (!zeros || claimed)
    log.add(Vaddr{before.p_vaddr}, "program_headers",
            "the segment at " + to_hex(Vaddr{before.p_vaddr}) +
                " grew over bytes that are somebody else's in the file");
}

void check_header_table(const PatchedImage& patched, const std::vector<Elf64_Phdr>& loads,
                        FailureLog& log) {
  const Elf64_Ehdr& elf = patched.elf_header();
  const std::uint64_t table_end = elf.e_phoff + std::uint64_t{elf.e_phnum} * sizeof(Elf64_Phdr);
  const auto home = std::find_if(loads.begin(), loads.end(), [&](const Elf64_Phdr& s) {
    return s.p_offset <= elf.e_phoff && table_end <= s.p_offset + s.p_filesz;
  });
  if (home == loads.end()) {
    log.add("program_headers", "no PT_LOAD holds the program header table");
    return;
  }
  const auto delta = home->p_vaddr - home->p_offset;
  const Elf64_Phdr& first = loads.front();
  // `strip` moves the table within the file; that older kernels mind is its documented price.
  if (!patched.was_moved() && delta != first.p_vaddr - first.p_offset)
    log.add(Vaddr{home->p_vaddr}, "program_headers",
            "the segment of the program header table is not as far from the first segment in "
            "memory as in "
            "the file, so that older kernels report a wrong AT_PHDR");
  for (const Elf64_Phdr& segment : patched.segments())
    if (segment.p_type == PT_PHDR &&
        (segment.p_offset != elf.e_phoff || segment.p_vaddr != elf.e_phoff + delta))
      log.add(Vaddr{segment.p_vaddr}, "program_headers",
              "PT_PHDR names " + to_hex(Vaddr{segment.p_vaddr}) + ", but the table is at " +
                  to_hex(Vaddr{elf.e_phoff + delta}));
}

void check_added(const Elf64_Phdr& segment, FailureLog& log) {
  const Vaddr at{segment.p_vaddr};
  if ((segment.p_flags & PF_W) != 0 && (segment.p_flags & PF_X) != 0)
    log.add(at, "writable_code",
            "the added segment at " + to_hex(at) + " is writable and executable");
  if (segment.p_memsz < segment.p_filesz)
    log.add(at, "program_headers", "the added segment at " + to_hex(at) + " is larger in the file");
  if ((segment.p_vaddr - segment.p_offset) % page_size.value != 0 && segment.p_filesz > 0)
    log.add(at, "program_headers",
            "the added segment at " + to_hex(at) +
                " cannot be mapped: its address "
                "and file offset differ within the page");
}

/// Everything in memory that is no mapping of ours.
std::vector<Pages> occupied(const PatchedImage& patched) {
  std::vector<Pages> taken;
  for (const Elf64_Phdr& segment : loads_of(patched))
    if (segment.p_memsz > 0 && segment.p_flags != 0) taken.push_back(pages_of(segment));
  const PunsterHeader& header = *patched.header();
  if (header.counters_address != 0) {
    const auto lo = static_cast<std::int64_t>(header.counters_address);
    taken.push_back(
        {lo, lo + static_cast<std::int64_t>(header.counters_bytes & INT64_MAX), "the counters"});
  }
  return taken;
}

void check_header(const PatchedImage& original, const PatchedImage& patched, FailureLog& log) {
  const PunsterHeader& header = *patched.header();
  const auto home = std::find_if(
      patched.segments().begin(), patched.segments().end(), [&](const Elf64_Phdr& segment) {
        return is_load(segment) && segment.p_vaddr == header.header_address &&
               segment.p_flags == PF_R;
      });
  if (home == patched.segments().end())
    log.add(Vaddr{header.header_address}, "bad_tables",
            "no read-only segment holds the tables at the address that they name themselves");
  if (patched.header_mapped() && header.counters_address != 0 &&
      std::none_of(patched.segments().begin(), patched.segments().end(), [&](const Elf64_Phdr& s) {
        return is_load(s) && s.p_vaddr == header.counters_address &&
               s.p_memsz == header.counters_bytes && s.p_flags == (PF_R | PF_W);
      }))
    log.add(Vaddr{header.counters_address}, "bad_tables",
            "no program header makes memory for the counters");
  const bool movable = original.elf_header().e_type == ET_DYN;
  if (((header.flags & PUNSTER_FLAG_POSITION_INDEPENDENT) != 0) != movable)
    log.add("bad_tables", "the tables are wrong about whether the image can be moved");
  if (header.counters_address % page_size.value != 0 ||
      header.counters_bytes % page_size.value != 0)
    log.add(Vaddr{header.counters_address}, "bad_tables", "the counters are not whole pages");
}

/// Whether pages that were kept are those of the original's segment `home`.
bool is_kept(const PunsterMapping& mapping, const Elf64_Phdr& home, const PatchedImage& original,
             const PatchedImage& patched) {
  const std::uint64_t lo = std::max(mapping.address, home.p_vaddr);
  const std::uint64_t hi =
      std::min(mapping.address + mapping.pages * page_size.value, home.p_vaddr + home.p_filesz);
  return lo < hi &&
         std::memcmp(original.file().data() + home.p_offset + (lo - home.p_vaddr),
                     patched.file().data() + mapping.file_offset + (lo - mapping.address),
                     hi - lo) == 0;
}

/// Whether memory after start differs from the original in [lo, lo + size).
bool differs(Vaddr lo, const PatchedImage& original, const PatchedImage& patched) {
  std::array<std::uint8_t, most_of_jump> before{}, after{};
  const auto had = original.read(lo, before), has = patched.read(lo, after);
  return had != has || before != after;
}

/// Until the runtime starts, a page that it will replace is original beside pages that are patched
/// in the file: no jump may stand on both.
void check_edge(Vaddr edge, const PatchedImage& original, const PatchedImage& patched,
                FailureLog& log) {
  const auto replaced = [&](Vaddr a) {
    const MemoryPiece* piece = patched.piece_at(a);
    return piece == nullptr || piece->kind == MemoryKind::overlay;
  };
  if (replaced(edge - Bytes{1}) != replaced(edge) &&
      differs(edge - Bytes{most_of_jump}, original, patched) && differs(edge, original, patched))
    log.add(edge, "torn_jump",
            "a jump may stand on both sides of " + to_hex(edge) +
                ", and only on one of them before the runtime starts");
}

void check_mapping(const PunsterMapping& mapping, const PatchedImage& original,
                   const PatchedImage& patched, const std::vector<Pages>& taken, FailureLog& log) {
  const Vaddr at{mapping.address};
  const Pages pages = pages_of(mapping);
  const std::uint64_t size = mapping.pages * page_size.value;
  const auto bad = [&](const char* kind, const std::string& what) {
    log.add(at, kind, pages.name + what);
  };
  if (mapping.pages == 0 || (mapping.address | mapping.file_offset) % page_size.value != 0)
    return bad("bad_mapping", " is empty or not page-aligned");
  if (mapping.file_offset > patched.file().size() ||
      size > patched.file().size() - mapping.file_offset)
    return bad("bad_mapping", " shows pages past the end of the file");
  if (mapping.kind == PUNSTER_OVERLAY || mapping.kind == PUNSTER_ORIGINAL) {
    const auto loads = loads_of(original);
    const auto home = std::find_if(loads.begin(), loads.end(), [&](const Elf64_Phdr& segment) {
      return (segment.p_flags & PF_X) != 0 && pages.inside(pages_of(segment));
    });
    if (home == loads.end())
      return bad("overlay_outside_code", ", of code, is not all in one executable segment");
    if (mapping.kind == PUNSTER_OVERLAY && patched.header_mapped())
      for (const Vaddr edge : {at, at + Bytes{size}}) check_edge(edge, original, patched, log);
    if (mapping.kind == PUNSTER_ORIGINAL && !is_kept(mapping, *home, original, patched))
      bad("bad_mapping", ", kept of the original, does not show what the original has there");
    return;
  }
  if (mapping.kind == PUNSTER_ARENA) {
    const auto loads = loads_of(patched);
    if (std::none_of(loads.begin(), loads.end(), [&](const Elf64_Phdr& segment) {
          return segment.p_vaddr == mapping.address && segment.p_filesz == size &&
                 segment.p_memsz == size && segment.p_flags == (PF_R | PF_X);
        }))
      bad("bad_mapping", " has no program header that maps just it");
    return;
  }
  if (mapping.kind < PUNSTER_TRAMPOLINES || mapping.kind > PUNSTER_VARIABLES) return bad("bad_mapping", " is of an unknown kind");

  for (const Pages& other : taken)
    if (pages.overlaps(other)) bad("mapping_over_image", " overlaps " + other.name);
  const PunsterHeader& header = *patched.header();
  const Pages span{
      static_cast<std::int64_t>(header.span_lo), static_cast<std::int64_t>(header.span_hi), {}};
  if ((header.flags & PUNSTER_FLAG_SHARED_OBJECT) != 0 && !pages.inside(span))
    bad("outside_span", " lies outside " + to_hex(Vaddr{header.span_lo}) + ".." +
                            to_hex(Vaddr{header.span_hi}) + ", which is all that ld.so reserves");
  constexpr std::int64_t lowest = 0x10000, limit = std::int64_t{1} << 47;
  if (original.elf_header().e_type == ET_EXEC && (pages.lo < lowest || pages.hi > limit))
    bad("bad_mapping", " lies where no process may map anything");
}

}  // namespace

const Elf64_Phdr* kept_header(const PatchedImage& original, const Elf64_Phdr& segment) {
  for (const Elf64_Phdr& before : original.segments())
    if (same(before, segment) || has_grown(before, segment)) return &before;
  return nullptr;
}

void check_program_headers(const PatchedImage& original, const PatchedImage& patched,
                           FailureLog& log) {
  const auto after = loads_of(patched);
  if (after.empty()) {
    log.add("program_headers", "no segment is loaded");
    return;
  }
  for (const Elf64_Phdr& segment : original.segments()) {
    if (segment.p_type == PT_PHDR) continue;
    const auto kept = std::find_if(
        patched.segments().begin(), patched.segments().end(),
        [&](const Elf64_Phdr& other) {
          return same(segment, other) || has_grown(segment, other) ||
                 (segment.p_type == PT_GNU_EH_FRAME &&
                  is_moved_frame_index(original, patched, other));
        });
    if (kept == patched.segments().end())
      log.add(Vaddr{segment.p_vaddr}, "program_headers",
              "the original's program header at " + to_hex(Vaddr{segment.p_vaddr}) + " (type " +
                  std::to_string(segment.p_type) + ") is missing or altered");
    else if (has_grown(segment, *kept))
      check_growth(original, segment, *kept, log);
  }

  check_frame_index(original, patched, log);

  const auto added = [&](const Elf64_Phdr& segment) { return !kept_header(original, segment); };
  for (std::size_t i = 0; i < after.size(); ++i) {
    if (added(after[i])) check_added(after[i], log);
    if (i == 0 || (!added(after[i]) && !added(after[i - 1]))) continue;
    const Pages previous = pages_of(after[i - 1]), here = pages_of(after[i]);
    if (here.lo < previous.hi)
      log.add(Vaddr{after[i].p_vaddr}, "segments_overlap",
              here.name + " overlaps or stands before " + previous.name);
  }

  const bool started_by_kernel =
      original.elf_header().e_type == ET_EXEC ||
      std::any_of(original.segments().begin(), original.segments().end(),
                  [](const Elf64_Phdr& s) { return s.p_type == PT_INTERP; });
  constexpr int most_headers = 4096 / sizeof(Elf64_Phdr);
  const bool asked_for =
      patched.header() != nullptr && (patched.header()->flags & PUNSTER_FLAG_MANY_HEADERS) != 0;
  if (started_by_kernel && !asked_for && patched.segments().size() > most_headers)
    log.add("too_many_headers", std::to_string(patched.segments().size()) +
                                    " program headers: Linux before 6.17 takes at most " +
                                    std::to_string(most_headers));
  if (patched.elf_header().e_phoff != original.elf_header().e_phoff)
    check_header_table(patched, after, log);
}

void check_tables(const PatchedImage& original, const PatchedImage& patched, FailureLog& log) {
  if (patched.header() == nullptr) return;
  check_header(original, patched, log);
  const auto taken = occupied(patched);
  std::vector<Pages> mapped;
  for (const PunsterMapping& mapping : patched.mappings()) {
    check_mapping(mapping, original, patched, taken, log);
    mapped.push_back(pages_of(mapping));
  }
  std::stable_sort(mapped.begin(), mapped.end(),
                   [](const Pages& a, const Pages& b) { return a.lo < b.lo; });
  for (std::size_t i = 1; i < mapped.size(); ++i)
    if (mapped[i].overlaps(mapped[i - 1]))
      log.add(Vaddr{static_cast<std::uint64_t>(mapped[i].lo)}, "mappings_overlap",
              mapped[i].name + " overlaps " + mapped[i - 1].name);
  const auto traps = patched.traps();
  for (std::size_t i = 1; i < traps.size(); ++i)
    if (traps[i].site <= traps[i - 1].site)
      log.add(Vaddr{traps[i].site}, "traps_unsorted",
              "the trap table does not ascend at " + to_hex(Vaddr{traps[i].site}));
}

}  // namespace punster
