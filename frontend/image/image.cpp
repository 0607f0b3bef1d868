// The adapter around LIEF, and the assembly of an Image.
//
// LIEF 0.9 (Debian 12) parses everything a file offers: symbols, relocations, notes, versions. That
// costs copies of all segments, and hostile files crash it in several of those parsers. So it is handed
// what it reads safely: a *skeleton*, an ELF file that consists of the header, the PT_LOADs, the
// headers of allocated sections and their names, copied from tables that elf_tables.cpp has checked.
// The bulk tables are read by the other files of this room, through bounds-checked views.
// Opening git takes 20 ms this way (13 ms of it SHA-256 without the SHA extensions), and the same for
// a 300 MB file but for the digest.

#include "frontend/image/image.h"

#include <LIEF/ELF.hpp>
#include <LIEF/logging.hpp>
#include <algorithm>
#include <mutex>

#include "frontend/image/build_id.h"
#include "frontend/image/dynamic_table.h"
#include "frontend/image/elf_tables.h"
#include "frontend/image/mapped_file.h"
#include "frontend/image/relocation_targets.h"
#include "frontend/image/symbol_table.h"
#include "frontend/image/unwind.h"
#include "protocol/hex.h"
#include "protocol/sha256.h"
#include "runtime/loader_abi.h"

namespace punster {

struct Image::Parts {
  std::filesystem::path path;
  std::shared_ptr<const MappedFile> file;
  ImageKind kind = ImageKind::pie;
  Vaddr entry;
  std::vector<Segment> segments;
  std::vector<Section> sections, code_sections;
  std::vector<Symbol> symbols;
  std::vector<UnwindEntry> unwind;
  std::vector<Vaddr> pointed_to;
  std::string build_id;
  SymbolIndex symbol_index;
  mutable std::once_flag digest_once;
  mutable std::string sha256;
  std::optional<std::string> debug_file;
  mutable std::once_flag lines_once;
  mutable std::optional<Result<SourceLines>> lines;
};

namespace {

template <typename T>
void append(std::vector<std::uint8_t>& bytes, const T& value) {
  const auto* begin = reinterpret_cast<const std::uint8_t*>(&value);
  bytes.insert(bytes.end(), begin, begin + sizeof(T));
}

std::vector<std::uint8_t> skeleton_of(const ElfTables& tables) {
  std::vector<Elf64_Phdr> loads;
  for (const Elf64_Phdr& p : tables.programs)
    if (p.p_type == PT_LOAD)
      loads.push_back(p);
  std::vector<Elf64_Shdr> sections;
  for (const Elf64_Shdr& s : tables.sections) {
    if (!(s.sh_flags & SHF_ALLOC) || s.sh_type == SHT_NULL)
      continue;
    sections.push_back(s);
    if (s.sh_type != SHT_NOBITS)
      sections.back().sh_type = SHT_PROGBITS;  // its contents are none of LIEF's business
  }
  Elf64_Ehdr header = tables.header;
  header.e_phoff = sizeof header;
  header.e_phnum = static_cast<Elf64_Half>(loads.size());
  header.e_shoff = header.e_shnum = header.e_shstrndx = 0;
  const std::uint64_t after_loads = header.e_phoff + loads.size() * sizeof(Elf64_Phdr);
  if (!sections.empty()) {
    sections.insert(sections.begin(), Elf64_Shdr{});
    Elf64_Shdr names{};
    names.sh_type = SHT_STRTAB;
    names.sh_size = tables.section_names.size();
    header.e_shoff = after_loads;
    header.e_shstrndx = static_cast<Elf64_Half>(sections.size());
    header.e_shnum = static_cast<Elf64_Half>(sections.size() + 1);
    names.sh_offset = after_loads + (sections.size() + 1) * sizeof(Elf64_Shdr);
    sections.push_back(names);
  }
  std::vector<std::uint8_t> bytes;
  append(bytes, header);
  for (const auto& load : loads)
    append(bytes, load);
  for (const auto& section : sections)
    append(bytes, section);
  if (!sections.empty()) {
    const auto names = tables.section_names.bytes();
    bytes.insert(bytes.end(), names.begin(), names.end());
    bytes.push_back(0);
  }
  return bytes;
}

// Everything that LIEF tells, in our types. The only code that calls LIEF or sees an exception.
Result<void> read_with_lief(const std::vector<std::uint8_t>& skeleton, const std::string& name,
                            Vaddr& entry, std::vector<Segment>& segments,
                            std::vector<Section>& sections) {
  try {
    LIEF::Logger::disable();
    const auto binary = LIEF::ELF::Parser::parse(skeleton, name);
    if (binary == nullptr)
      return error("malformed", name + ": LIEF cannot read its headers");
    entry = Vaddr{binary->header().entrypoint()};
    for (const LIEF::ELF::Segment& s : binary->segments()) {
      const Vaddr lo{s.virtual_address()};
      if (s.virtual_size() == 0)
        continue;
      const auto flags = static_cast<std::uint32_t>(s.flags());
      segments.push_back({{lo, lo + Bytes{s.virtual_size()}},
                          FileOffset{s.file_offset()},
                          Bytes{s.physical_size()},
                          (flags & PF_R) != 0,
                          (flags & PF_W) != 0,
                          (flags & PF_X) != 0});
    }
    for (const LIEF::ELF::Section& s : binary->sections()) {
      const std::uint64_t flags = s.flags();
      // .tbss occupies no addresses; a section that wraps names none that exist.
      const bool zeroed = static_cast<std::uint32_t>(s.type()) == SHT_NOBITS;
      if (!(flags & SHF_ALLOC) || s.size() == 0 || (zeroed && (flags & SHF_TLS)) ||
          s.virtual_address() + s.size() < s.size())
        continue;
      const Vaddr lo{s.virtual_address()};
      sections.push_back({s.name(),
                          {lo, lo + Bytes{s.size()}},
                          FileOffset{s.offset()},
                          (flags & SHF_EXECINSTR) != 0,
                          (flags & SHF_WRITE) != 0,
                          !zeroed});
    }
  } catch (const std::exception& problem) {
    return error("malformed", name + ": " + problem.what());
  }
  std::ranges::sort(segments, {}, &Segment::range);
  std::ranges::stable_sort(sections, {}, &Section::range);
  return success();
}

// A shared object may have an interpreter (libc.so.6 has), and a static PIE has none.
ImageKind kind_of(const ElfTables& tables, const DynamicTable& dynamic) {
  const bool interpreted = tables.program(PT_INTERP) != nullptr;
  if (tables.header.e_type == ET_EXEC)
    return interpreted ? ImageKind::exec : ImageKind::static_exec;
  const bool flagged = (dynamic.get_or_zero(DT_FLAGS_1) & DF_1_PIE) != 0;
  if (interpreted)
    return flagged || dynamic.soname.empty() ? ImageKind::pie : ImageKind::dso;
  return flagged ? ImageKind::static_pie : ImageKind::dso;
}

// Executable sections; without section headers what executable segments have in the file.
std::vector<Section> code_of(const std::vector<Segment>& segments,
                             const std::vector<Section>& sections, bool has_sections) {
  std::vector<Section> code;
  for (const Section& s : sections)
    if (s.executable && s.has_bytes)
      code.push_back(s);
  if (has_sections)
    return code;
  for (const Segment& s : segments)
    if (s.executable && s.file_size > Bytes{0})
      code.push_back(
          {".text", {s.range.lo, s.range.lo + s.file_size}, s.offset, true, s.writable, true});
  return code;
}

// The debug file's section headers say nothing about bytes: those are in the file itself.
Result<void> add_symbols(const std::string& path, const std::string& build_id,
                         std::vector<Symbol>& symbols) {
  PUNSTER_TRY(const auto mapped, MappedFile::open(path));
  const ByteView file(mapped->bytes());
  PUNSTER_TRY(const ElfTables tables, ElfTables::read_sections_only(file, path));
  const std::string other = read_build_id(file, tables);
  if (!build_id.empty() && !other.empty() && other != build_id)
    return error("bad_evidence", path + ": belongs to another build (build-id " + other + ", not " +
                                     build_id + ")");
  const std::size_t own = symbols.size();
  merge_symbols(symbols, read_symbols(file, tables, {}));
  if (symbols.size() == own)
    return error("bad_evidence", path + ": has no symbols that the file itself does not have");
  return success();
}

/// The file's own lines, or else those of its debug file.
Result<SourceLines> read_lines(const std::filesystem::path& path, std::span<const std::uint8_t> file,
                               const std::optional<std::string>& debug_file,
                               const std::vector<Section>& code) {
  std::vector<AddressRange> ranges;
  for (const Section& section : code)
    ranges.push_back(section.range);
  auto own = SourceLines::read(file, path.string(), ranges);
  if (own.has_value() || own.error().kind != "no_lines" || !debug_file)
    return own;
  PUNSTER_TRY(const auto mapped, MappedFile::open(*debug_file));
  return SourceLines::read(mapped->bytes(), *debug_file, ranges);
}

template <typename T>
const T* containing(const std::vector<T>& ranges, Vaddr address) {
  auto after =
      std::ranges::upper_bound(ranges, address, {}, [](const T& r) { return r.range.lo; });
  return after != ranges.begin() && (after - 1)->range.contains(address) ? &*(after - 1) : nullptr;
}

}  // namespace

const char* to_string(ImageKind kind) {
  switch (kind) {
    case ImageKind::pie: return "pie";
    case ImageKind::exec: return "exec";
    case ImageKind::dso: return "dso";
    case ImageKind::static_exec: return "static";
    case ImageKind::static_pie: return "static-pie";
  }
  return "";
}

Result<Image> Image::open(const std::filesystem::path& path,
                          const std::optional<std::string>& debug_file) {
  const std::string name = path.string();
  PUNSTER_TRY(auto mapped, MappedFile::open(path));
  const ByteView file(mapped->bytes());
  PUNSTER_TRY(const ElfTables tables, ElfTables::read(file, name));
  for (const Elf64_Phdr& p : tables.programs)
    if (p.p_type == PT_LOAD && p.p_filesz >= 8 &&
        file.read<std::uint64_t>(p.p_offset) == PUNSTER_MAGIC)
      return error("already_rewritten",
                   name + ": was already rewritten by punster; give the original file");

  auto parts = std::make_shared<Parts>();
  parts->path = path;
  parts->file = std::move(mapped);
  PUNSTER_TRY(read_with_lief(skeleton_of(tables), name, parts->entry, parts->segments,
                             parts->sections));
  parts->code_sections = code_of(parts->segments, parts->sections, !tables.sections.empty());
  const DynamicTable dynamic = DynamicTable::read(file, tables);
  parts->kind = kind_of(tables, dynamic);
  parts->symbols = read_symbols(file, tables, dynamic);
  parts->unwind = read_unwind(file, tables, parts->code_sections);
  parts->pointed_to = relocation_targets(file, tables, dynamic, parts->code_sections);
  parts->build_id = read_build_id(file, tables);
  if (debug_file) {
    PUNSTER_TRY(add_symbols(*debug_file, parts->build_id, parts->symbols));
    parts->debug_file = debug_file;
  }
  parts->symbol_index = SymbolIndex(parts->symbols);
  Image image;
  image.parts_ = std::move(parts);
  return image;
}

const std::filesystem::path& Image::path() const { return parts_->path; }
ImageKind Image::kind() const { return parts_->kind; }
Vaddr Image::entry() const { return parts_->entry; }
std::span<const std::uint8_t> Image::file() const { return parts_->file->bytes(); }
const std::vector<Segment>& Image::segments() const { return parts_->segments; }
const std::vector<Section>& Image::sections() const { return parts_->sections; }
const std::vector<Section>& Image::code_sections() const { return parts_->code_sections; }
const std::vector<Symbol>& Image::symbols() const { return parts_->symbols; }
const std::vector<UnwindEntry>& Image::unwind() const { return parts_->unwind; }
const std::vector<Vaddr>& Image::pointed_to() const { return parts_->pointed_to; }
const std::string& Image::build_id() const { return parts_->build_id; }

const std::string& Image::sha256() const {
  std::call_once(parts_->digest_once, [this] { parts_->sha256 = sha256_hex(file()); });
  return parts_->sha256;
}

Result<const SourceLines*> Image::lines() const {
  std::call_once(parts_->lines_once, [this] {
    parts_->lines.emplace(
        read_lines(parts_->path, file(), parts_->debug_file, parts_->code_sections));
  });
  if (parts_->lines->has_error())
    return parts_->lines->error();
  return &parts_->lines->value();
}

std::optional<FileOffset> Image::to_offset(Vaddr address) const {
  const Segment* segment = containing(parts_->segments, address);
  if (segment == nullptr || address - segment->range.lo >= segment->file_size)
    return std::nullopt;
  return segment->offset + (address - segment->range.lo);
}

std::span<const std::uint8_t> Image::bytes_at(Vaddr address, Bytes size) const {
  const Segment* segment = containing(parts_->segments, address);
  if (segment == nullptr || address - segment->range.lo >= segment->file_size)
    return {};
  const Bytes skipped = address - segment->range.lo;
  const Bytes left = segment->file_size - skipped;
  return file().subspan((segment->offset + skipped).value, std::min(size, left).value);
}

const Symbol* Image::symbol_at(Vaddr address) const { return parts_->symbol_index.at(address); }

const Section* Image::section_at(Vaddr address) const {
  return containing(parts_->sections, address);
}

std::string Image::describe(Vaddr address) const {
  const Symbol* symbol = symbol_at(address);
  if (symbol == nullptr)
    return "";
  return address == symbol->address ? symbol->name
                                    : symbol->name + "+" + to_hex(Vaddr{(address - symbol->address).value});
}

}  // namespace punster
