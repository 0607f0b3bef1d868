#include "backend/emit/pointer_encoding.h"

namespace punster {
namespace {

// The low four bits: how the number is written.
enum : std::uint8_t {
  as_address = 0x00,
  as_uleb = 0x01,
  as_u2 = 0x02,
  as_u4 = 0x03,
  as_u8 = 0x04,
  as_sleb = 0x09,
  as_s2 = 0x0a,
  as_s4 = 0x0b,
  as_s8 = 0x0c,
};
// The next three: what it is relative to.
enum : std::uint8_t { to_nothing = 0x00, to_itself = 0x10, to_data = 0x30 };
constexpr std::uint8_t indirect = 0x80, left_out = 0xff;

std::optional<std::uint64_t> read_number(ByteReader& reader, std::uint8_t form) {
  switch (form) {
    case as_address:
    case as_u8:
    case as_s8:
      return reader.next<std::uint64_t>();
    case as_uleb:
      return reader.uleb();
    case as_sleb:
      return static_cast<std::uint64_t>(reader.sleb());
    case as_u2:
      return reader.next<std::uint16_t>();
    case as_u4:
      return reader.next<std::uint32_t>();
    case as_s2:
      return static_cast<std::uint64_t>(std::int64_t{reader.next<std::int16_t>()});
    case as_s4:
      return static_cast<std::uint64_t>(std::int64_t{reader.next<std::int32_t>()});
    default:
      reader.fail();
      return std::nullopt;
  }
}

}  // namespace

std::optional<Vaddr> read_pointer(ByteReader& reader, std::uint8_t encoding, Vaddr data_base) {
  if (encoding == left_out) return std::nullopt;
  const auto here = reader.address();
  const auto number = read_number(reader, encoding & 0x0f);
  if (!reader.ok() || !number || *number == 0 || (encoding & indirect)) return std::nullopt;
  switch (encoding & 0x70) {
    case to_nothing:
      return Vaddr{*number};
    case to_itself:
      return Vaddr{here.value + *number};
    case to_data:
      return Vaddr{data_base.value + *number};
    default:
      return std::nullopt;
  }
}

}  // namespace punster
