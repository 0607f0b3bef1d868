// A block begins where control can arrive from elsewhere: at the target of a direct branch, at a
// function's first instruction, at what jump tables, landing pads, relocations and computed
// addresses lead to (CodeMap::entered), and behind an instruction that leaves or may leave. Calls
// come back and end none. A function begins at a symbol, an unwind range, the entry point, or where
// code without an unwind range is called, and reaches to the next one.
//
// The best instruction to instrument is the one whose patch costs least: one of five bytes or more,
// which holds a jump of its own; of those the first, so that it is counted even when a later one
// faults. Without any the longest. A function's best one stands in its first block, which runs on
// every call.

#include "frontend/match/extents.h"

#include <algorithm>

#include "frontend/decode/decoder.h"

namespace punster {
namespace {

constexpr unsigned plain_jump = 5;  // bytes

void settle(std::vector<Vaddr>& addresses) {
  std::ranges::sort(addresses);
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
}

bool among(const std::vector<Vaddr>& sorted, Vaddr address) {
  return std::ranges::binary_search(sorted, address);
}

Extent extent_of(std::span<const Insn> members) {
  Extent extent{members.front().address(), members.back().end(), members.back().address(),
                members.front().address(), static_cast<std::uint32_t>(members.size())};
  unsigned best = 0;
  for (const Insn& insn : members) {
    const unsigned worth = std::min(insn.length(), plain_jump);
    if (worth <= best) continue;
    best = worth;
    extent.best = insn.address();
  }
  return extent;
}

}  // namespace

struct Extents::Facts {
  std::vector<Vaddr> leaders, functions;  // where blocks and functions begin; ascending, unique
  std::vector<bool> leaves;               // of each instruction: whether a block ends with it

  Facts(const Image& image, const CodeMap& code) : leaders(code.entered) {
    functions.push_back(image.entry());
    for (const Symbol& symbol : image.symbols())
      if (symbol.function) functions.push_back(symbol.address);
    for (const UnwindEntry& entry : image.unwind()) functions.push_back(entry.range.lo);
    leaves.reserve(code.instructions.size());
    for (const Insn& insn : code.instructions) {
      const FlowInfo info =
          decode_flow(image.bytes_at(insn.address(), Bytes{insn.length()}), insn.address());
      leaves.push_back(info.ends_flow() || info.kind == FlowKind::branch);
      if (info.kind == FlowKind::jump || info.kind == FlowKind::branch)
        leaders.push_back(info.target);
      if (info.kind == FlowKind::call && !has_unwind(image, info.target))
        functions.push_back(info.target);
    }
    settle(functions);
    leaders.insert(leaders.end(), functions.begin(), functions.end());
    settle(leaders);
  }

  static bool has_unwind(const Image& image, Vaddr address) {
    const auto after = std::ranges::upper_bound(image.unwind(), address, {},
                                                [](const UnwindEntry& e) { return e.range.lo; });
    return after != image.unwind().begin() && (after - 1)->range.contains(address);
  }
};

Extents::Extents(const Image& image, const CodeMap& code) {
  const Facts facts(image, code);
  add_blocks(code, facts);
  add_functions(code, facts);
}

void Extents::add_blocks(const CodeMap& code, const Facts& facts) {
  const std::span<const Insn> all = code.instructions;
  std::size_t from = 0;
  auto unreached = code.unreached.begin();
  const auto close = [&](std::size_t to) {
    if (from < to) blocks_.push_back(extent_of(all.subspan(from, to - from)));
    from = to;
  };
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Vaddr here = all[i].address();
    if (i > 0 && (all[i - 1].end() != here || facts.leaves[i - 1] || among(facts.leaders, here)))
      close(i);
    while (unreached != code.unreached.end() && unreached->hi <= here) ++unreached;
    if (unreached != code.unreached.end() && unreached->contains(here)) {
      close(i);
      from = i + 1;
    }
  }
  close(all.size());
}

void Extents::add_functions(const CodeMap& code, const Facts& facts) {
  const std::span<const Insn> all = code.instructions;
  for (std::size_t i = 0; i < facts.functions.size(); ++i) {
    const auto first = std::ranges::lower_bound(all, facts.functions[i], {}, &Insn::address);
    if (first == all.end() || first->address() != facts.functions[i]) continue;
    auto last = all.end();
    for (std::size_t next = i + 1; next < facts.functions.size() && last == all.end(); ++next) {
      const auto at = std::ranges::lower_bound(all, facts.functions[next], {}, &Insn::address);
      if (at != all.end() && at->address() == facts.functions[next]) last = at;
    }
    functions_.push_back(extent_of({first, last}));
    if (const Extent* block = find(ExtentKind::block, facts.functions[i]))
      functions_.back().best = block->best;
  }
}

const Extent* Extents::find(ExtentKind kind, Vaddr address) const {
  const auto& extents = kind == ExtentKind::block ? blocks_ : functions_;
  const auto after = std::ranges::upper_bound(extents, address, {}, &Extent::lo);
  if (after == extents.begin() || address >= (after - 1)->hi) return nullptr;
  return &*(after - 1);
}

}  // namespace punster
