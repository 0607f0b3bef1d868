// The faults found so far: all counted, the first by address kept.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "frontend/verify/verify.h"

namespace punster {

class FailureLog {
 public:
  explicit FailureLog(std::size_t listed) : listed_(listed) {}

  void add(Vaddr address, std::string kind, std::string message);
  void add(std::string kind, std::string message) {
    add(Vaddr{0}, std::move(kind), std::move(message));
  }
  /// Adds what another thread found.
  void merge(FailureLog&& other);
  [[nodiscard]] std::uint64_t count() const { return count_; }
  void report_to(VerifyReport& report);

 private:
  void keep_first();

  std::size_t listed_;
  std::uint64_t count_ = 0;
  std::map<std::string, std::uint64_t> by_kind_;
  std::vector<VerifyFailure> kept_;
};

}  // namespace punster
