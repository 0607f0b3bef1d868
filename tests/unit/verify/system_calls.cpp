// A displaced `syscall` that comes by the gate of the runtime.

#include <catch2/catch.hpp>

#include "rewriting.h"

using namespace punster;
using namespace punster::test;

namespace {
const Machine syscall_code = {0x0f, 0x05}, load_own_address = {0x4c, 0x8d, 0x1d, 5, 0, 0, 0};
const Machine straight_back = {0x41, 0xff, 0xe3};  // jmp *%r11

/// One displaced `syscall` with its way by the gate; the parts are there to be altered.
struct Gated : Rewriting {
  Vaddr site = insn(syscall_code), next = insn({0xc3}), pad = padding(8);
  Vaddr body = image(0x1000000), gate = image(0x1000800), leads_to = gate;
  Machine load = load_own_address, call = syscall_code, gate_code = straight_back;

  std::string judged() {
    patch(site, short_jump(site, pad));
    patch(pad, jump(pad, body));
    Vaddr at = write(body, load);
    at = write(at, jump(at, leads_to));
    at = write(at, call);
    write(at, jump(at, next));
    write(gate, gate_code);
    alter_header = [this](PunsterHeader& header) { header.syscall_gate = gate.value; };
    return only_failure(verify());
  }
};
}  // namespace

TEST_CASE("a system call by the gate is proven", "[gate]") {
  CHECK(Gated().judged() == "0 failures");
}
TEST_CASE("a gate that leads to the runtime is proven", "[gate]") {
  Gated file;
  file.gate_code = jump(file.gate, file.runtime());
  CHECK(file.judged() == "0 failures");
}
TEST_CASE("a gate that leads elsewhere is rejected", "[gate]") {
  Gated file;
  file.gate_code = jump(file.gate, file.next);
  CHECK(file.judged() == "gate");
}
TEST_CASE("a gate without code is rejected", "[gate]") {
  Gated file;
  file.gate_code = {0xcc};
  CHECK(file.judged() == "gate");
}
TEST_CASE("a way that leads past the gate is rejected", "[gate]") {
  Gated file;
  file.leads_to = file.gate + Bytes{3};
  CHECK(file.judged() == "displaced_altered");
}
TEST_CASE("a way that brings another address to the gate is rejected", "[gate]") {
  Gated file;
  file.load[3] = 7;
  CHECK(file.judged() == "displaced_altered");
}
TEST_CASE("a way to the gate without the system call is rejected", "[gate]") {
  Gated file;
  file.call = {0x90, 0x90};
  CHECK(file.judged() == "displaced_altered");
}
