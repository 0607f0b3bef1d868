// E9Patch's tool on the other side: it writes and never reads. The first fault ends the service
// with one line on stderr and exit status 1.

#include <spdlog/spdlog.h>

#include <memory>
#include <thread>

#include "backend/session/methods.h"
#include "backend/session/service.h"
#include "protocol/dialect.h"
#include "protocol/hex.h"

namespace punster {
namespace {

class SessionSink : public DialectSink {
 public:
  explicit SessionSink(Session& session) : session_(session) {}

  Result<void> binary(const BinaryRequest& request) override {
    // The tool calls a position-independent executable elf.exe and knows no better; the file does.
    PUNSTER_TRY(session_.open({request.filename, ""}));
    return success();
  }
  Result<void> options(const OptionsRequest& request) override {
    for (const auto& option : request.ignored) spdlog::info("{} means nothing here", option);
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
    PUNSTER_TRY(const auto complete, with_contents(request));
    PUNSTER_TRY(session_.reserve(complete));
    return success();
  }
  Result<void> emit(const EmitRequest& request) override {
    PUNSTER_TRY(const auto statistics, session_.emit(request));
    spdlog::info("{} of {} sites patched, {} trapped, {} failed, {} mappings", statistics.patched,
                 statistics.sites, statistics.trapped, statistics.failed, statistics.mappings);
    return success();
  }

 private:
  Session& session_;
};

std::string describe(const Error& error) {
  std::string text = error.message;
  if (!error.where.empty()) text += " (at " + error.where + ")";
  if (error.address) text += " (address " + to_hex(*error.address) + ")";
  return text;
}

}  // namespace

ServiceEnd serve_dialect(LineReader& lines, ServiceStop& stop, std::string first) {
  Session* running = nullptr;
  Session session([&](std::string_view, std::uint64_t, std::uint64_t) {
    if (stop.interrupted() && running) running->cancel();
  });
  running = &session;
  SessionSink sink(session);
  DialectTranslator translator(sink);
  DialectReader reader(lines, std::move(first));
  for (std::size_t number = 1; !stop.interrupted(); ++number) {
    auto message = reader.next();
    if (message.has_error()) {
      spdlog::error("{}", describe(message.error()));
      return ServiceEnd::failed;
    }
    if (!message.value()) break;
    if (const auto taken = translator.take(std::move(*message.value())); taken.has_error()) {
      if (stop.interrupted()) break;
      spdlog::error("message {}: {}", number, describe(taken.error()));
      return ServiceEnd::failed;
    }
  }
  return stop.interrupted() ? ServiceEnd::interrupted : ServiceEnd::done;
}

}  // namespace punster
