// Copies of bodies in the place of their stubs. All code stands at 0x400100, bodies from 0x500000
// on.

#include "backend/session/stub_bodies.h"

#include <catch2/catch.hpp>

#include "laid_out.h"

using namespace punster;

namespace {

constexpr std::int64_t place = 0x700010;
constexpr std::uint32_t ring = 16;
const std::vector<std::uint8_t> to_ret = {0x74, 2}, mov_ecx_edx = {0x89, 0xd1}, load = {0x8b, 0x07};

/// Site 0 got its stub at `place`; others have none.
Solution with_stub(const Laid& laid, std::int64_t at = place) {
  Solution solution;
  Decision direct;
  direct.tactic = Tactic::B1;
  for (const auto& site : (*laid).sites()) {
    direct.set_target(site.address);
    solution.decisions.push_back(direct);
  }
  solution.decisions[0].set_target(at);
  solution.stubs.push_back({at, (*laid).sites()[0].address});
  return solution;
}

/// What stands at the stub's place, in hexadecimal; "" while that is the stub.
std::string copy(const Laid& laid, Solution& solution) {
  const StubBodies copies(*laid, solution, ring);
  if (copies.places().empty()) return "";
  CHECK(copies.of_site(0) == copies.places()[0].at);
  CHECK_FALSE(copies.of_site(1));
  return to_hex(copies.bytes(copies.places()[0]));
}

}  // namespace

TEST_CASE("a small body stands at the place of its stub", "[stub_bodies]") {
  Laid laid({to_ret, xor_edi, ret});
  laid.sites({0}).lay_out(false);
  auto solution = with_stub(laid);
  // The xor, which the jump covers, comes along, and the ret, which cannot be quiet, does not.
  CHECK(copy(laid, solution).substr(0, 4) == "0f84");
  CHECK(solution.stubs.empty());
}

TEST_CASE("a body that may fault, or moves the stack, keeps its stub", "[stub_bodies]") {
  for (const auto& first : Instructions{load, {0x50}, {0xf7, 0xf1}}) {
    Laid laid({first, xor_edi, ret});
    laid.sites({0}).lay_out(false);
    auto solution = with_stub(laid);
    CHECK(copy(laid, solution).empty());
    CHECK(solution.stubs.size() == 1);
  }
}

TEST_CASE("a copy never reaches used bytes, nor the next page", "[stub_bodies]") {
  Laid laid({to_ret, xor_edi, ret});
  laid.sites({0}).lay_out(false);
  for (const int distance : {5, 8}) {
    auto solution = with_stub(laid);
    // The same bytes of the ring, shown elsewhere.
    solution.stubs.push_back({place + distance + ring * 4096, 0x500000});
    CHECK(copy(laid, solution).empty());
    CHECK(solution.stubs.size() == 2);
  }
  auto at_the_end = with_stub(laid, 0x700ff8);
  CHECK(copy(laid, at_the_end).empty());
}

TEST_CASE("a branch alone is copied with a jump to the body behind it", "[stub_bodies]") {
  // The bodies of both sites are a row, and the second is entered by others.
  Laid laid({to_ret, xor_edi, ret});
  laid.sites({0, 2, 4}).lay_out();
  auto solution = with_stub(laid);
  const auto bytes = copy(laid, solution);
  CHECK(bytes.size() == 22);
  CHECK(bytes.substr(0, 4) == "0f84");
  CHECK(bytes.substr(12) == jump(place + 6, (*laid).sites()[1].address));
  // Of anything else a stub does as well.
  Laid row({xor_edi, mov_ecx_edx, ret});
  row.sites({0, 2, 4}).lay_out();
  auto stays = with_stub(row);
  CHECK(copy(row, stays).empty());
}

TEST_CASE("a payload is not copied", "[stub_bodies]") {
  Laid laid({to_ret, xor_edi, ret});
  laid.sites({0}, R"([144, "$instr", "$break"])").lay_out(false);
  auto solution = with_stub(laid);
  CHECK(copy(laid, solution).empty());
}
