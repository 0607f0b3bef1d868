#include "protocol/rpc.h"

#include "protocol/fields.h"
#include "protocol/hex.h"

namespace punster {

int code_of(const Error& error) {
  if (error.kind == "parse_error" || error.kind == "too_long") return rpc_code::parse_error;
  if (error.kind == "invalid_request") return rpc_code::invalid_request;
  if (error.kind == "unknown_method") return rpc_code::unknown_method;
  if (error.kind == "bad_request" || error.kind == "bad_template") return rpc_code::invalid_params;
  if (error.kind == "internal") return rpc_code::internal_error;
  return rpc_code::application;
}

Json make_notification(std::string_view method, Json params) {
  Json message = {{"jsonrpc", "2.0"}, {"method", method}};
  message["params"] = std::move(params);
  return message;
}

Json make_request(const Json& id, std::string_view method, Json params) {
  Json message = make_notification(method, std::move(params));
  message["id"] = id;
  return message;
}

Json make_reply(const Json& id, Json result) {
  Json message = {{"jsonrpc", "2.0"}, {"id", id}};
  message["result"] = std::move(result);
  return message;
}

Json make_error_reply(const Json& id, const Error& error) {
  Json data = {{"kind", error.kind}};
  if (!error.where.empty()) data["where"] = error.where;
  if (error.address) data["address"] = to_hex(*error.address);
  return {
      {"jsonrpc", "2.0"},
      {"id", id},
      {"error", {{"code", code_of(error)}, {"message", error.message}, {"data", std::move(data)}}}};
}

Error error_of(const Json& member) {
  Error error;
  const std::string where = "/error";
  Fields fields(member, where);
  fields.optional("message", error.message);
  if (const Json* data = fields.find("data"); data && data->is_object()) {
    Fields details(*data, where);
    details.optional("kind", error.kind);
    details.optional("where", error.where);
    details.optional("address", error.address);
  }
  if (error.kind.empty()) {
    int code = 0;
    fields.optional("code", code);
    error.kind = code == rpc_code::unknown_method   ? "unknown_method"
                 : code == rpc_code::invalid_params ? "bad_request"
                 : code == rpc_code::parse_error    ? "parse_error"
                                                    : "internal";
  }
  if (error.message.empty()) error.message = "the service refused without saying why";
  return error;
}

Result<RpcRequest> parse_request(Json& message) {
  const auto invalid = [](const char* what, const char* where) {
    return error_in("invalid_request", what, where);
  };
  if (!message.is_object()) return invalid("a request is a JSON object", "");
  const auto version = message.find("jsonrpc");
  if (version == message.end() || *version != "2.0")
    return invalid("expected \"jsonrpc\": \"2.0\"", "/jsonrpc");
  const auto method = message.find("method");
  if (method == message.end() || !method->is_string())
    return invalid("expected the name of a method", "/method");
  RpcRequest request;
  if (const auto id = message.find("id"); id != message.end()) {
    if (!id->is_string() && !id->is_number() && !id->is_null())
      return invalid("an id is a string, a number or null", "/id");
    request.id = *id;
  }
  request.method = method->get_ref<const std::string&>();
  request.params = Json::object();
  if (const auto params = message.find("params"); params != message.end() && !params->is_null()) {
    if (!params->is_object()) return invalid("params are given by name, as an object", "/params");
    request.params = std::move(*params);
  }
  return request;
}

void Dispatcher::bind_raw(std::string method, Handler handler) {
  [[maybe_unused]] const bool fresh =
      handlers_.emplace(std::move(method), std::move(handler)).second;
  assert(fresh);
}

std::optional<Json> Dispatcher::serve(RpcRequest& request) const {
  const auto handler = handlers_.find(request.method);
  auto result = handler == handlers_.end()
                    ? Result<Json>(error_in("unknown_method",
                                            "unknown method \"" + request.method + "\"", "/method"))
                    : handler->second(request.params);
  if (!request.id) return std::nullopt;
  if (result.has_error()) return make_error_reply(*request.id, result.error());
  return make_reply(*request.id, std::move(result).value());
}

std::optional<Json> Dispatcher::serve(Json& message) const {
  if (message.is_array()) {
    if (message.empty() || message.size() > max_batch)
      return make_error_reply(nullptr,
                              error("invalid_request", "a batch holds 1 to 4096 requests"));
    Json replies = Json::array();
    for (auto& each : message) {
      auto reply = each.is_array()
                       ? make_error_reply(
                             nullptr, error("invalid_request", "a batch holds no further batches"))
                       : serve(each);
      if (reply) replies.push_back(std::move(*reply));
    }
    if (replies.empty()) return std::nullopt;
    return replies;
  }
  auto request = parse_request(message);
  if (request.has_error()) {
    const auto id = message.is_object() ? message.find("id") : message.end();
    const bool usable =
        message.is_object() && id != message.end() && (id->is_string() || id->is_number());
    return make_error_reply(usable ? *id : Json(), request.error());
  }
  return serve(request.value());
}

RpcClient::RpcClient(int in, int out) : reader_(in), writer_(out) {}

// Reads until the reply with that id is there. Notifications on the way go to the sink.
Result<Json> RpcClient::await(std::uint64_t id) {
  for (;;) {
    PUNSTER_TRY(const auto line, reader_.next());
    if (!line) return error("disconnected", "the service ended before it answered");
    PUNSTER_TRY(auto message, parse_json(*line));
    if (!message.is_object()) return error("parse_error", "the service sent no JSON-RPC message");
    if (const auto method = message.find("method"); method != message.end()) {
      if (sink_ && method->is_string()) {
        const auto params = message.find("params");
        sink_(method->get_ref<const std::string&>(),
              params == message.end() ? Json::object() : *params);
      }
      continue;
    }
    const auto error_member = message.find("error");
    if (const auto its = message.find("id"); its == message.end() || *its != id) {
      // Without an id the service could not even read the request: that concerns whoever waits.
      if (error_member != message.end() && (its == message.end() || its->is_null()))
        return error_of(*error_member);
      continue;
    }
    if (error_member != message.end()) return error_of(*error_member);
    const auto result = message.find("result");
    return result == message.end() ? Json() : std::move(*result);
  }
}

Result<void> RpcClient::drain() {
  std::optional<Error> first;
  while (!posted_.empty()) {
    const auto id = posted_.front();
    posted_.pop_front();
    if (auto reply = await(id); reply.has_error()) {
      if (!first) first = reply.error();
      if (reply.error().kind == "disconnected" || reply.error().kind == "io") posted_.clear();
    }
  }
  if (first) return *first;
  return success();
}

Result<void> RpcClient::post(std::string_view method, Json params) {
  if (posted_.size() >= window) {
    const auto id = posted_.front();
    posted_.pop_front();
    PUNSTER_TRY(await(id));
  }
  const auto id = next_id_++;
  PUNSTER_TRY(send(make_request(id, method, std::move(params))));
  posted_.push_back(id);
  return success();
}

// When the service went away, what it said last is worth more than "it went away".
Result<void> RpcClient::send(const Json& request) {
  auto sent = writer_.send(request);
  if (sent.has_value()) return success();
  PUNSTER_TRY(drain());
  return sent;
}

Result<Json> RpcClient::call(std::string_view method, Json params) {
  const auto id = next_id_++;
  // The replies to posted requests come first; they are read first, so that their error is told
  // first.
  PUNSTER_TRY(send(make_request(id, method, std::move(params))));
  auto posted = drain();
  if (posted.has_error() && (posted.error().kind == "disconnected" || posted.error().kind == "io"))
    return std::move(posted).error();
  auto reply = await(id);
  if (posted.has_error()) return std::move(posted).error();
  return reply;
}

Result<void> RpcClient::notify(std::string_view method, Json params) {
  return writer_.send(make_notification(method, std::move(params)));
}

}  // namespace punster
