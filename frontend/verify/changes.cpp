// The verifier does not ask anybody which instructions were patched: it compares. What the rewriter
// forgot to report is found, and so is what it changed by accident.

#include "frontend/verify/changes.h"

#include <algorithm>
#include <cstring>

#include "protocol/hex.h"

namespace punster {
namespace {

void add_run(std::vector<AddressRange>& runs, Vaddr lo, Vaddr hi) {
  if (!runs.empty() && runs.back().hi == lo)
    runs.back().hi = hi;
  else
    runs.push_back({lo, hi});
}

/// Appends the runs in which the two differ; both stand at `at`.
void compare(std::span<const std::uint8_t> before, std::span<const std::uint8_t> after, Vaddr at,
             std::vector<AddressRange>& runs) {
  constexpr std::size_t stride = 256;
  for (std::size_t from = 0; from < before.size(); from += stride) {
    const std::size_t to = std::min(from + stride, before.size());
    if (std::memcmp(before.data() + from, after.data() + from, to - from) == 0) continue;
    for (std::size_t i = from; i < to; ++i)
      if (before[i] != after[i]) add_run(runs, at + Bytes{i}, at + Bytes{i + 1});
  }
}

std::vector<AddressRange> differing_runs(const PatchedImage& original, const PatchedImage& patched,
                                         FailureLog& log) {
  std::vector<AddressRange> runs;
  for (const MemoryPiece& code : original.memory()) {
    if (!code.executable) continue;
    for (std::uint64_t done = 0; done < code.size.value;) {
      const Vaddr at = code.address + Bytes{done};
      const MemoryPiece* piece = patched.piece_at(at);
      if (piece == nullptr || !piece->executable) {
        log.add(at, "code_unmapped",
                "the code at " + to_hex(at) + " is not mapped executable any more");
        break;
      }
      const auto skip = at.value - piece->address.value;
      const auto now = std::min(code.size.value - done, piece->size.value - skip);
      compare(original.file().subspan(code.offset.value + done, now),
              patched.file().subspan(piece->offset.value + skip, now), at, runs);
      done += now;
    }
  }
  std::sort(runs.begin(), runs.end());
  return runs;
}

const AddressRange* meeting(std::span<const AddressRange> ranges, AddressRange range) {
  const auto at = std::upper_bound(ranges.begin(), ranges.end(), range.lo,
                                   [](Vaddr a, const AddressRange& r) { return a < r.hi; });
  return at != ranges.end() && at->lo < range.hi ? &*at : nullptr;
}

/// Sorts out bytes that no known instruction holds.
void classify_gap(AddressRange gap, const CodeKnowledge& code, const PatchedImage& original,
                  const PatchedImage& patched, Changes& changes, FailureLog& log) {
  for (Vaddr at = gap.lo; at < gap.hi; at = at + Bytes{1}) {
    const AddressRange byte{at, at + Bytes{1}};
    if (const AddressRange* held = meeting(code.untouchable, byte)) {
      std::uint8_t before = 0, after = 0;
      original.read(at, {&before, 1});
      patched.read(at, {&after, 1});
      log.add(at, "data_changed",
              "the byte at " + to_hex(at) + " was changed from " + to_hex(std::span(&before, 1)) +
                  " to " + to_hex(std::span(&after, 1)) + ", but " + to_hex(held->lo) + ".." +
                  to_hex(held->hi) + " is held to be data or in doubt");
    } else if (meeting(code.padding, byte) == nullptr) {
      add_run(changes.stray, at, byte.hi);
    }
  }
}

}  // namespace

std::uint64_t Changes::byte_count() const {
  std::uint64_t count = 0;
  for (const AddressRange& run : runs) count += run.size().value;
  return count;
}

Changes find_changes(const PatchedImage& original, const PatchedImage& patched,
                     const CodeKnowledge& code, FailureLog& log) {
  Changes changes;
  changes.runs = differing_runs(original, patched, log);
  auto insn = code.instructions.begin();
  for (const AddressRange& run : changes.runs) {
    while (insn != code.instructions.end() && insn->end() <= run.lo) ++insn;
    Vaddr at = run.lo;
    for (auto held = insn; at < run.hi; ++held) {
      const bool more = held != code.instructions.end() && held->address() < run.hi;
      const Vaddr known = more ? held->address() : run.hi;
      if (at < known) classify_gap({at, known}, code, original, patched, changes, log);
      if (!more) break;
      if (changes.instructions.empty() || changes.instructions.back() != *held)
        changes.instructions.push_back(*held);
      at = std::max(at, held->end());
    }
  }
  return changes;
}

}  // namespace punster
