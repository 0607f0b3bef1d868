// The verifier's pipeline. Nothing in it asks how the patched file came about.

#include "frontend/verify/verify.h"

#include <algorithm>
#include <thread>

#include "frontend/verify/changes.h"
#include "frontend/verify/failure_log.h"
#include "frontend/verify/file_checks.h"
#include "frontend/verify/layout_checks.h"
#include "frontend/verify/raise_proof.h"
#include "frontend/verify/shapes.h"
#include "frontend/verify/site_file.h"
#include "frontend/verify/site_proof.h"
#include "protocol/hex.h"

namespace punster {
namespace {

/// Runs `work(part, from, to)` on consecutive parts of [0, count), one thread each.
template <typename Work>
void in_parts(std::size_t count, unsigned parts, const Work& work) {
  std::vector<std::thread> threads;
  for (unsigned part = 1; part < parts; ++part)
    threads.emplace_back(
        [&, part] { work(part, count * part / parts, count * (part + 1) / parts); });
  work(0u, std::size_t{0}, count / parts);
  for (auto& thread : threads) thread.join();
}

/// The instructions that the site file names, where nobody knows more.
std::vector<Insn> instructions_of(const SiteFile& file, const PatchedImage& original) {
  std::vector<Insn> instructions;
  for (const SiteRecord& site : file.sites) instructions.emplace_back(site.address, site.size);
  CodeReader memory(original);
  for (const Vaddr evicted : file.evicted)
    if (const auto decoded = decode(memory.at(evicted), evicted);
        decoded && file.find(evicted) == nullptr)
      instructions.emplace_back(evicted, decoded->length);
  std::sort(instructions.begin(), instructions.end());
  return instructions;
}

class Verification {
 public:
  Verification(const VerifyRequest& request, PatchedImage original, PatchedImage patched,
               std::optional<SiteFile> sites)
      : request_(request),
        jobs_(std::clamp(request.jobs, 1u, 64u)),
        original_(std::move(original)),
        patched_(std::move(patched)),
        sites_(std::move(sites)),
        log_(request.failures_listed) {}

  VerifyReport run() {
    undo_raise(original_, patched_, log_);
    // From here on the patched file has the addresses of the original.

    check_original_bytes(original_, patched_, log_);
    check_program_headers(original_, patched_, log_);
    check_tables(original_, patched_, log_);
    check_hook(original_, patched_, log_);
    check_gate(original_, patched_, log_);
    // From here on memory after start is what PatchedImage says, or a failure stands in the log.

    find_changed_instructions();
    read_shapes();
    check_stray_bytes();
    // From here on every changed start has a shape, and the model does not change any more.

    prove_changed();
    check_branches_of_untouched();
    if (sites_) compare_with_site_file();
    if (model_.changed.empty() && report_.sites == 0) log_.add("no_sites", "no patched site found");
    count_mappings();
    log_.report_to(report_);
    return std::move(report_);
  }

 private:
  void find_changed_instructions();
  void read_shapes();
  void add_entries(std::size_t start, CodeReader& memory, std::vector<BodyEntry>& entries) const;
  void check_stray_bytes();
  void prove_changed();
  void check_bodies_apart(const std::vector<std::optional<Vaddr>>& bodies);
  void check_branches_of_untouched();
  void compare_with_site_file();
  void compare_site(const SiteRecord& site);
  void count_mappings();
  [[nodiscard]] Demand demand_at(Vaddr address) const;
  void count_proven(const ChangedStart& start, bool has_payload);
  [[nodiscard]] bool passes(const ChangedStart& start, Vaddr trampoline);

  const VerifyRequest& request_;
  unsigned jobs_;
  PatchedImage original_, patched_;
  std::optional<SiteFile> sites_;
  FailureLog log_;
  VerifyReport report_;
  CodeModel model_;
  std::vector<Insn> named_;  // by the site file, when the caller knows no instructions
  std::vector<AddressRange> stray_, jump_bytes_;
};

void Verification::find_changed_instructions() {
  model_.original = &original_;
  model_.patched = &patched_;
  model_.movable = original_.elf_header().e_type == ET_DYN;
  if (patched_.header() != nullptr) model_.syscall_gate = Vaddr{patched_.header()->syscall_gate};
  CodeKnowledge code = request_.code;
  if (code.instructions.empty() && sites_) {
    named_ = instructions_of(*sites_, original_);
    code.instructions = named_;
  }
  model_.instructions = code.instructions;
  Changes changes = find_changes(original_, patched_, code, log_);
  report_.changed_bytes = changes.byte_count();
  model_.changed_bytes = std::move(changes.runs);
  stray_ = std::move(changes.stray);

  // A trap at an instruction that raised #UD by itself changes no byte, but is a site all the same.
  std::vector<Insn> starts = std::move(changes.instructions);
  for (const PunsterTrap& trap : patched_.traps()) {
    const auto at = std::lower_bound(
        model_.instructions.begin(), model_.instructions.end(), trap.site,
        [](const Insn& insn, std::uint64_t site) { return insn.address().value < site; });
    if (at == model_.instructions.end() || at->address().value != trap.site)
      log_.add(
          Vaddr{trap.site}, "trap_without_site",
          "the trap table lists " + to_hex(Vaddr{trap.site}) + ", where no instruction starts");
    else
      starts.push_back(*at);
  }
  std::sort(starts.begin(), starts.end());
  starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
  for (const Insn insn : starts) model_.changed.push_back({insn, Shape::unknown, {}});
  report_.untouched = model_.instructions.size() - starts.size();
  report_.sites = starts.size();
}

void Verification::read_shapes() {
  std::vector<FailureLog> logs(jobs_, FailureLog(request_.failures_listed));
  std::vector<std::vector<AddressRange>> bytes(jobs_);
  std::vector<std::vector<BodyEntry>> entries(jobs_);
  in_parts(model_.changed.size(), jobs_, [&](unsigned part, std::size_t from, std::size_t to) {
    ShapeReader reader(model_);
    CodeReader memory(patched_);
    for (std::size_t i = from; i < to; ++i) {
      ChangedStart& start = model_.changed[i];
      const SiteRecord* site = sites_ ? sites_->find(start.insn.address()) : nullptr;
      auto reading = reader.read(start.insn, site && site->replaced ? &*site->replaced : nullptr);
      start = reading.start;
      if (reading.fault)
        logs[part].add(start.insn.address(), reading.fault->kind,
                       std::move(reading.fault->message));
      else
        add_entries(i, memory, entries[part]);
    }
    std::sort(entries[part].begin(), entries[part].end());
    bytes[part] = reader.take_jump_bytes();
  });
  for (unsigned part = 0; part < jobs_; ++part) {
    log_.merge(std::move(logs[part]));
    jump_bytes_.insert(jump_bytes_.end(), bytes[part].begin(), bytes[part].end());
  }
  model_.entries = BodyEntries(entries);
}

void Verification::add_entries(std::size_t start, CodeReader& memory,
                               std::vector<BodyEntry>& entries) const {
  const ChangedStart& changed = model_.changed[start];
  if (changed.shape == Shape::replaced) return;
  const Ways ways(changed, memory);
  for (const Vaddr way : ways.all())
    entries.push_back({way, static_cast<std::uint32_t>(start), way == changed.entry});
}

void Verification::check_stray_bytes() {
  if (stray_.empty()) return;
  std::sort(jump_bytes_.begin(), jump_bytes_.end());
  const bool all_known = !request_.code.instructions.empty();
  std::vector<Vaddr> bytes;
  for (const AddressRange& run : stray_)
    for (Vaddr at = run.lo; at < run.hi; at = at + Bytes{1}) bytes.push_back(at);
  for (const Vaddr at : without_allowed_edits(std::move(bytes), original_, patched_)) {
    // Where nobody said what is padding, the bytes of a jump that was proven may be.
    const auto covers = std::find_if(jump_bytes_.begin(), jump_bytes_.end(),
                                     [&](const AddressRange& jump) { return jump.contains(at); });
    if (all_known || covers == jump_bytes_.end())
      log_.add(at, "unknown_byte_changed",
               "the byte at " + to_hex(at) +
                   " was changed, but is neither of a known instruction nor "
                   "padding");
  }
}

Demand Verification::demand_at(Vaddr address) const {
  Demand demand;
  if (!sites_) return demand;
  const SiteRecord* site = sites_->find(address);
  if (site == nullptr) {
    demand.payload_allowed = !sites_->is_evicted(address);
    return demand;
  }
  if (site->replaced)
    demand.instead = site->replaced;
  else
    demand.jump = site->jump;
  demand.exit = site->exit;
  return demand;
}

void Verification::count_proven(const ChangedStart& start, bool has_payload) {
  ++report_.proven;
  report_.with_payload += has_payload;
  report_.jumps += start.shape == Shape::jump;
  report_.calls += start.shape == Shape::call;
  report_.traps += start.shape == Shape::trap;
  report_.replaced += start.shape == Shape::replaced;
  if (sites_ && sites_->find(start.insn.address()) == nullptr) ++report_.evicted;
}

void Verification::prove_changed() {
  std::vector<FailureLog> logs(jobs_, FailureLog(request_.failures_listed));
  enum class Outcome : std::uint8_t { unproven, proven, proven_with_payload };
  std::vector<Outcome> outcomes(model_.changed.size());
  std::vector<std::optional<Vaddr>> bodies(model_.changed.size());
  in_parts(model_.changed.size(), jobs_, [&](unsigned part, std::size_t from, std::size_t to) {
    SiteProver prover(model_);
    for (std::size_t i = from; i < to; ++i) {
      const ChangedStart& start = model_.changed[i];
      if (start.shape == Shape::replaced) outcomes[i] = Outcome::proven;
      if (start.shape == Shape::replaced || start.shape == Shape::unknown) continue;
      const Vaddr address = start.insn.address();
      Proof proof = prover.prove(start, demand_at(address));
      if (proof.fault)
        logs[part].add(address, proof.fault->kind,
                       "the trampoline of " + to_hex(address) + ": " + proof.fault->message);
      else
        outcomes[i] = proof.has_payload ? Outcome::proven_with_payload : Outcome::proven;
      bodies[i] = proof.body;
    }
  });
  for (FailureLog& log : logs) log_.merge(std::move(log));
  check_bodies_apart(bodies);
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    if (outcomes[i] != Outcome::unproven)
      count_proven(model_.changed[i], outcomes[i] == Outcome::proven_with_payload);
}

// Each body is one start's own: what it counts or prints is about that start.
void Verification::check_bodies_apart(const std::vector<std::optional<Vaddr>>& bodies) {
  BodyFinder finder(model_.entries);
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    if (!bodies[i]) continue;
    for (const BodyEntry& entry : finder.at(*bodies[i]))
      if (entry.start != i && bodies[entry.start] == bodies[i])
        log_.add(model_.changed[i].insn.address(), "shared_body",
                 to_hex(model_.changed[i].insn.address()) + " and " +
                     to_hex(model_.changed[entry.start].insn.address()) +
                     " both lead to the body at " + to_hex(*bodies[i]));
  }
}

// A branch that was not touched still leads where it led. When that is inside a known instruction
// (past a lock prefix, say), those bytes must be the original ones.
void Verification::check_branches_of_untouched() {
  const auto& instructions = model_.instructions;
  std::vector<FailureLog> logs(jobs_, FailureLog(request_.failures_listed));
  in_parts(instructions.size(), jobs_, [&](unsigned part, std::size_t from, std::size_t to) {
    CodeReader memory(original_);
    for (std::size_t i = from; i < to; ++i) {
      const Vaddr at = instructions[i].address();
      const auto decoded = decode(memory.at(at), at);
      if (!decoded || (decoded->flow != Flow::branch && decoded->flow != Flow::jump &&
                       decoded->flow != Flow::call))
        continue;
      const Vaddr target = decoded->target;
      if (!model_.differs(target, target + Bytes{1}) || model_.is_start(target) ||
          model_.find_changed(at) != nullptr)
        continue;
      logs[part].add(at, "branch_into_changed_bytes",
                     "the branch at " + to_hex(at) + " leads to " + to_hex(target) +
                         ", which is no known instruction start, and its bytes changed");
    }
  });
  for (FailureLog& log : logs) log_.merge(std::move(log));
}

void Verification::compare_with_site_file() {
  for (const SiteRecord& site : sites_->sites) compare_site(site);
  for (const ChangedStart& start : model_.changed) {
    const Vaddr at = start.insn.address();
    if (sites_->find(at) == nullptr && !sites_->is_evicted(at))
      log_.add(at, "unlisted",
               "the instruction at " + to_hex(at) +
                   " was changed, but the site file lists it neither as a site nor as "
                   "evicted");
  }
}

void Verification::compare_site(const SiteRecord& site) {
  const Vaddr at = site.address;
  const ChangedStart* start = model_.find_changed(at);
  if (start == nullptr && site.result == SiteResult::failed) return;
  if (start == nullptr) {
    ++report_.sites;
    const bool known = model_.is_start(at);
    log_.add(at, known ? "not_patched" : "not_an_instruction",
             "the site file says that " + to_hex(at) + " is " + to_string(site.result) +
                 (known ? ", but its bytes are those of the original"
                        : ", but no instruction is known to start there"));
    return;
  }
  if (start->insn.length() != site.size)
    log_.add(at, "site_bytes",
             "the site file says that the instruction at " + to_hex(at) + " has " +
                 std::to_string(site.size) + " bytes, it has " +
                 std::to_string(start->insn.length()));
  std::string bytes(site.bytes.size(), '\0');
  original_.read(at, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
  if (bytes != site.bytes)
    log_.add(
        at, "site_bytes",
        "the bytes that the site file gives for " + to_hex(at) + " are not those of the original");
  if (start->shape == Shape::unknown) return;  // reported already
  const bool trapped = start->shape == Shape::trap;
  if (site.result == SiteResult::failed || trapped != (site.result == SiteResult::trapped))
    log_.add(at, "wrong_result",
             "the site file says that " + to_hex(at) + " is " + to_string(site.result) +
                 ", but it is " + (trapped ? "trapped" : "patched"));
  if (site.trampoline && start->shape != Shape::replaced && !passes(*start, *site.trampoline))
    log_.add(at, "wrong_trampoline",
             "the site file says that the trampoline of " + to_hex(at) + " is at " +
                 to_hex(*site.trampoline) + ", but it leads to " + to_hex(start->entry));
}

bool Verification::passes(const ChangedStart& start, Vaddr trampoline) {
  ChangedStart way = start;
  if (way.shape == Shape::call) way.shape = Shape::jump;
  CodeReader memory(patched_);
  return leads_to(way, trampoline, memory);
}

void Verification::count_mappings() {
  for (const PunsterMapping& mapping : patched_.mappings()) {
    if (mapping.kind == PUNSTER_ORIGINAL) continue;
    ++report_.mappings;
    (mapping.kind == PUNSTER_OVERLAY ? report_.overlay_pages : report_.trampoline_pages) +=
        mapping.pages;
  }
}

}  // namespace

Result<VerifyReport> verify(const VerifyRequest& request) {
  PUNSTER_TRY(auto original, PatchedImage::open(request.original));
  auto patched = PatchedImage::open(request.patched);
  if (patched.has_error()) {
    if (patched.error().kind == "unreadable") return patched.error();
    VerifyReport report;
    FailureLog log(request.failures_listed);
    log.add(patched.error().kind, patched.error().message);
    log.report_to(report);
    return report;
  }
  std::optional<SiteFile> sites;
  if (request.sites) {
    PUNSTER_TRY(auto file, read_site_file(*request.sites, request.jobs));
    sites = std::move(file);
  }
  return Verification(request, std::move(original), std::move(patched.value()), std::move(sites))
      .run();
}

}  // namespace punster
