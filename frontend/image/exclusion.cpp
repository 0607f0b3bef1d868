#include "frontend/image/exclusion.h"

#include <algorithm>

#include "protocol/address_ranges.h"

namespace punster {
namespace {

/// Ascending and disjoint, each grown to whole instructions.
std::vector<AddressRange> settled(const CodeMap& map, std::vector<AddressRange> ranges) {
  for (AddressRange& range : ranges) {
    const auto after = std::ranges::upper_bound(map.instructions, range.lo, {}, &Insn::address);
    if (after != map.instructions.begin() && (after - 1)->end() > range.lo)
      range.lo = (after - 1)->address();
    const auto last = std::ranges::lower_bound(map.instructions, range.hi, {}, &Insn::address);
    if (last != map.instructions.begin()) range.hi = std::max(range.hi, (last - 1)->end());
  }
  return joined(std::move(ranges));
}

const AddressRange* first_meeting(const std::vector<AddressRange>& ranges, Vaddr lo, Vaddr hi) {
  const auto range = std::ranges::upper_bound(ranges, lo, {}, &AddressRange::hi);
  return range != ranges.end() && range->lo < hi ? &*range : nullptr;
}

/// Takes the map apart at the ends of the excluded ranges.
class Exclusion {
 public:
  Exclusion(CodeMap& map, const std::vector<AddressRange>& excluded)
      : map_(map), excluded_(excluded) {}

  void apply() {
    std::vector<ClassRange> ranges;
    std::vector<Doubt> doubts;
    ranges.swap(map_.ranges);
    doubts.swap(map_.doubts);
    auto doubt = doubts.begin();
    for (const ClassRange& range : ranges)
      split(range, range.kind == ByteClass::doubt ? &*doubt++ : nullptr);
    const auto meets = [&](Vaddr lo, Vaddr hi) {
      return first_meeting(excluded_, lo, hi) != nullptr;
    };
    std::erase_if(map_.instructions, [&](const Insn& i) { return meets(i.address(), i.end()); });
    std::erase_if(map_.unreached, [&](const AddressRange& r) { return meets(r.lo, r.hi); });
    std::erase_if(map_.entered, [&](Vaddr a) { return meets(a, a + Bytes{1}); });
  }

 private:
  void split(const ClassRange& range, const Doubt* doubt) {
    for (Vaddr at = range.range.lo; at < range.range.hi;) {
      const AddressRange* hit = first_meeting(excluded_, at, range.range.hi);
      const Vaddr lo = hit == nullptr ? range.range.hi : std::max(at, hit->lo);
      const Vaddr hi = hit == nullptr ? range.range.hi : std::min(range.range.hi, hit->hi);
      if (at < lo) add({{at, lo}, range.kind, range.evidence}, doubt);
      if (lo < hi) add_excluded({lo, hi}, range.kind);
      at = std::max(lo, hi);
    }
  }

  void add(const ClassRange& part, const Doubt* doubt) {
    map_.ranges.push_back(part);
    if (doubt == nullptr) return;
    map_.doubts.push_back(*doubt);
    map_.doubts.back().range = part.range;
  }

  void add_excluded(const AddressRange& part, ByteClass kind) {
    map_.ranges.push_back({part, ByteClass::doubt, "excluded"});
    map_.doubts.push_back({part, DoubtReason::excluded, part.lo, 0, 0});
    Bytes& sum = kind == ByteClass::code      ? map_.code
                 : kind == ByteClass::data    ? map_.data
                 : kind == ByteClass::padding ? map_.padding
                                              : map_.doubt;
    sum.value -= part.size().value;
    map_.doubt = map_.doubt + part.size();
  }

  CodeMap& map_;
  const std::vector<AddressRange>& excluded_;
};

}  // namespace

void exclude(CodeMap& map, std::vector<AddressRange> ranges) {
  if (ranges.empty()) return;
  const auto excluded = settled(map, std::move(ranges));
  Exclusion(map, excluded).apply();
}

}  // namespace punster
