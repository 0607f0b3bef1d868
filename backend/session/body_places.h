// The bodies of a plan, as emit describes them to debuggers and profilers.

#pragma once

#include "backend/emit/body_list.h"
#include "backend/session/bodies.h"
#include "backend/session/stub_bodies.h"

namespace punster {

/// Sites that are replaced in place have no body and are left out; bridges have one. What it is
/// made of outlives it.
class BodyPlaces : public BodyList {
 public:
  BodyPlaces(const Bodies& bodies, const Requests& requests);
  /// Fills in scattered(). Precondition: nobody has yet.
  void scatter(const Solution& solution, const StubBodies& copies);

  [[nodiscard]] std::size_t size() const override;
  [[nodiscard]] BodyPlace at(std::size_t k) const override;
  [[nodiscard]] std::size_t scattered() const override { return scattered_.size(); }
  [[nodiscard]] BodyPlace scattered_at(std::size_t k) const override;

 private:
  struct Piece {
    std::int64_t at;
    std::uint32_t insn;
    std::uint8_t size, done;
    bool calls;
  };
  [[nodiscard]] const SiteBody& body(std::size_t k) const;
  [[nodiscard]] std::size_t body_from(std::size_t near, std::int64_t address) const;
  void add_stubs(const Solution& solution);
  void add(const SiteBody& body);

  const Bodies& bodies_;
  const Requests& requests_;
  bool all_ = true;                         // every site has a body, and nothing else has
  std::vector<const SiteBody*> with_body_;  // else: those that are, ascending by insn
  std::vector<Piece> scattered_;            // ascending by `at`
};

}  // namespace punster
