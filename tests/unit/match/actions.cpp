// Actions: how they are written, what template they become, how several of them make one patch.

#include <catch2/catch.hpp>

#include "frontend/match/action.h"
#include "frontend/match/payloads.h"
#include "tests/unit/match/payload_code.h"

using namespace punster;

namespace {

std::string canonical(std::string_view text) {
  return Action::parse(text).value().to_string();
}

Patch patch(const std::vector<std::string>& actions) {
  std::vector<Action> all;
  for (const auto& text : actions) all.push_back(Action::parse(text).value());
  return Patch::compose(all).value();
}

std::string fault(std::string_view text) {
  const auto action = Action::parse(text);
  if (action) return "";
  const std::string& message = action.error().message;
  return action.error().where + ": " + message.substr(0, message.find('\n'));
}

/// The payload disassembled line by line must read as the table says. Holes become 0x1000.
void check_payload(std::string_view action) {
  const Payload payload = payload_of(Action::parse(action).value());
  REQUIRE_FALSE(payload.empty());
  for (const auto& line : payload) {
    std::vector<std::uint8_t> bytes;
    for (const auto& element : line.code) {
      if (element.is_number())
        bytes.push_back(element.get<std::uint8_t>());
      else
        bytes.insert(bytes.end(), {0x00, 0x10, 0x00, 0x00});
    }
    std::string expected = line.assembly;
    if (const auto open = expected.find('{'); open != std::string::npos)
      expected.replace(open, expected.find('}') + 1 - open, "0x1000");
    CHECK(assembly(bytes, Vaddr{0}) == expected);
    CHECK(classify(bytes, Vaddr{0}));
  }
}

}  // namespace

TEST_CASE("every action has one canonical spelling", "[action]") {
  CHECK(canonical("empty") == "empty");
  CHECK(canonical(" count ") == "count");
  CHECK(canonical("count( atomic )") == "count(atomic)");
  CHECK(canonical("print") == "print");
  CHECK(canonical("breakpoint") == "breakpoint");
  CHECK(canonical("trap") == "breakpoint");
  CHECK(canonical("exit(0x10)") == "exit(16)");
  CHECK(canonical("nop") == "nop");
  CHECK(canonical("bytes(31 C0 c3)") == "bytes(31c0c3)");
  CHECK(canonical("jump(0x1139)") == "jump(0x1139)");
  CHECK(canonical("jump(4409)") == "jump(0x1139)");
}

TEST_CASE("jump takes the name of a symbol", "[action]") {
  const auto resolver = [](std::string_view name) {
    return name == "check" ? std::optional(Vaddr{0x1139}) : std::nullopt;
  };
  const auto action = Action::parse("jump(check)", {Syntax::att, resolver});
  CHECK(action.value().jump_target() == Vaddr{0x1139});
}

TEST_CASE("mistakes in actions point at their column", "[action]") {
  CHECK(fault("") == "column 1: expected an action");
  CHECK(fault("(3)") == "column 1: expected an action");
  CHECK(fault("cuont") == "column 1: unknown action `cuont`, did you mean `count`?");
  CHECK(fault("qqq").starts_with("column 1: unknown action `qqq`; there are empty, count"));
  CHECK(fault("count(3)") == "column 7: expected `count` or `count(atomic)`");
  CHECK(fault("count(atomic") == "column 6: this parenthesis is not closed");
  CHECK(fault("print x") == "column 7: unexpected text after `print`");
  CHECK(fault("print()") == "column 7: `print` takes nothing in parentheses");
  CHECK(fault("exit") == "column 5: `exit` wants something in parentheses");
  CHECK(fault("exit(256)") == "column 6: an exit status is a number from 0 to 255");
  CHECK(fault("exit(-1)") == "column 6: an exit status is a number from 0 to 255");
  CHECK(fault("bytes()").starts_with("column 7: expected pairs of hexadecimal digits"));
  CHECK(fault("bytes(3)").starts_with("column 7: expected pairs of hexadecimal digits"));
  CHECK(fault("jump()") == "column 6: expected an address or the name of a symbol");
  CHECK(fault("jump(main)") == "column 6: no symbol `main` to jump to");
  CHECK(Action::parse("cuont").error().kind == "bad_action");
}

TEST_CASE("empty runs the displaced instruction and nothing else", "[action]") {
  CHECK(patch({"empty"}).trampoline_code() == Json{"$instr", "$break"});
  CHECK(patch({}).trampoline_code() == Json{"$instr", "$break"});
  CHECK(patch({"empty"}).trampoline_name() == "$empty");
  CHECK(patch({}).trampoline_name() == "$empty");
}

TEST_CASE("payloads stand before the instruction, data behind the jump back", "[action]") {
  const Json code = patch({"print"}).trampoline_code();
  const std::size_t n = code.size();
  CHECK(code[n - 4] == "$instr");
  CHECK(code[n - 3] == "$break");
  CHECK(code[n - 2] == ".Lasmstr");
  CHECK(code[n - 1] == "$asmstr");
}

TEST_CASE("an action says which columns it needs", "[action]") {
  CHECK(patch({"count"}).needs_counter());
  CHECK(patch({"count(atomic)"}).needs_counter());
  CHECK_FALSE(patch({"count"}).needs_text());
  CHECK(patch({"print"}).needs_text());
  CHECK_FALSE(patch({"breakpoint"}).needs_counter());
}

TEST_CASE("actions of one site run in order", "[action]") {
  const Patch both = patch({"breakpoint", "exit(3)"});
  Json expected = {0xcc, 0xbf, {{"int32", 3}}, 0xb8, 0xe7, 0, 0, 0, 0x0f, 0x05, 0x0f, 0x0b};
  expected.push_back("$instr");
  expected.push_back("$break");
  CHECK(both.trampoline_code() == expected);
  CHECK(both.trampoline_name() == "$breakpoint+exit(3)");
  CHECK(patch({"empty", "count"}).trampoline_code() == patch({"count"}).trampoline_code());
  CHECK(patch({"empty", "count"}).trampoline_name() == "$count");
}

TEST_CASE("two prints share one text", "[action]") {
  const Json code = patch({"print", "print"}).trampoline_code();
  CHECK(std::count(code.begin(), code.end(), Json(".Lasmstr")) == 1);
}

TEST_CASE("a replacement that fits is written in place", "[action]") {
  CHECK(patch({"nop"}).in_place(1) == "");
  CHECK(patch({"bytes(31 c0 c3)"}).in_place(3) == std::string("\x31\xc0\xc3"));
  CHECK(patch({"bytes(31 c0 c3)"}).in_place(2) == std::nullopt);
  CHECK(patch({"jump(0x1139)"}).in_place(15) == std::nullopt);
  CHECK(patch({"count"}).in_place(15) == std::nullopt);
  CHECK(patch({"empty"}).in_place(15) == std::nullopt);
}

TEST_CASE("a replacement in a trampoline stands where the instruction would", "[action]") {
  CHECK(patch({"bytes(31 c0 c3)"}).trampoline_code() == Json{0x31, 0xc0, 0xc3, "$break"});
  CHECK(patch({"nop"}).trampoline_code() == Json::array({"$break"}));
  CHECK(patch({"jump(0x1139)"}).trampoline_code() == Json{0xe9, {{"rel32", 0x1139}}});
  CHECK_FALSE(patch({"nop"}).runs_instruction());
  CHECK(patch({"count"}).runs_instruction());
}

TEST_CASE("a replacement together with a payload takes a trampoline, payload first", "[action]") {
  for (const auto& order : {std::vector<std::string>{"nop", "breakpoint"}, {"breakpoint", "nop"}}) {
    const Patch both = patch(order);
    CHECK(both.in_place(15) == std::nullopt);
    CHECK(both.trampoline_code() == Json{0xcc, "$break"});
  }
}

TEST_CASE("actions stand before the instruction, in its place or behind it", "[action]") {
  CHECK(patch({"after breakpoint", "before exit(3)", "breakpoint"}).trampoline_code() ==
        Json{0xbf,
             {{"int32", 3}},
             0xb8,
             0xe7,
             0,
             0,
             0,
             0x0f,
             0x05,
             0x0f,
             0x0b,
             0xcc,
             "$instr",
             0xcc,
             "$break"});
  CHECK(patch({"replace breakpoint"}).trampoline_code() == Json{0xcc, "$break"});
  CHECK(patch({"replace empty"}).in_place(3) == "");
  CHECK(patch({"break"}).trampoline_code()[0] == "$break");
  CHECK_FALSE(patch({"break"}).retargets_calls());
  CHECK(canonical(" after  count") == "after count");
  CHECK(canonical("replace trap") == "replace breakpoint");
  CHECK(canonical("signal(SIGTRAP)") == "signal(5)");
  CHECK(fault("after nop") ==
        "column 7: `nop` stands in place of the instruction, never before or after it");
  CHECK(fault("signal(SIGNONE)").starts_with("column 8: expected a signal"));
}

TEST_CASE("mistakes in calls point at their column", "[action]") {
  const auto faults = [](const std::string& arguments) { return fault("f(" + arguments + ")@h"); };
  CHECK(
      fault("f(rax)").starts_with("column 1: unknown action `f`; a call of your own function is"));
  CHECK(fault("if f(rax)@h") == "column 12: expected `break` or `goto` behind the call");
  CHECK(fault("if f(rax)@h jump") == "column 13: expected `break` or `goto` behind the call");
  CHECK(fault("if f(rax) break") == "column 11: expected `@` and a file that `punster cc` made");
  CHECK(fault("f<dirty>(rax)@h") == "column 2: expected <clean> or <naked>");
  CHECK(fault("f(rax)@").starts_with("column 8: expected a file"));
  CHECK(fault("if (rax)@h break") == "column 4: expected the name of a function");
  CHECK(faults("rax,") == "column 7: expected an argument");
  CHECK(faults("1, raxx") == "column 6: unknown argument `raxx`, did you mean `rax`?");
  CHECK(faults("&nothing").starts_with("column 4: `&nothing` is neither a register"));
  CHECK(faults("&rip").starts_with("column 3: `rip` cannot be written"));
  CHECK(faults("&addr").starts_with("column 3: this has no address"));
  CHECK(faults("xmm0") == "column 3: a vector register is passed by pointer: &xmm0");
  CHECK(faults("cr0").starts_with("column 3: `cr0` cannot be passed"));
  CHECK(faults("(static)size").starts_with("column 3: (static) is for addr"));
  CHECK(faults("(static float)addr").starts_with("column 3: `float` is no type to cast to"));
  CHECK(faults("op[x]") == "column 3: expected `op[0]`");
  CHECK(faults("&op[0].size").starts_with("column 3: this has no address"));
  CHECK(faults("op[0].seg").starts_with("column 3: a segment register cannot be passed"));
  CHECK(faults("mem24<(%rax)>").starts_with("column 3: expected a memory operand"));
  CHECK(faults("writes").starts_with("column 3: expected a number or text, but this is a set"));
  CHECK(faults("0,1,2,3,4,5,6,7,8") == "column 19: more than 8 arguments");
  CHECK(fault("f<naked>(0,1,2,3,4,5,6)@h") == "column 22: more than 6 arguments");
  CHECK(fault("f()@/nonexistent").starts_with("column 5: /nonexistent: "));
}

TEST_CASE("only one action can stand in for the instruction", "[action]") {
  const auto nop = Action::parse("nop").value(), jump = Action::parse("jump(0x10)").value();
  const auto result = Patch::compose({nop, jump});
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().kind == "bad_action");
  CHECK(result.error().message.starts_with("`nop` and `jump(0x10)` both stand in"));
}

TEST_CASE("counter addresses keep all their bits in JSON", "[action]") {
  CHECK(counter_value(Vaddr{0x4000}) == 0x4000);
  CHECK(counter_value(Vaddr{0xfffffffffffff008}) == "0xfffffffffffff008");
}

TEST_CASE("printed text ends with a newline, which its length includes", "[action]") {
  const auto [text, length] = text_values("ret");
  CHECK(text == Json{{"string", "ret\n"}});
  CHECK(length == 4);
}

TEST_CASE("payloads disassemble to the assembly beside them", "[action][payload]") {
  check_payload("count");
  check_payload("count(atomic)");
  check_payload("print");
  check_payload("breakpoint");
  check_payload("exit(255)");
}

TEST_CASE("only what runs the instruction may be entered by a retargeted call", "[action]") {
  for (const auto* action : {"empty", "count", "count(atomic)", "print", "breakpoint", "exit(3)"})
    CHECK(patch({action}).retargets_calls());
  CHECK(patch({"count", "print"}).retargets_calls());
  for (const auto* action : {"nop", "bytes(31 c0)", "jump(0x1139)"}) {
    CHECK_FALSE(patch({action}).retargets_calls());
    CHECK_FALSE(patch({"count", action}).retargets_calls());
  }
}
