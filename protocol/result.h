// Bad input and bad requests are values, not exceptions: Result<T> is T or an Error that says what,
// where, and of which stable kind. Exceptions of libraries stop in the one file that calls them.

#pragma once

#include <boost/outcome.hpp>
#include <boost/outcome/try.hpp>
#include <string>
#include <utility>

#include "protocol/address.h"

namespace punster {

/// What went wrong, in one sentence that a user can act on.
struct Error {
  /// Stable, machine-readable: "not_elf", "bad_request", "no_room", ... Never renamed.
  std::string kind;
  /// One sentence without a final full stop, naming the file and the way out where there is one.
  std::string message;
  /// Where in the request (a JSON pointer, RFC 6901) or the file; empty when nowhere in particular.
  std::string where;
  /// The address concerned, when there is one.
  std::optional<Vaddr> address;
};

template <typename T>
using Result = boost::outcome_v2::basic_result<T, Error, boost::outcome_v2::policy::terminate>;

inline auto success() { return boost::outcome_v2::success(); }

[[nodiscard]] inline Error error(std::string kind, std::string message) {
  return Error{std::move(kind), std::move(message), {}, {}};
}
[[nodiscard]] inline Error error_at(std::string kind, std::string message, Vaddr address) {
  return Error{std::move(kind), std::move(message), {}, address};
}
[[nodiscard]] inline Error error_in(std::string kind, std::string message, std::string where) {
  return Error{std::move(kind), std::move(message), std::move(where), {}};
}

}  // namespace punster

/// Returns the error of a Result from the enclosing function, else goes on; see Boost.Outcome.
#define PUNSTER_TRY BOOST_OUTCOME_TRY
