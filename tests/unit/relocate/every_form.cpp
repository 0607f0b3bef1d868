// Every form of instruction with a RIP-relative or branch operand (forms.h), displaced.
//
// Each one's displaced code is decoded and held against the original's operands (oracle.h), or
// refused with a reason, exactly where the oracle wants it refused. What this processor executes is
// executed as well, in a child process: the original and the displaced code from the same random
// states, where privileged and misaligned ones must fail with the same signal. Compared are
// registers, flags, x87, xmm, ymm, zmm and mask registers, data, stack and where control went. What
// raises SIGILL where it stands is proved by decoding alone, and so is xbegin: how a transaction
// ends is for the processor to say.

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <iostream>
#include <map>

#include "backend/relocate/relocation.h"
#include "protocol/hex.h"
#include "tests/unit/relocate/forms.h"
#include "tests/unit/relocate/machine.h"
#include "tests/unit/relocate/relocated_text.h"

using namespace punster;
using namespace punster::test;

namespace {

constexpr unsigned data_at = 0x100, rounds = 3;

/// What the child tells: a count for each end that the originals came to, or what went wrong.
struct Findings {
  std::array<unsigned, 32> ends;  // by Exit
  std::size_t form;               // that is being tried
  std::array<char, 160> fault;    // "": none
};

/// One form, where it is from and displaced.
class Twins {
 public:
  Twins(Machine& machine, const Form& form, bool fixed)
      : machine_(machine), code_(form.code().begin(), form.code().end()), fixed_(fixed) {
    if (form.displacement == 0) return;
    const auto to = form.branch ? target() : machine.data() + Bytes{data_at};
    const auto by = displacement(machine.original() + Bytes{code_.size()}, to).value_or(0);
    std::memcpy(code_.data() + form.displacement, &by, form.displacement_bytes);
  }

  [[nodiscard]] Vaddr target() const { return machine_.original() + Bytes{0x40}; }
  [[nodiscard]] std::span<const std::uint8_t> code() const { return code_; }
  [[nodiscard]] Decoded decoded() const { return decode_all(code_, machine_.original()).at(0); }
  [[nodiscard]] Result<Relocation> plan() const {
    return Relocation::plan(code_, machine_.original(), fixed_);
  }
  [[nodiscard]] std::vector<std::uint8_t> body() const {
    const auto planned = plan();
    std::vector<std::uint8_t> out(planned.value().size());
    REQUIRE(planned.value().encode(machine_.displaced(), out));
    return out;
  }

  /// The end that the original came to. In what the other differs: `fault`, empty when in nothing.
  Exit run(std::mt19937_64& random, std::string& fault) {
    const auto displaced = body();
    machine_.write(machine_.original(), code_);
    machine_.write_exit(machine_.original() + Bytes{code_.size()}, Exit::ran_on);
    machine_.write_exit(target(), Exit::taken);
    machine_.write(machine_.displaced(), displaced);
    machine_.write_exit(machine_.displaced() + Bytes{displaced.size()}, Exit::ran_on);
    auto original = machine_.random_state(random);
    prepare(original, random);
    auto moved = original;
    const auto end = machine_.run(machine_.original(), original);
    const auto moved_end = machine_.run(machine_.displaced(), moved);
    const auto* const flags = decoded().insn.cpu_flags;
    // The resume flag is set by the kernel for an instruction that faulted.
    const auto any_value = 0x10000 | (flags == nullptr ? 0 : flags->undefined);
    if (end != moved_end) fault += " end";
    if (original.registers != moved.registers) fault += " registers";
    if (((original.flags ^ moved.flags) & ~any_value) != 0) fault += " flags";
    if (original.vectors != moved.vectors) fault += " vectors";
    if (original.data != moved.data) fault += " data";
    if (original.stack != moved.stack) fault += " stack";
    return end;
  }

 private:
  /// Indirect branches lead to the target, loops come to their end, and bits that registers number
  /// lie in the data.
  void prepare(MachineState& state, std::mt19937_64& random) const {
    const auto insn = decoded();
    const auto& operand = insn.operands[0];
    const auto to = target().value;
    if (insn.is(ZYDIS_MNEMONIC_CALL) || insn.is(ZYDIS_MNEMONIC_JMP)) {
      if (rip_based(operand)) std::memcpy(state.data.data() + data_at, &to, sizeof to);
      if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER && operand.reg.value != ZYDIS_REGISTER_RSP)
        state.registers.at(id_of(operand)) = to;
    }
    if (insn.insn.meta.category == ZYDIS_CATEGORY_BITBYTE &&
        insn.operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER)
      state.registers.at(id_of(insn.operands[1])) %= 2048;
    if (is_counted(insn)) state.registers[rcx] = random() % 3 | (random() % 2) << 32;
    if (random() % 2) state.vectors[4] = 0xff;  // all x87 registers in use
  }

  static std::size_t id_of(const ZydisDecodedOperand& operand) {
    return static_cast<std::size_t>(ZydisRegisterGetId(operand.reg.value));
  }

  Machine& machine_;
  std::vector<std::uint8_t> code_;
  bool fixed_;
};

/// Only a call depends on whether the image may move.
bool is_worth_trying(const Twins& twins, bool fixed) {
  return !fixed || twins.decoded().is(ZYDIS_MNEMONIC_CALL);
}

/// How a transaction ends is for the processor to say.
bool is_for_execution(const Twins& twins) {
  return twins.plan().has_value() && !twins.decoded().is(ZYDIS_MNEMONIC_XBEGIN);
}

/// In the child: never returns.
[[noreturn]] void execute_all(Machine& machine, const std::vector<Form>& forms,
                              Findings& findings) {
  alarm(120);
  cpu_set_t one;  // descriptor tables differ from processor to processor
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  sched_setaffinity(0, sizeof one, &one);
  Machine::catch_faults();
  std::mt19937_64 random(20261121);
  for (const auto& form : forms)
    for (const bool fixed : {false, true}) {
      findings.form = static_cast<std::size_t>(&form - forms.data());
      Twins twins(machine, form, fixed);
      if (!is_worth_trying(twins, fixed) || !is_for_execution(twins)) continue;
      std::string fault;
      Exit end{};
      for (unsigned round = 0; round < rounds && fault.empty() && end != Exit::illegal; ++round)
        end = twins.run(random, fault);
      if (!fault.empty()) {
        fault.copy(findings.fault.data(), findings.fault.size() - 1);
        _exit(1);
      }
      if (!fixed) ++findings.ends.at(static_cast<std::size_t>(end));
    }
  _exit(0);
}

struct Counts {
  unsigned forms = 0, encodable = 0;
  std::map<std::string, unsigned> refused;
};

/// What the oracle says, of each form; returns how many there are.
Counts check_by_decoding(Machine& machine, const std::vector<Form>& forms) {
  Counts counts;
  for (const auto& form : forms)
    for (const bool fixed : {false, true}) {
      const Twins twins(machine, form, fixed);
      if (!is_worth_trying(twins, fixed)) continue;
      const auto original = twins.decoded();
      INFO(to_hex(twins.code()) << " " << disassemble(twins.code(), machine.original()));
      const auto planned = twins.plan();
      REQUIRE(planned.has_value() == !must_be_refused(original, twins.code()));
      if (planned) {
        const auto body = twins.body();
        check_equivalent(original, decode_all(body, machine.displaced()), fixed, false,
                         machine.displaced() + Bytes{body.size()});
      }
      if (fixed) continue;
      ++counts.forms;
      counts.encodable += form.encodable ? 1 : 0;
      if (!planned) ++counts.refused[planned.error().message];
    }
  return counts;
}

void prove(const char* what, const std::vector<Form>& forms) {
  Machine machine;
  const auto counts = check_by_decoding(machine, forms);
  void* const shared =
      mmap(nullptr, sizeof(Findings), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(shared != MAP_FAILED);
  auto& findings = *static_cast<Findings*>(shared);
  const auto child = fork();
  REQUIRE(child >= 0);
  if (child == 0) execute_all(machine, forms, findings);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  INFO("form " << to_hex(forms.at(findings.form).code()) << " "
               << disassemble(forms.at(findings.form).code(), machine.original()));
  INFO("differs in" << findings.fault.data());
  REQUIRE(status == 0);

  const auto ended = [&](Exit end) { return findings.ends.at(static_cast<std::size_t>(end)); };
  unsigned executed = 0, refused = 0;
  for (const auto number : findings.ends) executed += number;
  executed -= ended(Exit::illegal);
  for (const auto& [reason, number] : counts.refused) refused += number;
  std::cout << what << ": " << counts.forms << " forms (" << counts.encodable
            << " written by Zydis' encoder)\n  " << executed << " executed, "
            << ended(Exit::faulted) + ended(Exit::misaligned) + ended(Exit::arithmetic)
            << " of them to the same signal\n  " << counts.forms - executed - refused
            << " proved by decoding\n  " << refused << " refused\n";
  for (const auto& [reason, number] : counts.refused)
    std::cout << "    " << number << ": " << reason << "\n";
  CHECK(executed > 0);
  munmap(shared, sizeof(Findings));
}

}  // namespace

TEST_CASE("every form with a RIP-relative operand does displaced what it does",
          "[relocate][forms]") {
  const auto forms = rip_relative_forms();
  CHECK(forms.size() > 10000);
  prove("RIP-relative", forms);
}

TEST_CASE("every form of branch does displaced what it does", "[relocate][forms]") {
  const auto forms = branch_forms();
  CHECK(forms.size() > 500);
  prove("branches", forms);
}
