// Chained bodies: what an exit may lead to instead of the original address, and every wrong place
// that it could lead to.

#include <catch2/catch.hpp>

#include "rewriting.h"

using namespace punster;
using namespace punster::test;

namespace {
constexpr std::uint64_t far = 0x1000000;
const Machine add5 = {0x05, 0x78, 0x56, 0x34, 0x12};  // add $0x12345678,%eax
const Machine or5 = {0x0d, 1, 2, 3, 4};               // or $0x04030201,%eax
const Machine count = {0x9c, 0x9d};                   // a payload: pushf; popf
const Machine ret = {0xc3}, mov = {0x48, 0x89, 0xe5}, nop3 = {0x90, 0x90, 0x90};

/// Four sites in a row, a branch back to the first one and a return; bodies in code order, a
/// payload in front of each:
///
///   add   | count add
///   or    | count or
///   jne   | count jne add's body
///   add   | count add, jmp end
///   ret
struct Row : Rewriting {
  Vaddr add, bits, branch, again, end;
  Vaddr add_body, or_body, branch_body, again_body, room;
  Row() {
    add = insn(add5);
    bits = insn(or5);
    branch = insn(relative({0x0f, 0x85}, here(), add));
    again = insn(add5);
    end = insn(ret);
    add_body = image(far);
    or_body = write(add_body, count + add5);
    branch_body = write(or_body, count + or5);
    again_body =
        write(branch_body, count + relative({0x0f, 0x85}, branch_body + Bytes{2}, add_body));
    const Vaddr back = write(again_body, count + add5);
    room = write(back, jump(back, end));
    patch(add, jump(add, add_body));
    patch(bits, jump(bits, or_body));
    patch(branch, jump(branch, branch_body) + Machine{0x90});
    patch(again, jump(again, again_body));
  }
  void retarget_branch(Vaddr to) {
    write(branch_body + Bytes{2}, relative({0x0f, 0x85}, branch_body + Bytes{2}, to));
  }
  std::string judged() { return only_failure(verify()); }
};

/// A site, then a failed one of `failed`, then a site; `slot` is what stands in the failed one's
/// room.
struct Gap : Rewriting {
  Vaddr first, failed, last, end, body, slot;
  explicit Gap(const Machine& original) {
    first = insn(add5);
    failed = insn(original);
    last = insn(or5);
    end = insn(ret);
    body = image(far);
    slot = write(body, count + add5);
    patch(first, jump(first, body));
  }
  /// Fills the slot; the last site's body follows.
  std::string judged(const Machine& bytes) {
    const Vaddr last_body = write(slot, bytes);
    patch(last, jump(last, last_body));
    const Vaddr back = write(last_body, count + or5);
    write(back, jump(back, end));
    return only_failure(verify());
  }
};
}  // namespace

TEST_CASE("chained: a row of bodies that fall into each other is proven", "[chaining]") {
  Row file;
  const auto report = file.verify();
  CHECK(only_failure(report) == "0 failures");
  CHECK(report.proven == 4);
  CHECK(report.with_payload == 4);
}
TEST_CASE("chained: a branch may still go to the original address", "[chaining]") {
  Row file;
  file.retarget_branch(file.add);
  CHECK(file.judged() == "0 failures");
}
TEST_CASE("chained: a branch to a neighbour's body is rejected", "[chaining]") {
  Row file;
  file.retarget_branch(file.or_body);
  CHECK(file.judged() == "wrong_target");
}
TEST_CASE("chained: a branch to the body of an equal instruction elsewhere is rejected",
          "[chaining]") {
  Row file;
  file.retarget_branch(file.again_body);
  CHECK(file.judged() == "wrong_target");
}
TEST_CASE("chained: a branch into a body, one byte off or past its payload, is rejected",
          "[chaining]") {
  for (const int off : {-1, 1, 2, 3, 7}) {
    Row file;
    file.retarget_branch(displaced(file.add_body, off));
    CHECK(file.judged() == "wrong_target");
  }
}
TEST_CASE("chained: falling into the body of another site is rejected", "[chaining]") {
  Rewriting file;
  const Vaddr a = file.insn(add5), b = file.insn(or5), c = file.insn(add5), end = file.insn(ret);
  const Vaddr a_body = file.image(far), c_body = file.write(a_body, count + add5);
  const Vaddr c_back = file.write(c_body, count + add5);
  const Vaddr b_body = file.write(c_back, jump(c_back, end));
  const Vaddr b_back = file.write(b_body, count + or5);
  file.write(b_back, jump(b_back, c));
  file.patch(a, jump(a, a_body));
  file.patch(b, jump(b, b_body));
  file.patch(c, jump(c, c_body));
  CHECK(only_failure(file.verify()) == "wrong_return");
}
TEST_CASE("chained: falling into a body that no site leads to is rejected", "[chaining]") {
  Row file;
  const Vaddr back = file.write(file.room, count + or5);
  file.write(back, jump(back, file.branch));
  file.patch(file.bits, jump(file.bits, file.room));
  CHECK(file.judged() == "wrong_return");
}
TEST_CASE("chained: two swapped bodies are rejected", "[chaining]") {
  Row file;
  file.patch(file.add, jump(file.add, file.or_body));
  file.patch(file.bits, jump(file.bits, file.add_body));
  CHECK_FALSE(file.verify().ok());
}
TEST_CASE("chained: two equal instructions cannot share a body", "[chaining]") {
  Rewriting file;
  const Vaddr a = file.insn({0xc2, 0x08, 0x00}), pad = file.padding(2);
  const Vaddr b = file.insn({0xc2, 0x08, 0x00});
  file.padding(2);
  const Vaddr body = file.image(far);
  file.patch(a, jump(a, body));
  file.patch(b, jump(b, body));
  file.write(body, count + Machine{0xc2, 0x08, 0x00});
  const auto report = file.verify();
  CHECK(report.failure_count == 2);
  CHECK(report.failures_by_kind.count("shared_body") == 1);
  static_cast<void>(pad);
}
TEST_CASE("chained: a lost displaced instruction is not made good by a neighbour's", "[chaining]") {
  // a: ret 8 | b: or | c: ret 8. The body of a has lost its return: were its neighbours taken for a
  // payload, it would end with the return of c.
  Rewriting file;
  const Machine ret8 = {0xc2, 0x08, 0x00};
  const Vaddr a = file.insn(ret8);
  file.padding(2);
  const Vaddr b = file.insn(or5), c = file.insn(ret8);
  file.padding(2);
  const Vaddr a_body = file.image(far), b_body = file.write(a_body, count + ret8);
  const Vaddr c_body = file.write(b_body, count + or5);
  file.write(c_body, count + ret8);
  file.patch(a, jump(a, a_body));
  file.patch(b, jump(b, b_body));
  file.patch(c, jump(c, c_body));
  CHECK(only_failure(file.verify()) == "0 failures");
  file.write(a_body + Bytes{2}, nop3);
  CHECK(only_failure(file.verify()) == "displaced_altered");
  file.write(a_body + Bytes{2}, {0xeb, 0x02});  // over a byte, into the middle of a neighbour's
  CHECK(only_failure(file.verify()) == "displaced_altered");
}
TEST_CASE("chained: a body without payload may stand twice, both times whole", "[chaining]") {
  // add | or, whose jump leads to a copy of its own body; the body of the add falls into the other.
  const auto judged = [](const Machine& in_row, const Machine& apart, bool by_stub = false) {
    Rewriting file;
    const Vaddr add = file.insn(add5), bits = file.insn(or5), end = file.insn(ret);
    const Vaddr body = file.image(far), copy = file.image(0x50000000);
    const Vaddr second = file.write(body, add5);
    const Vaddr back = file.write(second, in_row);
    file.write(back, jump(back, end));
    const Vaddr copy_back = file.write(copy, apart);
    file.write(copy_back, jump(copy_back, end));
    file.patch(add, jump(add, body));
    const Vaddr stub = file.image(0x40000000);
    file.write(stub, jump(stub, copy));
    file.patch(bits, jump(bits, by_stub ? stub : copy));
    return only_failure(file.verify());
  };
  CHECK(judged(or5, or5) == "0 failures");
  CHECK(judged(or5, or5, true) == "0 failures");
  CHECK(judged(or5, count + or5, true) == "wrong_return");
  CHECK(judged(count + or5, count + or5) == "wrong_return");
  CHECK(judged(or5, count + or5) == "wrong_return");  // the payload would be gone round
  CHECK(judged(add5, or5) == "wrong_return");
  CHECK(judged({}, or5) == "wrong_return");
  CHECK(judged(or5, add5) != "0 failures");
}
TEST_CASE("chained: a displaced jump may stand twice when it goes to one place", "[chaining]") {
  const auto judged = [](bool astray, bool by_stub) {
    Rewriting file;
    const Vaddr add = file.insn(add5), go = file.insn(relative({0xe9}, file.here(), add));
    const Vaddr end = file.insn(ret);
    const Vaddr body = file.image(far), copy = file.image(0x50000000);
    const Vaddr second = file.write(body, add5);
    file.write(second, jump(second, astray ? end : body));
    file.write(copy, jump(copy, by_stub ? second : body));
    file.patch(add, jump(add, body));
    file.patch(go, jump(go, copy));
    return only_failure(file.verify());
  };
  CHECK(judged(false, false) == "0 failures");
  CHECK(judged(false, true) == "0 failures");
  CHECK(judged(true, false) != "0 failures");
  CHECK(judged(true, true) != "0 failures");
}
TEST_CASE("chained: a stubbed site is entered at its body or at its stub", "[chaining]") {
  for (const bool at_stub : {false, true}) {
    Row file;
    const Vaddr stub = file.image(0x50000000);
    file.patch(file.add, jump(file.add, stub));
    file.write(stub, jump(stub, file.add_body));
    file.retarget_branch(at_stub ? stub : file.add_body);
    CHECK(file.judged() == "0 failures");
  }
}
TEST_CASE("chained: a trapped site's body is entered like any other", "[chaining]") {
  Row file;
  file.patch(file.bits, {0x0f, 0x0b, 0x90, 0x90, 0x90});
  file.trap(file.bits, file.or_body);
  CHECK(file.judged() == "0 failures");
}
TEST_CASE("chained: the body of a replaced site is nowhere", "[chaining]") {
  Row file;
  file.patch(file.bits, {0x31, 0xc0, 0x0f, 0x1f, 0x00});
  file.sites = site_line(file.bits, 5, "0d01020304", "patched", R"("replaced":"31c0")");
  for (const Vaddr site : {file.add, file.again})
    file.sites += site_line(site, 5, "0578563412", "patched");
  file.sites += site_line(file.branch, 6, "0f85f0ffffff", "patched");
  CHECK(file.judged() == "wrong_return");
}

// Sites without a jump, whose slot is run into all the same.

TEST_CASE("a failed site's slot runs its displaced instruction alone", "[chaining]") {
  CHECK(Gap(mov).judged(mov) == "0 failures");
  CHECK(Gap(mov).judged(mov + Machine{0x90, 0x90}) == "0 failures");
  CHECK(Gap(mov).judged(mov + Machine{0x66, 0x90}) == "0 failures");
  CHECK(Gap(mov).judged(Machine{0x0f, 0x1f, 0x00} + mov) == "0 failures");
}
TEST_CASE("a failed site's payload must not run", "[chaining]") {
  CHECK(Gap(mov).judged(count + mov) == "wrong_return");
}
TEST_CASE("a failed site's instruction must run, once, and unaltered", "[chaining]") {
  CHECK(Gap(mov).judged(nop3) == "wrong_return");
  CHECK(Gap(mov).judged(mov + mov) == "wrong_return");
  CHECK(Gap(mov).judged({0x48, 0x89, 0xe6}) == "wrong_return");
}
TEST_CASE("a failed site's slot may end with a jump instead", "[chaining]") {
  for (const int off : {0, 1, -3}) {
    Gap file(mov);
    const Vaddr behind = file.slot + Bytes{3};
    const auto judged = file.judged(mov + jump(behind, displaced(file.last, off)));
    CHECK(judged == (off == 0 ? "0 failures" : "wrong_return"));
  }
}
TEST_CASE("NOPs between the bodies of two patched sites are no filler", "[chaining]") {
  Row file;
  const Vaddr or_body = file.room + Bytes{3};
  file.write(file.room, nop3 + count + or5 + jump(or_body + Bytes{7}, file.branch));
  file.write(file.add_body, count + add5 + jump(file.add_body + Bytes{7}, or_body));
  file.patch(file.bits, jump(file.bits, or_body));
  CHECK(file.judged() == "0 failures");
  file.write(file.add_body, count + add5 + jump(file.add_body + Bytes{7}, file.room));
  CHECK(file.judged() == "wrong_return");
}
TEST_CASE("a failed NOP's slot needs its NOP no less than any other", "[chaining]") {
  CHECK(Gap({0x90}).judged({0x90}) == "0 failures");
  CHECK(Gap({0x90}).judged({0x90, 0x90}) == "0 failures");
}
TEST_CASE("filler before a jump to a NOP of the original is not the copy of that NOP",
          "[chaining]") {
  Rewriting file;
  const Vaddr first = file.insn(add5);
  file.insn(mov);  // failed
  const Vaddr untouched = file.insn({0x90}), body = file.image(far);
  file.insn(ret);
  file.patch(first, jump(first, body));
  const Vaddr slot = file.write(body, count + add5);
  const Vaddr back = file.write(slot, mov + nop3);
  file.write(back, jump(back, untouched));
  CHECK(only_failure(file.verify()) == "0 failures");
  file.write(back, jump(back, untouched + Bytes{1}));
  CHECK(only_failure(file.verify()) == "0 failures");
  file.write(slot + Bytes{mov.size()}, jump(slot + Bytes{mov.size()}, untouched + Bytes{1}));
  CHECK(only_failure(file.verify()) == "wrong_return");
}

TEST_CASE("a failed branch's slot leads where the branch led", "[chaining]") {
  for (const int off : {0, 2}) {
    Gap file({0x74, 0xf9});  // je, to the first site
    const Vaddr to = file.body + Bytes{static_cast<std::uint64_t>(off)};
    CHECK(file.judged(relative({0x0f, 0x84}, file.slot, to)) ==
          (off == 0 ? "0 failures" : "wrong_target"));
  }
}
TEST_CASE("a failed jump's slot may be a jump, near or round", "[chaining]") {
  Gap file({0xeb, 0xf9});
  CHECK(file.judged(jump(file.slot, file.body)) == "0 failures");
  Gap home({0xeb, 0xf9});
  CHECK(home.judged(jump(home.slot, home.failed)) == "0 failures");
  Gap wrong({0xeb, 0xf9});
  CHECK(wrong.judged(jump(wrong.slot, wrong.last)) == "wrong_target");
}
TEST_CASE("a failed jump's slot may be come to by a jump, whatever prefix it has", "[chaining]") {
  for (const bool bnd : {false, true}) {
    Gap file({0xf2, 0xeb, 0xf8});
    const Vaddr second = file.slot + Bytes{5};
    const Machine copy = bnd ? relative({0xf2, 0xe9}, second, file.body) : jump(second, file.body);
    CHECK(file.judged(jump(file.slot, second) + copy) == "0 failures");
  }
}
TEST_CASE("a failed call's slot pushes the original return address", "[chaining]") {
  const auto slot = [](const Gap& file, Vaddr pushed) {
    return Machine{0x50} + relative({0x48, 0x8d, 0x05}, file.slot + Bytes{1}, pushed) +
           Machine{0x48, 0x87, 0x04, 0x24} + jump(file.slot + Bytes{12}, file.body);
  };
  Gap file(call(Vaddr{0x1005}, Vaddr{0x1000}));
  CHECK(file.judged(slot(file, file.last)) == "0 failures");
  CHECK(file.judged(slot(file, file.slot + Bytes{17})) == "wrong_return");
}
TEST_CASE("a loop of failed sites is proven, a loop of nothing is not", "[chaining]") {
  Gap file({0x74, 0xfe});  // je to itself
  CHECK(file.judged(relative({0x0f, 0x84}, file.slot, file.slot)) == "0 failures");
  Gap spins(mov);  // a NOP and a jump back to it: never comes to mov
  CHECK(spins.judged(Machine{0x90, 0xeb, 0xfd}) == "wrong_return");
  Gap still(mov);
  CHECK(still.judged({0xeb, 0xfe}) == "wrong_return");
}
TEST_CASE("a row of many failed sites is proven at once, and refuted at once", "[chaining]") {
  constexpr int many = 4000;
  for (const bool sound : {true, false}) {
    Rewriting file;
    for (int i = 0; i < many / 2; ++i) {
      const Vaddr at = file.insn(add5);
      file.patch(at, jump(at, file.image(far + 5 * static_cast<std::uint64_t>(i))));
    }
    Vaddr at = file.image(far);
    for (int i = 0; i < many / 2; ++i) at = file.write(at, add5);
    for (int i = 0; i < 900; ++i) file.insn({0x50});
    const Vaddr end = file.insn(ret);
    for (int i = 0; i < 900; ++i) at = file.write(at, {0x50});
    file.write(at, jump(at, sound ? end : end - Bytes{1}));
    const auto report = file.verify();
    CHECK(report.proven == (sound ? many / 2 : many / 2 - 1));
    CHECK(report.failure_count == (sound ? 0 : 1));
  }
}
