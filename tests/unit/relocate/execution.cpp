// Runs each form twice from the same random state: once where it is from, once displaced, and
// compares every register, flag, byte of data and byte of stack (below rsp as well), and where
// control went.
//
// In the byte arrays `....` is a disp32 or rel32 and `..` a rel8; run_twice() fills it with the way
// to the data page or to the taken exit.

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <functional>
#include <random>
#include <set>

#include "backend/relocate/relocation.h"
#include "protocol/hex.h"
#include "tests/unit/relocate/machine.h"
#include "tests/unit/relocate/relocated_text.h"

using namespace punster;
using namespace punster::test;

namespace {

enum class Refers { to_nothing, to_data, to_target };

class Experiment {
 public:
  using Prepare = std::function<void(MachineState&)>;

  Experiment(std::string hex, Refers refers) {
    const auto hole = hex.find(".");
    const auto hole_at = hole == std::string::npos ? 0 : (hole + 1) / 3;  // "e9 ...." or "eb .."
    for (std::size_t i; (i = hex.find("....")) != std::string::npos;)
      hex.replace(i, 4, "00 00 00 00");
    const auto hole_size = hex.find("..") == std::string::npos ? 4U : 1U;
    if (hole_size == 1) hex.replace(hex.find(".."), 2, "00");
    code_ = bytes(hex);
    target_ = machine_.original() + Bytes{code_.size() + 0x20};
    if (refers == Refers::to_nothing) return;
    const auto to = refers == Refers::to_data ? machine_.data() + Bytes{0x100} : target_;
    const auto by = displacement(machine_.original() + Bytes{code_.size()}, to);
    REQUIRE(by);
    std::memcpy(code_.data() + hole_at, &*by, hole_size);
  }

  [[nodiscard]] Vaddr target() const { return target_; }
  [[nodiscard]] Vaddr data() const { return machine_.data() + Bytes{0x100}; }
  std::mt19937_64& random() { return random_; }

  /// Likewise, but the displaced code is entered as tactic C1 has it: by a call that ends where the
  /// original one did.
  std::set<Exit> run_retargeted(const Prepare& prepare = {}) {
    calls_ = CallForm::retargeted;
    return run_twice(false, prepare);
  }

  /// Both runs, from `rounds` random states that `prepare` has adjusted; returns which exits were
  /// seen.
  std::set<Exit> run_twice(bool fixed, const Prepare& prepare = {}, unsigned rounds = 64) {
    const auto planned = Relocation::plan(code_, machine_.original(), fixed, calls_);
    REQUIRE(planned);
    REQUIRE(planned.value().retargets_call() == (calls_ == CallForm::retargeted));
    std::vector<std::uint8_t> body(planned.value().size());
    REQUIRE(planned.value().encode(machine_.displaced(), body));
    INFO(to_hex(code_) << " " << disassemble(code_, machine_.original()));
    INFO("became " << disassemble(body, machine_.displaced()));

    const auto end = machine_.original() + Bytes{code_.size()};
    machine_.write_exit(end, Exit::ran_on);
    machine_.write_exit(target_, Exit::taken);
    machine_.write(machine_.displaced(), body);
    // A body that does not run on has nothing behind it: running on there is a fault.
    const auto behind = machine_.displaced() + Bytes{body.size()};
    if (planned.value().fallthrough() == Fallthrough::always)
      machine_.write_exit(behind, Exit::ran_on);
    else
      machine_.write(behind, std::vector<std::uint8_t>(Machine::exit_size, 0xcc));

    std::set<Exit> exits;
    for (unsigned round = 0; round < rounds; ++round) {
      auto original = machine_.random_state(random_);
      if (prepare) prepare(original);
      auto moved = original;
      machine_.write(machine_.original(), code_);
      const auto exit = machine_.run(machine_.original(), original);
      machine_.write(machine_.original(), way_in());
      const auto moved_exit = machine_.run(
          calls_ == CallForm::retargeted ? machine_.original() : machine_.displaced(), moved);
      REQUIRE(exit == moved_exit);
      REQUIRE(original.registers == moved.registers);
      REQUIRE(original.flags == moved.flags);
      REQUIRE(original.stack == moved.stack);
      REQUIRE(original.data == moved.data);
      REQUIRE(original == moved);
      exits.insert(exit);
    }
    return exits;
  }

  /// The stack slot that rsp + `offset` names in `state`.
  void put_on_stack(MachineState& state, std::int64_t offset, std::uint64_t value) const {
    const auto at =
        state.registers[rsp] + static_cast<std::uint64_t>(offset) - machine_.stack().value;
    REQUIRE(at + 8 <= state.stack.size());
    std::memcpy(state.stack.data() + at, &value, 8);
  }
  void put_in_data(MachineState& state, std::uint64_t value) const {
    std::memcpy(state.data.data() + 0x100, &value, 8);
  }

 private:
  /// What stands at the original place while the displaced code runs.
  [[nodiscard]] std::vector<std::uint8_t> way_in() const {
    std::vector<std::uint8_t> bytes(code_.size(), calls_ == CallForm::retargeted ? 0x2e : 0xcc);
    if (calls_ != CallForm::retargeted) return bytes;
    const auto by = displacement(machine_.original() + Bytes{code_.size()}, machine_.displaced());
    REQUIRE(by);
    bytes[code_.size() - 5] = 0xe8;
    std::memcpy(bytes.data() + code_.size() - 4, &*by, 4);
    return bytes;
  }

  Machine machine_;
  std::mt19937_64 random_{42};
  std::vector<std::uint8_t> code_;
  Vaddr target_;
  CallForm calls_ = CallForm::emulated;
};

/// Runs one instruction that refers to the data page, or to nothing outside itself.
void runs_alike(const char* hex) {
  Experiment experiment(hex, Refers::to_data);
  CHECK(experiment.run_twice(false) == std::set{Exit::ran_on});
}

const std::set both{Exit::ran_on, Exit::taken};
const std::set always_taken{Exit::taken};

}  // namespace

TEST_CASE("conditional jumps go where they went, flags untouched", "[relocate][execution]") {
  for (unsigned condition = 0; condition < 16; ++condition) {
    const char digit = "0123456789abcdef"[condition];
    CHECK(Experiment(std::string("7") + digit + " ..", Refers::to_target).run_twice(false) == both);
    CHECK(Experiment(std::string("0f 8") + digit + " ....", Refers::to_target).run_twice(false) ==
          both);
  }
  CHECK(Experiment("3e 74 ..", Refers::to_target).run_twice(false) == both);       // jz,pt
  CHECK(Experiment("f2 0f 85 ....", Refers::to_target).run_twice(false) == both);  // bnd jnz
}

TEST_CASE("loops count in the same register and look at the same flag", "[relocate][execution]") {
  for (const auto* hex : {
           "e0 ..",        // loopne
           "e1 ..",        // loope
           "e2 ..",        // loop
           "e3 ..",        // jrcxz
           "67 e0 ..",     // addr32 loopne
           "67 e1 ..",     // addr32 loope
           "67 e2 ..",     // addr32 loop: also clears the high half of rcx
           "67 e3 ..",     // jecxz
           "66 48 e2 ..",  // data16 rex.W loop
       }) {
    Experiment experiment(hex, Refers::to_target);
    const auto pick_count = [&](MachineState& state) {
      const std::uint64_t counts[] = {0, 1, 2, 0x100000000, 0x100000001, experiment.random()()};
      state.registers[rcx] = counts[experiment.random()() % 6];
    };
    CHECK(experiment.run_twice(false, pick_count) == both);
  }
}

TEST_CASE("direct jumps", "[relocate][execution]") {
  for (const auto* hex : {"eb ..", "f2 eb ..", "e9 ....", "67 e9 ....", "66 48 e9 ...."})
    CHECK(Experiment(hex, Refers::to_target).run_twice(false) == always_taken);
}

TEST_CASE("direct calls push the original return address and touch nothing else",
          "[relocate][execution]") {
  for (const auto* hex : {
           "e8 ....",           // call
           "67 e8 ....",        // addr32 call
           "f2 e8 ....",        // bnd call
           "66 66 48 e8 ....",  // data16 data16 rex.W call
       })
    for (const bool fixed : {false, true})
      CHECK(Experiment(hex, Refers::to_target).run_twice(fixed) == always_taken);
}

TEST_CASE("retargeted calls leave everything as the original calls did", "[relocate][execution]") {
  for (const auto* hex : {"e8 ....", "67 e8 ....", "f2 e8 ....", "66 66 48 e8 ...."})
    CHECK(Experiment(hex, Refers::to_target).run_retargeted() == always_taken);
  for (const auto* hex : {"ff 15 ....", "66 48 ff 15 ....", "f2 ff 15 ...."}) {
    Experiment experiment(hex, Refers::to_data);
    CHECK(experiment.run_retargeted([&](MachineState& state) {
      experiment.put_in_data(state, experiment.target().value);
    }) == always_taken);
  }
  for (const auto& [hex, slot] : {
           std::pair{"ff 94 24 08 00 00 00", 8},    // call *0x8(%rsp), long
           std::pair{"ff 94 24 80 00 00 00", 128},  // call *0x80(%rsp)
           std::pair{"ff 94 24 f0 ff ff ff", -16},  // call *-0x10(%rsp), long
           std::pair{"67 ff 54 24 08", 8},          // call *0x8(%esp)
           std::pair{"3e ff 54 24 20", 32},         // notrack call *0x20(%rsp)
       }) {
    Experiment experiment(hex, Refers::to_nothing);
    CHECK(experiment.run_retargeted([&, at = slot](MachineState& state) {
      experiment.put_on_stack(state, at, experiment.target().value);
    }) == always_taken);
  }
  Experiment through_r12("43 ff 54 ec 18", Refers::to_nothing);  // call *0x18(%r12,%r13,8)
  CHECK(through_r12.run_retargeted([&](MachineState& state) {
    state.registers[13] %= 100;
    state.registers[12] = through_r12.data().value - 0x18 - 8 * state.registers[13];
    through_r12.put_in_data(state, through_r12.target().value);
  }) == always_taken);
}

TEST_CASE("calls through registers see them as they were", "[relocate][execution]") {
  struct Case {
    const char* hex;
    Register target;
  };
  for (const auto& [hex, target] : {
           Case{"ff d0", rax},     // call *%rax, the register that the push borrows
           Case{"ff d3", rbx},     // call *%rbx
           Case{"41 ff d4", r12},  // call *%r12, whose low bits are rsp's
           Case{"48 ff d1", rcx},  // rex.W call *%rcx
           Case{"3e ff d7", rdi},  // notrack call *%rdi
       })
    for (const bool fixed : {false, true}) {
      Experiment experiment(hex, Refers::to_nothing);
      CHECK(experiment.run_twice(fixed, [&, r = target](MachineState& state) {
        state.registers[r] = experiment.target().value;
      }) == always_taken);
    }
}

TEST_CASE("calls through memory", "[relocate][execution]") {
  for (const auto* hex : {"ff 15 ....", "66 48 ff 15 ....", "f2 ff 15 ...."})
    for (const bool fixed : {false, true}) {
      Experiment experiment(hex, Refers::to_data);
      CHECK(experiment.run_twice(fixed, [&](MachineState& state) {
        experiment.put_in_data(state, experiment.target().value);
      }) == always_taken);
    }
  Experiment through_rax("ff 54 c8 10", Refers::to_nothing);  // call *0x10(%rax,%rcx,8)
  CHECK(through_rax.run_twice(false, [&](MachineState& state) {
    state.registers[rcx] %= 100;
    state.registers[rax] = through_rax.data().value - 0x10 - 8 * state.registers[rcx];
    through_rax.put_in_data(state, through_rax.target().value);
  }) == always_taken);
}

TEST_CASE("calls through the stack read the slot that they meant", "[relocate][execution]") {
  struct Case {
    const char* hex;
    std::int64_t slot;
  };
  for (const auto& [hex, slot] : {
           Case{"ff 14 24", 0},                // call *(%rsp)
           Case{"ff 54 24 08", 8},             // call *0x8(%rsp)
           Case{"ff 54 24 7f", 0x7f},          // call *0x7f(%rsp)
           Case{"ff 54 24 f0", -16},           // call *-0x10(%rsp)
           Case{"ff 94 24 80 00 00 00", 128},  // call *0x80(%rsp)
           Case{"67 ff 54 24 08", 8},          // call *0x8(%esp)
           Case{"3e ff 54 24 20", 32},         // notrack call *0x20(%rsp)
       })
    for (const bool fixed : {false, true}) {
      Experiment experiment(hex, Refers::to_nothing);
      CHECK(experiment.run_twice(fixed, [&, at = slot](MachineState& state) {
        experiment.put_on_stack(state, at, experiment.target().value);
      }) == always_taken);
    }
  Experiment indexed("ff 54 cc 08", Refers::to_nothing);  // call *0x8(%rsp,%rcx,8)
  CHECK(indexed.run_twice(false, [&](MachineState& state) {
    state.registers[rcx] %= 50;
    indexed.put_on_stack(state, 8 + 8 * static_cast<std::int64_t>(state.registers[rcx]),
                         indexed.target().value);
  }) == always_taken);
}

TEST_CASE("indirect jumps and returns", "[relocate][execution]") {
  Experiment through_memory("ff 25 ....", Refers::to_data);  // jmp *data(%rip)
  CHECK(through_memory.run_twice(false, [&](MachineState& state) {
    through_memory.put_in_data(state, through_memory.target().value);
  }) == always_taken);
  Experiment through_register("3e 41 ff e3", Refers::to_nothing);  // notrack jmp *%r11
  CHECK(through_register.run_twice(false, [&](MachineState& state) {
    state.registers[r11] = through_register.target().value;
  }) == always_taken);
  for (const auto* hex : {"c3", "f3 c3", "c2 10 00"}) {  // ret, repz ret, ret $0x10
    Experiment experiment(hex, Refers::to_nothing);
    CHECK(experiment.run_twice(false, [&](MachineState& state) {
      experiment.put_on_stack(state, 0, experiment.target().value);
    }) == always_taken);
  }
  Experiment on_stack("ff 64 24 18", Refers::to_nothing);  // jmp *0x18(%rsp)
  CHECK(on_stack.run_twice(false, [&](MachineState& state) {
    on_stack.put_on_stack(state, 0x18, on_stack.target().value);
  }) == always_taken);
}

TEST_CASE("RIP-relative loads, stores and addresses", "[relocate][execution]") {
  runs_alike("48 8b 05 ....");           // mov  data(%rip), %rax
  runs_alike("4c 89 3d ....");           // mov  %r15, data(%rip)
  runs_alike("48 8d 3d ....");           // lea  data(%rip), %rdi
  runs_alike("66 48 8d 3d ....");        // data16 lea data(%rip), %rdi
  runs_alike("ff 35 ....");              // push data(%rip)
  runs_alike("8f 05 ....");              // pop  data(%rip)
  runs_alike("c7 05 .... 78 56 34 12");  // movl $0x12345678, data(%rip)
  runs_alike("66 c7 05 .... 34 12");     // movw $0x1234, data(%rip)
  runs_alike("80 3d .... 05");           // cmpb $0x5, data(%rip)
  runs_alike("69 0d .... 44 33 22 11");  // imul $0x11223344, data(%rip), %ecx
  runs_alike("c1 05 .... 05");           // roll $0x5, data(%rip)
  runs_alike("f0 48 0f b1 0d ....");     // lock cmpxchg %rcx, data(%rip)
  runs_alike("f0 48 0f c1 15 ....");     // lock xadd %rdx, data(%rip)
  runs_alike("48 0f 44 35 ....");        // cmovz data(%rip), %rsi
  runs_alike("0f ba 3d .... 07");        // btcl $0x7, data(%rip)
  runs_alike("0f 94 05 ....");           // setz data(%rip)
  runs_alike("f3 0f 6f 0d ....");        // movdqu data(%rip), %xmm1
  runs_alike("f3 0f 7f 15 ....");        // movdqu %xmm2, data(%rip)
  runs_alike("66 0f 38 00 1d ....");     // pshufb data(%rip), %xmm3
  runs_alike("66 0f 3a 0f 25 .... 03");  // palignr $0x3, data(%rip), %xmm4
  runs_alike("df 2d ....");              // fild data(%rip)
}

TEST_CASE("RIP-relative VEX and EVEX operands, where the processor has them",
          "[relocate][execution]") {
  if (__builtin_cpu_supports("avx2")) {
    runs_alike("c5 fa 6f 0d ....");        // vmovdqu data(%rip), %xmm1
    runs_alike("c5 f9 fe 15 ....");        // vpaddd data(%rip), %xmm0, %xmm2
    runs_alike("c4 e2 71 00 1d ....");     // vpshufb data(%rip), %xmm1, %xmm3
    runs_alike("c4 e3 71 0f 25 .... 03");  // vpalignr $0x3, data(%rip), %xmm1, %xmm4
  }
  if (__builtin_cpu_supports("bmi2"))
    runs_alike("c4 e3 fb f0 05 .... 11");  // rorx $0x11, data(%rip), %rax
  if (__builtin_cpu_supports("avx512f")) {
    runs_alike("62 f1 fe 48 6f 0d ....");     // vmovdqu64 data(%rip), %zmm1
    runs_alike("62 f1 fe 48 7f 15 ....");     // vmovdqu64 %zmm2, data(%rip)
    runs_alike("62 f1 75 58 fe 1d ....");     // vpaddd data(%rip){1to16}, %zmm1, %zmm3
    runs_alike("62 f3 f5 48 25 25 .... ca");  // vpternlogq $0xca, data(%rip), %zmm1, %zmm4
  }
}

TEST_CASE("pushes and pops of the stack pointer itself", "[relocate][execution]") {
  for (const auto* hex : {
           "54",           // push %rsp
           "5c",           // pop  %rsp
           "9c",           // pushfq
           "ff 74 24 08",  // push 0x8(%rsp)
           "8f 44 24 08",  // pop  0x8(%rsp)
           "ff 74 24 f8",  // push -0x8(%rsp)
           "c8 00 00 00",  // enter $0, $0
       })
    CHECK(Experiment(hex, Refers::to_nothing).run_twice(false) == std::set{Exit::ran_on});
}
