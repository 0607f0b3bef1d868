// What is checked here is exactly what later code relies on without looking again: the tables lie inside
// the file, PT_LOADs ascend and do not overlap, nothing wraps, file bytes of every segment exist. What
// is not needed (section contents, notes, the dynamic section) is read through read<T>() by whoever
// wants it, who then handles the error.

#include "backend/emit/elf_view.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "protocol/hex.h"

namespace punster {

struct ElfView::Mapped {
  std::filesystem::path path;
  int fd = -1;
  void* map = nullptr;
  std::size_t size = 0;
  Elf64_Ehdr header{};
  std::vector<Elf64_Phdr> segments;
  std::vector<Elf64_Shdr> sections;
  FileKind kind = FileKind::dso;

  Mapped() = default;
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  ~Mapped() {
    if (map) munmap(map, size);
    if (fd >= 0) ::close(fd);
  }

  Result<void> take(int protection) {
    void* start = mmap(nullptr, size, protection, MAP_PRIVATE, fd, 0);
    if (start == MAP_FAILED) return unreadable(errno);
    map = start;
    return success();
  }
  [[nodiscard]] Error unreadable(int code) const {
    return error("unreadable", path.string() + ": " + std::generic_category().message(code));
  }
};

namespace {

// User space ends at 2^47; everything above could never be loaded.
constexpr std::uint64_t address_limit = 1ull << 47;

Error malformed(const std::filesystem::path& path, const std::string& what) {
  return error("malformed", path.string() + ": " + what);
}

Result<void> check_header(const ElfView& view) {
  const auto& h = view.header();
  const auto file = view.path().string();
  if (h.e_ident[EI_CLASS] != ELFCLASS64)
    return error("unsupported_class", file + ": not a 64-bit ELF file; only x86-64 is supported");
  if (h.e_ident[EI_DATA] != ELFDATA2LSB)
    return error("unsupported_byte_order", file + ": big-endian ELF file; only x86-64 is supported");
  if (h.e_machine != EM_X86_64)
    return error("unsupported_machine",
                 file + ": ELF machine " + std::to_string(h.e_machine) + " is not x86-64");
  if (h.e_ident[EI_VERSION] != EV_CURRENT || h.e_version != EV_CURRENT)
    return malformed(view.path(), "unknown ELF version");
  if (h.e_type != ET_EXEC && h.e_type != ET_DYN)
    return error("unsupported_type",
                 file + ": ELF type " + std::to_string(h.e_type) +
                     " is neither an executable nor a shared object (link it first)");
  if (h.e_phoff == 0 || h.e_phnum == 0) return malformed(view.path(), "no program headers");
  if (h.e_phentsize != sizeof(Elf64_Phdr))
    return malformed(view.path(), "program header size " + std::to_string(h.e_phentsize));
  if (h.e_phnum == PN_XNUM)
    return error("unsupported", file + ": 65535 or more program headers");
  return success();
}

Result<std::vector<Elf64_Phdr>> read_segments(const ElfView& view) {
  const auto& h = view.header();
  const auto size = view.file().size();
  if (h.e_phoff > size || (size - h.e_phoff) / sizeof(Elf64_Phdr) < h.e_phnum)
    return malformed(view.path(), "program headers lie past the end of the file (truncated?)");
  std::vector<Elf64_Phdr> segments;
  std::uint64_t end_of_last = 0;
  bool any_load = false;
  for (unsigned i = 0; i < h.e_phnum; ++i) {
    PUNSTER_TRY(const auto p, view.read<Elf64_Phdr>(FileOffset{h.e_phoff + i * sizeof(Elf64_Phdr)}));
    const auto name = "segment " + std::to_string(i);
    if (p.p_filesz != 0 && (p.p_offset > size || size - p.p_offset < p.p_filesz))
      return malformed(view.path(), name + " lies past the end of the file (truncated?)");
    segments.push_back(p);
    if (p.p_type != PT_LOAD) continue;
    if (p.p_memsz < p.p_filesz) return malformed(view.path(), name + " is larger in the file than in memory");
    if (p.p_vaddr >= address_limit || p.p_memsz > address_limit - p.p_vaddr)
      return malformed(view.path(), name + " wraps around the address space");
    if (((p.p_vaddr ^ p.p_offset) & (page_size.value - 1)) != 0)
      return malformed(view.path(), name + ": address and file offset differ modulo the page size");
    if (any_load && p.p_vaddr < end_of_last)
      return malformed(view.path(), name + " overlaps or precedes the one before it");
    any_load = true;
    end_of_last = p.p_vaddr + p.p_memsz;
  }
  if (!any_load) return malformed(view.path(), "no loadable segment");
  return segments;
}

Result<std::vector<Elf64_Shdr>> read_sections(const ElfView& view) {
  const auto& h = view.header();
  std::vector<Elf64_Shdr> sections;
  if (h.e_shoff == 0) return sections;
  if (h.e_shentsize != sizeof(Elf64_Shdr)) {
    if (h.e_shnum == 0) return sections;
    return malformed(view.path(), "section header size " + std::to_string(h.e_shentsize));
  }
  const auto size = view.file().size();
  const auto room = h.e_shoff > size ? 0 : (size - h.e_shoff) / sizeof(Elf64_Shdr);
  std::uint64_t count = h.e_shnum;
  if (count == 0 && room > 0) {  // 65280 sections or more: the count stands in the first header
    PUNSTER_TRY(const auto first, view.read<Elf64_Shdr>(FileOffset{h.e_shoff}));
    count = first.sh_size;
  }
  if (count > room)
    return malformed(view.path(), "section headers lie past the end of the file (truncated?)");
  for (std::uint64_t i = 0; i < count; ++i) {
    PUNSTER_TRY(const auto s, view.read<Elf64_Shdr>(FileOffset{h.e_shoff + i * sizeof(Elf64_Shdr)}));
    sections.push_back(s);
  }
  return sections;
}

// libc.so.6 has a PT_INTERP too (it prints its version when run), so for ET_DYN the linker's own word
// DF_1_PIE decides; a file from before that flag existed is a program when it names an interpreter and
// has no name to be linked against by.
Result<FileKind> kind_of(const ElfView& view) {
  bool interpreter = false, pie_flag = false, soname = false;
  for (const auto& p : view.segments()) {
    if (p.p_type == PT_INTERP) interpreter = true;
    if (p.p_type != PT_DYNAMIC) continue;
    for (std::uint64_t at = 0; at + sizeof(Elf64_Dyn) <= p.p_filesz; at += sizeof(Elf64_Dyn)) {
      PUNSTER_TRY(const auto d, view.read<Elf64_Dyn>(FileOffset{p.p_offset + at}));
      if (d.d_tag == DT_NULL) break;
      if (d.d_tag == DT_FLAGS_1) pie_flag = (d.d_un.d_val & DF_1_PIE) != 0;
      if (d.d_tag == DT_SONAME) soname = true;
    }
  }
  if (view.header().e_type == ET_EXEC) return interpreter ? FileKind::exec : FileKind::static_exec;
  if (pie_flag) return interpreter ? FileKind::pie : FileKind::static_pie;
  return interpreter && !soname ? FileKind::pie : FileKind::dso;
}

}  // namespace

const char* to_string(FileKind kind) {
  switch (kind) {
    case FileKind::pie: return "pie";
    case FileKind::exec: return "exec";
    case FileKind::dso: return "dso";
    case FileKind::static_exec: return "static";
    case FileKind::static_pie: return "static-pie";
  }
  return "";
}

Result<ElfView> ElfView::open(const std::filesystem::path& path) {
  auto mapped = std::make_shared<Mapped>();
  mapped->path = path;
  // O_NONBLOCK: a FIFO must be refused, not waited for.
  mapped->fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (mapped->fd < 0) return mapped->unreadable(errno);
  struct stat status {};
  if (fstat(mapped->fd, &status) != 0 || !S_ISREG(status.st_mode))
    return error("unreadable", path.string() + ": not a regular file");
  mapped->size = static_cast<std::size_t>(status.st_size);
  if (mapped->size < sizeof(Elf64_Ehdr))
    return error("not_elf", path.string() + ": not an ELF file (" + std::to_string(mapped->size) +
                                " bytes are too few)");
  PUNSTER_TRY(mapped->take(PROT_READ));
  return over(std::move(mapped));
}

Result<ElfView> ElfView::over(std::shared_ptr<Mapped> mapped) {
  std::memcpy(&mapped->header, mapped->map, sizeof mapped->header);
  if (std::memcmp(mapped->header.e_ident, ELFMAG, SELFMAG) != 0)
    return error("not_elf", mapped->path.string() + ": not an ELF file");

  ElfView view;
  view.mapped_ = mapped;
  PUNSTER_TRY(check_header(view));
  PUNSTER_TRY(auto segments, read_segments(view));
  mapped->segments = std::move(segments);
  PUNSTER_TRY(auto sections, read_sections(view));
  mapped->sections = std::move(sections);
  PUNSTER_TRY(const auto kind, kind_of(view));
  mapped->kind = kind;
  return view;
}

// Mapped anew from the same open file: the pages that nothing is added to are shared with the first
// map.
Result<ElfView> ElfView::with_added(std::span<const FileOffset> words, Bytes by) const {
  auto copy = std::make_shared<Mapped>();
  copy->path = mapped_->path;
  copy->fd = fcntl(mapped_->fd, F_DUPFD_CLOEXEC, 0);
  if (copy->fd < 0) return copy->unreadable(errno);
  copy->size = mapped_->size;
  PUNSTER_TRY(copy->take(PROT_READ | PROT_WRITE));
  auto* const bytes = static_cast<std::uint8_t*>(copy->map);
  for (const auto word : words) {
    std::uint64_t value = 0;
    assert(word.value <= copy->size - sizeof value);
    std::memcpy(&value, bytes + word.value, sizeof value);
    value += by.value;
    std::memcpy(bytes + word.value, &value, sizeof value);
  }
  return over(std::move(copy));
}

const std::filesystem::path& ElfView::path() const {
  return mapped_->path;
}
std::span<const std::uint8_t> ElfView::file() const {
  return {static_cast<const std::uint8_t*>(mapped_->map), mapped_->size};
}
FileKind ElfView::kind() const { return mapped_->kind; }
const Elf64_Ehdr& ElfView::header() const { return mapped_->header; }
std::span<const Elf64_Phdr> ElfView::segments() const { return mapped_->segments; }
std::span<const Elf64_Shdr> ElfView::sections() const { return mapped_->sections; }

std::uint64_t ElfView::names_section() const {
  if (sections().empty()) return SHN_UNDEF;
  const std::uint64_t index =
      header().e_shstrndx == SHN_XINDEX ? sections()[0].sh_link : header().e_shstrndx;
  return index < sections().size() ? index : SHN_UNDEF;
}

std::string_view ElfView::section_name(const Elf64_Shdr& section) const {
  if (names_section() == SHN_UNDEF) return {};
  const auto names = contents(sections()[names_section()]);
  if (section.sh_name >= names.size()) return {};
  const auto name = names.subspan(section.sh_name);
  const auto end = std::find(name.begin(), name.end(), 0);
  if (end == name.end()) return {};
  return {reinterpret_cast<const char*>(name.data()), static_cast<std::size_t>(end - name.begin())};
}

std::span<const std::uint8_t> ElfView::contents(const Elf64_Shdr& section) const {
  const auto size = file().size();
  if (section.sh_type == SHT_NOBITS || section.sh_offset > size ||
      section.sh_size > size - section.sh_offset)
    return {};
  return file().subspan(section.sh_offset, section.sh_size);
}

std::optional<FileOffset> ElfView::to_offset(Vaddr address) const {
  for (const auto& p : segments())
    if (p.p_type == PT_LOAD && address.value - p.p_vaddr < p.p_filesz)
      return FileOffset{p.p_offset + (address.value - p.p_vaddr)};
  return std::nullopt;
}

std::optional<Vaddr> ElfView::to_vaddr(FileOffset offset) const {
  for (const auto& p : segments())
    if (p.p_type == PT_LOAD && offset.value - p.p_offset < p.p_filesz)
      return Vaddr{p.p_vaddr + (offset.value - p.p_offset)};
  return std::nullopt;
}

std::span<const std::uint8_t> ElfView::bytes_at(Vaddr address, Bytes size) const {
  for (const auto& p : segments()) {
    const auto distance = address.value - p.p_vaddr;
    if (p.p_type == PT_LOAD && distance < p.p_filesz)
      return file().subspan(p.p_offset + distance, std::min(size.value, p.p_filesz - distance));
  }
  return {};
}

bool ElfView::executable(Vaddr address) const {
  return std::any_of(segments().begin(), segments().end(), [&](const Elf64_Phdr& p) {
    return p.p_type == PT_LOAD && (p.p_flags & PF_X) != 0 && address.value - p.p_vaddr < p.p_memsz;
  });
}

}  // namespace punster
