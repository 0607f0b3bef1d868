// Where bodies lead when the instructions behind them, or the targets of their branches, are sites,
// too. All code stands at 0x400100; all bodies from 0x500000 on.

#include <catch2/catch.hpp>

#include "laid_out.h"

using namespace punster;

TEST_CASE("bodies of neighbouring sites run on into each other") {
  const Instructions program = {xor_edi, system_call, ret};
  CHECK(Laid(program).sites({0, 2, 4}).lay_out().bodies() ==
        "31ff"
        "0f05"
        "c3");
  CHECK(Laid(program).sites({0, 2, 4}).lay_out(false).bodies() ==
        "31ff" + jump(0x500002, 0x400102) + "0f05" + jump(0x500009, 0x400104) + "c3");
}

TEST_CASE("a body before an instruction that is no site jumps back") {
  CHECK(Laid({xor_edi, system_call, ret}).sites({0, 4}).lay_out().bodies() ==
        "31ff" + jump(0x500002, 0x400102) + "c3");
}

TEST_CASE("a body at the end of a run of sites jumps back") {
  CHECK(Laid({xor_edi, system_call, system_call}).sites({0, 2}).lay_out().bodies() ==
        "31ff"
        "0f05" +
            jump(0x500004, 0x400104));
}

TEST_CASE("branches go straight to the body of their target") {
  // jz or loop to the ret, over the xor; the ret's body stands behind the others.
  CHECK(Laid({{0x74, 2}, xor_edi, ret}).sites({0, 2, 4}).lay_out().bodies() ==
        "0f8402000000"
        "31ff"
        "c3");
  CHECK(Laid({{0xeb, 2}, xor_edi, ret}).sites({0, 4}).lay_out().bodies() ==
        "e900000000"
        "c3");
  CHECK(Laid({{0xe2, 2}, xor_edi, ret}).sites({0, 2, 4}).lay_out().bodies() ==
        "e202eb05e902000000"
        "31ff"
        "c3");
  // Backwards, to itself.
  CHECK(Laid({ret, {0x74, 0xfd}, system_call}).sites({0, 1}).lay_out().bodies() ==
        "c3"
        "0f84f9ffffff" +
            jump(0x500007, 0x400103));
}

TEST_CASE("branches to what is no site keep their target") {
  const auto body = Laid({{0x74, 2}, xor_edi, system_call}).sites({0, 2}).lay_out().bodies();
  CHECK(body.substr(0, 4) == "0f84");
  CHECK(body.substr(4, 8) == jump(0x500001, 0x400104).substr(2));
  // Nor is the inside of a site's instruction: jz into the xor.
  const auto inside = Laid({{0x74, 1}, xor_edi, ret}).sites({0, 2, 4}).lay_out().bodies();
  CHECK(inside.substr(4, 8) == jump(0x500001, 0x400103).substr(2));
}

TEST_CASE(
    "a displaced call jumps to the body of the callee and pushes the original return address") {
  CHECK(Laid({{0xe8, 2, 0, 0, 0}, xor_edi, ret}).sites({0, 7}).lay_out().bodies() ==
        "6805014000"
        "e900000000"
        "c3");
}

TEST_CASE("a payload stands between, and a jump back in the middle goes to the next body") {
  CHECK(Laid({xor_edi, ret}).sites({0, 2}, R"([144, "$instr", "$break"])").lay_out().bodies() ==
        "9031ff"
        "90c3");
  CHECK(Laid({xor_edi, ret})
            .sites({0}, R"(["$instr", "$break", ".Ltext", 104, 105])")
            .sites({2})
            .lay_out()
            .bodies() ==
        "31ff"
        "e902000000"
        "6869"
        "c3");
}

TEST_CASE("a body that does not run its instruction is not entered") {
  for (const char* replaced : {R"([144, "$break"])", R"(["$bytes", "$break"])", R"(["$instr"])"})
    CHECK(Laid({xor_edi, {0x31, 0xc0}, ret})
              .sites({0})
              .sites({2}, replaced)
              .lay_out()
              .bodies()
              .substr(0, 14) == "31ff" + jump(0x500002, 0x400102));
}

TEST_CASE("a site without a jump never runs its payload") {
  const char* payload = R"([80, 88, 80, 88, "$instr", "$break"])";
  Laid program({xor_edi, system_call, xor_edi, ret});
  program.sites({0, 2, 4, 6}, payload).lay_out();
  CHECK(program.bodies() ==
        "5058505831ff"
        "505850580f05"
        "5058505831ff"
        "50585058c3");
  CHECK(program.without_jump(1).bodies() ==
        "5058505831ff"
        "0f0590909090"
        "5058505831ff"
        "50585058c3");
  // What never falls through needs no way on; what is last in its run jumps back.
  CHECK(program.without_jump(3).bodies() ==
        "5058505831ff"
        "0f0590909090"
        "5058505831ff"
        "c390909090");
  Laid last({xor_edi, system_call, system_call});
  last.sites({0, 2}, payload).lay_out();
  CHECK(last.without_jump(1).bodies() ==
        "5058505831ff"
        "0f0590909090" +
            jump(0x50000c, 0x400104));
}

TEST_CASE("a site without a jump that nobody can enter has no body") {
  const char* replaced = R"([144, "$break"])";
  Laid program({xor_edi, ret});
  program.sites({0}, replaced).sites({2}).lay_out();
  CHECK(program.without_jump(0).bodies().empty());
  CHECK(program.at(0x500001) == "c3");
}

TEST_CASE("nobody goes to the body of a site that is refused for its address") {
  // The mov's datum lies 0x3000 below; bodies at the far end of what jumps reach do not reach it.
  constexpr std::int64_t far = 0x803fe000;
  const std::vector<std::uint8_t> mov = {0x8b, 0x05, 0, 0xd0, 0xff, 0xff};
  Laid program({xor_edi, mov, {0x74, 0xf8}, ret});
  program.sites({0, 2, 8, 10}).lay_out(true, far);
  REQUIRE((*program).refused().size() == 1);
  CHECK((*program).refused()[0].patch == 1);
  CHECK((*program).sites().size() == 3);
  CHECK(program.bodies() ==
        "31ff" + jump(far + 2, 0x400102) + "0f84" + jump(far + 8, 0x400102).substr(2) + "c3");
}

TEST_CASE("an evicted instruction goes on in the body of the site behind it") {
  Laid program({{0x74, 2}, xor_edi, ret});
  program.sites({2, 4}).lay_out();
  const auto body = program.evict(0);
  CHECK(program.at(body) == "0f84" + jump(body + 1, 0x500002).substr(2) + jump(body + 6, 0x500000));
}

TEST_CASE("what replaces an instruction in place is no body") {
  Laid program({xor_edi, system_call, ret});
  program.sites({0, 4}).replace(2, "\x90");
  program.lay_out();
  CHECK(program.bodies() == "31ff" + jump(0x500002, 0x400102) + "c3");
  CHECK(*(*program).replacement_of((*program).sites()[1]) == "\x90\x90");
  CHECK((*program).replacement_of((*program).sites()[0]) == nullptr);
}

TEST_CASE("the body of a retargeted call pushes nothing, and nobody but the call enters it") {
  // 0 xor, 2 call the ret, 7 jz back to the call, 9 ret
  const Instructions program = {xor_edi, {0xe8, 2, 0, 0, 0}, {0x74, 0xf9}, ret};
  Laid retargeted(program);
  retargeted.retarget().sites({0, 2, 7, 9}).lay_out().decide(1, Tactic::C1);
  CHECK((*retargeted).sites()[1].retargets_call);
  CHECK(retargeted.bodies() == "31ff" + jump(0x500002, 0x400102) +
                                   "e906000000"
                                   "0f84" +
                                   jump(0x50000d, 0x400102).substr(2) + "c3");
  CHECK_FALSE((*retargeted).emulates_call());

  Laid emulated(program);
  emulated.sites({0, 2, 7, 9}).lay_out();
  CHECK(emulated.bodies() ==
        "31ff"
        "6807014000"
        "e906000000"
        "0f84f0ffffff"
        "c3");
  CHECK((*emulated).emulates_call());
}

TEST_CASE("the body of a retargeted call has its payload, and is not there without the call") {
  Laid program({{0xe8, 0, 0, 0, 0}, ret});
  program.retarget().sites({0, 5}, R"([80, 88, "$instr", "$break"])").lay_out();
  program.decide(0, Tactic::C1);
  CHECK(program.bodies() ==
        "5058e900000000"
        "5058c3");
  CHECK(program.without_jump(0).bodies().empty());
  CHECK(program.at(0x500007) == "5058c3");
}

TEST_CASE("a call is emulated where its template does not say more, or it has no room") {
  Laid two_bytes({{0xff, 0xd0}, ret});
  two_bytes.retarget().sites({0}).lay_out();
  CHECK(two_bytes.bodies() ==
        "6802014000"
        "ffe0");
  CHECK((*two_bytes).emulates_call());
  Laid silent({{0xe8, 0, 0, 0, 0}, ret});
  silent.sites({0}, R"([144, "$instr", "$break"])").retarget().lay_out();
  CHECK(silent.bodies() ==
        "90"
        "6805014000" +
            jump(0x500006, 0x400105));
}

TEST_CASE("only what is put counts as an emulated call") {
  Laid program({{0xe8, 0, 0, 0, 0}, ret});
  program.sites({0}, R"([80, "$instr", ".Lend"])").lay_out().decide(0, Tactic::B1);
  program.bodies();
  CHECK((*program).emulates_call());
  Laid evicted({{0xe8, 0, 0, 0, 0}, ret});
  evicted.sites({5}).lay_out();
  evicted.bodies();
  CHECK_FALSE((*evicted).emulates_call());
  evicted.evict(0);
  evicted.bodies();
  CHECK((*evicted).emulates_call());
}
