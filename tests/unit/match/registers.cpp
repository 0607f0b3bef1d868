#include "frontend/decode/registers.h"

#include <catch2/catch.hpp>

using namespace punster;

namespace {

Register reg(const char* name) {
  return register_named(name).value();
}
bool overlap(const char* held, const char* asked) {
  RegisterSet set;
  set.insert(reg(held));
  return set.overlaps(reg(asked));
}
bool write_touches(const char* written, const char* asked, bool vex = false) {
  RegisterSet set;
  set.insert_written(reg(written), vex);
  return set.overlaps(reg(asked));
}

}  // namespace

TEST_CASE("names lead to registers and back", "[registers]") {
  for (const char* name :
       {"al",  "dil", "r8b",  "ah",    "ax",   "r15w",  "eax",    "r8d",   "rax",
        "rsp", "r15", "xmm0", "xmm31", "ymm7", "zmm31", "k7",     "st0",   "mm7",
        "fs",  "cr8", "dr7",  "bnd3",  "tmm7", "rip",   "rflags", "mxcsr", "x87status"})
    CHECK(to_string(reg(name)) == name);
  CHECK(reg("eflags") == reg("rflags"));
  CHECK_FALSE(register_named("rax1"));
  CHECK_FALSE(register_named(""));
  CHECK_FALSE(register_named("RAX"));
  CHECK(to_string(Register{}) == "nil");
}

TEST_CASE("registers that share storage overlap", "[registers]") {
  CHECK(overlap("rax", "al"));
  CHECK(overlap("al", "rax"));
  CHECK(overlap("ax", "ah"));
  CHECK(overlap("zmm3", "xmm3"));
  CHECK(overlap("mm2", "st2"));
  CHECK_FALSE(overlap("al", "ah"));
  CHECK_FALSE(overlap("rax", "rcx"));
  CHECK_FALSE(overlap("r15", "xmm0"));
  CHECK_FALSE(overlap("xmm0", "xmm1"));
  CHECK_FALSE(overlap("rip", "rflags"));
}

TEST_CASE("no register has storage in common with nil", "[registers]") {
  RegisterSet set;
  set.insert(Register{});
  CHECK(set.empty());
  CHECK_FALSE(set.overlaps(Register{}));
}

TEST_CASE("a write clears the upper part where the processor does", "[registers]") {
  RegisterSet eax, rax;
  eax.insert_written(reg("eax"), false);
  rax.insert_written(reg("rax"), false);
  CHECK(eax == rax);
  RegisterSet ax;
  ax.insert_written(reg("ax"), false);
  CHECK_FALSE(ax == rax);
  RegisterSet legacy, vex, zmm;
  legacy.insert_written(reg("xmm0"), false);
  vex.insert_written(reg("xmm0"), true);
  zmm.insert(reg("zmm0"));
  CHECK_FALSE(legacy == zmm);
  CHECK(vex == zmm);
  CHECK(write_touches("ymm1", "zmm1"));
}
