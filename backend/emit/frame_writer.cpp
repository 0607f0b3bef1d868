#include "backend/emit/frame_writer.h"

#include <string>

namespace punster {
namespace {

constexpr std::uint8_t cfa_nop = 0x00, cfa_advance_loc = 0x40, cfa_advance_loc1 = 0x02,
                       cfa_advance_loc2 = 0x03, cfa_advance_loc4 = 0x04, cfa_def_cfa = 0x0c,
                       cfa_def_cfa_offset = 0x0e;
// What stands in a CIE where an FDE names its CIE.
constexpr std::uint32_t common_of_debugger = 0xffffffff, common_of_process = 0;
constexpr std::uint8_t distance_s4 = 0x1b, indirect = 0x80;  // DW_EH_PE_*
constexpr std::uint8_t version = 3;
constexpr std::size_t address_bytes = 8;

void put_sleb(PlacedBytes& out, std::int64_t value) {
  for (; value < -0x40 || value >= 0x40; value >>= 7)
    out.put(static_cast<std::uint8_t>(value | 0x80));
  out.put(static_cast<std::uint8_t>(value & 0x7f));
}

}  // namespace

std::uint32_t FrameWriter::common_at(std::uint32_t key, const FrameCommon& common, bool handles) {
  const auto start = out_.bytes.size();
  const auto [known, fresh] =
      commons_.try_emplace({key, handles}, static_cast<std::uint32_t>(start));
  if (!fresh) return known->second;
  out_.put<std::uint32_t>(0);  // length
  out_.put(for_process() ? common_of_process : common_of_debugger);
  out_.put(version);
  std::string augmentation = common.signal_frame || for_process() ? "z" : "";
  if (handles) augmentation += "PL";
  if (for_process()) augmentation += "R";
  if (common.signal_frame) augmentation += "S";
  for (const char letter : augmentation) out_.put(letter);
  out_.put('\0');
  out_.put_uleb(1);  // code alignment: ours are bytes, whatever the original's are
  put_sleb(out_, common.data_alignment);
  out_.put_uleb(common.return_column);
  if (!augmentation.empty())  // bytes of augmentation data
    out_.put_uleb((handles ? 6 : 0) + (for_process() ? 1 : 0));
  if (handles) {
    const auto& routine = *common.personality;
    out_.put(static_cast<std::uint8_t>(routine.indirect ? indirect | distance_s4 : distance_s4));
    out_.put_distance(routine.address);
    out_.put(distance_s4);  // of handler tables
  }
  if (for_process()) out_.put(distance_s4);  // of addresses in FDEs
  out_.bytes.insert(out_.bytes.end(), common.program.begin(), common.program.end());
  close(start);
  return known->second;
}

void FrameWriter::begin_function(std::uint32_t key, const FrameCommon& common, Vaddr first,
                                 std::optional<std::size_t> handlers) {
  const auto common_position = common_at(key, common, handlers.has_value());
  start_ = out_.bytes.size();
  first_ = row_ = first;
  out_.put<std::uint32_t>(0);  // length
  if (!for_process()) {
    out_.put(common_position);
    out_.put(first.value);
    size_at_ = out_.bytes.size();
    out_.put<std::uint64_t>(0);
    if (common.signal_frame) out_.put_uleb(0);
    return;
  }
  out_.put(static_cast<std::uint32_t>(out_.bytes.size()) - common_position);
  out_.put_distance(first);
  size_at_ = out_.bytes.size();
  out_.put<std::uint32_t>(0);
  out_.put_uleb(handlers ? 4 : 0);
  if (handlers) out_.put_distance(handlers_, *handlers);
}

void FrameWriter::end_function(Vaddr end) {
  const std::uint64_t size = (end - first_).value;
  if (for_process()) {
    put_at(size_at_, static_cast<std::uint32_t>(size));  // within 2 GiB
    functions_.push_back({first_, start_});
  } else {
    put_at(size_at_, size);
  }
  close(start_);
}

void FrameWriter::drop_function() {
  out_.shrink(start_);
}

void FrameWriter::close(std::size_t start) {
  const std::size_t unit = for_process() ? 4 : address_bytes;
  while ((out_.bytes.size() - start) % unit != 0) out_.put(cfa_nop);
  put_at(start, static_cast<std::uint32_t>(out_.bytes.size() - start - sizeof(std::uint32_t)));
}

void FrameWriter::advance(Vaddr to) {
  const auto distance = (to - row_).value;
  row_ = to;
  if (distance == 0) return;
  if (distance < 0x40) {
    out_.put(static_cast<std::uint8_t>(cfa_advance_loc | distance));
  } else if (distance <= 0xff) {
    out_.put(cfa_advance_loc1);
    out_.put(static_cast<std::uint8_t>(distance));
  } else if (distance <= 0xffff) {
    out_.put(cfa_advance_loc2);
    out_.put(static_cast<std::uint16_t>(distance));
  } else {
    out_.put(cfa_advance_loc4);  // bodies of one image stand within 2 GiB
    out_.put(static_cast<std::uint32_t>(distance));
  }
}

void FrameWriter::copy(Vaddr at, std::span<const std::uint8_t> instruction) {
  advance(at);
  out_.bytes.insert(out_.bytes.end(), instruction.begin(), instruction.end());
}

void FrameWriter::def_cfa(Vaddr at, std::uint64_t reg, std::uint64_t offset) {
  advance(at);
  out_.put(cfa_def_cfa);
  out_.put_uleb(reg);
  out_.put_uleb(offset);
}

void FrameWriter::def_cfa_offset(Vaddr at, std::uint64_t offset) {
  advance(at);
  out_.put(cfa_def_cfa_offset);
  out_.put_uleb(offset);
}

}  // namespace punster
