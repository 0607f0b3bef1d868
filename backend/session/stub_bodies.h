// Bodies that stand where their stub would: copies of the small ones, at the address that the pun
// can reach.
//
//   site: jmp stub      stub: jmp body      body: jz d; jmp home
//   site: jmp copy      copy: jz d; jmp home
//
// A stub is a jump more on every way through a site, and a branch that the processor has to
// remember. When few instructions are sites, there is room for the whole body behind most of them:
// the ring of file pages is far from full (place/page_ring.h). So after the solver has chosen all
// addresses, each small body is copied to the place of its stub if the bytes behind that are free;
// and for the sake of this the solver lets stubs begin at multiples of AddressSpace::stub_grain
// where they can. The body in the row stays for those who fall into it or branch to it. Of the site
// alone, with a jump to the body behind it, the copy spares a jump when its branch is taken.
//
// Copied is only what is quiet (Relocation::is_quiet): stub pages have no unwind rows, and nobody
// asks there for the frame but who interrupts the program by chance, or sets a breakpoint in a
// trampoline. Therefore, and for the larger ring, it is done for Objective::speed alone.
//
// Measured, all jumps, user time over native, with stubs / with copies: C++ calls 1.75 / 1.47, perl
// 1.74 / 1.51; with --no-chaining 1.84 / 1.62 and 4.13 / 3.65 (E9Patch: 2.92 and 4.41).

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "backend/session/bodies.h"
#include "backend/solve/solve.h"

namespace punster {

class StubBodies {
 public:
  /// No copy is larger; the solver leaves so much room where it can.
  static constexpr std::uint32_t most_bytes = 32;
  struct Place {
    std::int64_t at = 0;                ///< signed link-time address
    std::uint32_t site = 0;             ///< index into Bodies::sites()
    std::uint32_t first = 0, size = 0;  ///< of its bytes
  };

  StubBodies() = default;
  /// Takes out of `solution` the stubs in whose place a copy can stand: it ends on the page of the
  /// ring where the stub does, on bytes that nobody uses. O(stubs + ring). Precondition: the bodies
  /// are laid out.
  StubBodies(const Bodies& bodies, Solution& solution, std::uint32_t ring_pages);

  [[nodiscard]] const std::vector<Place>& places() const { return places_; }
  [[nodiscard]] std::span<const std::uint8_t> bytes(const Place& place) const {
    return std::span(bytes_).subspan(place.first, place.size);
  }
  /// Where the copy of this site's body stands, or nothing.
  [[nodiscard]] std::optional<std::int64_t> of_site(std::uint32_t site) const;

 private:
  std::vector<Place> places_;  // ascending by site
  std::vector<std::uint8_t> bytes_;
};

}  // namespace punster
