#include "frontend/cli/selection.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "frontend/image/doubt.h"
#include "frontend/image/exclusion.h"
#include "frontend/image/restartable.h"
#include "frontend/match/address_file.h"
#include "frontend/match/exclusion_range.h"

namespace punster {

namespace {

/// One bit per group.
using Membership = std::uint64_t;

void match_range(const std::vector<CompiledGroup>& groups, const ImageContext& context,
                 std::span<const Insn> instructions, std::span<Membership> result) {
  for (std::size_t i = 0; i < instructions.size(); ++i)
    for (std::size_t g = 0; g < groups.size(); ++g)
      if (groups[g].match.matches(instructions[i], context)) result[i] |= Membership{1} << g;
}

/// Every thread has a part of its own of both arrays: the result does not depend on their number.
std::vector<Membership> memberships(const std::vector<CompiledGroup>& groups,
                                    const Subject& subject, unsigned jobs) {
  const std::span<const Insn> all = subject.code.instructions;
  std::vector<Membership> result(all.size());
  const ImageContext context(subject.image, subject.code);
  const std::size_t part = all.size() / std::max(1u, jobs) + 1;
  std::vector<std::thread> threads;
  for (std::size_t from = 0; from < all.size(); from += part) {
    const std::size_t count = std::min(part, all.size() - from);
    threads.emplace_back([&, from, count] {
      match_range(groups, context, all.subspan(from, count),
                  std::span(result).subspan(from, count));
    });
  }
  for (std::thread& thread : threads) thread.join();
  return result;
}

Result<Treatment> treatment_of(const std::vector<CompiledGroup>& groups, Membership member) {
  std::vector<Action> actions;
  for (std::size_t g = 0; g < groups.size(); ++g)
    if ((member >> g & 1) != 0)
      actions.insert(actions.end(), groups[g].actions.begin(), groups[g].actions.end());
  PUNSTER_TRY(auto patch, Patch::compose(actions));
  return Treatment{std::move(actions), std::move(patch)};
}

Result<OutsideEvidence> outside_evidence(const EvidenceOptions& evidence) {
  OutsideEvidence outside{evidence.code, evidence.data, {}};
  for (const std::string& path : evidence.addresses) {
    PUNSTER_TRY(const auto addresses, read_addresses(path));
    for (const std::uint64_t address : addresses) outside.starts.emplace_back(address);
  }
  std::ranges::sort(outside.starts);
  outside.starts.erase(std::unique(outside.starts.begin(), outside.starts.end()),
                       outside.starts.end());
  return outside;
}

}  // namespace

Result<Subject> Subject::load(const std::string& path, const EvidenceOptions& evidence,
                              unsigned jobs, const ProgressSink& progress) {
  const auto start = std::chrono::steady_clock::now();
  PUNSTER_TRY(auto image, Image::open(path, evidence.debug_file));
  AnalysisOptions options;
  options.jobs = jobs;
  options.progress = [&progress](std::uint64_t done, std::uint64_t total) {
    progress("analyse", done, total);
  };
  PUNSTER_TRY(options.outside, outside_evidence(evidence));
  PUNSTER_TRY(check(options.outside, image));
  PUNSTER_TRY(auto code, analyse(image, options));
  if (evidence.doubt != EvidenceOptions::Doubt::skip) accept_doubt(image, code);
  std::vector<AddressRange> excluded = restartable_ranges(image);
  for (const std::string& text : evidence.excluded) {
    PUNSTER_TRY(const auto range, parse_exclusion(text, ImageContext::names(image)));
    excluded.push_back(range);
  }
  exclude(code, std::move(excluded));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return Subject{std::move(image), std::move(code), seconds.count(),
                 evidence.doubt == EvidenceOptions::Doubt::trap};
}

Result<std::vector<CompiledGroup>> compile(const std::vector<ActionGroup>& groups,
                                           const Image& image, bool intel_syntax, bool files) {
  if (groups.size() > max_groups)
    return error("usage", "more than 64 groups of -M and -P (join expressions by `or`)");
  const NameResolver names = ImageContext::names(image);
  const MatchOptions match_options{intel_syntax ? Syntax::intel : Syntax::att, names, files,
                                   [&image]() -> Result<void> {
                                     PUNSTER_TRY(image.lines());
                                     return success();
                                   }};
  std::vector<CompiledGroup> compiled;
  for (const ActionGroup& group : groups) {
    std::vector<Match> matches;
    for (const std::string& text : group.matches) {
      PUNSTER_TRY(auto match, Match::parse(text, match_options));
      matches.push_back(std::move(match));
    }
    std::vector<Action> actions;
    for (const std::string& text : group.actions) {
      PUNSTER_TRY(auto action, Action::parse(text, match_options));
      actions.push_back(std::move(action));
    }
    compiled.push_back({Match::all_of(matches), std::move(actions)});
  }
  return compiled;
}

std::vector<Vaddr> Selection::counted() const {
  std::vector<Vaddr> result;
  for (const Site& site : sites)
    if (patch_of(site).needs_counter()) result.push_back(site.insn.address());
  return result;
}

Result<Selection> select(const std::vector<CompiledGroup>& groups, const Subject& subject,
                         unsigned jobs) {
  Selection selection;
  std::map<Membership, std::uint32_t> treatment_index;
  const std::vector<Membership> member = memberships(groups, subject, jobs);
  selection.sites.reserve(member.size() - static_cast<std::size_t>(std::count(
                                              member.begin(), member.end(), Membership{0})));
  for (std::size_t i = 0; i < member.size(); ++i) {
    if (member[i] == 0) continue;
    const Insn insn = subject.code.instructions[i];
    auto known = treatment_index.find(member[i]);
    if (known == treatment_index.end()) {
      auto treatment = treatment_of(groups, member[i]);
      if (treatment.has_error()) {
        Error fault = std::move(treatment).error();
        fault.address = insn.address();
        return fault;
      }
      const auto index = static_cast<std::uint32_t>(selection.treatments.size());
      known = treatment_index.emplace(member[i], index).first;
      selection.treatments.push_back(std::move(treatment).value());
    }
    selection.sites.push_back({insn, known->second});
  }
  return selection;
}

}  // namespace punster
