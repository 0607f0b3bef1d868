#include "frontend/image/source_lines.h"

#include <dwarf.h>
#include <elfutils/libdw.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <utility>

namespace punster {

/// One pass over all tables of a file.
class LineReader {
 public:
  LineReader(const std::string& name, const std::vector<AddressRange>& code)
      : name_(name), code_(code) {}

  Result<SourceLines> read(std::span<const std::uint8_t> file) {
    ::elf_version(EV_CURRENT);
    // When it decompresses a section, it writes the section's new header into the file's.
    std::vector<char> copy(file.begin(), file.end());
    const std::unique_ptr<Elf, int (*)(Elf*)> elf(::elf_memory(copy.data(), copy.size()),
                                                  &::elf_end);
    if (elf == nullptr) return error("bad_lines", name_ + ": " + ::elf_errmsg(-1));
    const std::unique_ptr<Dwarf, int (*)(Dwarf*)> dwarf(
        ::dwarf_begin_elf(elf.get(), DWARF_C_READ, nullptr), &::dwarf_end);
    if (dwarf == nullptr) return none();
    PUNSTER_TRY(read_tables(dwarf.get()));
    if (sequences_.empty()) return none();
    join();
    return std::move(lines_);
  }

 private:
  /// The rows of one contiguous piece of code; the last one ends it.
  using Sequence = std::vector<SourceLines::Row>;

  [[nodiscard]] Error none() const {
    return error("no_lines", name_ +
                                 ": has no source lines (compile with -g, or name the separate "
                                 "debug file with --debug-file)");
  }

  Result<void> read_tables(Dwarf* dwarf) {
    Dwarf_CU *unit = nullptr, *next = nullptr;
    for (;;) {
      Dwarf_Die die;
      const int more = ::dwarf_get_units(dwarf, unit, &next, nullptr, nullptr, &die, nullptr);
      if (more > 0) return success();
      if (more < 0) return damaged();
      Dwarf_Attribute table;
      if (::dwarf_attr(&die, DW_AT_stmt_list, &table) != nullptr) {
        Dwarf_Lines* lines = nullptr;
        std::size_t count = 0;
        if (::dwarf_getsrclines(&die, &lines, &count) != 0) return damaged();
        read_table(Unit::of(die), lines, count);
      }
      unit = next;
    }
  }

  [[nodiscard]] Error damaged() const {
    return error("bad_lines",
                 name_ + ": its tables of source lines are damaged: " + ::dwarf_errmsg(-1));
  }

  /// What the unit that a table belongs to says of itself.
  struct Unit {
    std::filesystem::path directory;
    std::vector<AddressRange> ranges;  // empty: not said

    static Unit of(Dwarf_Die& die) {
      Unit unit;
      Dwarf_Attribute attribute;
      const char* directory = ::dwarf_formstring(::dwarf_attr(&die, DW_AT_comp_dir, &attribute));
      if (directory != nullptr) unit.directory = directory;
      Dwarf_Addr base = 0, lo = 0, hi = 0;
      for (std::ptrdiff_t at = 0; (at = ::dwarf_ranges(&die, at, &base, &lo, &hi)) > 0;)
        if (lo < hi) unit.ranges.push_back({Vaddr{lo}, Vaddr{hi}});
      return unit;
    }
  };

  // libdw sorts all rows of a table by address, ends before others: a row of no bytes before the
  // end of a sequence then looks like the begin of another. So where a unit says which code is its
  // own, that is believed instead.
  void read_table(const Unit& unit, Dwarf_Lines* lines, std::size_t count) {
    Sequence all;
    std::vector<std::size_t> ends;
    for (std::size_t k = 0; k < count; ++k) {
      Dwarf_Line* line = ::dwarf_onesrcline(lines, k);
      Dwarf_Addr address = 0;
      int number = 0;
      bool end = false;
      if (line == nullptr || ::dwarf_lineaddr(line, &address) != 0 ||
          ::dwarf_lineno(line, &number) != 0 || ::dwarf_lineendsequence(line, &end) != 0)
        continue;
      const char* source = end ? nullptr : ::dwarf_linesrc(line, nullptr, nullptr);
      const bool named = source != nullptr && number > 0;
      all.push_back({Vaddr{address}, named ? path(source, unit.directory) : 0,
                     named ? static_cast<std::uint32_t>(number) : 0});
      if (end) ends.push_back(all.size());
    }
    if (!unit.ranges.empty()) return cut(all, unit.ranges);
    std::size_t begin = 0;
    for (const auto end : ends) {
      add({all.begin() + static_cast<std::ptrdiff_t>(begin),
           all.begin() + static_cast<std::ptrdiff_t>(end)});
      begin = end;
    }
  }

  void cut(const Sequence& rows, const std::vector<AddressRange>& ranges) {
    for (const AddressRange& range : ranges) {
      auto row = std::ranges::lower_bound(rows, range.lo, {}, &SourceLines::Row::address);
      Sequence sequence;
      for (; row != rows.end() && row->address < range.hi; ++row)
        if (row->line != 0 || !sequence.empty()) sequence.push_back(*row);
      if (sequence.empty()) continue;
      sequence.push_back({range.hi});
      add(std::move(sequence));
    }
  }

  void add(Sequence sequence) {
    if (is_code(sequence.front().address)) sequences_.push_back(std::move(sequence));
  }

  [[nodiscard]] bool is_code(Vaddr address) const {
    return std::ranges::any_of(code_, [&](const auto& range) { return range.contains(address); });
  }

  std::uint32_t path(const char* source, const std::filesystem::path& directory) {
    const auto [known, is_new] =
        path_of_.try_emplace({source, directory}, static_cast<std::uint32_t>(lines_.paths_.size()));
    if (is_new) lines_.paths_.push_back({source, (directory / source).lexically_normal().string()});
    return known->second;
  }

  void join() {
    std::ranges::stable_sort(sequences_, {}, [](const Sequence& s) { return s.front().address; });
    auto& rows = lines_.rows_;
    for (const Sequence& sequence : sequences_)
      for (const auto& row : sequence) {
        // Of several rows for one address, the last says what the code there does.
        while (!rows.empty() && rows.back().address >= row.address) rows.pop_back();
        if (rows.empty() || rows.back().line != row.line || rows.back().path != row.path)
          rows.push_back(row);
      }
  }

  const std::string& name_;
  const std::vector<AddressRange>& code_;
  SourceLines lines_;
  std::vector<Sequence> sequences_;
  std::map<std::pair<std::string, std::filesystem::path>, std::uint32_t> path_of_;
};

Result<SourceLines> SourceLines::read(std::span<const std::uint8_t> file, const std::string& name,
                                      const std::vector<AddressRange>& code) {
  return LineReader(name, code).read(file);
}

std::optional<SourceLine> SourceLines::at(Vaddr address) const {
  const auto after = std::ranges::upper_bound(rows_, address, {}, &Row::address);
  if (after == rows_.begin()) return std::nullopt;
  const Row& row = *(after - 1);
  if (row.line == 0) return std::nullopt;
  const Path& path = paths_[row.path];
  return SourceLine{path.as_written, path.full, row.line, row.address == address};
}

}  // namespace punster
