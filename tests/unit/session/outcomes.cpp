// A session on a small file, from requests to results, without writing anything.

#include "backend/session/session.h"
#include "small_elf.h"

using namespace punster;

namespace {

/// Code at 0x400100: six instructions, the fifth of which cannot be decoded, then padding.
class Patched {
 public:
  explicit Patched(ProgressSink progress = {}) : session(std::move(progress)), elf(0x1000) {
    elf.segment(0, 0x1000, PF_R | PF_X);
    elf.bytes(0x100, {
                         0xb8, 0x3c, 0, 0, 0,                 // 100 mov eax, 60
                         0x31, 0xff,                          // 105 xor edi, edi
                         0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8,  // 107 mov rax, imm64
                         0x0f, 0x05,                          // 111 syscall
                         0x06, 0x06,                          // 113 no instruction
                         0xc3,                                // 115 ret
                     });
    REQUIRE(session.open({elf.written().string(), "", {}}));
    REQUIRE(session.define_trampoline({"$t", Json{"$instr", "$break"}}));
    REQUIRE(session.add_instructions({Vaddr{0x400100}, {5, 2, 10, 2, 2, 1}}));
    REQUIRE(session.add_padding({{{Vaddr{0x400116}, Vaddr{0x400130}}}}));
  }
  Patched& sites(const std::vector<std::int64_t>& deltas) {
    REQUIRE(session.add_patches({Vaddr{0x400100}, deltas, "$t", {}, {}}));
    return *this;
  }
  ResultsReply results(std::uint64_t from = 0, std::uint64_t count = 4096) {
    const auto reply = session.results({from, count});
    REQUIRE(reply);
    return reply.value();
  }
  Session session;

 private:
  SmallElf elf;
};

std::uint64_t sum(const std::map<std::string, std::uint64_t>& counts) {
  std::uint64_t all = 0;
  for (const auto& [name, count] : counts) all += count;
  return all;
}

}  // namespace

TEST_CASE("every site is patched, trapped or failed, and every shape is counted") {
  Patched program;
  const auto figures = program.sites({0, 5, 2, 10, 2, 2}).session.plan();
  REQUIRE(figures);
  const auto& s = figures.value();
  CHECK(s.sites == 6);
  CHECK(s.patched + s.trapped + s.failed == s.sites);
  CHECK(sum(s.by_tactic) == s.patched + s.trapped);
  CHECK(s.failed == 1);
}

TEST_CASE("what cannot be relocated has failed, and says why") {
  Patched program;
  REQUIRE(program.sites({0, 0x13}).session.plan());
  const auto reply = program.results();
  REQUIRE(reply.total == 2);
  CHECK(reply.result == std::vector<std::string>{"patched", "failed"});
  CHECK(reply.tactic == std::vector<std::string>{"B1", ""});
  CHECK(reply.reason[0].empty());
  CHECK_FALSE(reply.reason[1].empty());
  CHECK(reply.trampoline[0].has_value());
  CHECK_FALSE(reply.trampoline[1].has_value());

  const auto explained = program.session.explain({{Vaddr{0x400113}, Vaddr{0x400115}}});
  REQUIRE(explained);
  const auto& refused = explained.value().explanations.at(0);
  CHECK(refused.result == "failed");
  CHECK(refused.note == reply.reason[1]);
  CHECK(explained.value().explanations.at(1).note == "not a site");
}

TEST_CASE(
    "what cannot be written at its address has failed, and the others are solved without it") {
  Patched program;
  REQUIRE(program.session.define_trampoline(
      {"$far", Json{0xe8, Json{{"rel32", "0x7f0000000000"}}, "$instr", "$break"}}));
  REQUIRE(program.session.add_patches({Vaddr{0x400105}, {0}, "$far", {}, {}}));
  const auto figures = program.sites({0, 7, 10}).session.plan();
  REQUIRE(figures);
  CHECK(figures.value().patched == 3);
  CHECK(figures.value().failed == 1);
  const auto reply = program.results();
  CHECK(reply.result == std::vector<std::string>{"patched", "failed", "patched", "patched"});
  CHECK_FALSE(reply.reason[1].empty());
}

TEST_CASE("results come in pages") {
  Patched program;
  REQUIRE(program.sites({0, 5, 2, 10, 2, 2}).session.plan());
  const auto all = program.results();
  REQUIRE(all.address.size() == 6);
  for (std::uint64_t from = 0; from < 6; ++from) {
    const auto one = program.results(from, 1);
    CHECK(one.total == 6);
    REQUIRE(one.address.size() == 1);
    CHECK(one.address[0] == all.address[from]);
    CHECK(one.result[0] == all.result[from]);
    CHECK(one.reason[0] == all.reason[from]);
  }
  CHECK(program.results(4, 100).address.size() == 2);
  CHECK(program.results(6, 1).address.empty());
  CHECK(program.results(UINT64_MAX, UINT64_MAX).address.empty());
}

TEST_CASE("a budget that cannot be met is an error, and a larger one mends it") {
  Patched program;
  program.sites({0});
  OptionsRequest options;
  options.max_mappings = 1;
  REQUIRE(program.session.set_options(options));
  const auto refused = program.session.plan();
  REQUIRE(refused.has_error());
  CHECK(refused.error().kind == "over_budget");
  CHECK(program.session.results({}).has_error());
  options.max_mappings = 100;
  REQUIRE(program.session.set_options(options));
  CHECK(program.session.plan());
}

TEST_CASE("a running plan is cancelled, the next one is not") {
  Session* running = nullptr;
  bool cancel = true;
  Patched program([&](std::string_view phase, std::uint64_t, std::uint64_t) {
    if (phase == "solve" && cancel) running->cancel();
  });
  running = &program.session;
  const auto cancelled = program.sites({0, 5}).session.plan();
  REQUIRE(cancelled.has_error());
  CHECK(cancelled.error().kind == "cancelled");
  cancel = false;
  CHECK(program.session.plan());
}

TEST_CASE("explain names the tactic, why not the others, and what was borrowed") {
  Patched program;
  program.sites({0, 5});
  const auto reply = program.session.explain({{Vaddr{0x400105}, Vaddr{0x400107}, Vaddr{0x400106}}});
  REQUIRE(reply);
  const auto& list = reply.value().explanations;
  REQUIRE(list.size() == 3);
  CHECK(list[0].result == "patched");
  unsigned chosen = 0;
  for (const auto& alternative : list[0].alternatives)
    if (alternative.outcome == "chosen") {
      ++chosen;
      CHECK(alternative.tactic == list[0].tactic);
    }
  CHECK(chosen == 1);
  REQUIRE_FALSE(list[0].borrowed_from.empty());
  CHECK(list[0].borrowed_from[0] == Vaddr{0x400107});
  CHECK(list[1].note.find("not a site") == 0);
  CHECK(list[2].note == "no instruction is known to start here");
}

TEST_CASE("explaining changes no decision") {
  Patched program;
  REQUIRE(program.sites({0, 5, 12, 4}).session.plan());
  const auto before = program.results();
  REQUIRE(program.session.explain({{Vaddr{0x400105}, Vaddr{0x400111}, Vaddr{0x400115}}}));
  const auto after = program.results();
  CHECK(before.tactic == after.tactic);
  CHECK(before.trampoline == after.trampoline);
}

TEST_CASE("tactics that are turned off are not used") {
  Patched program;
  OptionsRequest options;
  options.tactics = {"B1"};
  REQUIRE(program.session.set_options(options));
  REQUIRE(program.sites({0, 5, 2}).session.plan());
  CHECK(program.results().tactic == std::vector<std::string>{"B1", "", "B1"});
  options.tactics = {"B9"};
  CHECK(program.session.set_options(options).error().kind == "bad_request");
}

TEST_CASE("an unknown choice is an error and changes nothing") {
  Patched program;
  OptionsRequest nonsense;
  nonsense.tactics = {"B1"};
  nonsense.solver = "best";
  CHECK(program.session.set_options(nonsense).error().where == "/params/solver");
  nonsense.solver.reset();
  nonsense.optimize = "all";
  CHECK(program.session.set_options(nonsense).error().where == "/params/optimize");
  REQUIRE(program.sites({0, 5, 2}).session.plan());
  CHECK(program.results().tactic == std::vector<std::string>{"B1", "B2", "B1"});
}

TEST_CASE("a replacement is padded with nops, and refused when it is too long") {
  for (const std::size_t size : {1u, 2u, 3u}) {
    Patched program;
    REQUIRE(program.session.add_patches({Vaddr{0x400105}, {0}, "", {}, std::string(size, '\x90')}));
    REQUIRE(program.session.plan());
    CHECK(program.results().tactic[0] == (size <= 2 ? "I0" : ""));
  }
}

TEST_CASE("calls before open, results before plan, and a second file are refused") {
  Session session({});
  CHECK(session.plan().error().kind == "no_binary");
  CHECK(session.add_patches({}).error().kind == "no_binary");
  Patched program;
  CHECK(program.session.results({}).error().kind == "no_plan");
  CHECK(program.session.open({"/nowhere", "", {}}).error().kind == "bad_request");
}
