#include "backend/emit/frame_writer.h"

namespace punster {
namespace {

constexpr std::uint8_t cfa_nop = 0x00, cfa_advance_loc = 0x40, cfa_advance_loc1 = 0x02,
                       cfa_advance_loc2 = 0x03, cfa_advance_loc4 = 0x04, cfa_def_cfa = 0x0c,
                       cfa_def_cfa_offset = 0x0e;
constexpr std::uint32_t common_id = 0xffffffff;  // in .debug_frame; .eh_frame has 0
constexpr std::uint8_t version = 3;
constexpr std::size_t address_bytes = 8;

}  // namespace

std::uint32_t FrameWriter::common_at(std::uint32_t key, const FrameCommon& common) {
  const auto start = bytes_.size();
  const auto [known, fresh] = commons_.try_emplace(key, static_cast<std::uint32_t>(start));
  if (!fresh) return known->second;
  put<std::uint32_t>(0);  // length
  put(common_id);
  put(version);
  for (const char* letter = common.signal_frame ? "zS" : ""; *letter; ++letter) put(*letter);
  put('\0');
  uleb(1);  // code alignment: ours are bytes, whatever the original's are
  sleb(common.data_alignment);
  uleb(common.return_column);
  if (common.signal_frame) uleb(0);  // bytes of augmentation data
  bytes_.insert(bytes_.end(), common.program.begin(), common.program.end());
  close(start);
  return known->second;
}

void FrameWriter::begin_function(std::uint32_t key, const FrameCommon& common, Vaddr first) {
  const auto common_position = common_at(key, common);
  start_ = bytes_.size();
  first_ = row_ = first;
  put<std::uint32_t>(0);  // length
  put(common_position);
  put(first.value);
  size_at_ = bytes_.size();
  put<std::uint64_t>(0);
  if (common.signal_frame) uleb(0);
}

void FrameWriter::end_function(Vaddr end) {
  const std::uint64_t size = (end - first_).value;
  std::memcpy(bytes_.data() + size_at_, &size, sizeof size);
  close(start_);
}

void FrameWriter::drop_function() {
  bytes_.resize(start_);
}

void FrameWriter::close(std::size_t start) {
  while ((bytes_.size() - start) % address_bytes != 0) put(cfa_nop);
  const auto length = static_cast<std::uint32_t>(bytes_.size() - start - sizeof(std::uint32_t));
  std::memcpy(bytes_.data() + start, &length, sizeof length);
}

void FrameWriter::advance(Vaddr to) {
  const auto distance = (to - row_).value;
  row_ = to;
  if (distance == 0) return;
  if (distance < 0x40) {
    put(static_cast<std::uint8_t>(cfa_advance_loc | distance));
  } else if (distance <= 0xff) {
    put(cfa_advance_loc1);
    put(static_cast<std::uint8_t>(distance));
  } else if (distance <= 0xffff) {
    put(cfa_advance_loc2);
    put(static_cast<std::uint16_t>(distance));
  } else {
    put(cfa_advance_loc4);  // bodies of one image stand within 2 GiB
    put(static_cast<std::uint32_t>(distance));
  }
}

void FrameWriter::copy(Vaddr at, std::span<const std::uint8_t> instruction) {
  advance(at);
  bytes_.insert(bytes_.end(), instruction.begin(), instruction.end());
}

void FrameWriter::def_cfa(Vaddr at, std::uint64_t reg, std::uint64_t offset) {
  advance(at);
  put(cfa_def_cfa);
  uleb(reg);
  uleb(offset);
}

void FrameWriter::def_cfa_offset(Vaddr at, std::uint64_t offset) {
  advance(at);
  put(cfa_def_cfa_offset);
  uleb(offset);
}

void FrameWriter::uleb(std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) put(static_cast<std::uint8_t>(value | 0x80));
  put(static_cast<std::uint8_t>(value));
}

void FrameWriter::sleb(std::int64_t value) {
  for (; value < -0x40 || value >= 0x40; value >>= 7) put(static_cast<std::uint8_t>(value | 0x80));
  put(static_cast<std::uint8_t>(value & 0x7f));
}

}  // namespace punster
