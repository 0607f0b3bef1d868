// Unclaimed bytes are padding, data or doubt.
//
// Padding may be overwritten, so it must be beyond question: it directly follows code, it consists of
// what assemblers fill with, it ends where something aligned begins, and nothing reads it. From the
// first byte that proven code reads, or computes the address of in order to read, a stretch is data: a
// table has no known end, so it reaches to the next instruction. Everything else is doubt. Data and
// doubt are treated alike (never changed); the difference is what a report can say about them.

#include "frontend/image/byte_classes.h"

namespace punster {
namespace {

class RangeList {
 public:
  explicit RangeList(CodeMap& map) : map_(map) {}
  void add(AddressRange range, ByteClass kind, const char* evidence) {
    const Bytes size = range.size();
    if (size == Bytes{0})
      return;
    Bytes& sum = kind == ByteClass::code      ? map_.code
                 : kind == ByteClass::data    ? map_.data
                 : kind == ByteClass::padding ? map_.padding
                                              : map_.doubt;
    sum = sum + size;
    map_.text = map_.text + size;
    if (!map_.ranges.empty()) {
      ClassRange& last = map_.ranges.back();
      if (last.range.hi == range.lo && last.kind == kind && last.evidence == evidence) {
        last.range.hi = range.hi;
        return;
      }
    }
    map_.ranges.push_back({range, kind, evidence});
  }

 private:
  CodeMap& map_;
};

bool all_zero(std::span<const std::uint8_t> bytes) {
  for (const std::uint8_t byte : bytes)
    if (byte != 0)
      return false;
  return true;
}

// If the call returns, the int3 is reached. Where no unwind entry says that the function goes on
// behind the call, it may as well be fill, or the first byte of a table.
bool is_int3_behind_call(const Region& region, std::size_t call, std::size_t at) {
  const FlowKind kind = region.decode(call).kind;
  return region.is_int3(at) && !region.is_boundary(at) &&
         (kind == FlowKind::call || kind == FlowKind::indirect_call);
}

// Fill between the blocks of one function is instructions of that function.
void classify_inner_padding(const Region& region, std::size_t lo, std::size_t hi, CodeMap& map,
                            RangeList& ranges) {
  for (std::size_t at = lo; at < hi;) {
    const unsigned length = region.decode(at).length;
    map.instructions.emplace_back(region.address(at), length);
    at += length;
  }
  const AddressRange range{region.address(lo), region.address(hi)};
  map.unreached.push_back(range);
  ranges.add(range, ByteClass::code, "fill inside a function");
}

void classify_unclaimed(const Region& region, std::size_t lo, std::size_t hi, CodeMap& map,
                        RangeList& ranges) {
  const auto range = [&](std::size_t from, std::size_t to) {
    return AddressRange{region.address(from), region.address(to)};
  };
  const bool zeros = region.bytes_from(lo)[0] == 0;
  const std::size_t padding = padding_at(region, lo, hi);
  const bool inner = padding > 0 && !zeros && region.is_covered(lo) && !region.is_boundary(lo) &&
                     lo + padding == hi && hi < region.size() && !region.is_boundary(hi) &&
                     region.bytes_from(lo)[0] != 0xcc;
  if (inner)
    classify_inner_padding(region, lo, hi, map, ranges);
  else
    ranges.add(range(lo, lo + padding), ByteClass::padding, zeros ? "zeros" : "nop padding");
  lo += padding;
  std::size_t data = lo;
  while (data < hi && !region.is_data(data))
    ++data;
  ranges.add(range(lo, data), ByteClass::doubt, "no evidence");
  ranges.add(range(data, hi), ByteClass::data, "read or pointed to by code");
}

}  // namespace

std::size_t padding_at(const Region& region, std::size_t at, std::size_t hi) {
  if (at > 0 && region.is_free(at - 1))
    return 0;  // follows what is not known to be code
  std::size_t end = at;
  const auto previous = region.before(at);
  if (previous && (region.is_disputed(*previous) || region.follows_int3(at) ||
                   is_int3_behind_call(region, *previous, at)))
    return 0;
  if (region.bytes_from(at)[0] == 0) {
    const bool short_fill = hi - at < 64 && all_zero(region.bytes_from(at).first(hi - at));
    end = short_fill && region.address(hi).value % 8 == 0 ? hi : at;
  } else {
    while (end < hi) {
      const FlowInfo info = region.decode(end);
      if (!info.fills() || end + info.length > hi) break;
      end += info.length;
    }
    while (end > at && end != hi && region.address(end).value % 8 != 0)
      --end;  // the fill of something unaligned is not ours to judge
    if (end != hi && end > at && region.before(end) == std::nullopt) {
      // Cut back to whole instructions.
      std::size_t whole = at;
      while (whole < end) {
        const unsigned length = region.decode(whole).length;
        if (whole + length > end)
          break;
        whole += length;
      }
      end = whole;
    }
  }
  for (std::size_t i = at; i < end; ++i)
    if (region.is_data(i))
      return 0;
  return end - at;
}

void classify(const Region& region, CodeMap& map) {
  RangeList ranges(map);
  for (std::size_t at = 0; at < region.size();) {
    const unsigned length = region.length(at);
    if (length > 0) {
      // What no flow from certain code reaches, but proven code reads, is contradictory.
      const bool on_trial = region.evidence(at) >= Evidence::unwind;
      bool disputed = false, read = false;
      for (std::size_t i = at; i < at + length; ++i) {
        disputed |= region.is_disputed(i);
        read |= on_trial && region.is_data(i);
      }
      const AddressRange range{region.address(at), region.address(at + length)};
      if (disputed || read) {
        ranges.add(range, ByteClass::doubt,
                   read ? "reads as code, is read as data" : "overlapping instructions");
      } else {
        map.instructions.emplace_back(range.lo, length);
        ranges.add(range, ByteClass::code, to_string(region.evidence(at)));
      }
      at += length;
      continue;
    }
    std::size_t end = at;
    while (end < region.size() && region.is_free(end))
      ++end;
    classify_unclaimed(region, at, end, map, ranges);
    at = end;
  }
}

}  // namespace punster
