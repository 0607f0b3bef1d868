#include "backend/emit/process_frames.h"

#include <algorithm>

#include "backend/emit/emit.h"
#include "backend/emit/pointer_encoding.h"
#include "backend/emit/unwind_rows.h"

namespace punster {
namespace {

constexpr std::uint8_t version = 1, distance_s4 = 0x1b, absolute_u4 = 0x03, from_index_s4 = 0x3b;
constexpr std::size_t header_size = 12, entry_size = 8, alignment = 8;

/// As all linkers write it; others are searched from the first FDE to the last, if at all.
std::optional<FrameIndex> read_index(const ElfView& input) {
  for (const auto& p : input.segments()) {
    if (p.p_type != PT_GNU_EH_FRAME) continue;
    const Vaddr base{p.p_vaddr};
    ByteReader in(input.bytes_at(base, Bytes{p.p_memsz}), base);
    const std::uint8_t expected[] = {version, distance_s4, absolute_u4, from_index_s4};
    for (const auto byte : expected)
      if (in.next<std::uint8_t>() != byte) return std::nullopt;
    const auto section = read_pointer(in, distance_s4, base);
    const auto count = in.next<std::uint32_t>();
    if (!section || count > input.file().size() / entry_size) return std::nullopt;
    FrameIndex index{*section, {}};
    index.entries.reserve(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      const auto first = displaced(base, in.next<std::int32_t>());
      index.entries.push_back({first, displaced(base, in.next<std::int32_t>())});
    }
    if (!in.ok()) return std::nullopt;
    return index;
  }
  return std::nullopt;
}

std::size_t rounded(std::size_t size) {
  return (size + alignment - 1) / alignment * alignment;
}

}  // namespace

bool can_unwind_itself(const ElfView& input) {
  return read_index(input).has_value();
}

ProcessFrames::ProcessFrames(const ElfView& input, const BodyList& bodies) {
  auto index = read_index(input);
  assert(index);
  original_ = std::move(*index);
  functions_ = unwind_rows(input, read_call_frames(input), bodies, writer_).functions;
  writer_.contents().put<std::uint32_t>(0);  // ends the section
  size_ = Bytes{rounded(index_size().value) + rounded(writer_.contents().bytes.size()) +
                writer_.handler_tables().bytes.size()};
}

Bytes ProcessFrames::index_size() const {
  return Bytes{header_size + entry_size * (original_.entries.size() + writer_.functions().size())};
}

std::vector<std::uint8_t> ProcessFrames::placed(Vaddr address) {
  auto &frames = writer_.contents(), &handlers = writer_.handler_tables();
  const Vaddr frames_at = address + Bytes{rounded(index_size().value)};
  handlers.place(frames_at + Bytes{rounded(frames.bytes.size())});
  frames.place(frames_at);

  std::vector<std::pair<std::int32_t, std::int32_t>> entries;  // distances from the index
  const auto add = [&](Vaddr first, Vaddr frame) {
    // The FDE itself says it as a distance, too.
    const auto to_first = displacement(address, first), to_frame = displacement(address, frame);
    if (to_first && to_frame && displacement(frame + Bytes{8}, first))
      entries.emplace_back(*to_first, *to_frame);
  };
  for (const auto& entry : original_.entries) add(entry.first, entry.frame);
  for (const auto& f : writer_.functions()) add(f.first, frames_at + Bytes{f.position});
  std::sort(entries.begin(), entries.end());

  PlacedBytes out;
  for (const auto byte : {version, distance_s4, absolute_u4, from_index_s4}) out.put(byte);
  out.put_distance(original_.section);
  out.put(static_cast<std::uint32_t>(entries.size()));
  for (const auto& [first, frame] : entries) {
    out.put(first);
    out.put(frame);
  }
  out.place(address);
  out.bytes.resize(rounded(index_size().value));
  out.bytes.insert(out.bytes.end(), frames.bytes.begin(), frames.bytes.end());
  out.bytes.resize(rounded(out.bytes.size()));
  out.bytes.insert(out.bytes.end(), handlers.bytes.begin(), handlers.bytes.end());
  return std::move(out.bytes);
}

}  // namespace punster
