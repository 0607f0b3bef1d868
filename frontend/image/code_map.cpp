// Which bytes are code.
//
// A rewriter that takes data for code corrupts the program; one that takes code for data leaves it
// unpatched. Linear sweep, the obvious way, does the first in every library with hand-written
// assembly (constants of ciphers stand between functions in .text and decode well: libcrypto's
// P-256 constants contain `0f 05`); plain recursive descent does the second (it sees half of the
// same library).
//
// So evidence is collected best first, and what a better witness claimed no weaker one can touch:
//
//   0  what is said from outside (outside_evidence.h), and direct flow from it
//   1  direct flow from the entry point, function symbols, unwind ranges and their landing pads
//   2  jump tables of switches                                                     jump_table.cpp
//   3  stretches inside unwind ranges that decode without contradiction           unwind_fill.cpp
//   4  relocated pointers, addresses that proven code computes, what follows calls
//      in code without unwind ranges: each one on trial                      trial.cpp,
//      likelihood.cpp
//   5  stretches that nothing refers to, on trial under the strictest threshold
//
// Where two equal witnesses disagree about instruction starts, the bytes are doubt (descent.cpp).
// The rest is padding, data or doubt (byte_classes.cpp). Every step visits a byte a bounded number
// of times, so the whole is linear: git (628,449 instructions) takes 0.15 s, libx265 (3.0
// million) 1.0, chromium (55 million) 37 with 1.7 GB, most of it decoding.

#include "frontend/image/code_map.h"

#include <algorithm>

#include "frontend/image/address_use.h"
#include "frontend/image/byte_classes.h"
#include "frontend/image/doubt.h"
#include "frontend/image/jump_table.h"
#include "frontend/image/trial.h"
#include "frontend/image/unwind_fill.h"
#include "protocol/hex.h"

namespace punster {
namespace {

class Analysis {
 public:
  Analysis(const Image& image, const AnalysisOptions& options)
      : image_(image),
        options_(options),
        claims_(image),
        descent_(claims_, findings_, [this] { report(findings_.claimed_bytes); }) {
    for (const Region& region : claims_.regions()) total_ += region.size();
  }

  CodeMap run() {
    mark_extents();
    follow_outside_evidence();
    add_certain();
    descend();
    // From here on direct flow is exhausted.
    if (options_.use_unwind) fill_functions();
    // From here on the file's own code is known well enough to judge other bytes by.
    try_hints();
    try_gaps();
    // From here on nothing is claimed any more.
    CodeMap map;
    map.instructions.reserve(findings_.instructions);
    for (const Region& region : claims_.regions()) classify(region, map);
    judge_doubt(map);
    list_entered(map);
    report(total_);
    return map;
  }

 private:
  void mark_extents() {
    const auto mark_boundary = [&](Vaddr address) {
      if (const Spot spot = claims_.find(address)) spot.region->set_boundary(spot.at);
    };
    if (options_.use_unwind) {
      Vaddr covered_to;
      for (const UnwindEntry& entry : image_.unwind()) {
        mark_boundary(entry.range.lo);
        mark_boundary(entry.range.hi);
        mark(entry.range, &Region::set_covered, covered_to);
      }
    }
    Vaddr objects_to;
    for (const Symbol& symbol : image_.symbols()) {
      if (symbol.size == Bytes{0}) continue;
      const AddressRange range{symbol.address, symbol.address + symbol.size};
      if (symbol.function) {
        mark_boundary(range.lo);
        mark_boundary(range.hi);
      } else if (symbol.object) {
        mark(range, &Region::set_data, objects_to);
      }
    }
  }

  void follow_outside_evidence() {
    const auto each_byte = [&](const AddressRange& range, auto&& use) {
      const Spot spot = claims_.find(range.lo);
      for (std::size_t i = 0; i < range.size().value; ++i) use(*spot.region, spot.at + i);
    };
    for (const AddressRange& range : options_.outside.data)
      each_byte(range, [](Region& region, std::size_t at) { region.seal(at); });
    for (const Vaddr start : options_.outside.starts) descent_.add(start, Evidence::stated);
    descent_.run();
    for (const AddressRange& range : options_.outside.code)
      each_byte(range, [&](Region& region, std::size_t at) {
        if (!region.is_free(at)) return;
        descent_.add(region.address(at), Evidence::stated);
        descent_.run();
      });
  }

  void list_entered(CodeMap& map) {
    for (const UnwindEntry& entry : image_.unwind())
      entered_.insert(entered_.end(), entry.landing_pads.begin(), entry.landing_pads.end());
    entered_.insert(entered_.end(), image_.pointed_to().begin(), image_.pointed_to().end());
    std::ranges::sort(entered_);
    entered_.erase(std::unique(entered_.begin(), entered_.end()), entered_.end());
    for (const Vaddr address : entered_)
      if (map.find(address) != nullptr) map.entered.push_back(address);
  }

  void judge_doubt(CodeMap& map) {
    const Likelihood likelihood(findings_);
    for (const ClassRange& range : map.ranges)
      if (range.kind == ByteClass::doubt)
        map.doubts.push_back(judge(*claims_.find(range.range.lo).region, range, likelihood));
  }

  // Marks the bytes of `range` in its region. Ranges come in ascending order; what lies below
  // `reached` was marked before, so that nested ranges cost nothing.
  void mark(const AddressRange& range, void (Region::*set)(std::size_t), Vaddr& reached) {
    const Vaddr lo = std::max(range.lo, reached);
    const Spot spot = claims_.find(lo);
    if (!spot || range.hi <= lo) return;
    const std::size_t size = std::min((range.hi - lo).value, spot.region->size() - spot.at);
    for (std::size_t i = 0; i < size; ++i) (spot.region->*set)(spot.at + i);
    reached = range.hi;
  }

  void add_certain() {
    const auto add = [&](Vaddr address) {
      const Spot spot = claims_.find(address);
      if (spot && !spot.region->is_data(spot.at)) descent_.add(address, Evidence::descent);
    };
    add(image_.entry());
    for (const Symbol& symbol : image_.symbols()) {
      if (symbol.function)
        add(symbol.address);
      else if (!symbol.object)
        findings_.hints.push_back({symbol.address, Evidence::relocation});
    }
    if (options_.use_unwind) {
      for (const UnwindEntry& entry : image_.unwind()) {
        add(entry.range.lo);
        for (const Vaddr pad : entry.landing_pads) add(pad);
      }
    }
    for (const Vaddr target : image_.pointed_to())
      findings_.hints.push_back({target, Evidence::relocation});
  }

  // Direct flow and jump tables, until neither finds more.
  void descend() {
    descent_.run();
    while (!findings_.indirect_jumps.empty()) {
      std::vector<Vaddr> jumps;
      jumps.swap(findings_.indirect_jumps);
      std::ranges::sort(jumps);
      JumpTableReader tables(image_, claims_);
      for (const Vaddr jump : jumps)
        if (const auto table = tables.read(claims_.find(jump))) use_table(*table);
      descent_.run();
    }
  }

  void use_table(const JumpTable& table) {
    for (const Vaddr target : table.targets) descent_.add(target, Evidence::jump_table);
    entered_.insert(entered_.end(), table.targets.begin(), table.targets.end());
    if (const Spot spot = claims_.find(table.address))
      for (std::size_t i = 0; i < table.size.value && spot.at + i < spot.region->size(); ++i)
        spot.region->set_data(spot.at + i);
  }

  void fill_functions() {
    for (bool more = true; more;) {
      std::vector<Fill> fills;
      Vaddr reached;
      for (const UnwindEntry& entry : image_.unwind()) {
        const Vaddr lo = std::max(entry.range.lo, reached);
        if (lo >= entry.range.hi) continue;
        find_fills(claims_, {lo, entry.range.hi}, fills);
        reached = entry.range.hi;
      }
      more = add_fills(fills, findings_.taken, descent_);
      descend();
    }
  }

  // Trials breed hints, and better statistics. What was refused is tried again as long as the
  // file's known code doubles in between, which happens in small files without unwind entries.
  void try_hints() {
    std::vector<Hint> refused;
    for (std::uint64_t learned_from = 0; findings_.instructions >= 2 * learned_from;) {
      learned_from = findings_.instructions + 1;
      const Likelihood likelihood(findings_);
      Trials trials(image_, claims_, findings_, descent_, likelihood);
      findings_.hints.insert(findings_.hints.end(), refused.begin(), refused.end());
      refused.clear();
      judge_taken_addresses();
      while (!findings_.hints.empty()) {
        std::vector<Hint> hints;
        hints.swap(findings_.hints);
        std::ranges::sort(hints, [](const Hint& a, const Hint& b) {
          return std::tie(a.evidence, a.address) < std::tie(b.evidence, b.address);
        });
        for (const Hint& hint : hints)
          if (trials.attempt(hint) == Verdict::refused) refused.push_back(hint);
        descend();
        judge_taken_addresses();
      }
    }
    settle_refused(refused);
  }

  void judge_taken_addresses() {
    std::vector<TakenAddress> taken;
    taken.swap(findings_.taken);
    for (const TakenAddress& t : taken) entered_.push_back(t.target);
    for (const TakenAddress& t : taken) {
      const Spot target = claims_.find(t.target), from = claims_.find(t.from);
      const AddressUse use = use_of_address(*from.region, from.at);
      if (use == AddressUse::accessed)
        target.region->set_data(target.at);
      else if (target.region->is_free(target.at))
        findings_.hints.push_back({t.target, use == AddressUse::entered ? Evidence::relocation
                                                                        : Evidence::address_taken});
    }
  }

  // An address that code computes, and that is not code, is that of data.
  void settle_refused(const std::vector<Hint>& refused) {
    for (const Hint& hint : refused)
      if (const Spot spot = claims_.find(hint.address);
          hint.evidence == Evidence::address_taken && spot.region->is_free(spot.at))
        spot.region->set_data(spot.at);
  }

  // Bytes that nobody claimed: a maximal stretch of them, when it was last looked at.
  struct Stretch {
    Region* region;
    std::size_t lo, hi;
    bool refused = false;
  };

  // Claims are only ever added, so what is free now is free within what was free before: each round
  // looks at the rest of the round before. A stretch that was refused and has not changed since is
  // tried again when nothing else is left to try, and only if the file's known code has grown by
  // more than one in 4,096 meanwhile. (Rounds over all bytes were half of libx265's analysis;
  // chromium, a million stretches in 236 MB without unwind entries, had 135 rounds over all of
  // them for the last 3 % of its instructions.)
  void try_gaps() {
    std::vector<Stretch> free;
    for (Region& region : claims_.regions()) free.push_back({&region, 0, region.size()});
    bool all = true;
    for (std::uint64_t learned_from = 0;;) {
      if (all) learned_from = findings_.instructions;
      const bool more = try_round(free, all);
      if (more) try_hints();
      if (!more && all) return;
      all = !more;
      if (all && findings_.instructions - learned_from <= learned_from / 4096) return;
    }
  }

  bool try_round(std::vector<Stretch>& free, bool all) {
    bool more = false;
    const Likelihood likelihood(findings_);
    Trials trials(image_, claims_, findings_, descent_, likelihood);
    std::vector<Stretch> rest;
    for (const Stretch& stretch : free) {
      Region& region = *stretch.region;
      for (std::size_t at = stretch.lo; at < stretch.hi; ++at) {
        if (!region.is_free(at)) continue;
        std::size_t hi = at;
        while (hi < stretch.hi && region.is_free(hi)) ++hi;
        rest.push_back({&region, at, hi, true});
        const bool unchanged = stretch.refused && at == stretch.lo && hi == stretch.hi;
        const std::size_t start = at + (unchanged && !all ? hi - at : padding_at(region, at, hi));
        if (start < hi &&
            trials.attempt({region.address(start), Evidence::gap}) == Verdict::accepted) {
          more = true;
          rest.back().refused = false;
        }
        at = hi;
      }
    }
    free = std::move(rest);
    descend();
    return more;
  }

  void report(std::uint64_t done) const {
    if (options_.progress) options_.progress(std::min(done, total_), total_);
  }

  const Image& image_;
  const AnalysisOptions& options_;
  Claims claims_;
  Findings findings_;
  Descent descent_;
  std::vector<Vaddr> entered_;  // candidates for CodeMap::entered
  std::uint64_t total_ = 0;
};

}  // namespace

const char* to_string(ByteClass c) {
  switch (c) {
    case ByteClass::code:
      return "code";
    case ByteClass::data:
      return "data";
    case ByteClass::padding:
      return "padding";
    case ByteClass::doubt:
      return "doubt";
  }
  return "";
}

std::string describe(DoubtReason reason, Vaddr at) {
  switch (reason) {
    case DoubtReason::unsupported:
      return "reads as code, but nothing leads there";
    case DoubtReason::undecodable:
      return "does not decode at " + to_hex(at);
    case DoubtReason::cut_off:
      return "the instruction at " + to_hex(at) + " is cut off";
    case DoubtReason::odd:
      return "the instruction at " + to_hex(at) + " is one that nobody writes";
    case DoubtReason::excluded:
      return "excluded by request";
    case DoubtReason::disputed:
      return "two readings overlap, or one fails, at " + to_hex(at);
  }
  return "";
}

Result<CodeMap> analyse(const Image& image, const AnalysisOptions& options) {
  if (image.code_sections().empty())
    return error("malformed", image.path().string() + ": has no executable section or segment");
  return Analysis(image, options).run();
}

const Insn* CodeMap::find(Vaddr address) const {
  const auto it = std::ranges::lower_bound(instructions, address, {}, &Insn::address);
  return it != instructions.end() && it->address() == address ? &*it : nullptr;
}

std::optional<ByteClass> CodeMap::class_at(Vaddr address) const {
  const auto it = std::ranges::upper_bound(ranges, address, {},
                                           [](const ClassRange& range) { return range.range.hi; });
  if (it == ranges.end() || address < it->range.lo) return std::nullopt;
  return it->kind;
}

std::vector<Vaddr> CodeMap::nearest(Vaddr address) const {
  const auto after = std::ranges::upper_bound(instructions, address, {}, &Insn::address);
  std::vector<Vaddr> found;
  if (after != instructions.begin()) found.push_back((after - 1)->address());
  if (after != instructions.end()) found.push_back(after->address());
  return found;
}

}  // namespace punster
