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

#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "backend/session/methods.h"
#include "backend/session/request_queue.h"
#include "backend/session/service.h"
#include "protocol/rpc.h"

namespace punster {
namespace {

using Clock = std::chrono::steady_clock;
/// Ten a second are smooth to the eye, and nothing to send.
constexpr auto progress_interval = std::chrono::milliseconds(100);

bool is_job(std::string_view method) {
  return method == "plan" || method == "emit" || method == "explain";
}

class StrictService {
 public:
  StrictService(LineReader& lines, int out, ServiceStop& stop)
      : lines_(lines),
        writer_(out),
        stop_(stop),
        session_([this](std::string_view phase, std::uint64_t done, std::uint64_t total) {
          report(phase, done, total);
        }) {
    dispatcher_.bind<InitializeRequest>("initialize", greet);
    dispatcher_.bind_plain("cancel", [] { return Result<void>(success()); });  // see overtakes()
    dispatcher_.bind_plain("shutdown", [this] {
      shut_down_ = true;
      return Result<void>(success());
    });
    bind_methods(dispatcher_, session_);
  }

  ServiceEnd run(Json hello) {
    serve_one({1, std::move(hello)});
    std::thread reader([this] { read(); });
    while (!shut_down_ && !gone_) {
      auto incoming = queue_.pop();
      if (!incoming) break;
      serve_one(std::move(*incoming));
    }
    queue_.close(true);
    stop_.wake();
    reader.join();
    if (stop_.interrupted()) return ServiceEnd::interrupted;
    return gone_ ? ServiceEnd::failed : ServiceEnd::done;
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
      auto message = parse_json(*line.value());
      if (message.has_value() && overtakes(message.value())) continue;
      if (!queue_.push({number, std::move(message)})) break;
    }
    if (stop_.interrupted()) cancel();
    queue_.close(stop_.interrupted());
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
    if (current_ != 0 && current_ <= cancelled_to_) session_.cancel();
  }

  // The worker's thread.
  void serve_one(Incoming incoming) {
    if (incoming.message.has_error()) {
      spdlog::debug("request {}: {}", incoming.number, incoming.message.error().message);
      send(make_error_reply(nullptr, incoming.message.error()));
      return;
    }
    Json& message = incoming.message.value();
    current_ = incoming.number;
    const auto method = message.is_object() ? message.find("method") : message.end();
    const bool named = message.is_object() && method != message.end() && method->is_string();
    if (named)
      spdlog::debug("request {}: {}", incoming.number, method->get_ref<const std::string&>());
    if (named && incoming.number <= cancelled_to_ &&
        is_job(method->get_ref<const std::string&>())) {
      if (message.contains("id"))
        send(make_error_reply(message["id"], error("cancelled", "cancelled by the client")));
    } else if (const auto reply = dispatcher_.serve(message)) {
      send(*reply);
    }
    current_ = 0;
  }

  void report(std::string_view phase, std::uint64_t done, std::uint64_t total) {
    if (current_ <= cancelled_to_ || gone_) session_.cancel();
    const auto now = Clock::now();
    if (phase == last_phase_ && done != total && now - last_report_ < progress_interval) return;
    last_phase_ = phase;
    last_report_ = now;
    send(make_notification("progress", to_json(Progress{std::string(phase), done, total})));
  }

  // Either thread's.
  void send(const Json& message) {
    if (gone_) return;
    if (const auto sent = writer_.send(message); sent.has_error()) {
      spdlog::warn("{}", sent.error().message);
      gone_ = true;
    }
  }

  LineReader& lines_;
  LineWriter writer_;
  ServiceStop& stop_;
  RequestQueue queue_;
  std::atomic<std::uint64_t> read_so_far_{1};  // the greeting was the first
  std::atomic<std::uint64_t> cancelled_to_{0}, current_{0};
  std::atomic<bool> gone_{false};
  bool shut_down_ = false;
  std::string last_phase_;
  Clock::time_point last_report_;
  Session session_;
  Dispatcher dispatcher_;
};

}  // namespace

ServiceEnd serve_strictly(LineReader& lines, int out, ServiceStop& stop, nlohmann::json hello) {
  return StrictService(lines, out, stop).run(std::move(hello));
}

}  // namespace punster
