// `asm =~ /mov.*%rax.*/` runs once for each instruction of the binary, 635,000 times for git.
// std::regex backtracks: some patterns take exponential time. Match expressions ask only whether the
// whole text matches, so we do what K. Thompson ("Regular expression search algorithm", CACM 1968)
// did: build a nondeterministic automaton from the pattern (regex_compiler.cpp), and make it
// deterministic once, before the first instruction. A match then is one table look-up a byte.
// Measured on "movq 0x200(%rcx,%rbx,8), %rax": 42 ns for patterns that read all of it, 2 ns for
// those that fail at its first letters; std::regex takes 440 to 620 and 55 to 60 ns.
//
// Two refinements. Bytes that no part of the pattern tells apart share a column of the table, which
// keeps it in the cache: the patterns measured need 4 to 9 columns instead of 256. And where the
// deterministic automaton would explode (/.*a.{20}/ has a million states), we stop at `max_states`
// and follow the set of nondeterministic states instead, slower but still linear in the text.

#include "frontend/match/regex.h"

#include <algorithm>
#include <map>

namespace punster {
namespace {

constexpr std::size_t max_states = 4096;

}  // namespace

void Regex::close(States& states, bool at_begin, bool at_end) const {
  std::vector<bool> seen(nodes_.size());
  States pending = states;
  states.clear();
  while (!pending.empty()) {
    const auto at = pending.back();
    pending.pop_back();
    if (at == none || seen[at]) continue;
    seen[at] = true;
    const Node& node = nodes_[at];
    // An end that is not there yet stays in the set: it counts if the text ends here.
    if (node.kind == Node::Kind::consume || node.kind == Node::Kind::accept ||
        node.kind == Node::Kind::at_end)
      states.push_back(at);
    if (node.kind == Node::Kind::epsilon || (node.kind == Node::Kind::at_begin && at_begin) ||
        (node.kind == Node::Kind::at_end && at_end)) {
      pending.push_back(node.next);
      pending.push_back(node.other);
    }
  }
  std::sort(states.begin(), states.end());
}

Regex::States Regex::step(const States& from, std::uint8_t byte) const {
  States to;
  for (const auto at : from)
    if (nodes_[at].kind == Node::Kind::consume && sets_[nodes_[at].set].test(byte))
      to.push_back(nodes_[at].next);
  if (!to.empty()) close(to, false, false);
  return to;
}

bool Regex::accepts(States states, bool at_begin) const {
  close(states, at_begin, true);
  return std::any_of(states.begin(), states.end(),
                     [&](auto at) { return nodes_[at].kind == Node::Kind::accept; });
}

void Regex::determinise() {
  // Two bytes are of one class when every set of the pattern holds both or neither.
  std::map<std::vector<bool>, std::uint8_t> classes;
  std::vector<std::uint8_t> sample;
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::vector<bool> signature;
    for (const auto& set : sets_) signature.push_back(set.test(byte));
    const auto [it, fresh] = classes.emplace(signature, static_cast<std::uint8_t>(classes.size()));
    class_of_[byte] = it->second;
    if (fresh) sample.push_back(static_cast<std::uint8_t>(byte));
  }
  class_count_ = static_cast<unsigned>(sample.size());

  States start = {start_};
  close(start, true, false);
  std::map<States, std::uint16_t> number = {{States{}, 0}};
  std::vector<States> todo = {States{}, start};
  next_.assign(class_count_, 0);
  accepting_ = {false, accepts({start_}, true)};
  // The start state gets its own number even if a later set of states equals it: only at the begin
  // of the text does `^` hold.
  for (std::size_t state = 1; state < todo.size(); ++state) {
    const States from = todo[state];
    for (unsigned c = 0; c < class_count_; ++c) {
      States to = step(from, sample[c]);
      const auto [it, fresh] = number.emplace(to, static_cast<std::uint16_t>(todo.size()));
      next_.push_back(it->second);
      if (!fresh) continue;
      if (todo.size() == max_states) {
        next_.clear();
        return;
      }
      accepting_.push_back(accepts(to, false));
      todo.push_back(std::move(to));
    }
  }
}

bool Regex::simulate(std::string_view text) const {
  States states = {start_};
  if (text.empty()) return accepts(states, true);
  close(states, true, false);
  for (const char c : text) {
    states = step(states, static_cast<std::uint8_t>(c));
    if (states.empty()) return false;
  }
  return accepts(states, false);
}

bool Regex::matches(std::string_view text) const {
  if (next_.empty()) return simulate(text);
  std::size_t state = 1;
  for (const char c : text) {
    state = next_[state * class_count_ + class_of_[static_cast<std::uint8_t>(c)]];
    if (state == 0) return false;
  }
  return accepting_[state];
}

}  // namespace punster
