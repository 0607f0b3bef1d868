// The bodies of a plan, as emit describes them to debuggers and profilers.

#pragma once

#include "backend/emit/body_list.h"
#include "backend/session/bodies.h"

namespace punster {

/// Sites that are replaced in place have no body and are left out; bridges have one. `bodies`
/// outlives it.
class BodyPlaces : public BodyList {
 public:
  BodyPlaces(const Bodies& bodies, const Requests& requests);

  [[nodiscard]] std::size_t size() const override;
  [[nodiscard]] BodyPlace at(std::size_t k) const override;

 private:
  const Bodies& bodies_;
  const Requests& requests_;
  bool all_ = true;                         // every site has a body, and nothing else has
  std::vector<const SiteBody*> with_body_;  // else: those that are, ascending by insn
};

}  // namespace punster
