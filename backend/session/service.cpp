#include "backend/session/service.h"

#include "backend/session/methods.h"
#include "protocol/service/log.h"

namespace punster {

ServiceEnd serve(Connection& connection) {
  auto first = connection.lines.next();
  if (first.has_error()) {
    log_event(LogLevel::error, "unreadable_request", first.error().message);
    return ServiceEnd::failed;
  }
  if (!first.value())
    return connection.stop.interrupted() ? ServiceEnd::interrupted : ServiceEnd::done;
  if (connection.recorder) connection.recorder->heard(*first.value());
  if (auto hello = as_hello(*first.value()))
    return serve_strictly(connection, std::move(*hello), [&](ProgressSink progress) {
      return backend_methods(std::move(progress), connection.files);
    });
  return serve_dialect(connection, std::string(*first.value()));
}

ServiceEnd serve(int in, int out, ServiceStop& stop, Recorder* recorder) {
  LineReader lines(in, max_line_bytes, stop.fd());
  auto files = SessionFiles::own();
  Connection connection{lines, out, stop, files, recorder};
  return serve(connection);
}

}  // namespace punster
