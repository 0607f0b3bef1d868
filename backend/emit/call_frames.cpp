// .eh_frame as compilers and linkers write it: System V ABI x86-64 supplement, section 4.2.4, and
// Linux Standard Base, "Exception Frames".
//
//   CIE  length | 0              | version | augmentation | factors | return column | data |
//   program FDE  length | distance to it | first address | size   | data    | program
//
// The distance is counted backwards from its own field, so a CIE has been read when its FDEs come.
// (That of a linker's joined table always has; another order is taken for damage.)

#include "backend/emit/call_frames.h"

#include <algorithm>
#include <map>

#include "backend/emit/byte_reader.h"
#include "backend/emit/pointer_encoding.h"
#include "protocol/hex.h"

namespace punster {
namespace {

constexpr std::uint8_t indirect = 0x80;  // DW_EH_PE_*

struct Table {
  std::span<const std::uint8_t> bytes;
  Vaddr address;
  Vaddr data_base;   // of .eh_frame_hdr: what "datarel" pointers are relative to
  bool ends_itself;  // by a length of zero, which in a section only separates what was joined
};

std::optional<Table> find_table(const ElfView& input) {
  Vaddr data_base;
  std::optional<Vaddr> from_header;
  for (const auto& p : input.segments()) {
    if (p.p_type != PT_GNU_EH_FRAME) continue;
    data_base = Vaddr{p.p_vaddr};
    // version | encodings of: pointer to .eh_frame, count, table | pointer to .eh_frame
    ByteReader header(input.bytes_at(data_base, Bytes{p.p_memsz}), data_base);
    if (header.next<std::uint8_t>() != 1) break;
    const auto encoding = header.next<std::uint8_t>();
    header.take(2);
    if (const auto pointer = read_pointer(header, encoding, data_base)) from_header = *pointer;
    break;
  }
  for (const auto& s : input.sections()) {
    if (!(s.sh_flags & SHF_ALLOC) || s.sh_type == SHT_NOBITS) continue;
    if (input.section_name(s) != ".eh_frame") continue;
    return Table{input.bytes_at(Vaddr{s.sh_addr}, Bytes{s.sh_size}), Vaddr{s.sh_addr}, data_base,
                 false};
  }
  if (!from_header) return std::nullopt;
  return Table{input.bytes_at(*from_header, Bytes{~std::uint64_t{0}}), *from_header, data_base,
               true};
}

class FrameReader {
 public:
  FrameReader(const ElfView& input, const Table& table) : input_(input), table_(table) {}

  CallFrames read() && {
    ByteReader reader(table_.bytes, table_.address);
    while (!reader.at_end()) {
      const auto start = reader.position();
      std::uint64_t length = reader.next<std::uint32_t>();
      if (length == 0xffffffff) length = reader.next<std::uint64_t>();
      if (reader.ok() && length == 0) {
        if (table_.ends_itself) break;
        continue;
      }
      const auto body_at = reader.position();
      const auto body_address = reader.address();
      const auto body = reader.take(length);
      if (!reader.ok() || !record(start, body_at, {body, body_address})) {
        CallFrames damaged;
        damaged.damage =
            ".eh_frame is damaged at " + to_hex(table_.address + Bytes{start}) + ": no unwind rows";
        return damaged;
      }
    }
    sort_entries();
    return std::move(frames_);
  }

 private:
  // A CIE that was read; nothing when its form is unknown, and its FDEs then too.
  using Common = std::optional<std::uint32_t>;

  bool record(std::size_t start, std::size_t body_at, ByteReader body) {
    const auto id = body.next<std::uint32_t>();
    if (!body.ok()) return false;
    if (id == 0) {
      bool sound = true;
      commons_[start] = common(body, sound);
      return sound;
    }
    if (id > body_at) return false;
    const auto found = commons_.find(body_at - id);
    if (found == commons_.end()) return false;
    return !found->second || entry(body, *found->second);
  }

  Common common(ByteReader& body, bool& sound) {
    FrameCommon cie;
    const auto version = body.next<std::uint8_t>();
    std::string augmentation;
    while (const auto letter = body.next<char>()) augmentation.push_back(letter);
    cie.code_alignment = body.uleb();
    cie.data_alignment = body.sleb();
    cie.return_column = version == 1 ? body.next<std::uint8_t>() : body.uleb();
    sound = body.ok();
    if (!sound || (version != 1 && version != 3)) return std::nullopt;
    if (!augmentation.empty() && augmentation[0] != 'z') return std::nullopt;
    if (!augmentation.empty()) {
      const auto size = body.uleb();
      const auto data_address = body.address();
      ByteReader data(body.take(size), data_address);
      sound = body.ok();
      for (const char letter : augmentation.substr(1)) {
        if (letter == 'R') {
          cie.pointer_encoding = data.next<std::uint8_t>();
        } else if (letter == 'S') {
          cie.signal_frame = true;
        } else if (letter == 'L') {
          cie.lsda_encoding = data.next<std::uint8_t>();
        } else if (letter == 'P') {
          const auto encoding = data.next<std::uint8_t>();
          const auto routine = read_pointer(data, encoding & ~indirect, table_.data_base);
          if (routine) cie.personality = Personality{*routine, (encoding & indirect) != 0};
        } else {
          return std::nullopt;
        }
      }
      sound = sound && data.ok();
    }
    cie.program = body.rest();
    has_data_.push_back(!augmentation.empty());
    frames_.commons.push_back(cie);
    return static_cast<std::uint32_t>(frames_.commons.size() - 1);
  }

  bool entry(ByteReader& body, std::uint32_t common) {
    const auto& cie = frames_.commons[common];
    const auto first = read_pointer(body, cie.pointer_encoding, table_.data_base);
    const auto size = read_pointer(body, cie.pointer_encoding & 0x0f, Vaddr{});
    std::optional<Vaddr> lsda;
    if (has_data_[common]) {
      const auto size = body.uleb();
      const auto data_address = body.address();
      ByteReader data(body.take(size), data_address);
      if (cie.lsda_encoding != 0xff) lsda = read_pointer(data, cie.lsda_encoding, table_.data_base);
    }
    if (!body.ok()) return false;
    // What a linker dropped has become address 0 or size 0.
    if (!first || !size) return true;
    FrameEntry fde;
    fde.range = {*first, *first + Bytes{size->value}};
    fde.common = common;
    fde.lsda = lsda;
    fde.program_address = body.address();
    fde.program = body.rest();
    if (fde.range.hi <= fde.range.lo || !input_.executable(*first)) return true;
    frames_.entries.push_back(fde);
    return true;
  }

  void sort_entries() {
    auto& entries = frames_.entries;
    std::stable_sort(entries.begin(), entries.end(), [](const FrameEntry& a, const FrameEntry& b) {
      return a.range.lo < b.range.lo;
    });
    Vaddr end;
    std::erase_if(entries, [&](const FrameEntry& e) {
      if (e.range.lo < end) return true;
      end = e.range.hi;
      return false;
    });
  }

  const ElfView& input_;
  const Table& table_;
  CallFrames frames_;
  std::vector<bool> has_data_;             // per common: augmentation data, in its FDEs too
  std::map<std::size_t, Common> commons_;  // by position in the table
};

}  // namespace

CallFrames read_call_frames(const ElfView& input) {
  const auto table = find_table(input);
  return table ? FrameReader(input, *table).read() : CallFrames{};
}

}  // namespace punster
