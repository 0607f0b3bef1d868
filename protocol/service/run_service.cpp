#include "protocol/service/run_service.h"

#include <unistd.h>

#include "protocol/service/signals.h"

namespace punster {
namespace {

Result<int> serve_standard_streams(const ListenOptions& options,
                                   const std::function<ServiceEnd(Connection&)>& serve) {
  std::optional<Recorder> recorder;
  if (options.record) {
    PUNSTER_TRY(auto created, Recorder::create(*options.record));
    recorder.emplace(std::move(created));
  }
  ServiceStop stop;
  stop_on_signals(stop);
  LineReader lines(STDIN_FILENO, max_line_bytes, stop.fd());
  auto files = SessionFiles::own();
  Connection connection{lines, STDOUT_FILENO, stop, files, recorder ? &*recorder : nullptr};
  _exit(static_cast<int>(serve(connection)));
}

}  // namespace

Result<int> run_service(const std::string& program, const ListenOptions& options,
                        const std::function<ServiceEnd(Connection&)>& serve) {
  const bool listens = !options.path.empty();
  set_log({program, options.log_level.value_or(listens ? LogLevel::info : LogLevel::warn),
           options.log_json.value_or(listens)});
  if (!listens) return serve_standard_streams(options, serve);
  PUNSTER_TRY(serve_connections(options, serve));
  return 0;
}

}  // namespace punster
