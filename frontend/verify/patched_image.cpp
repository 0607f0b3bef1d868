// Reading is in two steps: headers and tables first, each copied out behind a bounds check; then
// the pieces of memory, by laying the mappings over the segments as the runtime will.

#include "frontend/verify/patched_image.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "protocol/hex.h"

namespace punster {
namespace {

/// A private map of a whole file; unmapped by the destructor.
class FileMap {
 public:
  static Result<FileMap> open(const std::filesystem::path& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return error("unreadable", path.string() + ": " + std::strerror(errno));
    struct stat status {};
    FileMap map;
    const bool regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    if (regular && status.st_size > 0) {
      const auto size = static_cast<std::size_t>(status.st_size);
      void* start = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
      if (start != MAP_FAILED) map.bytes_ = {static_cast<std::uint8_t*>(start), size};
    }
    ::close(fd);
    if (!regular) return error("unreadable", path.string() + ": not a regular file");
    if (map.bytes_.empty()) return error("not_elf", path.string() + ": empty or not mappable");
    return map;
  }
  FileMap() = default;
  FileMap(FileMap&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  FileMap& operator=(FileMap&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~FileMap() {
    if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
  }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return bytes_; }
  /// Takes `by` off the 8-byte word at `offset`, in memory. Precondition: it lies inside.
  void lower(std::uint64_t offset, std::uint64_t by) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes_.data() + offset, sizeof word);
    word -= by;
    std::memcpy(bytes_.data() + offset, &word, sizeof word);
  }

 private:
  std::span<std::uint8_t> bytes_;
};

bool inside(std::uint64_t offset, std::uint64_t size, std::uint64_t limit) {
  return offset <= limit && size <= limit - offset;
}

/// Copies `count` values out of `bytes` at `offset`, or nothing when they do not fit.
template <typename T>
std::optional<std::vector<T>> copy_out(std::span<const std::uint8_t> bytes, std::uint64_t offset,
                                       std::uint64_t count) {
  if (count > bytes.size() / sizeof(T) || !inside(offset, count * sizeof(T), bytes.size()))
    return std::nullopt;
  std::vector<T> values(count);
  if (count > 0) std::memcpy(values.data(), bytes.data() + offset, count * sizeof(T));
  return values;
}

bool signed_less(Vaddr a, Vaddr b) {
  return static_cast<std::int64_t>(a.value) < static_cast<std::int64_t>(b.value);
}

MemoryPiece piece_of(const Elf64_Phdr& segment) {
  return {Vaddr{segment.p_vaddr},        Bytes{segment.p_filesz},
          FileOffset{segment.p_offset},  MemoryKind::segment,
          (segment.p_flags & PF_R) != 0, (segment.p_flags & PF_W) != 0,
          (segment.p_flags & PF_X) != 0};
}

/// `piece` without its first `by` bytes.
MemoryPiece tail(MemoryPiece piece, std::uint64_t by) {
  piece.address = piece.address + Bytes{by};
  piece.offset = piece.offset + Bytes{by};
  piece.size = piece.size - Bytes{by};
  return piece;
}

/// Sorts `pieces` and cuts what an earlier one covers already.
void make_disjoint(std::vector<MemoryPiece>& pieces) {
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](const auto& a, const auto& b) { return signed_less(a.address, b.address); });
  std::vector<MemoryPiece> kept;
  for (MemoryPiece piece : pieces) {
    if (!kept.empty()) {
      const auto distance = piece.address.value - kept.back().address.value;
      if (distance < kept.back().size.value) {
        const auto covered = kept.back().size.value - distance;
        if (covered >= piece.size.value) continue;
        piece = tail(piece, covered);
      }
    }
    kept.push_back(piece);
  }
  pieces = std::move(kept);
}

/// The pieces of `under` that `over` leaves visible, and `over`; both sorted and disjoint.
std::vector<MemoryPiece> lay_over(const std::vector<MemoryPiece>& under,
                                  const std::vector<MemoryPiece>& over) {
  std::vector<MemoryPiece> result(over);
  for (MemoryPiece rest : under) {
    auto next = std::upper_bound(over.begin(), over.end(), rest.address,
                                 [](Vaddr a, const auto& p) { return signed_less(a, p.address); });
    if (next != over.begin()) --next;
    for (; next != over.end() && rest.size.value > 0; ++next) {
      // Distances from the start of `rest`, signed: both lie within 2^63 of each other.
      const auto from = static_cast<std::int64_t>(next->address.value - rest.address.value);
      const auto to = from + static_cast<std::int64_t>(next->size.value);
      if (to <= 0) continue;
      if (from >= static_cast<std::int64_t>(rest.size.value)) break;
      if (from > 0) {
        MemoryPiece head = rest;
        head.size = Bytes{static_cast<std::uint64_t>(from)};
        result.push_back(head);
      }
      rest = tail(rest, std::min(rest.size.value, static_cast<std::uint64_t>(to)));
    }
    if (rest.size.value > 0) result.push_back(rest);
  }
  std::sort(result.begin(), result.end(),
            [](const auto& a, const auto& b) { return signed_less(a.address, b.address); });
  return result;
}

const MemoryPiece* find_piece(std::span<const MemoryPiece> pieces, Vaddr address) {
  const auto after = std::upper_bound(
      pieces.begin(), pieces.end(), address,
      [](Vaddr a, const MemoryPiece& piece) { return signed_less(a, piece.address); });
  if (after == pieces.begin() || !std::prev(after)->contains(address)) return nullptr;
  return &*std::prev(after);
}

std::size_t copy_from(std::span<const MemoryPiece> pieces, std::span<const std::uint8_t> file,
                      Vaddr address, std::span<std::uint8_t> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const MemoryPiece* piece = find_piece(pieces, address + Bytes{done});
    if (piece == nullptr) break;
    const auto skip = (address + Bytes{done}).value - piece->address.value;
    const auto now = std::min<std::uint64_t>(out.size() - done, piece->size.value - skip);
    std::memcpy(out.data() + done, file.data() + piece->offset.value + skip, now);
    done += now;
  }
  return done;
}

}  // namespace

const char* to_string(MemoryKind kind) {
  switch (kind) {
    case MemoryKind::segment:
      return "segment";
    case MemoryKind::overlay:
      return "overlay";
    case MemoryKind::trampolines:
      return "trampolines";
  }
  return "";
}

struct PatchedImage::Parts {
  std::filesystem::path path;
  FileMap file;
  Elf64_Ehdr elf{};
  std::vector<Elf64_Phdr> segments;
  std::optional<PunsterHeader> header;
  std::vector<PunsterMapping> mappings;
  std::vector<PunsterTrap> traps;
  std::string counters_path;
  std::uint64_t moved_by = 0;  // of the tables and pages within the file; wraps
  std::uint64_t raised_by = 0;
  std::vector<MemoryPiece> plain, memory, originals;

  [[nodiscard]] Error malformed(const std::string& what) const {
    return error("malformed", path.string() + ": " + what);
  }

  Result<void> read_headers() {
    const auto bytes = file.bytes();
    const auto found = copy_out<Elf64_Ehdr>(bytes, 0, 1);
    if (!found || std::memcmp(found->front().e_ident, ELFMAG, SELFMAG) != 0)
      return error("not_elf", path.string() + ": not an ELF file");
    elf = found->front();
    if (elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_ident[EI_DATA] != ELFDATA2LSB ||
        elf.e_machine != EM_X86_64 || (elf.e_type != ET_EXEC && elf.e_type != ET_DYN))
      return malformed("not a 64-bit little-endian x86-64 program or shared object");
    auto table = copy_out<Elf64_Phdr>(bytes, elf.e_phoff, elf.e_phnum);
    if (!table || (elf.e_phnum > 0 && elf.e_phentsize != sizeof(Elf64_Phdr)))
      return malformed("the program header table does not fit into the file");
    segments = std::move(*table);
    for (const Elf64_Phdr& segment : segments) {
      if (segment.p_type != PT_LOAD) continue;
      if (!inside(segment.p_offset, segment.p_filesz, bytes.size()))
        return malformed("the segment at " + to_hex(Vaddr{segment.p_vaddr}) +
                         " does not fit into the file");
      if (segment.p_vaddr >> 63 != 0 || segment.p_memsz >> 62 != 0)
        return malformed("the segment at " + to_hex(Vaddr{segment.p_vaddr}) + " wraps");
    }
    return success();
  }

  /// Arenas move with the segments that they are, and not with the tables.
  [[nodiscard]] std::optional<std::uint64_t> offset_of_segment(std::uint64_t address) const {
    for (const Elf64_Phdr& segment : segments)
      if (segment.p_type == PT_LOAD && segment.p_vaddr == address) return segment.p_offset;
    return std::nullopt;
  }

  Result<void> read_tables(const Elf64_Phdr& segment) {
    const auto tables = file.bytes().subspan(segment.p_offset, segment.p_filesz);
    const auto found = copy_out<PunsterHeader>(tables, 0, 1);
    if (!found) return malformed("the tables of the runtime are truncated");
    header = found->front();
    if (header->abi_version != PUNSTER_ABI_VERSION)
      return malformed("its runtime tables have version " + std::to_string(header->abi_version) +
                       ", this program reads " + std::to_string(PUNSTER_ABI_VERSION));
    auto runs = copy_out<PunsterMapping>(tables, header->mappings_offset, header->mapping_count);
    auto routes = copy_out<PunsterTrap>(tables, header->traps_offset, header->trap_count);
    if (!runs || !routes) return malformed("the tables of the runtime reach past their segment");
    mappings = std::move(*runs);
    moved_by = segment.p_offset - header->header_offset;
    for (PunsterMapping& mapping : mappings)
      if (mapping.kind == PUNSTER_ARENA)
        mapping.file_offset = offset_of_segment(mapping.address).value_or(mapping.file_offset);
      else
        mapping.file_offset += moved_by;
    traps = std::move(*routes);
    if (header->counters_address != 0) {
      const auto at = header->counters_path;
      const auto end =
          at < tables.size() ? std::find(tables.begin() + at, tables.end(), 0) : tables.end();
      if (end == tables.end()) return malformed("the path of the counters is not terminated");
      counters_path.assign(tables.begin() + at, end);
    }
    return success();
  }

  /// Takes the raise off all addresses that were read.
  void lower_addresses() {
    raised_by = header ? header->raised_by : 0;
    if (raised_by == 0) return;
    const auto lower = [&](std::uint64_t& address) { address -= raised_by; };
    if (elf.e_entry != 0) lower(elf.e_entry);
    for (Elf64_Phdr& segment : segments) {
      if (segment.p_type == PT_GNU_STACK || (segment.p_vaddr == 0 && segment.p_memsz == 0))
        continue;
      if (segment.p_paddr == segment.p_vaddr) lower(segment.p_paddr);
      lower(segment.p_vaddr);
    }
    for (PunsterMapping& mapping : mappings) lower(mapping.address);
    for (PunsterTrap& trap : traps) {
      lower(trap.site);
      lower(trap.trampoline);
    }
    lower(header->header_address);
    lower(header->span_lo);
    lower(header->span_hi);
    if (header->original_entry != 0) lower(header->original_entry);
    if (header->counters_address != 0) lower(header->counters_address);
    if (header->syscall_gate != 0) lower(header->syscall_gate);
    if (header->relro_hi != 0) {
      lower(header->relro_lo);
      lower(header->relro_hi);
    }
  }

  /// Of the words at `offsets`, and of the copies of them among overlays and originals.
  void lower_words(const std::vector<std::uint64_t>& offsets) {
    for (const std::uint64_t offset : offsets) {
      if (!inside(offset, sizeof(std::uint64_t), file.bytes().size())) continue;
      file.lower(offset, raised_by);
      for (const MemoryPiece& piece : plain) {
        const auto distance = offset - piece.offset.value;
        if (distance >= piece.size.value) continue;
        const Vaddr address = piece.address + Bytes{distance};
        for (const auto* pieces : {&memory, &originals}) {
          const MemoryPiece* shown = find_piece(*pieces, address);
          if (shown != nullptr && shown->kind == MemoryKind::overlay &&
              address.value - shown->address.value <= shown->size.value - sizeof(std::uint64_t))
            file.lower(shown->offset.value + (address.value - shown->address.value), raised_by);
        }
      }
    }
  }

  void lay_out_memory() {
    for (const Elf64_Phdr& segment : segments)
      if (segment.p_type == PT_LOAD && segment.p_filesz > 0)
        plain.push_back(punster::piece_of(segment));
    make_disjoint(plain);

    std::vector<MemoryPiece> mapped;
    for (const PunsterMapping& mapping : mappings)
      if (const auto piece = piece_of(mapping))
        (mapping.kind == PUNSTER_ORIGINAL ? originals : mapped).push_back(*piece);
    make_disjoint(mapped);
    make_disjoint(originals);
    memory = lay_over(plain, mapped);
  }

  /// Nothing for a mapping that cannot be.
  [[nodiscard]] std::optional<MemoryPiece> piece_of(const PunsterMapping& mapping) const {
    const std::uint64_t size = mapping.pages * page_size.value;
    const bool aligned = (mapping.address | mapping.file_offset) % page_size.value == 0;
    const bool code = mapping.kind == PUNSTER_OVERLAY || mapping.kind == PUNSTER_ORIGINAL;
    const bool data = mapping.kind == PUNSTER_CONSTANTS || mapping.kind == PUNSTER_VARIABLES;
    if (size == 0 || !aligned || mapping.kind < PUNSTER_TRAMPOLINES || mapping.kind > PUNSTER_ORIGINAL ||
        !inside(mapping.file_offset, size, file.bytes().size()) ||
        mapping.address + (size - 1) < mapping.address)
      return std::nullopt;
    MemoryPiece piece{Vaddr{mapping.address},
                      Bytes{size},
                      FileOffset{mapping.file_offset},
                      code ? MemoryKind::overlay : MemoryKind::trampolines,
                      true,
                      mapping.kind == PUNSTER_VARIABLES,
                      !data};
    const bool of_segment = code || mapping.kind == PUNSTER_ARENA;
    if (const MemoryPiece* under = of_segment ? find_piece(plain, piece.address) : nullptr) {
      piece.readable = under->readable;
      piece.writable = under->writable;
      piece.executable = under->executable;
    }
    return piece;
  }
};

Result<PatchedImage> PatchedImage::open(const std::filesystem::path& path) {
  auto parts = std::make_shared<Parts>();
  parts->path = path;
  PUNSTER_TRY(auto map, FileMap::open(path));
  parts->file = std::move(map);
  PUNSTER_TRY(parts->read_headers());
  for (const Elf64_Phdr& segment : parts->segments) {
    const auto magic = segment.p_type == PT_LOAD && segment.p_filesz >= sizeof(std::uint64_t)
                           ? copy_out<std::uint64_t>(parts->file.bytes(), segment.p_offset, 1)
                           : std::nullopt;
    if (magic && magic->front() == PUNSTER_MAGIC) {
      PUNSTER_TRY(parts->read_tables(segment));
      break;
    }
  }
  parts->lower_addresses();
  parts->lay_out_memory();
  PatchedImage image;
  image.parts_ = std::move(parts);
  return image;
}

const std::filesystem::path& PatchedImage::path() const {
  return parts_->path;
}
std::span<const std::uint8_t> PatchedImage::file() const {
  return parts_->file.bytes();
}
const Elf64_Ehdr& PatchedImage::elf_header() const {
  return parts_->elf;
}
std::span<const Elf64_Phdr> PatchedImage::segments() const {
  return parts_->segments;
}
const PunsterHeader* PatchedImage::header() const {
  return parts_->header ? &*parts_->header : nullptr;
}
std::span<const PunsterMapping> PatchedImage::mappings() const {
  return parts_->mappings;
}
Bytes PatchedImage::raised_by() const {
  return Bytes{parts_->raised_by};
}
void PatchedImage::lower(const std::vector<std::uint64_t>& offsets) {
  parts_->lower_words(offsets);
}
bool PatchedImage::was_moved() const {
  return parts_->moved_by != 0;
}
std::span<const PunsterTrap> PatchedImage::traps() const {
  return parts_->traps;
}
std::string PatchedImage::counters_path() const {
  return parts_->counters_path;
}
std::span<const MemoryPiece> PatchedImage::memory() const {
  return parts_->memory;
}

std::optional<Vaddr> PatchedImage::trap_target(Vaddr site) const {
  const auto& traps = parts_->traps;
  const auto at = std::lower_bound(
      traps.begin(), traps.end(), site.value,
      [](const PunsterTrap& trap, std::uint64_t wanted) { return trap.site < wanted; });
  if (at == traps.end() || at->site != site.value) return std::nullopt;
  return Vaddr{at->trampoline};
}

const MemoryPiece* PatchedImage::piece_at(Vaddr address) const {
  return find_piece(parts_->memory, address);
}
std::size_t PatchedImage::read(Vaddr address, std::span<std::uint8_t> out) const {
  return copy_from(parts_->memory, parts_->file.bytes(), address, out);
}
std::size_t PatchedImage::read_unpatched(Vaddr address, std::span<std::uint8_t> out) const {
  auto done = copy_from(parts_->plain, parts_->file.bytes(), address, out);
  // Pages that were kept are whole, and may show more than the segment had.
  for (std::size_t i = 0; i < done && !parts_->originals.empty(); ++i)
    copy_from(parts_->originals, parts_->file.bytes(), address + Bytes{i}, out.subspan(i, 1));
  return done;
}

}  // namespace punster
