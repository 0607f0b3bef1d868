#include "frontend/image/outside_evidence.h"

#include <algorithm>

#include "frontend/decode/decoder.h"
#include "protocol/hex.h"

namespace punster {
namespace {

std::string text_of(const AddressRange& range) {
  return to_hex(range.lo) + "-" + to_hex(range.hi);
}

const Section* code_around(const Image& image, Vaddr address) {
  for (const Section& section : image.code_sections())
    if (section.range.contains(address)) return &section;
  return nullptr;
}

Error bad(const Image& image, Vaddr address, const std::string& what) {
  return error_at("bad_evidence", image.path().string() + ": " + what, address);
}

Result<void> check_range(const Image& image, const AddressRange& range) {
  const Section* section = code_around(image, range.lo);
  if (section == nullptr || range.hi > section->range.hi)
    return bad(
        image, range.lo,
        text_of(range) + " does not lie inside one executable section (see `punster analyze`)");
  return success();
}

const AddressRange* containing(const std::vector<AddressRange>& ranges, Vaddr address) {
  for (const AddressRange& range : ranges)
    if (range.contains(address)) return &range;
  return nullptr;
}

Result<void> check_starts(const OutsideEvidence& evidence, const Image& image) {
  constexpr Bytes longest{15};
  Vaddr previous, end;
  for (const Vaddr start : evidence.starts) {
    if (code_around(image, start) == nullptr)
      return bad(image, start,
                 to_hex(start) +
                     " is listed as an instruction, but stands in no "
                     "executable section");
    if (start < end)
      return bad(image, start,
                 to_hex(start) +
                     " is listed as an instruction, but is inside the one "
                     "listed at " +
                     to_hex(previous));
    const FlowInfo info = decode_flow(image.bytes_at(start, longest), start);
    if (info.kind == FlowKind::invalid)
      return bad(image, start,
                 to_hex(start) + " is listed as an instruction, but its bytes are none");
    if (const AddressRange* data = containing(evidence.data, start))
      return bad(image, start,
                 to_hex(start) + " is listed as an instruction, but " + text_of(*data) +
                     " is said to be data");
    previous = start;
    end = start + Bytes{info.length};
  }
  return success();
}

}  // namespace

Result<void> check(const OutsideEvidence& evidence, const Image& image) {
  for (const auto* ranges : {&evidence.code, &evidence.data})
    for (const AddressRange& range : *ranges) PUNSTER_TRY(check_range(image, range));
  for (const AddressRange& code : evidence.code)
    for (const AddressRange& data : evidence.data)
      if (code.lo < data.hi && data.lo < code.hi)
        return bad(image, std::max(code.lo, data.lo),
                   text_of(code) + " is said to be code, but " + text_of(data) + " data");
  return check_starts(evidence, image);
}

}  // namespace punster
