// E9Patch's tool on the other side: it writes and never reads. The first fault ends the service
// with one line on stderr and exit status 1.

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "backend/session/methods.h"
#include "backend/session/service.h"
#include "protocol/dialect.h"
#include "protocol/hex.h"
#include "protocol/service/idle_watch.h"
#include "protocol/service/log.h"

namespace punster {
namespace {

class SessionSink : public DialectSink {
 public:
  SessionSink(Session& session, SessionFiles& files) : session_(session), files_(files) {}

  Result<void> binary(const BinaryRequest& request) override {
    // The tool calls a position-independent executable elf.exe and knows no better; the file does.
    PUNSTER_TRY(open_through(files_, session_, {request.filename, "", {}}));
    return success();
  }
  Result<void> options(const OptionsRequest& request) override {
    std::string ignored;
    for (const auto& option : request.ignored) ignored += " " + option;
    if (!ignored.empty())
      log_event(LogLevel::warn, "ignored_options", "these mean nothing here:" + ignored);
    return session_.set_options(request);
  }
  Result<void> trampoline(const TrampolineRequest& request) override {
    return session_.define_trampoline(request);
  }
  Result<void> instructions(const InstructionsRequest& request) override {
    return session_.add_instructions(request);
  }
  Result<void> patches(const PatchesRequest& request) override {
    return session_.add_patches(request);
  }
  Result<void> reserve(const ReserveRequest& request) override {
    if (const auto absolute = request.raw.find("absolute");
        absolute != request.raw.end() && *absolute == true)
      return error_in("unsupported", "addresses are those of the image, never absolute",
                      "/params/absolute");
    if (request.raw.contains("mmap"))
      log_event(LogLevel::warn, "ignored_options", "a replacement of mmap() means nothing here");
    PUNSTER_TRY(const auto complete, with_contents(request));
    PUNSTER_TRY(session_.reserve(complete));
    return success();
  }
  Result<void> emit(const EmitRequest& request) override {
    PUNSTER_TRY(const auto statistics, emit_through(files_, session_, request));
    log_event(LogLevel::info, "emitted",
              fmt::format("{} of {} sites patched, {} trapped, {} failed, {} mappings",
                          statistics.patched, statistics.sites, statistics.trapped,
                          statistics.failed, statistics.mappings));
    return success();
  }

 private:
  Session& session_;
  SessionFiles& files_;
};

std::string describe(const Error& error) {
  std::string text = error.message;
  if (!error.where.empty()) text += " (at " + error.where + ")";
  if (error.address) text += " (address " + to_hex(*error.address) + ")";
  return text;
}

}  // namespace

ServiceEnd serve_dialect(Connection& connection, std::string first) {
  ServiceStop& stop = connection.stop;
  std::optional<HangUpWatch> watch;
  if (connection.is_socket) watch.emplace(connection.out, [&stop] { stop.interrupt(); });
  Session* running = nullptr;
  Session session([&](std::string_view, std::uint64_t, std::uint64_t) {
    if (stop.interrupted() && running) running->cancel();
  });
  running = &session;
  // The tool cannot ask for threads.
  OptionsRequest threads;
  threads.jobs = std::clamp(std::thread::hardware_concurrency(), 1u, 64u);
  static_cast<void>(session.set_options(threads));
  SessionSink sink(session, connection.files);
  DialectTranslator translator(sink);
  DialectReader reader(connection.lines, std::move(first));
  const auto failed = [&](const Error& error, const std::string& place) {
    log_event(LogLevel::error, "failed", place + describe(error));
    // A socket has no exit status.
    if (connection.is_socket)
      static_cast<void>(LineWriter(connection.out).send(make_error_reply(nullptr, error)));
    return ServiceEnd::failed;
  };
  for (std::size_t number = 1; !stop.interrupted(); ++number) {
    const auto plain = reader.next_plain();
    if (plain.has_error()) return failed(plain.error(), "");
    Result<void> taken = success();
    std::optional<AtWork> at_work;
    if (plain.value()) {
      at_work.emplace(connection.idle);
      taken = translator.take(*plain.value());
    } else {
      auto message = reader.next();
      if (message.has_error()) return failed(message.error(), "");
      if (!message.value()) break;
      at_work.emplace(connection.idle);
      taken = translator.take(std::move(*message.value()));
    }
    if (taken.has_error()) {
      if (stop.interrupted()) break;
      return failed(taken.error(), "message " + std::to_string(number) + ": ");
    }
  }
  return stop.interrupted() ? ServiceEnd::interrupted : ServiceEnd::done;
}

}  // namespace punster
