// What a client may not say, and at which address it hears so.

#include "backend/session/requests.h"

#include <catch2/catch.hpp>

using namespace punster;

namespace {

class Said {
 public:
  Said() {
    REQUIRE(requests.define({"$t", Json{"$instr", "$break"}}));
    instructions(0x1000, {3, 2, 5, 1});
  }
  Said& instructions(std::uint64_t address, const std::vector<std::uint8_t>& lengths) {
    REQUIRE(requests.add(InstructionsRequest{Vaddr{address}, lengths}));
    return *this;
  }
  Said& padding(std::uint64_t lo, std::uint64_t hi) {
    REQUIRE(requests.add(PaddingRequest{{{Vaddr{lo}, Vaddr{hi}}}}));
    return *this;
  }
  Said& patches(std::uint64_t address, const std::vector<std::int64_t>& deltas,
                const std::string& trampoline = "$t") {
    REQUIRE(requests.add(PatchesRequest{Vaddr{address}, deltas, trampoline, {}, {}}));
    return *this;
  }
  /// "overlap 0x1002", or "fine".
  std::string settled() {
    const auto result = requests.settle();
    if (result) return "fine";
    char text[32];
    std::snprintf(text, sizeof text, " 0x%llx",
                  static_cast<unsigned long long>(result.error().address.value_or(Vaddr{}).value));
    return result.error().kind + text;
  }
  Requests requests;
};

}  // namespace

TEST_CASE("order and repetition do not matter") {
  Said said;
  said.instructions(0x900, {4}).instructions(0x1000, {3, 2});
  said.patches(0x1005, {0, -5, 3}).padding(0x950, 0x960);
  CHECK(said.settled() == "fine");
  CHECK(said.requests.instructions().size() == 5);
  REQUIRE(said.requests.patches().size() == 3);
  CHECK(said.requests.patches()[0].address == Vaddr{0x1000});
  CHECK(said.requests.patches()[1].address == Vaddr{0x1003});
  CHECK(said.requests.patches()[2].address == Vaddr{0x1005});
}

TEST_CASE("instructions may not overlap") {
  CHECK(Said().instructions(0x1004, {2}).settled() == "overlap 0x1004");
  CHECK(Said().instructions(0xfff, {2}).settled() == "overlap 0x1000");
}

TEST_CASE("two lengths for one address are an overlap") {
  CHECK(Said().instructions(0x1000, {2}).settled() == "overlap 0x1000");
}

TEST_CASE("padding may not meet an instruction or other padding") {
  CHECK(Said().padding(0x1004, 0x1005).settled() == "overlap 0x1004");
  CHECK(Said().padding(0x100b, 0x1010).settled() == "fine");
  CHECK(Said().padding(0x1010, 0x1020).padding(0x101f, 0x1030).settled() == "overlap 0x101f");
}

TEST_CASE("a site must be a known instruction's first byte") {
  CHECK(Said().patches(0x1001, {0}).settled() == "unknown_instruction 0x1001");
  CHECK(Said().patches(0x2000, {0}).settled() == "unknown_instruction 0x2000");
}

TEST_CASE("a site is asked for once") {
  CHECK(Said().patches(0x1000, {0}).patches(0x1003, {0, -3}).settled() == "duplicate_site 0x1000");
}

TEST_CASE("a site's trampoline must be defined, at last when it is needed") {
  Said said;
  CHECK(said.patches(0x1000, {0}, "$later").settled().find("unknown_trampoline") == 0);
  REQUIRE(said.requests.define({"$later", Json{"$instr", "$break"}}));
  CHECK(said.settled() == "fine");
}

TEST_CASE("every request counts in the digest") {
  const auto digest = [](auto&& say) {
    Said said;
    say(said);
    REQUIRE(said.settled() == "fine");
    return said.requests.digest();
  };
  const auto plain = digest([](Said&) {});
  CHECK(plain == digest([](Said&) {}));
  CHECK(plain != digest([](Said& s) { s.patches(0x1000, {0}); }));
  CHECK(plain != digest([](Said& s) { s.padding(0x1100, 0x1101); }));
  CHECK(plain != digest([](Said& s) { s.instructions(0x1100, {1}); }));
  CHECK(plain != digest([](Said& s) { (void)s.requests.define({"$t", Json{0x90, "$instr", "$break"}}); }));
}
