// Every shape that a patched instruction may have, correct: the verifier must agree.

#include <catch2/catch.hpp>

#include "rewriting.h"

using namespace punster;
using namespace punster::test;

namespace {
constexpr std::uint64_t far = 0x1000000;  // where trampolines stand, from the image's start
const Machine mov = {0x48, 0x89, 0xe5};   // mov %rsp,%rbp
const Machine add5 = {0x05, 0x78, 0x56, 0x34, 0x12};          // add $0x12345678,%eax
const Machine movabs = {0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8};  // movabs $0x807060504030201,%rax
const Machine ret = {0xc3};                                   // ret

/// The displaced instruction and the jump back.
void plain_body(Rewriting& file, Vaddr at, const Machine& displaced, Vaddr next) {
  const Vaddr end = file.write(at, displaced);
  file.write(end, jump(end, next));
}
}  // namespace

TEST_CASE("B1: a plain jump over an instruction of five bytes is proven", "[shapes]") {
  Rewriting file;
  const Vaddr site = file.insn(add5);
  const Vaddr next = file.insn(ret);
  const Vaddr body = file.image(far);
  file.patch(site, jump(site, body));
  plain_body(file, body, add5, next);
  const auto report = file.verify();
  CHECK(only_failure(report) == "0 failures");
  CHECK(report.sites == 1);
  CHECK(report.proven == 1);
  CHECK(report.jumps == 1);
  CHECK(report.untouched == 1);
  CHECK(report.changed_bytes >= 4);
  CHECK(report.with_payload == 0);
}

TEST_CASE("a trampoline below a position-independent image is read at its negative address",
          "[shapes]") {
  Rewriting file;
  const Vaddr site = file.insn(add5);
  const Vaddr next = file.insn(ret);
  // The body ends right at 2^64, where the image begins at 0.
  const Vaddr body = Vaddr{0} - Bytes{10};
  file.patch(site, jump(site, body));
  plain_body(file, body, add5, next);
  CHECK(only_failure(file.verify()) == "0 failures");
}

TEST_CASE("B2: a pun that borrows the bytes of an untouched follower is proven", "[shapes]") {
  Rewriting file;
  const Vaddr site = file.insn(mov);
  const Vaddr next = file.insn({0x31, 0x02});  // xor %eax,(%rdx): the high half of rel32 is 0x0231
  file.insn(ret);
  const Vaddr body = displaced(site + Bytes{5}, 0x02310040);
  file.patch(site, {0xe9, 0x40, 0x00});
  plain_body(file, body, mov, next);
  const auto report = file.verify();
  CHECK(only_failure(report) == "0 failures");
  CHECK(report.untouched == 2);
}

TEST_CASE("T1: a pun behind redundant prefixes is proven", "[shapes]") {
  for (const std::uint8_t prefix : Machine{0x26, 0x2e, 0x36, 0x3e, 0x40, 0x48, 0x4f, 0x64, 0x65}) {
    Rewriting file;
    const Vaddr site = file.insn(mov);
    const Vaddr next = file.insn({0x83, 0xc0, 0x01});  // add $1,%eax
    // prefix E9 xx | 83 c0 01 -> the target's high bytes are 01 c0 83
    const Vaddr body = displaced(site + Bytes{6}, 0x01c08310);
    file.patch(site, {prefix, 0xe9, 0x10});
    plain_body(file, body, mov, next);
    CHECK(only_failure(file.verify()) == "0 failures");
  }
}

TEST_CASE("T2: a pun and its evicted successor are both proven", "[shapes]") {
  Rewriting file;
  const Vaddr site = file.insn({0x55});  // push %rbp
  const Vaddr successor =
      file.insn(add5);  // evicted: its E9 becomes the low byte of the site's rel32
  const Vaddr next = file.insn(ret);
  const Vaddr other = displaced(successor + Bytes{5}, 0x01020304);
  // site: E9 | E9 04 03 02 01
  const Vaddr body = displaced(site + Bytes{5}, 0x020304e9);
  file.patch(site, {0xe9});
  file.patch(successor, {0xe9, 0x04, 0x03, 0x02, 0x01});
  plain_body(file, body, {0x55}, successor);
  plain_body(file, other, add5, next);
  file.sites = site_line(site, 1, "55", "patched",
                         R"("tactic":"T2","evicted":[")" + std::string("0x1001") + R"("])");
  const auto report = file.verify();
  CHECK(only_failure(report) == "0 failures");
  CHECK(report.proven == 2);
  CHECK(report.evicted == 1);
}

TEST_CASE("T3: a short jump to a landing pad in the dead tail of a patched instruction is proven",
          "[shapes]") {
  Rewriting file;
  const Vaddr site = file.insn({0x31, 0xc0});  // xor %eax,%eax
  const Vaddr next = file.insn(movabs);        // patched too: 5 bytes of jump, 5 bytes of pad
  const Vaddr end = file.insn(ret);
  const Vaddr body = file.image(far), other = file.image(far + 0x100), pad = next + Bytes{5};
  file.patch(site, short_jump(site, pad));
  file.patch(next, jump(next, other));
  file.patch(pad, jump(pad, body));
  plain_body(file, body, {0x31, 0xc0}, next);
  plain_body(file, other, movabs, end);
  const auto report = file.verify();
  CHECK(only_failure(report) == "0 failures");
  CHECK(report.proven == 2);
}

TEST_CASE("T3: a landing pad in padding is proven", "[shapes]") {
  Rewriting file;
  const Vaddr site = file.insn({0x31, 0xc0});
  const Vaddr next = file.insn(ret);
  const Vaddr pad = file.padding(8);
  const Vaddr body = file.image(far);
  file.patch(site, short_jump(site, pad));
  file.patch(pad, jump(pad, body));
  plain_body(file, body, {0x31, 0xc0}, next);
  CHECK(only_failure(file.verify()) == "0 failures");
}

TEST_CASE("B0: ud2 that the trap table routes is proven, and counted apart", "[shapes]") {
  Rewriting file;
  const Vaddr site = file.insn({0x31, 0xc0});
  const Vaddr next = file.insn(ret);
  const Vaddr body = file.image(far);
  file.patch(site, {0x0f, 0x0b});
  file.trap(site, body);
  plain_body(file, body, {0x31, 0xc0}, next);
  file.sites = site_line(site, 2, "31c0", "trapped", R"("tactic":"B0","evicted":[])");
  const auto report = file.verify();
  CHECK(only_failure(report) == "0 failures");
  CHECK(report.traps == 1);
  CHECK(report.jumps == 0);
}

TEST_CASE("B0: a one-byte instruction becomes one undefined byte", "[shapes]") {
  Rewriting file;
  const Vaddr site = file.insn({0x55});
  const Vaddr next = file.insn(ret);
  file.patch(site, {0x06});
  file.trap(site, file.image(far));
  plain_body(file, file.image(far), {0x55}, next);
  CHECK(only_failure(file.verify()) == "0 failures");
}

TEST_CASE("C1: a retargeted call keeps its return address, the trampoline only jumps", "[shapes]") {
  Rewriting file;
  const Vaddr callee = file.insn(ret);
  const Vaddr site = file.insn(call(file.here(), callee));
  file.insn(ret);
  const Vaddr body = file.image(far);
  file.patch(site, call(site, body));
  file.write(body, jump(body, callee));
  const auto report = file.verify();
  CHECK(only_failure(report) == "0 failures");
  CHECK(report.calls == 1);
}

TEST_CASE("C1: a call through memory is retargeted behind a prefix", "[shapes]") {
  Rewriting file;
  const Vaddr pointer = file.image(0x4010);
  const Vaddr site =
      file.insn(relative({0xff, 0x15}, file.here(), pointer));  // call *pointer(%rip)
  file.insn(ret);
  const Vaddr body = file.image(far);
  file.patch(site, Machine{0x48} + call(site + Bytes{1}, body));
  file.write(body, relative({0xff, 0x25}, body, pointer));  // jmp *pointer(%rip)
  CHECK(only_failure(file.verify()) == "0 failures");
}

TEST_CASE("C1: a call through the stack counts from rsp before the push", "[shapes]") {
  Rewriting file;
  const Vaddr site = file.insn({0xff, 0x94, 0x24, 0x10, 0, 0, 0});  // call *0x10(%rsp)
  file.insn(ret);
  const Vaddr body = file.image(far);
  file.patch(site, Machine{0x48, 0x48} + call(site + Bytes{2}, body));
  file.write(body, {0xff, 0x64, 0x24, 0x18});  // jmp *0x18(%rsp)
  CHECK(only_failure(file.verify()) == "0 failures");
}

TEST_CASE("a stub in a constrained window leads to a body elsewhere", "[shapes]") {
  Rewriting file;
  const Vaddr site = file.insn(add5);
  const Vaddr next = file.insn(ret);
  const Vaddr stub = file.image(0x50000000), body = file.image(far);
  file.patch(site, jump(site, stub));
  file.write(stub, jump(stub, body));
  plain_body(file, body, add5, next);
  CHECK(only_failure(file.verify()) == "0 failures");
}

TEST_CASE("a displaced jump behind a stub is not taken for a second stub", "[shapes]") {
  Rewriting file;
  const Vaddr target = file.insn(add5);
  const Vaddr end = file.insn(ret);
  const Vaddr site = file.insn(jump(file.here(), target));
  const Vaddr stub = file.image(0x50000000), body = file.image(far),
              other = file.image(far + 0x100);
  file.patch(site, jump(site, stub));
  file.write(stub, jump(stub, body));
  file.write(body, jump(body, other));  // chained: straight to the body of the target
  file.patch(target, jump(target, other));
  plain_body(file, other, add5, end);
  CHECK(only_failure(file.verify()) == "0 failures");
}

TEST_CASE("chaining: a body may run into the body of the next site", "[shapes]") {
  Rewriting file;
  const Vaddr first = file.insn(add5);
  const Vaddr second = file.insn(movabs);
  const Vaddr end = file.insn(ret);
  const Vaddr body = file.image(far);
  const Vaddr next_body = file.write(body, add5);
  plain_body(file, next_body, movabs, end);
  file.patch(first, jump(first, body));
  file.patch(second, jump(second, next_body));
  const auto report = file.verify();
  CHECK(only_failure(report) == "0 failures");
  CHECK(report.proven == 2);
}

TEST_CASE("chaining: a payload in the next body is run into from its start", "[shapes]") {
  Rewriting file;
  const Vaddr first = file.insn(add5);
  const Vaddr second = file.insn(movabs);
  const Vaddr end = file.insn(ret);
  const Vaddr body = file.image(far);
  const Vaddr next_body = file.write(body, add5);
  const Vaddr displaced =
      file.write(next_body, {0xf3, 0x0f, 0x1e, 0xfa, 0x50, 0x58});  // endbr; push; pop
  plain_body(file, displaced, movabs, end);
  file.patch(first, jump(first, body));
  file.patch(second, jump(second, next_body));
  const auto report = file.verify();
  CHECK(only_failure(report) == "0 failures");
  CHECK(report.with_payload == 1);
}

TEST_CASE("chaining: copies of untouched instructions may stand between", "[shapes]") {
  Rewriting file;
  const Vaddr site = file.insn(add5);
  file.insn(mov);
  const Vaddr end = file.insn(ret);
  const Vaddr body = file.image(far);
  const Vaddr copy = file.write(body, add5);
  plain_body(file, copy, mov, end);
  file.patch(site, jump(site, body));
  CHECK(only_failure(file.verify()) == "0 failures");
}

TEST_CASE("a payload with a branch and embedded data is walked to the displaced instruction",
          "[shapes]") {
  Rewriting file;
  const Vaddr site = file.insn(add5);
  const Vaddr next = file.insn(ret);
  const Vaddr body = file.image(far);
  const Vaddr displaced =
      file.write(body, {
                           0x48, 0x8d, 0x64, 0x24, 0x80,           // lea -0x80(%rsp),%rsp
                           0x9c,                                   // pushfq
                           0x48, 0xff, 0x05, 0,    0,    0, 0,     // incq 0(%rip)
                           0x74, 0x01,                             // je 1f
                           0x90,                                   // nop
                           0xeb, 0x03,                             // 1: jmp 2f
                           0xff, 0xff, 0xff,                       // data
                           0x9d,                                   // 2: popfq
                           0x48, 0x8d, 0xa4, 0x24, 0x80, 0, 0, 0,  // lea 0x80(%rsp),%rsp
                       });
  plain_body(file, displaced, add5, next);
  file.patch(site, jump(site, body));
  const auto report = file.verify();
  CHECK(only_failure(report) == "0 failures");
  CHECK(report.with_payload == 1);
}

TEST_CASE("I0: a declared replacement padded with NOPs is accepted", "[shapes]") {
  Rewriting file;
  const Vaddr site = file.insn(add5);
  file.insn(ret);
  file.patch(site, {0x31, 0xc0, 0x0f, 0x1f, 0x00});  // xor %eax,%eax; nopl (%rax)
  file.sites = site_line(site, 5, "0578563412", "patched", R"("tactic":"I0","replaced":"31c0")");
  const auto report = file.verify();
  CHECK(only_failure(report) == "0 failures");
  CHECK(report.replaced == 1);
}

TEST_CASE("a declared jump stands where the displaced instruction would", "[shapes]") {
  Rewriting file;
  const Vaddr target = file.insn(ret);
  const Vaddr site = file.insn(add5);
  file.insn(ret);
  const Vaddr body = file.image(far);
  file.patch(site, jump(site, body));
  file.write(body, jump(body, target));
  file.sites = site_line(site, 5, "0578563412", "patched", R"("jump":"0x1000")");
  CHECK(only_failure(file.verify()) == "0 failures");
}

TEST_CASE("a site that ends the program with the declared status needs no way back", "[shapes]") {
  Rewriting file;
  const Vaddr site = file.insn(add5);
  file.insn(ret);
  file.patch(site, jump(site, file.image(far)));
  file.write(file.image(far), {0x50, 0x58,                // a payload in front: push; pop
                               0xbf, 0x03, 0, 0, 0,       // mov $3,%edi
                               0xb8, 0xe7, 0, 0, 0,       // mov $231,%eax
                               0x0f, 0x05, 0x0f, 0x0b});  // syscall; ud2
  file.sites = site_line(site, 5, "0578563412", "patched", R"("exit":3)");
  const auto report = file.verify();
  CHECK(only_failure(report) == "0 failures");
  CHECK(report.with_payload == 1);
  file.sites = site_line(site, 5, "0578563412", "patched", R"("exit":4)");
  CHECK(only_failure(file.verify()) == "displaced_altered");
}

TEST_CASE("the site file alone is enough where nobody analysed the code", "[shapes]") {
  Rewriting file;
  file.knows_instructions = false;
  const Vaddr site = file.insn({0x31, 0xc0});
  const Vaddr next = file.insn(ret);
  const Vaddr pad = file.padding(8);
  const Vaddr body = file.image(far);
  file.patch(site, short_jump(site, pad));
  file.patch(pad, jump(pad, body));
  plain_body(file, body, {0x31, 0xc0}, next);
  file.sites = site_line(site, 2, "31c0", "patched", R"("trampoline":"0x1000000")");
  const auto report = file.verify();
  CHECK(only_failure(report) == "0 failures");
  CHECK(report.proven == 1);
}
