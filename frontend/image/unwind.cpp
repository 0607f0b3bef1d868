// .eh_frame is the best witness of code there is: compilers emit one FDE for every function, whether
// or not symbols survived, because exceptions and backtraces depend on it; authors of assembly who
// want backtraces write it too. An FDE gives a function's exact extent. Its LSDA (.gcc_except_table)
// gives the landing pads, which nothing else refers to: control arrives there from the unwinder only.
//
// Formats: System V ABI x86-64 supplement and LSB "Exception Frames"; LSDA as written by GCC
// (except.c) and read by libgcc/libstdc++ personalities.

#include "frontend/image/unwind.h"

#include <algorithm>
#include <map>

namespace punster {
namespace {

enum : std::uint8_t { enc_absptr = 0x00, enc_uleb = 0x01, enc_u2 = 0x02, enc_u4 = 0x03,
                      enc_u8 = 0x04, enc_sleb = 0x09, enc_s2 = 0x0a, enc_s4 = 0x0b, enc_s8 = 0x0c,
                      enc_pcrel = 0x10, enc_datarel = 0x30, enc_indirect = 0x80,
                      enc_omit = 0xff };

// Reads forward through a piece of memory of known address; after a failure everything reads as
// nothing and `ok` stays false.
class Cursor {
 public:
  Cursor(ByteView bytes, std::uint64_t address) : bytes_(bytes), address_(address) {}
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::uint64_t at() const { return at_; }
  [[nodiscard]] std::uint64_t address() const { return address_ + at_; }
  void seek(std::uint64_t at) { at_ = at; }
  void skip(std::uint64_t n) { at_ += n; }

  template <typename T>
  T next() {
    const auto value = ok_ ? bytes_.read<T>(at_) : std::nullopt;
    ok_ = value.has_value();
    at_ += sizeof(T);
    return value.value_or(T{});
  }
  std::uint64_t uleb() { return leb(false); }

  // A pointer in DW_EH_PE encoding; nothing for 0, indirect and unknown ones.
  std::optional<std::uint64_t> pointer(std::uint8_t encoding, std::uint64_t data_base) {
    if (encoding == enc_omit)
      return std::nullopt;
    const std::uint64_t here = address();
    std::uint64_t value = 0;
    switch (encoding & 0x0f) {
      case enc_absptr:
      case enc_u8:
      case enc_s8: value = next<std::uint64_t>(); break;
      case enc_uleb: value = leb(false); break;
      case enc_sleb: value = leb(true); break;
      case enc_u2: value = next<std::uint16_t>(); break;
      case enc_u4: value = next<std::uint32_t>(); break;
      case enc_s2: value = static_cast<std::uint64_t>(std::int64_t{next<std::int16_t>()}); break;
      case enc_s4: value = static_cast<std::uint64_t>(std::int64_t{next<std::int32_t>()}); break;
      default: ok_ = false;
    }
    if (!ok_ || value == 0 || (encoding & enc_indirect))
      return std::nullopt;
    switch (encoding & 0x70) {
      case 0: return value;
      case enc_pcrel: return value + here;
      case enc_datarel: return value + data_base;
      default: return std::nullopt;
    }
  }

 private:
  std::uint64_t leb(bool is_signed) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      const auto byte = next<std::uint8_t>();
      if (shift < 64)
        value |= std::uint64_t{byte & 0x7fu} << shift;
      if (!(byte & 0x80)) {
        if (is_signed && (byte & 0x40) && shift + 7 < 64)
          value |= ~0ull << (shift + 7);
        return value;
      }
    }
    ok_ = false;
    return 0;
  }

  ByteView bytes_;
  std::uint64_t address_, at_ = 0;
  bool ok_ = true;
};

struct Cie {
  std::uint8_t pointer_encoding = enc_absptr, lsda_encoding = enc_omit;
  bool has_augmentation_data = false;
  bool signal_frame = false;
};

class FrameReader {
 public:
  FrameReader(ByteView file, const ElfTables& tables, const std::vector<Section>& code)
      : file_(file), tables_(tables), code_(code) {}

  void read(ByteView frames, std::uint64_t address, std::uint64_t data_base) {
    std::map<std::uint64_t, std::optional<Cie>> cies;  // by position
    Cursor cursor(frames, address);
    while (cursor.at() + 4 < frames.size()) {
      const std::uint64_t record = cursor.at();
      std::uint64_t length = cursor.next<std::uint32_t>();
      if (length == 0xffffffff)
        length = cursor.next<std::uint64_t>();
      const std::uint64_t body = cursor.at();
      if (length < 4) {  // terminator; a linker may join several tables
        if (length != 0)
          return;
        continue;
      }
      if (!cursor.ok() || !frames.holds(body, length))
        return;
      const auto id = cursor.next<std::uint32_t>();
      if (id == 0) {
        cies.emplace(record, cie_at(Cursor(frames.part(body, length), address + body)));
      } else if (id <= body) {
        auto [it, fresh] = cies.try_emplace(body - id);
        if (fresh)
          it->second = forward_cie(frames, address, body - id);
        if (it->second)
          fde_at(Cursor(frames.part(body, length), address + body), *it->second, data_base);
      }
      cursor.seek(body + length);
    }
  }

  std::vector<UnwindEntry> finish() && {
    std::ranges::sort(entries_, {}, &UnwindEntry::range);
    const auto end =
        std::unique(entries_.begin(), entries_.end(), [](const UnwindEntry& a, const UnwindEntry& b) {
          return a.range == b.range;
        });
    entries_.erase(end, entries_.end());
    return std::move(entries_);
  }

 private:
  static std::optional<Cie> forward_cie(ByteView frames, std::uint64_t address, std::uint64_t at) {
    Cursor cursor(frames, address);
    cursor.seek(at);
    std::uint64_t length = cursor.next<std::uint32_t>();
    if (length == 0xffffffff)
      length = cursor.next<std::uint64_t>();
    if (!cursor.ok() || !frames.holds(cursor.at(), length) || length < 4 ||
        frames.read<std::uint32_t>(cursor.at()) != 0u)
      return std::nullopt;
    return cie_at(Cursor(frames.part(cursor.at(), length), address + cursor.at()));
  }

  static std::optional<Cie> cie_at(Cursor c) {
    c.skip(4);
    Cie cie;
    const auto version = c.next<std::uint8_t>();
    std::string augmentation;
    while (const auto ch = c.next<char>())
      augmentation.push_back(ch);
    if (!c.ok() || (version != 1 && version != 3 && version != 4))
      return std::nullopt;
    if (version == 4)
      c.skip(2);
    c.uleb();  // code alignment
    c.uleb();  // data alignment, signed, but of the same length
    if (version == 1)
      c.skip(1);
    else
      c.uleb();  // return address register
    if (!augmentation.empty() && augmentation[0] != 'z')
      return std::nullopt;
    for (const char ch : augmentation) {
      switch (ch) {
        case 'z': c.uleb(); cie.has_augmentation_data = true; break;
        case 'R': cie.pointer_encoding = c.next<std::uint8_t>(); break;
        case 'L': cie.lsda_encoding = c.next<std::uint8_t>(); break;
        case 'P': c.pointer(c.next<std::uint8_t>(), 0); break;
        case 'S': cie.signal_frame = true; break;
        case 'B': break;
        default: return std::nullopt;
      }
    }
    return c.ok() ? std::optional(cie) : std::nullopt;
  }

  void fde_at(Cursor c, const Cie& cie, std::uint64_t data_base) {
    c.skip(4);
    auto start = c.pointer(cie.pointer_encoding, data_base);
    auto size = c.pointer(cie.pointer_encoding & 0x0f, 0);
    // Unwinders look up a return address minus one; signal trampolines have no call before them, so
    // libc lets their FDE begin one byte early, inside the padding.
    if (cie.signal_frame && start && size && *size > 1 && *start % 16 == 15) {
      ++*start;
      --*size;
    }
    if (!c.ok() || !start || !size || !is_code(*start, *size))
      return;
    UnwindEntry entry{{Vaddr{*start}, Vaddr{*start + *size}}, {}};
    if (cie.has_augmentation_data) {
      c.uleb();
      if (const auto lsda = c.pointer(cie.lsda_encoding, data_base))
        read_landing_pads(*lsda, entry);
    }
    entries_.push_back(std::move(entry));
  }

  void read_landing_pads(std::uint64_t lsda, UnwindEntry& entry) {
    Cursor c(tables_.from(file_, lsda), lsda);
    std::uint64_t pad_base = entry.range.lo.value;
    if (const auto encoding = c.next<std::uint8_t>(); encoding != enc_omit) {
      const auto base = c.pointer(encoding, 0);
      pad_base = base.value_or(0);
    }
    if (c.next<std::uint8_t>() != enc_omit)
      c.uleb();  // type table offset
    const auto encoding = static_cast<std::uint8_t>(c.next<std::uint8_t>() & 0x0f);
    const std::uint64_t size = c.uleb();
    const std::uint64_t end = c.at() + size;
    if (size > lsda_budget_)
      return;  // a hostile file lets many functions share one huge LSDA
    lsda_budget_ -= size;
    std::vector<Vaddr> pads;
    while (c.ok() && c.at() < end) {
      c.pointer(encoding, 0);  // start of the call-site range
      c.pointer(encoding, 0);  // its size
      const auto pad = c.pointer(encoding, 0);
      c.uleb();  // action
      if (c.ok() && pad && is_code(pad_base + *pad, 1))
        pads.push_back(Vaddr{pad_base + *pad});
    }
    if (!c.ok())
      return;  // not an LSDA of this layout: better no pads than wrong ones
    std::ranges::sort(pads);
    pads.erase(std::unique(pads.begin(), pads.end()), pads.end());
    entry.landing_pads = std::move(pads);
  }

  bool is_code(std::uint64_t start, std::uint64_t size) const {
    const auto after = std::ranges::upper_bound(code_, Vaddr{start}, {},
                                                [](const Section& s) { return s.range.lo; });
    return size > 0 && after != code_.begin() && (after - 1)->range.contains(Vaddr{start}) &&
           size <= (after - 1)->range.hi.value - start;
  }

  ByteView file_;
  const ElfTables& tables_;
  const std::vector<Section>& code_;
  std::vector<UnwindEntry> entries_;
  std::uint64_t lsda_budget_ = 2 * file_.size();
};

}  // namespace

std::vector<UnwindEntry> read_unwind(ByteView file, const ElfTables& tables,
                                     const std::vector<Section>& code) {
  FrameReader reader(file, tables, code);
  const Elf64_Phdr* header = tables.program(PT_GNU_EH_FRAME);
  const std::uint64_t data_base = header == nullptr ? 0 : header->p_vaddr;
  bool by_section = false;
  for (const Elf64_Shdr& s : tables.sections) {
    if (!(s.sh_flags & SHF_ALLOC) || tables.section_names.text(s.sh_name) != ".eh_frame")
      continue;
    by_section = true;
    reader.read(ElfTables::contents(file, s), s.sh_addr, data_base);
    break;  // there is only one in any file that a linker made
  }
  if (!by_section && header != nullptr) {
    // .eh_frame_hdr: version, encodings of: pointer to .eh_frame, count, table.
    Cursor c(tables.from(file, header->p_vaddr), header->p_vaddr);
    if (c.next<std::uint8_t>() == 1) {
      const auto encoding = c.next<std::uint8_t>();
      c.skip(2);
      if (const auto frames = c.pointer(encoding, data_base))
        reader.read(tables.from(file, *frames), *frames, data_base);
    }
  }
  return std::move(reader).finish();
}

}  // namespace punster
