// Trials: whether uncertain bytes are code.

#pragma once

#include "frontend/image/likelihood.h"

namespace punster {

enum class Verdict : std::uint8_t {
  accepted,
  refused,
  settled,  // the address needs no trial: it is known, or outside all code sections
};

/// The bits that bytes need to which nothing refers.
inline constexpr double gap_threshold = 40;

class Trials {
 public:
  Trials(const Image& image, Claims& claims, Findings& findings, Descent& descent,
         const Likelihood& likelihood);

  /// Decodes everything that direct flow reaches from `hint` and claims all of it when it makes
  /// sense as code throughout, nothing otherwise. What it calls, and what follows its calls, become
  /// hints.
  Verdict attempt(const Hint& hint);

 private:
  struct Step {
    Spot spot;
    FlowInfo info;
  };
  /// Whether the hint passes; leaves no marks.
  bool passes(const Hint& hint);
  bool explore(Vaddr start);
  double read_on(const Spot& spot);
  bool follow(Spot spot);
  [[nodiscard]] bool is_sane(const Spot& spot, const FlowInfo& info) const;
  [[nodiscard]] bool refers_to_itself();
  [[nodiscard]] bool repeats(const Spot& spot, const FlowInfo& info) const;
  void weigh(const Spot& spot, const FlowInfo& info);
  [[nodiscard]] bool in_image(Vaddr address) const;

  const Image& image_;
  Claims& claims_;
  Findings& findings_;
  Descent& descent_;
  const Likelihood& likelihood_;
  // Of the trial in progress:
  std::vector<Step> steps_;
  std::vector<Vaddr> open_;
  double bits_ = 0;
  bool through_calls_ = false;
  bool sensible_ = false;  // nothing in it contradicts code
  bool ended_ = false;     // some path reached a terminator or known code
};

}  // namespace punster
