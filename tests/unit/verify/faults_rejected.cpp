// Planted faults, one per test: the verifier must name each of them.

#include <catch2/catch.hpp>

#include "rewriting.h"

using namespace punster;
using namespace punster::test;

namespace {
constexpr std::uint64_t far = 0x1000000;
const Machine add5 = {0x05, 0x78, 0x56, 0x34, 0x12};  // add $0x12345678,%eax

/// A correct rewriting of one instruction, with everything around it that a fault may hit. Tests
/// patch over it: later patch() and write() calls win.
struct Sound : Rewriting {
  Vaddr site, next, table, end, body;
  explicit Sound(bool movable = true) : Rewriting(movable) {
    site = insn(add5);
    next = insn({0x48, 0x89, 0xe5});  // mov %rsp,%rbp
    end = insn({0xc3});
    table = data({1, 2, 3, 4, 5, 6, 7, 8});
    body = image(far);
    patch(site, jump(site, body));
    write(body, add5 + jump(body + Bytes{5}, next));
    sites = site_line(site, 5, "0578563412", "patched", R"("tactic":"B1","evicted":[])");
  }
  std::string judged() { return only_failure(verify()); }
};

bool found(const VerifyReport& report, const std::string& kind) {
  return report.failures_by_kind.count(kind) > 0;
}
}  // namespace

TEST_CASE("the sound rewriting that the faults are planted in is accepted", "[faults]") {
  CHECK(Sound().judged() == "0 failures");
  CHECK(Sound(false).judged() == "0 failures");
}

// Code.

TEST_CASE("a jump displacement off by one is rejected", "[faults]") {
  Sound file;
  file.patch(file.site, jump(file.site, file.body + Bytes{1}));
  CHECK(file.judged() == "displaced_altered");
}
TEST_CASE("a return one byte late is rejected", "[faults]") {
  Sound file;
  file.write(file.body + Bytes{5}, jump(file.body + Bytes{5}, file.next + Bytes{1}));
  CHECK(file.judged() == "wrong_return");
}
TEST_CASE("a return one byte early is rejected", "[faults]") {
  Sound file;
  file.write(file.body + Bytes{5}, jump(file.body + Bytes{5}, file.next - Bytes{1}));
  CHECK(file.judged() == "wrong_return");
}
TEST_CASE("a return that skips an instruction is rejected", "[faults]") {
  Sound file;
  file.write(file.body + Bytes{5}, jump(file.body + Bytes{5}, file.end));
  CHECK(file.judged() == "wrong_return");
}
TEST_CASE("a missing return is rejected", "[faults]") {
  Sound file;
  file.write(file.body + Bytes{5}, {0xcc, 0xcc, 0xcc, 0xcc, 0xcc});
  CHECK(file.judged() == "wrong_return");
}
TEST_CASE("an altered displaced instruction is rejected", "[faults]") {
  Sound file;
  file.write(file.body, {0x05, 0x79, 0x56, 0x34, 0x12});
  CHECK(file.judged() == "displaced_altered");
}
TEST_CASE("a missing displaced instruction is rejected", "[faults]") {
  Sound file;
  file.write(file.body, jump(file.body, file.next));
  CHECK(file.judged() == "displaced_altered");
}
TEST_CASE("a displaced instruction that runs twice is rejected", "[faults]") {
  Sound file;
  file.write(file.body, add5 + add5 + jump(file.body + Bytes{10}, file.site));
  CHECK_FALSE(file.verify().ok());
}
TEST_CASE("a jump into the middle of an instruction is rejected", "[faults]") {
  Sound file;
  file.patch(file.site, {0xeb, 0x04, 0x90, 0x90, 0x90});  // to the second byte of mov
  CHECK(file.judged() == "into_original_code");
}
TEST_CASE("a jump into original code is rejected", "[faults]") {
  Sound file;
  file.patch(file.site, jump(file.site, file.end));
  CHECK(file.judged() == "into_original_code");
}
TEST_CASE("a stub that is not mapped is rejected", "[faults]") {
  Sound file;
  file.patch(file.site, jump(file.site, file.image(far + 0x100000)));
  CHECK(file.judged() == "unmapped_target");
}
TEST_CASE("a stub that leads nowhere is rejected", "[faults]") {
  Sound file;
  file.write(file.image(far + 0x2000), jump(file.image(far + 0x2000), file.image(far + 0x100000)));
  file.patch(file.site, jump(file.site, file.image(far + 0x2000)));
  CHECK(file.judged() == "displaced_altered");
}
TEST_CASE("the prefix 66 before a jump is rejected", "[faults]") {
  Rewriting file;
  const Vaddr site = file.insn({
      0x05,
      0x78,
      0x56,
      0x34,
      0x12,
  });
  file.insn({0x90});
  file.insn({0xc3});
  file.patch(site, Machine{0x66} + jump(site + Bytes{1}, file.image(far)));
  file.write(file.image(far), add5 + jump(file.image(far + 5), site + Bytes{5}));
  CHECK(found(file.verify(), "not_a_jump"));
}
TEST_CASE("the prefix f2 before a jump is rejected", "[faults]") {
  Rewriting file;
  const Vaddr site = file.insn({0x48, 0x05, 0x78, 0x56, 0x34, 0x12});
  file.insn({0xc3});
  file.patch(site, Machine{0xf2} + jump(site + Bytes{1}, file.image(far)));
  file.write(file.image(far), Machine{0x48} + add5 + jump(file.image(far + 6), site + Bytes{6}));
  CHECK(only_failure(file.verify()) == "not_a_jump");
}
TEST_CASE("bytes that are neither jump nor trap are rejected", "[faults]") {
  Sound file;
  file.patch(file.site, {0x0f, 0x1f, 0x44, 0x00, 0x00});
  CHECK(file.judged() == "not_a_jump");
}
TEST_CASE("a call where no call was is rejected", "[faults]") {
  Sound file;
  file.patch(file.site, call(file.site, file.body));
  CHECK(file.judged() == "call_at_no_call");
}
TEST_CASE("a follower that was damaged by a jump over it is rejected", "[faults]") {
  Rewriting file;
  const Vaddr site = file.insn({0x48, 0x89, 0xe5});
  const Vaddr next = file.insn({0x31, 0xc0});
  file.insn({0xc3});
  file.patch(site, jump(site, file.image(far)));  // five bytes over three, next is not displaced
  file.write(file.image(far), Machine{0x48, 0x89, 0xe5} + jump(file.image(far + 3), next));
  CHECK(only_failure(file.verify()) == "not_a_jump");
}
TEST_CASE("a retargeted call that ends elsewhere returns elsewhere and is rejected", "[faults]") {
  Rewriting file;
  const Vaddr callee = file.insn({0xc3});
  const Vaddr site = file.insn({0xff, 0x94, 0x24, 0x10, 0, 0, 0});  // call *0x10(%rsp)
  file.insn({0xc3});
  file.patch(site, Machine{0x48} + call(site + Bytes{1}, file.image(far)));
  file.write(file.image(far), {0xff, 0x64, 0x24, 0x18});
  CHECK(only_failure(file.verify()) == "wrong_call_return");
  static_cast<void>(callee);
}
TEST_CASE("a retargeted call to another function is rejected", "[faults]") {
  Rewriting file;
  const Vaddr callee = file.insn({0xc3});
  const Vaddr other = file.insn({0xc3});
  const Vaddr site = file.insn(call(file.here(), callee));
  file.insn({0xc3});
  file.patch(site, call(site, file.image(far)));
  file.write(file.image(far), jump(file.image(far), other));
  CHECK(only_failure(file.verify()) == "wrong_target");
}
TEST_CASE("a retargeted call whose trampoline pushes again is rejected", "[faults]") {
  Rewriting file;
  const Vaddr callee = file.insn({0xc3});
  const Vaddr site = file.insn(call(file.here(), callee));
  file.insn({0xc3});
  file.patch(site, call(site, file.image(far)));
  file.write(file.image(far), Machine{0x50} + jump(file.image(far + 1), callee));
  CHECK_FALSE(file.verify().ok());
}
TEST_CASE("a retargeted call that was to be replaced is rejected", "[faults]") {
  Rewriting file;
  const Vaddr callee = file.insn({0xc3});
  const Vaddr site = file.insn(call(file.here(), callee));
  file.insn({0xc3});
  file.patch(site, call(site, file.image(far)));
  file.write(file.image(far), jump(file.image(far), callee));
  file.sites = site_line(site, 5, "e8faffffff", "patched", R"("jump":"0x1000")");
  CHECK(only_failure(file.verify()) == "wrong_call_state");
}
TEST_CASE("an evicted neighbour without a body is rejected", "[faults]") {
  Sound file;
  file.patch(file.next, {0xeb, 0xfe});  // jmp .
  file.sites = site_line(file.site, 5, "0578563412", "patched", R"("evicted":["0x1005"])");
  CHECK(file.judged() == "into_original_code");
}
TEST_CASE("a payload at an instruction that was only evicted is rejected", "[faults]") {
  Sound file;
  const Vaddr other = file.image(far + 0x100);
  file.write(other, Machine{0x50, 0x58, 0x48, 0x89, 0xe5} + jump(other + Bytes{5}, file.end));
  file.patch(file.next, jump(file.next, other));  // borrows ret and two bytes of data
  file.patch(file.end, {0x00});
  Rewriting plain;
  const Vaddr site = plain.insn(add5), evicted = plain.insn(add5), end = plain.insn({0xc3});
  const Vaddr body = plain.image(far);
  plain.patch(site, jump(site, body));
  plain.write(body, add5 + jump(body + Bytes{5}, evicted));
  plain.patch(evicted, jump(evicted, body + Bytes{0x100}));
  plain.write(body + Bytes{0x100}, Machine{0x50, 0x58} + add5 + jump(body + Bytes{0x107}, end));
  plain.sites = site_line(site, 5, "0578563412", "patched", R"("evicted":["0x1005"])");
  CHECK(only_failure(plain.verify()) == "displaced_altered");
}
TEST_CASE("chaining into the middle of a body, round its payload, is rejected", "[faults]") {
  Rewriting file;
  const Vaddr first = file.insn(add5), second = file.insn(add5), end = file.insn({0xc3});
  const Vaddr body = file.image(far), other = file.image(far + 0x100);
  file.patch(first, jump(first, body));
  file.patch(second, jump(second, other));
  file.write(body, add5 + jump(body + Bytes{5}, other + Bytes{2}));
  file.write(other, Machine{0x50, 0x58} + add5 + jump(other + Bytes{7}, end));
  CHECK(only_failure(file.verify()) == "wrong_return");
}
TEST_CASE("a payload that leaves rsp moved is rejected", "[faults]") {
  Sound file;
  file.write(file.body, Machine{0x50} + add5 + jump(file.body + Bytes{6}, file.next));
  CHECK(file.judged() == "displaced_altered");
}
TEST_CASE("a payload that loops is rejected", "[faults]") {
  Sound file;
  file.write(file.body, Machine{0x90, 0x75, 0xfd} + add5 + jump(file.body + Bytes{8}, file.next));
  CHECK(file.judged() == "displaced_altered");
}
TEST_CASE("a payload that returns is rejected", "[faults]") {
  Sound file;
  file.write(file.body, {0x90, 0xc3});
  CHECK(file.judged() == "displaced_altered");
}
TEST_CASE("a branch into the middle of a changed instruction is rejected", "[faults]") {
  Rewriting file;
  const Vaddr branch = file.insn({0x74, 0x01});                  // je past the lock prefix
  const Vaddr site = file.insn({0xf0, 0x48, 0x0f, 0xb1, 0x0a});  // lock cmpxchg %rcx,(%rdx)
  const Vaddr next = file.insn({0xc3});
  const Vaddr body = file.image(far);
  file.patch(site, jump(site, body));
  file.write(body, Machine{0xf0, 0x48, 0x0f, 0xb1, 0x0a} + jump(body + Bytes{5}, next));
  CHECK(only_failure(file.verify()) == "branch_into_changed_bytes");
  static_cast<void>(branch);
}

// Data.

TEST_CASE("a changed data byte is rejected", "[faults]") {
  Sound file;
  file.patch(file.table + Bytes{3}, {0xff});
  CHECK(file.judged() == "data_changed");
}
TEST_CASE("a changed byte that nobody knows is rejected", "[faults]") {
  Sound file;
  file.patch(file.table + Bytes{64}, {0xff});
  CHECK(file.judged() == "unknown_byte_changed");
}
TEST_CASE("a changed byte that no jump needs is rejected without an analysis too", "[faults]") {
  Sound file;
  file.knows_instructions = false;
  CHECK(file.judged() == "0 failures");
  file.patch(file.table, {0xff});
  CHECK(file.judged() == "unknown_byte_changed");
}
TEST_CASE("a changed original byte in the file is rejected", "[faults]") {
  Sound file;
  file.alter_file = [](Machine& bytes) { bytes[0x4010] ^= 1; };
  CHECK(file.judged() == "original_bytes_changed");
}
TEST_CASE("another machine type in the ELF header is rejected", "[faults]") {
  Sound file;
  file.alter_file = [](Machine& bytes) { bytes[7] = 9; };  // EI_OSABI
  CHECK(file.judged() == "original_bytes_changed");
}

// Traps.

TEST_CASE("a trap that is not in the table is rejected", "[faults]") {
  Sound file;
  file.patch(file.site, {0x0f, 0x0b, 0x90, 0x90, 0x90});
  CHECK(file.judged() == "trap_not_listed");
}
TEST_CASE("a trap entry without a trap is rejected", "[faults]") {
  Sound file;
  file.trap(file.site, file.body);
  CHECK(file.judged() == "trap_without_site");
}
TEST_CASE("a trap entry where no instruction starts is rejected", "[faults]") {
  Sound file;
  file.trap(file.site + Bytes{1}, file.body);
  CHECK(file.judged() == "trap_without_site");
}
TEST_CASE("a trap that leads to the wrong body is rejected", "[faults]") {
  Sound file;
  file.patch(file.next, {0x0f, 0x0b, 0x90});
  file.trap(file.next, file.body);
  file.sites += site_line(file.next, 3, "4889e5", "trapped");
  CHECK(file.judged() == "displaced_altered");
}
TEST_CASE("a trap table that does not ascend is rejected", "[faults]") {
  Sound file;
  file.patch(file.next, {0x0f, 0x0b, 0x90});
  file.trap(file.next, file.body);
  file.trap(file.site, file.body);
  CHECK(found(file.verify(), "traps_unsorted"));
}
TEST_CASE("int3 is no trap of ours", "[faults]") {
  Sound file;
  file.patch(file.site, {0xcc, 0x90, 0x90, 0x90, 0x90});
  file.trap(file.site, file.body);
  CHECK(file.judged() == "trap_without_site");
}

// The site file.

TEST_CASE("a site that the site file does not list is rejected", "[faults]") {
  Sound file;
  file.sites = site_line(file.end, 1, "c3", "failed");
  CHECK(file.judged() == "unlisted");
}
TEST_CASE("a site that is said to be patched and is not is rejected", "[faults]") {
  Sound file;
  file.sites += site_line(file.next, 3, "4889e5", "patched");
  CHECK(file.judged() == "not_patched");
}
TEST_CASE("a site that is said to have failed and is patched is rejected", "[faults]") {
  Sound file;
  file.sites = site_line(file.site, 5, "0578563412", "failed");
  CHECK(file.judged() == "wrong_result");
}
TEST_CASE("a site that is said to be trapped and is patched is rejected", "[faults]") {
  Sound file;
  file.sites = site_line(file.site, 5, "0578563412", "trapped");
  CHECK(file.judged() == "wrong_result");
}
TEST_CASE("a trap that is called patched is rejected", "[faults]") {
  Sound file;
  file.patch(file.site, {0x0f, 0x0b, 0x90, 0x90, 0x90});
  file.trap(file.site, file.body);
  CHECK(file.judged() == "wrong_result");
}
TEST_CASE("a trampoline that the site file gives elsewhere is rejected", "[faults]") {
  Sound file;
  file.sites = site_line(file.site, 5, "0578563412", "patched", R"("trampoline":"0x1000010")");
  CHECK(file.judged() == "wrong_trampoline");
}
TEST_CASE("a site file of another original is rejected", "[faults]") {
  Sound file;
  file.sites = site_line(file.site, 5, "0578563413", "patched");
  CHECK(file.judged() == "site_bytes");
}
TEST_CASE("a replacement that the site file does not declare is rejected", "[faults]") {
  Sound file;
  file.patch(file.site, {0x31, 0xc0, 0x0f, 0x1f, 0x00});
  CHECK(file.judged() == "not_a_jump");
}
TEST_CASE("a replacement other than the declared one is rejected", "[faults]") {
  Sound file;
  file.patch(file.site, {0x31, 0xc1, 0x0f, 0x1f, 0x00});
  file.sites = site_line(file.site, 5, "0578563412", "patched", R"("replaced":"31c0")");
  CHECK(file.judged() == "not_a_jump");
}
TEST_CASE("a declared jump that goes elsewhere is rejected", "[faults]") {
  Sound file;
  file.sites = site_line(file.site, 5, "0578563412", "patched", R"("jump":"0x1008")");
  file.write(file.body, jump(file.body, file.next));
  CHECK(file.judged() == "wrong_target");
}
TEST_CASE("a line that is no record is an error that names the line", "[faults]") {
  Sound file;
  for (const char* line :
       {"{]", "[]", "{\"address\":\"1000\",\"size\":5,\"result\":\"patched\"}",
        "{\"address\":\"0x2000\",\"size\":16,\"result\":\"patched\"}",
        "{\"address\":\"0x2000\",\"size\":5,\"result\":\"perhaps\"}", "{\"size\":5}"}) {
    file.sites = site_line(file.site, 5, "0578563412", "patched") + line + "\n";
    const auto report = file.try_verify();
    REQUIRE(report.has_error());
    CHECK(report.error().kind == "bad_site_file");
    CHECK(report.error().message.find("line 2") != std::string::npos);
  }
}
TEST_CASE("a site that stands twice in the site file is an error", "[faults]") {
  Sound file;
  file.sites += file.sites;
  CHECK(file.try_verify().error().kind == "bad_site_file");
}

// Nothing to prove.

TEST_CASE("an original compared with itself has no patched site", "[faults]") {
  Sound file;
  VerifyRequest request;
  request.original = request.patched = file.write_original();
  const auto report = punster::verify(request);
  REQUIRE(report.has_value());
  CHECK(only_failure(report.value()) == "no_sites");
  CHECK(report.value().failures.front().message == "no patched site found");
}
TEST_CASE("a rewritten file in which nothing was patched has no patched site", "[faults]") {
  Rewriting file;
  file.insn({0xc3});
  CHECK(only_failure(file.verify()) == "no_sites");
}
TEST_CASE("a file that is no ELF file is a failure, one that cannot be read an error", "[faults]") {
  Sound file;
  file.alter_file = [](Machine& bytes) { bytes[0] = 0; };
  CHECK(file.judged() == "not_elf");
  VerifyRequest request;
  request.original = file.write_original();
  request.patched = "/nonexistent";
  CHECK(punster::verify(request).error().kind == "unreadable");
}
TEST_CASE("failures beyond the limit are counted, and the first by address are listed",
          "[faults]") {
  Rewriting file;
  for (int i = 0; i < 500; ++i) file.patch(file.insn(add5), {0x31});
  VerifyRequest request;
  const auto report = file.verify();
  CHECK(report.failure_count == 500);
  CHECK(report.failures.size() == 100);
  CHECK(report.failures.front().address == Vaddr{0x1000});
  CHECK(report.failures.back().address == Vaddr{0x1000 + 99 * 5});
}
