// Physical page sharing: the file pages that stubs stand on.
//
// Stubs stand where puns lead, so most of their virtual pages hold a few of them and holes. Storing
// each page costs file and memory; mapping each costs a virtual memory area, and Linux allows
// 65,530. Virtual pages whose used bytes are disjoint can show the same page of the file (Duck et
// al., PLDI 2020, section 4). Searching for such pages after the fact is slow, and shuffles the
// file pages so that neighbours in memory are no neighbours in the file and never merge into one
// area.
//
// Here the file pages form a ring, and which of them a virtual page shows is fixed beforehand:
// number modulo the size of the ring (ring_page in backend/solve/solve.h). The solver knows this
// when it chooses addresses, and never puts two stubs on the same bytes of the ring
// (target_pages.h). The virtual pages of one turn of the ring, however thinly settled, are one
// mapping; gaps in it cost no file page; and the size of the output is chosen, not suffered.
//
// git, every instruction patched, before bodies were chained: 462,000 stubs on 7,800 file pages of
// their own, in 45 MB of output; on a ring of about 1,800 pages, in 20 MB.
//
// The size of the ring matters beyond its sum: where two arenas that are both full of stubs show
// the same part of it, they fight for the same bytes while other parts stay empty. gdb kept 698
// traps on a ring sized by its sites alone, and 7 on one whose size was chosen with the arenas in
// mind (ring_size).

#pragma once

#include "backend/place/page_store.h"

namespace punster {

/// A size from `least` to 1.25 times as much, in pages, that lays the arenas where most stubs will
/// stand over different parts of the ring. Each arena is as long as the code, `code_pages`; they
/// stand where puns with the most common top bytes lead. Deterministic.
[[nodiscard]] std::uint32_t ring_size(std::uint32_t least, std::uint32_t code_pages,
                                      bool two_sided);

class PageRing {
 public:
  /// `size` in pages, at least 1.
  explicit PageRing(std::uint32_t size);

  /// Precondition: at most 4096 bytes, whose places in the ring nobody has used.
  void put(std::int64_t address, std::span<const std::uint8_t> bytes);

  /// Appends the pages of the ring that are mapped, and the mappings: one for each turn of the ring
  /// that is used, and one more where a range of `taken` lies within.
  void append_to(SharedPages& out, TakenRanges taken) const;

 private:
  [[nodiscard]] std::vector<PageRun> arenas(TakenRanges taken) const;

  std::uint32_t size_;
  std::vector<std::uint8_t> bytes_;
  std::vector<bool> used_;
  std::vector<std::int64_t> numbers_;  // of virtual pages, with repetitions
};

}  // namespace punster
