// C1: a call that ends where it ended and leads to a body of its own, which runs with the return
// address on the stack and jumps to the callee.

#include <catch2/catch.hpp>

#include "rewriting.h"

using namespace punster;
using namespace punster::test;

namespace {
constexpr std::uint64_t far = 0x1000000;
const Machine add5 = {0x05, 0x78, 0x56, 0x34, 0x12};
const Machine count = {0x9c, 0x9d};  // a payload: pushf; popf
const Machine ret = {0xc3};

/// callee: add; ret | branch: je after | before: add | site: call callee | after: ret
/// The call is retargeted, and the instruction before it is a site whose body stands right in front
/// of the call's.
struct Called : Rewriting {
  Vaddr callee, branch, before, site, after;
  Vaddr before_body, body, room;
  explicit Called(const Machine& payload = count) {
    callee = insn(add5);
    insn(ret);
    branch = insn({0x0f, 0x84, 0x05, 0, 0, 0});
    before = insn(add5);
    site = insn(call(here(), callee));
    after = insn(ret);
    before_body = image(far);
    body = write(before_body, add5 + jump(before_body + Bytes{5}, site));
    const Vaddr leaves = write(body, payload);
    room = write(leaves, jump(leaves, callee));
    patch(before, jump(before, before_body));
    patch(site, call(site, body));
  }
  std::string judged() { return only_failure(verify()); }
};

/// A call through memory and what its body ends with.
std::string judged(const Machine& original, const std::function<Machine(Vaddr body)>& leave,
                   const Machine& prefix = {0x2e, 0x2e}) {
  Rewriting file;
  const Vaddr site = file.insn(original);
  file.insn(ret);
  const Vaddr body = file.image(far);
  file.patch(site, prefix + call(site + Bytes{prefix.size()}, body));
  const Vaddr end = file.write(body, count);
  file.write(end, leave(end));
  return only_failure(file.verify());
}
std::string judged(const Machine& original, const Machine& leave) {
  return judged(original, [&](Vaddr) { return leave; });
}
}  // namespace

TEST_CASE("C1: a payload before the jump to the callee is proven", "[calls]") {
  Called file;
  const auto report = file.verify();
  CHECK(only_failure(report) == "0 failures");
  CHECK(report.calls == 1);
  CHECK(report.with_payload == 1);
}
TEST_CASE("C1: the callee's own body stands for the callee", "[calls]") {
  Called file;
  const Vaddr callee_body = file.room, jump_at = file.body + Bytes{2};
  const Vaddr back = file.write(callee_body, count + add5);
  file.write(back, jump(back, file.callee + Bytes{5}));
  file.patch(file.callee, jump(file.callee, callee_body));
  CHECK(file.judged() == "0 failures");
  file.write(jump_at, jump(jump_at, callee_body));
  CHECK(file.judged() == "0 failures");
  file.write(jump_at, jump(jump_at, callee_body + Bytes{2}));  // past its payload
  CHECK(file.judged() == "wrong_target");
}
TEST_CASE("C1: nobody may fall into the body of a retargeted call", "[calls]") {
  for (const Machine& payload : {count, Machine{}}) {
    Called file(payload);
    file.patch(file.before, jump(file.before, file.body - Bytes{5}));
    file.write(file.body - Bytes{5}, add5);
    CHECK(file.judged() == "wrong_return");
  }
}
TEST_CASE("C1: nobody may branch to the body of a retargeted call", "[calls]") {
  Called file;
  const auto body_of_branch = [&](Vaddr taken) {
    const Vaddr at = file.room, back = file.write(at, relative({0x0f, 0x84}, at, taken));
    file.write(back, jump(back, file.before));
    file.patch(file.branch, jump(file.branch, at));
    return file.judged();
  };
  CHECK(body_of_branch(file.site) == "0 failures");
  CHECK(body_of_branch(file.body) == "wrong_target");
}
TEST_CASE("C1: a jump to the callee by way of a retargeted call's body is rejected", "[calls]") {
  Called file{Machine{}};
  const Vaddr tail = file.insn(jump(file.here(), file.callee)), at = file.room;
  file.patch(tail, jump(tail, at));
  file.write(at, jump(at, file.callee));
  CHECK(file.judged() == "0 failures");
  file.write(at, jump(at, file.body));
  CHECK_FALSE(file.verify().ok());
}
TEST_CASE("C1: nor by way of a jump that leads there", "[calls]") {
  Called file{Machine{}};
  const Vaddr branch = file.insn(relative({0x0f, 0x84}, file.here(), file.callee));
  const Vaddr next = file.insn(ret), at = file.room, on = at + Bytes{16};
  file.patch(branch, jump(branch, at) + Machine{0x90});
  file.write(at, relative({0x0f, 0x84}, at, on) + jump(at + Bytes{6}, next));
  file.write(on, jump(on, file.callee));
  CHECK(file.judged() == "0 failures");
  file.write(on, jump(on, file.body));
  CHECK(file.judged() == "wrong_target");
}
TEST_CASE("C1: a call that leads straight to its callee's body lacks its own", "[calls]") {
  Called file;
  const Vaddr callee_body = file.room, back = file.write(callee_body, add5);
  file.write(back, jump(back, file.callee + Bytes{5}));
  file.patch(file.callee, jump(file.callee, callee_body));
  file.patch(file.site, call(file.site, callee_body));
  CHECK_FALSE(file.verify().ok());
}
TEST_CASE("C1: a payload that pops or overwrites the return address is rejected", "[calls]") {
  CHECK(Called({0x58, 0x50}).judged() == "wrong_call_state");               // pop; push
  CHECK(Called({0x48, 0x89, 0x04, 0x24}).judged() == "wrong_call_return");  // mov %rax,(%rsp)
  CHECK(Called({0x50, 0x89, 0x44, 0x24, 0x0c, 0x58}).judged() ==            // its upper half
        "displaced_altered");
  CHECK(Called({0x50, 0x89, 0x44, 0x24, 0x10, 0x58}).judged() == "0 failures");  // above it
  CHECK(Called({0x50, 0x48, 0x89, 0x04, 0x24, 0x58}).judged() == "0 failures");  // below it
}
TEST_CASE("C1: a call through the stack counts from below its return address", "[calls]") {
  const Machine original = {0xff, 0x94, 0x24, 0x10, 0, 0, 0};  // call *0x10(%rsp)
  CHECK(judged(original, Machine{0xff, 0x64, 0x24, 0x18}) == "0 failures");
  CHECK(judged(original, Machine{0xff, 0x64, 0x24, 0x10}) == "wrong_target");
  CHECK(judged(original, Machine{0xff, 0x64, 0x24, 0x20}) == "wrong_target");
  // call *8(%rsp,%rbx,2) and a register that does not move with rsp
  CHECK(judged({0xff, 0x94, 0x5c, 0x08, 0, 0, 0}, Machine{0xff, 0x64, 0x5c, 0x10}) == "0 failures");
  CHECK(judged({0xff, 0x94, 0x5c, 0x08, 0, 0, 0}, Machine{0xff, 0x64, 0x5c, 0x08}) ==
        "wrong_target");
}
TEST_CASE("C1: other operands of a call through memory stay", "[calls]") {
  const Machine original = {0xff, 0x94, 0xc3, 0x10, 0, 0, 0};  // call *0x10(%rbx,%rax,8)
  CHECK(judged(original, Machine{0xff, 0x64, 0xc3, 0x10}) == "0 failures");
  CHECK(judged(original, Machine{0xff, 0x64, 0xc3, 0x18}) == "wrong_target");
  CHECK(judged(original, Machine{0xff, 0x64, 0xc1, 0x10}) == "wrong_target");
  CHECK(judged(original, Machine{0xff, 0x54, 0xc3, 0x10}) == "displaced_altered");  // a call
}
TEST_CASE("C1: a rip-relative operand names the same address", "[calls]") {
  const Machine original = relative({0xff, 0x15}, Vaddr{0x1000}, Vaddr{0x4010});
  for (const std::uint64_t pointer : {0x4010, 0x4018})
    CHECK(judged(original,
                 [&](Vaddr at) {
                   return relative({0xff, 0x25}, at, Vaddr{pointer});
                 },
                 {0x2e}) == (pointer == 0x4010 ? "0 failures" : "wrong_target"));
}
TEST_CASE("C1: a return address below the stack pointer was there before the call read it",
          "[calls]") {
  // call *-8(%rsp) reads what the push overwrites: it cannot be retargeted.
  CHECK(judged({0xff, 0x94, 0x24, 0xf8, 0xff, 0xff, 0xff}, Machine{0xff, 0x24, 0x24}) ==
        "wrong_target");
}
TEST_CASE("C1: a call that ends before or behind its original is rejected", "[calls]") {
  const Machine original = {0xff, 0x94, 0x24, 0x10, 0, 0, 0};
  const auto leave = [](Vaddr) { return Machine{0xff, 0x64, 0x24, 0x18}; };
  CHECK(judged(original, leave, {}) == "wrong_call_return");
  CHECK(judged(original, leave, {0x2e}) == "wrong_call_return");
  CHECK(judged(original, leave, {0x2e, 0x2e}) == "0 failures");
}
