#include "protocol/service/strict_service.h"

// Two threads. The reader parses lines and queues them; the worker, which is the caller's thread,
// serves them one after the other, since a session is a conversation. Only `cancel` overtakes: the
// reader acts on it at once.
//
// What a cancel means. It hits every plan, emit or explain that was sent before it and is not
// answered yet, be it running or still queued; nothing that is sent after it. So requests are
// numbered, the cancel remembers the highest number read so far, and the worker compares. A session
// forgets a cancel when a new job begins, and a cancel may fall just between "the job is due" and
// "the job has begun": therefore the progress reports of a running job compare as well, and cancel
// again.
//
// The end of the stream means "no more requests": the rest is served. A connection that is closed,
// or a reader that is gone, means that nobody wants the answers: a third thread sees that while the
// worker is at work, and cancels.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "protocol/limits.h"
#include "protocol/service/idle_watch.h"
#include "protocol/service/log.h"
#include "protocol/service/request_queue.h"

namespace punster {
namespace {

using Clock = std::chrono::steady_clock;
/// Ten a second are smooth to the eye, and nothing to send.
constexpr auto progress_interval = std::chrono::milliseconds(100);

class StrictService {
 public:
  StrictService(Connection& connection, const MakeMethods& make)
      : lines_(connection.lines),
        writer_(connection.out),
        out_(connection.out),
        stop_(connection.stop),
        recorder_(connection.recorder),
        is_socket_(connection.is_socket),
        idle_(connection.idle),
        methods_(make([this](std::string_view phase, std::uint64_t done, std::uint64_t total) {
          report(phase, done, total);
        })) {
    dispatcher_.bind_plain("cancel", [] { return Result<void>(success()); });  // see overtakes()
    dispatcher_.bind_plain("shutdown", [this] {
      shut_down_ = true;
      return Result<void>(success());
    });
    methods_->bind(dispatcher_);
  }

  ServiceEnd run(Json hello) {
    const HangUpWatch watch(out_, [this] { hung_up(); });
    serve_one({1, std::move(hello)});
    std::thread reader([this] { read(); });
    while (!shut_down_ && !gone_) {
      auto incoming = queue_.pop();
      if (!incoming) break;
      serve_one(std::move(*incoming));
    }
    queue_.close(true);
    // What a closed socket still holds is read to its end, to know whether anything was asked.
    if (!gone_ || !is_socket_) stop_.wake();
    reader.join();
    if (unanswered_)
      log_event(LogLevel::warn, "hung_up", "the client went away before it was answered");
    if (stop_.interrupted()) return ServiceEnd::interrupted;
    return unanswered_ ? ServiceEnd::failed : ServiceEnd::done;
  }

 private:
  // The reader's thread.
  void read() {
    for (;;) {
      auto line = lines_.next();
      const std::uint64_t number = ++read_so_far_;
      if (line.has_error()) {
        const bool fatal = line.error().kind != "too_long";
        if (!queue_.push({number, std::move(line).error()}) || fatal) break;
        continue;
      }
      if (!line.value()) break;
      if (recorder_) recorder_->heard(*line.value());
      auto message = parse_json(*line.value());
      if (message.has_value() && overtakes(message.value())) continue;
      if (queue_.push({number, std::move(message)})) continue;
      unanswered_ = unanswered_ || gone_;
      break;
    }
    if (stop_.interrupted()) cancel();
    queue_.close(stop_.interrupted());
  }

  // The watch's thread.
  void hung_up() {
    if (gone_.exchange(true)) return;
    unanswered_ = current_ != 0;
    cancel();
    if (queue_.close(true)) unanswered_ = true;
    if (!is_socket_) stop_.wake();
  }

  bool overtakes(Json& message) {
    if (!message.is_object()) return false;
    const auto method = message.find("method");
    if (method == message.end() || *method != "cancel") return false;
    cancel();
    if (const auto reply = dispatcher_.serve(message)) send(*reply);
    return true;
  }

  void cancel() {
    cancelled_to_ = read_so_far_.load();
    if (current_ != 0 && current_ <= cancelled_to_) methods_->cancel();
  }

  // The worker's thread.
  void serve_one(Incoming incoming) {
    const AtWork at_work(idle_);
    if (incoming.message.has_error()) {
      log_event(LogLevel::debug, "unreadable_request", incoming.message.error().message,
                {{"request", incoming.number}});
      send(make_error_reply(nullptr, incoming.message.error()));
      return;
    }
    Json& message = incoming.message.value();
    current_ = incoming.number;
    const auto method = message.is_object() ? message.find("method") : message.end();
    const bool named = message.is_object() && method != message.end() && method->is_string();
    if (named)
      log_event(LogLevel::debug, "request", method->get_ref<const std::string&>(),
                {{"request", incoming.number}});
    std::optional<Json> reply;
    if (named && incoming.number <= cancelled_to_ &&
        methods_->is_job(method->get_ref<const std::string&>())) {
      if (message.contains("id"))
        reply = make_error_reply(message["id"], error("cancelled", "cancelled by the client"));
    } else {
      reply = dispatcher_.serve(message);
    }
    // Before the answer is sent: who has it may close the connection without being missed.
    current_ = 0;
    if (reply) send(*reply);
  }

  void report(std::string_view phase, std::uint64_t done, std::uint64_t total) {
    if (current_ <= cancelled_to_ || gone_) methods_->cancel();
    const auto now = Clock::now();
    if (phase == last_phase_ && done != total && now - last_report_ < progress_interval) return;
    last_phase_ = phase;
    last_report_ = now;
    send(make_notification("progress", to_json(Progress{std::string(phase), done, total})));
  }

  // Either thread's.
  void send(const Json& message) {
    if (gone_) return;
    const std::string line = dump_json(message);
    if (recorder_) recorder_->said(line);
    const Sending sending(idle_);
    if (const auto sent = writer_.write(line); sent.has_error()) {
      gone_ = true;
      unanswered_ = true;
    }
  }

  LineReader& lines_;
  LineWriter writer_;
  const int out_;
  ServiceStop& stop_;
  Recorder* recorder_;
  const bool is_socket_;
  IdleClock* const idle_;
  RequestQueue queue_;
  std::atomic<std::uint64_t> read_so_far_{1};  // the greeting was the first
  std::atomic<std::uint64_t> cancelled_to_{0}, current_{0};
  std::atomic<bool> gone_{false}, unanswered_{false};
  bool shut_down_ = false;
  std::string last_phase_;
  Clock::time_point last_report_;
  std::unique_ptr<SessionMethods> methods_;
  Dispatcher dispatcher_;
};

}  // namespace

ServiceEnd serve_strictly(Connection& connection, Json hello, const MakeMethods& make) {
  return StrictService(connection, make).run(std::move(hello));
}

ServiceEnd serve_requests(Connection& connection, const MakeMethods& make) {
  auto first = connection.lines.next();
  if (first.has_value() && !first.value())
    return connection.stop.interrupted() ? ServiceEnd::interrupted : ServiceEnd::done;
  if (first.has_value() && connection.recorder) connection.recorder->heard(*first.value());
  auto hello = first.has_value() ? as_hello(*first.value()) : std::nullopt;
  if (hello) return serve_strictly(connection, std::move(*hello), make);
  const Error why = first.has_error() ? std::move(first).error()
                                      : error_in("invalid_request",
                                                 "the first message is `initialize`", "/method");
  static_cast<void>(LineWriter(connection.out).send(make_error_reply(nullptr, why)));
  return ServiceEnd::failed;
}

Result<InitializeReply> greet(const InitializeRequest& request, std::string name) {
  if (request.version < 1)
    return error_in(
        "unsupported_version",
        "this service speaks protocol versions 1 to " + std::to_string(protocol_version),
        "/params/protocol_version");
  InitializeReply reply;
  reply.version = std::min(request.version, protocol_version);
  reply.server_name = std::move(name);
  reply.server_version = PUNSTER_VERSION;
  reply.capabilities = {"batches", "cancel", "progress"};
  reply.limits = {{"line_bytes", max_line_bytes},
                  {"nesting", max_nesting},
                  {"batch_entries", max_batch_entries},
                  {"batch_requests", max_batch},
                  {"columns", max_columns}};
  return reply;
}

std::optional<Json> as_hello(std::string_view line) {
  auto message = parse_json(line);
  if (message.has_error() || !message.value().is_object()) return std::nullopt;
  const auto method = message.value().find("method");
  if (method == message.value().end() || *method != "initialize") return std::nullopt;
  return std::move(message).value();
}

}  // namespace punster
