#include "backend/emit/code_pages.h"

#include <algorithm>
#include <cassert>

#include "protocol/hex.h"

namespace punster {
namespace {

bool is_code(const Elf64_Phdr& p) {
  return p.p_type == PT_LOAD && (p.p_flags & PF_X) != 0;
}

/// The segment whose code an overlay replaces.
const Elf64_Phdr& home_of(const ElfView& input, Vaddr page) {
  const auto segments = input.segments();
  const auto home = std::find_if(segments.begin(), segments.end(), [&](const Elf64_Phdr& p) {
    return p.p_type == PT_LOAD && page_floor(Vaddr{p.p_vaddr}) <= page &&
           page.value < p.p_vaddr + p.p_filesz;
  });
  assert(home != segments.end() && is_code(*home) && "an overlay outside of all code");
  return *home;
}

bool in_the_way(FileOffset lo, FileOffset hi, std::uint64_t offset, std::uint64_t size) {
  return offset < hi.value && lo.value < offset + size;
}

/// Whether anything of the file but `segment` itself claims [lo, hi).
bool claimed(const ElfView& input, const Elf64_Phdr& segment, FileOffset lo, FileOffset hi) {
  const auto& h = input.header();
  if (in_the_way(lo, hi, h.e_phoff, h.e_phnum * sizeof(Elf64_Phdr)) ||
      in_the_way(lo, hi, h.e_shoff, input.sections().size() * sizeof(Elf64_Shdr)))
    return true;
  const auto segments = input.segments();
  const auto sections = input.sections();
  return std::any_of(segments.begin(), segments.end(),
                     [&](const Elf64_Phdr& p) {
                       return &p != &segment && in_the_way(lo, hi, p.p_offset, p.p_filesz);
                     }) ||
         std::any_of(sections.begin(), sections.end(), [&](const Elf64_Shdr& s) {
           return s.sh_type != SHT_NOBITS && in_the_way(lo, hi, s.sh_offset, s.sh_size);
         });
}

/// One page of the input's file, with zeros behind its end.
void append_file_page(const ElfView& input, std::uint64_t offset, std::vector<std::uint8_t>& out) {
  const auto file = input.file();
  const auto bytes =
      file.subspan(offset, std::min<std::uint64_t>(page_size.value, file.size() - offset));
  out.insert(out.end(), bytes.begin(), bytes.end());
  out.resize(out.size() + page_size.value - bytes.size());
}

/// How a page of an overlay differs from the file's.
struct PageChange {
  Vaddr address;
  std::uint32_t page = 0;  // of EmitPlan::pages
  bool at_start = false, at_end = false, trapped = false, stays = false;
};

/// A jump with all its prefixes has at most 15 bytes; so many of them lie on one of two pages.
constexpr std::size_t most_of_jump = 14;

PageChange change_of(const ElfView& input, const EmitPlan& plan, const Elf64_Phdr& home,
                     Vaddr address, std::uint32_t page) {
  std::vector<std::uint8_t> before;
  append_file_page(input, address.value - home.p_vaddr + home.p_offset, before);
  const auto after = plan.pages.begin() + std::ptrdiff_t{page} * 4096;
  const auto differs = [&](std::size_t from, std::size_t to) {
    return !std::equal(before.begin() + static_cast<std::ptrdiff_t>(from),
                       before.begin() + static_cast<std::ptrdiff_t>(to),
                       after + static_cast<std::ptrdiff_t>(from));
  };
  const auto trap = std::lower_bound(plan.traps.begin(), plan.traps.end(), address,
                                     [](const TrapRoute& t, Vaddr a) { return t.site < a; });
  return {address,
          page,
          differs(0, most_of_jump),
          differs(page_size.value - most_of_jump, page_size.value),
          trap != plan.traps.end() && trap->site < address + page_size,
          false};
}

/// All pages of overlays, ascending; `stays` is decided.
std::vector<PageChange> changes_of(const ElfView& input, const EmitPlan& plan) {
  std::vector<PageChange> changes;
  for (const auto& m : cut_at_segments(input, plan.mappings))
    for (std::uint32_t i = 0; m.overlay && i < m.pages; ++i)
      changes.push_back(change_of(input, plan, home_of(input, m.address),
                                  m.address + Bytes{i * page_size.value}, m.first_page + i));
  std::sort(changes.begin(), changes.end(),
            [](const PageChange& a, const PageChange& b) { return a.address < b.address; });
  for (std::size_t first = 0; first < changes.size();) {
    std::size_t end = first + 1;
    bool stays = changes[first].trapped;
    for (; end < changes.size() && changes[end - 1].at_end && changes[end].at_start &&
           changes[end - 1].address + page_size == changes[end].address;
         ++end)
      stays = stays || changes[end].trapped;
    for (; first < end; ++first) changes[first].stays = stays;
  }
  return changes;
}

/// Runs of neighbours that stay or not, and lie in one segment, as overlays.
std::vector<PageMapping> runs_of(const ElfView& input, const std::vector<PageChange>& changes,
                                 bool stays) {
  std::vector<PageMapping> runs;
  for (const auto& change : changes) {
    if (change.stays != stays) continue;
    const PageMapping page{change.address, 1, change.page, true};
    if (!runs.empty() && runs.back().continued_by(page) &&
        &home_of(input, runs.back().address) == &home_of(input, change.address))
      ++runs.back().pages;
    else
      runs.push_back(page);
  }
  return runs;
}

}  // namespace

std::vector<PageMapping> cut_at_segments(const ElfView& input,
                                         const std::vector<PageMapping>& mappings) {
  std::vector<PageMapping> pieces;
  for (auto m : mappings) {
    while (m.overlay) {
      const auto& home = home_of(input, m.address);
      const auto end = page_ceil(Vaddr{home.p_vaddr + home.p_filesz});
      const auto room = static_cast<std::uint32_t>((end - m.address).value / page_size.value);
      if (m.pages <= room) break;
      auto piece = m;
      piece.pages = room;
      pieces.push_back(piece);
      m.address = end;
      m.first_page += room;
      m.pages -= room;
    }
    pieces.push_back(m);
  }
  return pieces;
}

Bytes tail_in_file(const ElfView& input, const Elf64_Phdr& segment) {
  const Vaddr end{segment.p_vaddr + segment.p_filesz};
  const Bytes size = page_ceil(end) - end;
  const FileOffset lo{segment.p_offset + segment.p_filesz}, hi = lo + size;
  if (segment.p_memsz != segment.p_filesz || hi.value > input.file().size() ||
      claimed(input, segment, lo, hi))
    return Bytes{};
  const auto bytes = input.file().subspan(lo.value, size.value);
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t b) { return b == 0; }) ? size
                                                                                        : Bytes{};
}

std::string why_not_in_place(const ElfView& input) {
  const auto segments = input.segments();
  for (const auto& code : segments)
    for (const auto& other : segments)
      if (is_code(code) && other.p_type == PT_LOAD && &code != &other &&
          code.p_offset < other.p_offset + other.p_filesz &&
          other.p_offset < code.p_offset + code.p_filesz)
        return "the segments at " + to_hex(Vaddr{code.p_vaddr}) + " and " +
               to_hex(Vaddr{other.p_vaddr}) + " show the same bytes of the file";
  return "";
}

namespace {

/// Offsets of file bytes in [lo, hi) that no section has; each gap is as large as it can be there.
std::vector<std::pair<std::uint64_t, std::uint64_t>> gaps_between_sections(const ElfView& input,
                                                                           std::uint64_t lo,
                                                                           std::uint64_t hi) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> taken;
  for (const auto& s : input.sections())
    if (s.sh_type != SHT_NOBITS && s.sh_size > 0 && s.sh_offset < hi &&
        lo < s.sh_offset + s.sh_size)
      taken.emplace_back(s.sh_offset, s.sh_offset + s.sh_size);
  std::sort(taken.begin(), taken.end());
  taken.emplace_back(hi, hi);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> gaps;
  for (const auto& [from, to] : taken) {
    if (lo < from) gaps.emplace_back(lo, from);
    lo = std::max(lo, to);
  }
  return gaps;
}

/// The gaps of `home`, up to the address `end`, that have bytes of `edits` in them.
std::vector<Piece> patched_gaps(const ElfView& input, const Elf64_Phdr& home, std::uint64_t end,
                                std::span<const FileEdit> edits) {
  const auto file = input.file();
  std::vector<Piece> gaps;
  for (const auto& [from, to] :
       gaps_between_sections(input, home.p_offset, home.p_offset + end - home.p_vaddr)) {
    const bool patched =
        std::any_of(edits.begin(), edits.end(), [&, lo = from, hi = to](const FileEdit& e) {
          for (auto at = std::max(lo, e.at.value); at < std::min(hi, e.at.value + e.bytes.size());
               ++at)
            if (e.bytes[at - e.at.value] != file[at]) return true;
          return false;
        });
    if (patched)
      gaps.push_back(
          {Vaddr{from - home.p_offset + home.p_vaddr}, FileOffset{from}, Bytes{to - from}});
  }
  return gaps;
}

}  // namespace

PatchedInPlace patched_in_place(const ElfView& input, const EmitPlan& plan) {
  PatchedInPlace result;
  const auto changes = changes_of(input, plan);
  for (auto overlay : runs_of(input, changes, true)) {
    const auto from = plan.pages.begin() + std::ptrdiff_t{overlay.first_page} * 4096;
    overlay.first_page = static_cast<std::uint32_t>(result.overlay_pages.size() / page_size.value);
    result.overlay_pages.insert(result.overlay_pages.end(), from,
                                from + std::ptrdiff_t{overlay.pages} * 4096);
    result.overlays.push_back(overlay);
  }
  for (auto overlay : runs_of(input, changes, false)) {
    const auto& home = home_of(input, overlay.address);
    const Vaddr lo = std::max(overlay.address, Vaddr{home.p_vaddr});
    const Vaddr end = overlay.address + Bytes{overlay.pages * page_size.value};
    const Vaddr end_of_code{home.p_vaddr + home.p_filesz};
    Vaddr hi = std::min(end, end_of_code);
    const auto patched = plan.pages.begin() + std::ptrdiff_t{overlay.first_page} * 4096;
    const auto from = [&](Vaddr a) {
      return patched + static_cast<std::ptrdiff_t>((a - overlay.address).value);
    };
    const auto tail = tail_in_file(input, home);
    if (hi < end && tail.value > 0 &&
        std::any_of(from(hi), from(end), [](std::uint8_t b) { return b != 0; })) {
      result.tails.push_back({hi, FileOffset{hi.value - home.p_vaddr + home.p_offset}, tail});
      hi = end;
    }
    result.code.push_back(
        {FileOffset{lo.value - home.p_vaddr + home.p_offset}, {from(lo), from(hi)}});

    overlay.first_page = static_cast<std::uint32_t>(result.originals.size() / page_size.value);
    for (Vaddr page = overlay.address; page < end; page = page + page_size)
      append_file_page(input, page.value - home.p_vaddr + home.p_offset, result.originals);
    result.replaced.push_back(overlay);
  }
  for (const auto& home : input.segments()) {
    if (!is_code(home)) continue;
    const Vaddr end{home.p_vaddr + home.p_filesz};
    const bool grew = std::any_of(result.tails.begin(), result.tails.end(),
                                  [&](const Piece& tail) { return tail.address == end; });
    const auto gaps =
        patched_gaps(input, home, grew ? page_ceil(end).value : end.value, result.code);
    result.gaps.insert(result.gaps.end(), gaps.begin(), gaps.end());
  }
  return result;
}

}  // namespace punster
