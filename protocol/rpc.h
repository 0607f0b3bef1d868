// JSON-RPC 2.0: requests, replies and notifications as values, a dispatch table for the serving
// side, a client for the calling side. Errors travel as {code, message, data: {kind, where,
// address}} and come out as the same Error that went in.

#pragma once

#include <deque>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "protocol/framing.h"
#include "protocol/messages.h"
#include "protocol/result.h"

namespace punster {

/// Codes of the JSON-RPC specification; every other error of ours is `application` and told apart
/// by its kind.
namespace rpc_code {
inline constexpr int parse_error = -32700;      // kind "parse_error"
inline constexpr int invalid_request = -32600;  // kind "invalid_request"
inline constexpr int unknown_method = -32601;   // kind "unknown_method"
inline constexpr int invalid_params = -32602;   // kinds "bad_request", "bad_template"
inline constexpr int internal_error = -32603;   // kind "internal"
inline constexpr int application = -32000;
}  // namespace rpc_code
[[nodiscard]] int code_of(const Error& error);

[[nodiscard]] Json make_request(const Json& id, std::string_view method, Json params);
[[nodiscard]] Json make_notification(std::string_view method, Json params);
[[nodiscard]] Json make_reply(const Json& id, Json result);
[[nodiscard]] Json make_error_reply(const Json& id, const Error& error);
/// The Error in a reply's "error" member; tolerant of servers that send no `data`.
[[nodiscard]] Error error_of(const Json& error_member);

/// A request or, without `id`, a notification.
struct RpcRequest {
  std::optional<Json> id;
  std::string method;
  Json params;  // an object (empty when absent)
};
/// Errors: "invalid_request", with `where`. Takes the params out of `message`.
[[nodiscard]] Result<RpcRequest> parse_request(Json& message);

/// The serving side: method -> handler.
class Dispatcher {
 public:
  using Handler = std::function<Result<Json>(Json& params)>;

  void bind_raw(std::string method, Handler handler);

  /// `handler(const Params&)` returns Result<R> where R is void, Json or a message.
  template <typename Params, typename F>
  void bind(std::string method, F handler) {
    bind_raw(std::move(method), [handler = std::move(handler)](Json& json) -> Result<Json> {
      PUNSTER_TRY(auto params, parse_message<Params>(json, "/params"));
      return as_json(handler(params));
    });
  }
  /// `handler()` likewise; whatever params there are, are ignored.
  template <typename F>
  void bind_plain(std::string method, F handler) {
    bind_raw(std::move(method),
             [handler = std::move(handler)](Json&) -> Result<Json> { return as_json(handler()); });
  }

  /// Serves one parsed line, batches included. The reply to send, or nothing (notifications).
  /// Consumes the params of `message`.
  [[nodiscard]] std::optional<Json> serve(Json& message) const;
  /// Serves one request. The reply, or nothing for a notification.
  [[nodiscard]] std::optional<Json> serve(RpcRequest& request) const;

 private:
  template <typename R>
  static Result<Json> as_json(Result<R> result) {
    if (result.has_error()) return std::move(result).error();
    if constexpr (std::is_void_v<R>)
      return Json::object();
    else if constexpr (std::is_same_v<R, Json>)
      return std::move(result).value();
    else
      return to_json(result.value());
  }
  std::map<std::string, Handler, std::less<>> handlers_;
};

/// Requests of one batch array beyond this are refused as a whole: `patches` and `instructions` are
/// the way to send many, and the replies of a batch are held in memory together.
inline constexpr std::size_t max_batch = 4096;

/// The calling side. One thread calls; `notify` alone may be used by another at the same time.
class RpcClient {
 public:
  using NotificationSink = std::function<void(const std::string& method, const Json& params)>;

  /// Reads replies from `in`, writes requests to `out`; owns neither.
  RpcClient(int in, int out);
  void on_notification(NotificationSink sink) { sink_ = std::move(sink); }

  /// Sends a request and waits for its reply (and for those of every post() before it). Errors: the
  /// server's, that of an earlier post(), "disconnected" when the server went away.
  Result<Json> call(std::string_view method, Json params = Json::object());

  /// Sends a request without waiting. Its error, if any, is returned by a later post(), call() or
  /// drain(). At most `window` are in flight: beyond that the oldest reply is awaited, so that
  /// neither side can block the other with full pipes.
  Result<void> post(std::string_view method, Json params = Json::object());
  /// Waits for the replies to all posted requests.
  Result<void> drain();

  /// Sends a notification.
  Result<void> notify(std::string_view method, Json params = Json::object());

  template <typename Reply, typename Params>
  Result<Reply> call_as(std::string_view method, const Params& params) {
    PUNSTER_TRY(auto result, call(method, to_json(params)));
    return parse_message<Reply>(result, "/result");
  }
  template <typename Params>
  Result<void> post_message(std::string_view method, const Params& params) {
    return post(method, to_json(params));
  }

  static constexpr std::size_t window = 64;

 private:
  Result<Json> await(std::uint64_t id);
  Result<void> send(const Json& request);
  LineReader reader_;
  LineWriter writer_;
  NotificationSink sink_;
  std::uint64_t next_id_ = 1;
  std::deque<std::uint64_t> posted_;
};

}  // namespace punster
