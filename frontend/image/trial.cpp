// A trial follows direct flow from one uncertain address through unclaimed bytes and keeps a
// balance of evidence in bits (likelihood.h). It fails at once on what code never does: bytes that
// do not decode, odd instructions, overlaps with known instructions, branches to where no
// instruction can start, RIP-relative addresses outside the image, bytes that proven code reads as
// data. What remains is accepted when the balance, together with what speaks for the address
// beforehand, passes a threshold: a relocated pointer or the place after a call needs almost no
// support; bytes that nobody refers to need to be overwhelmingly code.
//
// False code is the worst failure of a rewriter: it corrupts constants, silently. Hence all or
// nothing: one bad path rejects the whole trial.
//
// Measured by withholding the unwind entries and comparing with the map that has them (Debian 12's
// binaries; fill between functions, which then looks like the continuation of a last call, not
// counted):
//
//              instructions found     false ones
//     ls             95.5 %               0
//     bash           96.4 %               0
//     git            97.5 %               0
//     python3.11     91.4 %               0
//     gdb            96.1 %               0
//     libc.so.6      96.3 %               0
//     libcrypto      96.4 %               0
//
// libx265, whose 2.4 million instructions of hand-written vector code have no unwind entries at
// all, gets from 18 % to 99.9 % of its .text this way.
//
// Hand-written functions are short and call each other, or jump through tables that nobody
// recognises. So a trial that found nothing wrong but too little evidence gets a second look,
// through calls; in a stretch between known code also through what ends its runs, and a stretch
// that is code to its last byte needs less. tests/truth/ground_truth measures the whole against
// assembler listings:
//
//                  instructions  precision      recall
//     libcrypto         610,895      100 %       100 %
//     libgmp            113,645      100 %    99.995 %
//     libnettle          38,341      100 %       100 %
//     libdav1d          331,795      100 %     99.95 %

#include "frontend/image/trial.h"

#include <algorithm>

namespace punster {
namespace {

constexpr std::size_t most_steps = 4096;

// Bits that the balance must reach.
double threshold(Evidence evidence) {
  switch (evidence) {
    case Evidence::stated:
    case Evidence::descent:
    case Evidence::jump_table:
    case Evidence::unwind:
    case Evidence::relocation: return 0;
    case Evidence::call_return: return 0;
    case Evidence::address_taken: return 14;
    case Evidence::gap:
      return gap_threshold;
  }
  return gap_threshold;
}

constexpr double fitting_threshold = 14;  // of a stretch between known code that is code to its end

constexpr double known_target_bits = 12;  // data hits an instruction start of ours once in 2^13 or so
constexpr double known_near_bits = 2;     // an 8-bit displacement hits one easily
constexpr double in_image_bits = 6;

}  // namespace

Trials::Trials(const Image& image, Claims& claims, Findings& findings, Descent& descent,
               const Likelihood& likelihood)
    : image_(image), claims_(claims), findings_(findings), descent_(descent),
      likelihood_(likelihood) {}

Verdict Trials::attempt(const Hint& hint) {
  const Spot spot = claims_.find(hint.address);
  if (!spot || !spot.region->is_free(spot.at))
    return Verdict::settled;
  through_calls_ = false;
  bool good = passes(hint);
  // Too short to judge: a second look takes in what it calls, and what follows if that returns.
  if (!good && sensible_ && bits_ < threshold(hint.evidence)) {
    through_calls_ = true;
    good = passes(hint);
  }
  if (!good)
    return Verdict::refused;
  for (const Step& step : steps_) {
    descent_.claim(step.spot, step.info, hint.evidence);
    const std::size_t next = step.spot.at + step.info.length;
    const bool call = step.info.kind == FlowKind::call || step.info.kind == FlowKind::indirect_call;
    if (step.info.kind == FlowKind::call)
      findings_.hints.push_back({step.info.target, Evidence::relocation});
    if (call && next < step.spot.region->size() && !step.spot.region->is_boundary(next))
      findings_.hints.push_back({step.spot.region->address(next), Evidence::call_return});
  }
  for (const Vaddr rest : open_)
    findings_.hints.push_back({rest, Evidence::relocation});
  return Verdict::accepted;
}

bool Trials::passes(const Hint& hint) {
  steps_.clear();
  open_.clear();
  bits_ = 0;
  ended_ = false;
  sensible_ = explore(hint.address) && ended_;
  double needed = threshold(hint.evidence);
  if (sensible_ && through_calls_ && hint.evidence == Evidence::gap)
    needed = read_on(claims_.find(hint.address));
  for (const Step& step : steps_) step.spot.region->clear_trial(step.spot.at, step.info.length);
  return sensible_ && bits_ >= needed;
}

// Behind what ends a stretch's first run, run by run, until there is evidence enough. Returns what
// is enough: less where every byte of the stretch is explained, for data seldom ends where code
// begins.
double Trials::read_on(const Spot& spot) {
  Region& region = *spot.region;
  for (std::size_t at = spot.at; bits_ < gap_threshold && steps_.size() < most_steps;) {
    while (at < region.size() && (region.is_trial_start(at) || region.is_trial_inside(at))) ++at;
    while (at < region.size() && region.is_free(at) && region.decode(at).fills())
      at += region.decode(at).length;
    if (at >= region.size() || !region.is_free(at)) {
      sensible_ = !refers_to_itself();
      return fitting_threshold;
    }
    if (region.is_trial_start(at)) continue;
    sensible_ = explore(region.address(at)) && !refers_to_itself();
    if (!sensible_) break;
  }
  return gap_threshold;
}

// What the stretch computes the address of, or reads, may be a constant that stands beside it.
bool Trials::refers_to_itself() {
  return std::ranges::any_of(steps_, [&](const Step& step) {
    if (!step.info.rip_relative || step.info.kind == FlowKind::nop) return false;
    const Spot spot = claims_.find(step.info.memory);
    return spot && (spot.region->is_trial_start(spot.at) || spot.region->is_trial_inside(spot.at));
  });
}

// Data repeats itself, and then the bytes do not count one by one.
bool Trials::repeats(const Spot& spot, const FlowInfo& info) const {
  if (steps_.size() < 2) return false;
  const Step& previous = steps_[steps_.size() - 2];
  const auto bytes = spot.region->bytes_from(spot.at).first(info.length);
  return previous.info.length == info.length &&
         std::ranges::equal(previous.spot.region->bytes_from(previous.spot.at).first(info.length),
                            bytes);
}

bool Trials::explore(Vaddr start) {
  open_.push_back(start);
  while (!open_.empty() && steps_.size() < most_steps) {
    const Spot spot = claims_.find(open_.back());
    open_.pop_back();
    if (!spot || !follow(spot))
      return false;
  }
  return true;
}

bool Trials::follow(Spot spot) {
  Region& region = *spot.region;
  const std::size_t first_step = steps_.size();
  // What certainly runs into nonsense need not be tried again from another address.
  const auto refute = [&] {
    if (through_calls_) return false;  // a call that does not return explains it as well
    for (std::size_t i = first_step; i < steps_.size(); ++i)
      region.refute(steps_[i].spot.at);
    return false;
  };
  for (std::size_t at = spot.at;;) {
    if (at >= region.size() || region.is_disputed(at) || region.is_refuted(at))
      return refute();
    if (region.is_start(at) || region.is_trial_start(at)) {
      ended_ |= region.is_start(at);
      return true;
    }
    if (region.is_trial_inside(at))
      return false;
    if (steps_.size() >= most_steps) {  // long enough to judge; the rest is its own trial
      open_.push_back(region.address(at));
      ended_ = true;
      return true;
    }
    const FlowInfo info = region.decode(at);
    if (!is_sane({&region, at}, info)) {
      if (!through_calls_) region.refute(at);
      return refute();
    }
    if (!region.has_room(at, info.length))
      return false;
    region.set_trial(at, info.length);
    steps_.push_back({{&region, at}, info});
    weigh({&region, at}, info);
    at += info.length;
    const bool call = info.kind == FlowKind::call || info.kind == FlowKind::indirect_call;
    ended_ |= info.ends_flow() || call;
    if (info.ends_flow() || (call && !through_calls_)) return true;
  }
}

// Whatever is not sane now can never become so: claims and data marks are only ever added.
bool Trials::is_sane(const Spot& spot, const FlowInfo& info) const {
  if (info.kind == FlowKind::invalid || info.odd || info.length > spot.region->size() - spot.at)
    return false;
  for (std::size_t i = spot.at; i < spot.at + info.length; ++i)
    if (spot.region->is_data(i) || !spot.region->is_free(i))
      return false;
  if (info.rip_relative && info.kind != FlowKind::nop && !in_image(info.memory))
    return false;
  if (!info.direct())
    return true;
  const Spot target = claims_.find(info.target);
  return target && !target.region->is_inside(target.at) && !target.region->is_disputed(target.at) &&
         !target.region->is_data(target.at);
}

// Precondition: is_sane, and the last of steps_ is this one.
void Trials::weigh(const Spot& spot, const FlowInfo& info) {
  if (info.kind == FlowKind::nop || repeats(spot, info)) return;
  bits_ += likelihood_.bits(info, spot.region->bytes_from(spot.at));
  if (info.rip_relative)
    bits_ += in_image_bits;
  if (!info.direct())
    return;
  const Spot target = claims_.find(info.target);
  const bool near = info.kind != FlowKind::call && info.length <= 3;
  if (target.region->is_start(target.at))
    bits_ += near ? known_near_bits : known_target_bits;
  else if (info.kind != FlowKind::call || through_calls_)
    open_.push_back(info.target);
}

bool Trials::in_image(Vaddr address) const {
  return std::ranges::any_of(image_.segments(),
                             [&](const Segment& s) { return s.range.contains(address); });
}

}  // namespace punster
