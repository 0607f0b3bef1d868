// Bad input and bad requests are values, not exceptions: Result<T> is T or an Error that says what,
// where, and of which stable kind. Exceptions of libraries stop in the one file that calls them.

#pragma once

#include <boost/outcome.hpp>
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

/// PUNSTER_TRY(auto x, f()) or PUNSTER_TRY(f()): returns f's error from the enclosing function, else goes
/// on with its value. Boost.Outcome's own macro declares the variable itself in some Boost versions and
/// leaves it to the caller in others; this spelling means the same with all of them.
#define PUNSTER_TRY(...) \
  PUNSTER_TRY_PICK(__VA_ARGS__, TAKE, TAKE, TAKE, TAKE, TAKE, TAKE, TAKE, CHECK, none)(__VA_ARGS__)
#define PUNSTER_TRY_PICK(a, b, c, d, e, f, g, h, form, ...) PUNSTER_TRY_##form
#define PUNSTER_TRY_CHECK(...) PUNSTER_TRY_RETURN(PUNSTER_TRY_UNIQUE, __VA_ARGS__)
#define PUNSTER_TRY_TAKE(variable, ...) \
  PUNSTER_TRY_ASSIGN(PUNSTER_TRY_UNIQUE, variable, __VA_ARGS__)
#define PUNSTER_TRY_RETURN(unique, ...)                      \
  if (auto&& unique = (__VA_ARGS__); unique.has_value()) {   \
  } else                                                     \
    return std::move(unique).as_failure()
#define PUNSTER_TRY_ASSIGN(unique, variable, ...) \
  auto&& unique = (__VA_ARGS__);                  \
  if (!unique.has_value()) return std::move(unique).as_failure(); \
  variable = std::move(unique).value()
#define PUNSTER_TRY_UNIQUE PUNSTER_TRY_GLUE(punster_try_, __COUNTER__)
#define PUNSTER_TRY_GLUE(a, b) PUNSTER_TRY_GLUE2(a, b)
#define PUNSTER_TRY_GLUE2(a, b) a##b
