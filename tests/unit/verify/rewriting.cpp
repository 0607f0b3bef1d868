#include "rewriting.h"

#include <algorithm>
#include <cstring>
#include <fstream>

#include "protocol/hex.h"

namespace punster::test {
namespace {

constexpr std::uint64_t text_offset = 0x1000, text_room = 0x3000, data_offset = 0x4000;
constexpr std::uint64_t original_size = 0x5000;
// Right above the image, below the trampolines of all tests; as far out in the file, which is
// sparse.
constexpr std::uint64_t table_offset = 0x100000;
constexpr std::uint64_t tables_offset = table_offset + 0x1000,
                        runtime_offset = tables_offset + 0x1000;
constexpr std::uint64_t state_address = runtime_offset + 0x1000;
// Pages in the file, right behind the original.
constexpr std::uint64_t pages_offset = 0x5000;

template <typename T>
void put(Machine& file, std::uint64_t offset, const T& value) {
  if (file.size() < offset + sizeof value) file.resize(offset + sizeof value);
  std::memcpy(file.data() + offset, &value, sizeof value);
}
void put(Machine& file, std::uint64_t offset, const Machine& bytes) {
  if (file.size() < offset + bytes.size()) file.resize(offset + bytes.size());
  std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<std::ptrdiff_t>(offset));
}

Elf64_Phdr load(std::uint32_t flags, std::uint64_t offset, std::uint64_t base, std::uint64_t size) {
  Elf64_Phdr segment{};
  segment.p_type = PT_LOAD;
  segment.p_flags = flags;
  segment.p_offset = offset;
  segment.p_vaddr = segment.p_paddr = base + offset;
  segment.p_filesz = segment.p_memsz = size;
  segment.p_align = 0x1000;
  return segment;
}

Elf64_Ehdr elf_header(bool movable, std::uint64_t entry) {
  Elf64_Ehdr elf{};
  std::memcpy(elf.e_ident, ELFMAG, SELFMAG);
  elf.e_ident[EI_CLASS] = ELFCLASS64;
  elf.e_ident[EI_DATA] = ELFDATA2LSB;
  elf.e_ident[EI_VERSION] = EV_CURRENT;
  elf.e_type = movable ? ET_DYN : ET_EXEC;
  elf.e_machine = EM_X86_64;
  elf.e_version = EV_CURRENT;
  elf.e_entry = entry;
  elf.e_phoff = sizeof elf;
  elf.e_ehsize = sizeof elf;
  elf.e_phentsize = sizeof(Elf64_Phdr);
  return elf;
}

void put_headers(Machine& file, Elf64_Ehdr elf, std::uint64_t offset,
                 const std::vector<Elf64_Phdr>& segments) {
  elf.e_phoff = offset;
  elf.e_phnum = static_cast<std::uint16_t>(segments.size());
  put(file, 0, elf);
  for (std::size_t i = 0; i < segments.size(); ++i)
    put(file, offset + i * sizeof(Elf64_Phdr), segments[i]);
}

/// Zero pages are not written: the header table stands far out in the file.
void write_sparse(const std::filesystem::path& path, const Machine& file) {
  std::ofstream out(path, std::ios::binary);
  const Machine zero(4096);
  for (std::size_t at = 0; at < file.size(); at += zero.size()) {
    const auto size = std::min(zero.size(), file.size() - at);
    if (at + size < file.size() && std::memcmp(file.data() + at, zero.data(), size) == 0) continue;
    out.seekp(static_cast<std::streamoff>(at));
    out.write(reinterpret_cast<const char*>(file.data() + at), static_cast<std::streamsize>(size));
  }
}

}  // namespace

Machine operator+(Machine a, const Machine& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Machine relative(Machine opcode, Vaddr at, Vaddr to, unsigned after) {
  const auto by = displacement(at + Bytes{opcode.size() + 4 + after}, to);
  assert(by);
  put(opcode, opcode.size(), *by);
  return opcode;
}

Machine jump(Vaddr at, Vaddr to) {
  return relative({0xe9}, at, to);
}
Machine call(Vaddr at, Vaddr to) {
  return relative({0xe8}, at, to);
}
Machine short_jump(Vaddr at, Vaddr to) {
  const auto by = displacement(at + Bytes{2}, to);
  assert(by && *by >= -128 && *by <= 127);
  return {0xeb, static_cast<std::uint8_t>(*by)};
}

Rewriting::Rewriting(bool movable) : base_(movable ? 0 : 0x400000), movable_(movable) {
  std::string name = (std::filesystem::temp_directory_path() / "punster-verify-XXXXXX").string();
  directory_ = mkdtemp(name.data());
}
Rewriting::~Rewriting() {
  std::filesystem::remove_all(directory_);
}

Vaddr Rewriting::here() const {
  return Vaddr{base_ + text_offset + text_.size()};
}

Vaddr Rewriting::insn(const Machine& bytes) {
  const Vaddr at = here();
  instructions_.emplace_back(at, static_cast<unsigned>(bytes.size()));
  text_ = text_ + bytes;
  return at;
}
Vaddr Rewriting::data(const Machine& bytes) {
  const Vaddr at = here();
  text_ = text_ + bytes;
  untouchable_.push_back({at, here()});
  return at;
}
Vaddr Rewriting::padding(unsigned length) {
  const Vaddr at = here();
  text_ = text_ + Machine(length, 0xcc);
  padding_.push_back({at, here()});
  return at;
}

void Rewriting::datum(std::uint64_t offset, const Machine& bytes) {
  data_.emplace_back(offset, bytes);
}
void Rewriting::dynamic(const std::vector<Elf64_Dyn>& entries) {
  constexpr std::uint64_t offset = 0x4100;
  for (std::size_t i = 0; i < entries.size(); ++i)
    datum(offset + i * sizeof(Elf64_Dyn), bytes_of(entries[i]));
  extra_segments_.push_back(load(PF_R | PF_W, offset, base_, entries.size() * sizeof(Elf64_Dyn)));
  extra_segments_.back().p_type = PT_DYNAMIC;
}
void Rewriting::note(std::uint64_t offset, std::uint64_t size) {
  extra_segments_.push_back(load(PF_R, offset, base_, size));
  extra_segments_.back().p_type = PT_NOTE;
  extra_segments_.back().p_align = 8;
}
Vaddr Rewriting::runtime() const {
  return Vaddr{base_ + runtime_offset};
}

std::vector<Elf64_Phdr> Rewriting::original_segments() const {
  std::vector<Elf64_Phdr> segments{load(PF_R, 0, base_, 0x1000),
                                   load(PF_R | PF_X, text_offset, base_, text_room),
                                   load(PF_R | PF_W, data_offset, base_, 0x1000)};
  segments.insert(segments.end(), extra_segments_.begin(), extra_segments_.end());
  if (alter_original_segments) alter_original_segments(segments);
  return segments;
}

void Rewriting::patch(Vaddr at, const Machine& bytes) {
  patches_.emplace_back(at, bytes);
}

Vaddr Rewriting::write(Vaddr at, const Machine& bytes) {
  for (const std::uint8_t byte : bytes) {
    Machine& page = pages_.try_emplace(page_floor(at).value, Machine(4096, 0xcc)).first->second;
    page[at.value % 4096] = byte;
    at = at + Bytes{1};
  }
  return at;
}

void Rewriting::trap(Vaddr site, Vaddr trampoline) {
  traps_.push_back({site.value, trampoline.value});
}

Machine Rewriting::original_file() const {
  Machine file(original_size);
  put_headers(file, elf_header(movable_, base_ + text_offset), sizeof(Elf64_Ehdr),
              original_segments());
  put(file, text_offset, text_);
  for (const auto& [offset, bytes] : data_) put(file, offset, bytes);
  return file;
}

Machine Rewriting::patched_file() const {
  Machine file = original_file();
  // Pages: first the overlay of all of .text, then the trampolines.
  Machine text(file.begin() + text_offset, file.begin() + text_offset + text_room);
  for (const auto& [at, bytes] : patches_) put(text, at.value - base_ - text_offset, bytes);
  put(file, pages_offset, text);
  std::vector<PunsterMapping> mappings{
      {base_ + text_offset, pages_offset, text_room / 4096, PUNSTER_OVERLAY}};
  std::uint64_t offset = pages_offset + text_room;
  for (const auto& [address, page] : pages_) {
    put(file, offset, page);
    mappings.push_back({address, offset, 1, PUNSTER_TRAMPOLINES});
    offset += page.size();
  }
  mappings.insert(mappings.end(), extra_mappings.begin(), extra_mappings.end());
  if (alter_mappings) alter_mappings(mappings);

  PunsterHeader header{};
  header.magic = PUNSTER_MAGIC;
  header.abi_version = PUNSTER_ABI_VERSION;
  header.flags = movable_ ? PUNSTER_FLAG_POSITION_INDEPENDENT : 0;
  header.hook = PUNSTER_HOOK_ENTRY;
  header.mapping_count = static_cast<std::uint32_t>(mappings.size());
  header.trap_count = static_cast<std::uint32_t>(traps_.size());
  header.header_address = base_ + tables_offset;
  header.header_offset = tables_offset;
  header.mappings_offset = sizeof header;
  header.traps_offset = header.mappings_offset + mappings.size() * sizeof(PunsterMapping);
  header.original_entry = base_ + text_offset;
  header.span_lo = base_;
  header.span_hi = base_ + state_address + 0x1000;
  if (alter_header) alter_header(header);
  put(file, tables_offset, header);
  for (std::size_t i = 0; i < mappings.size(); ++i)
    put(file, tables_offset + sizeof header + i * sizeof mappings[i], mappings[i]);
  for (std::size_t i = 0; i < traps_.size(); ++i)
    put(file, tables_offset + header.traps_offset + i * sizeof traps_[i], traps_[i]);

  const std::uint64_t config = runtime_offset + 0x10;
  put(file, runtime_offset, Machine{0x90});
  put(file, config,
      PunsterConfig{base_ + config, base_ + tables_offset, base_ + state_address, 0x1000});
  file.resize(runtime_offset + 0x1000);

  auto segments = original_segments();
  segments.push_back(load(PF_R, table_offset, base_, 0x1000));
  segments.push_back(load(PF_R, tables_offset, base_, 0x1000));
  segments.push_back(load(PF_R | PF_X, runtime_offset, base_, 0x1000));
  segments.push_back(load(PF_R | PF_W, state_address, base_, 0x1000));
  segments.back().p_filesz = 0;
  if (alter_segments) alter_segments(segments);
  const bool by_entry = header.hook == PUNSTER_HOOK_ENTRY;
  put_headers(file, elf_header(movable_, base_ + (by_entry ? runtime_offset : text_offset)),
              table_offset, segments);
  if (alter_file) alter_file(file);
  return file;
}

std::filesystem::path Rewriting::write_original() {
  write_sparse(directory_ / "original", original_file());
  return directory_ / "original";
}
std::filesystem::path Rewriting::write_patched() {
  write_sparse(directory_ / "patched", patched_file());
  return directory_ / "patched";
}

Result<VerifyReport> Rewriting::try_verify() {
  VerifyRequest request;
  request.original = write_original();
  request.patched = write_patched();
  if (!sites.empty()) {
    request.sites = directory_ / "sites.jsonl";
    std::ofstream(*request.sites, std::ios::binary) << sites;
  }
  if (knows_instructions) request.code = {instructions_, untouchable_, padding_};
  return punster::verify(request);
}

VerifyReport Rewriting::verify() {
  auto report = try_verify();
  assert(report.has_value());
  return std::move(report.value());
}

std::string site_line(Vaddr address, unsigned size, const std::string& bytes,
                      const std::string& result, const std::string& more) {
  return "{\"address\":\"" + to_hex(address) + "\",\"size\":" + std::to_string(size) +
         ",\"bytes\":\"" + bytes + "\",\"result\":\"" + result + "\"" +
         (more.empty() ? "" : "," + more) + "}\n";
}

std::string only_failure(const VerifyReport& report) {
  if (report.failure_count == 1) return report.failures.front().kind;
  std::string all = std::to_string(report.failure_count) + " failures";
  for (const auto& failure : report.failures)
    all += "\n" + to_hex(failure.address) + " " + failure.kind + ": " + failure.message;
  return all;
}

}  // namespace punster::test
