#include "service/grpc_log.h"

#include <grpc/support/log.h>

#include <cstddef>
#include <functional>
#include <string_view>

#include "service/flood_limit.h"
#include "service/log.h"

namespace livekit::token {
namespace {

void LogForGrpc(gpr_log_func_args* args) {
  const LogLevel level = args->severity == GPR_LOG_SEVERITY_ERROR  ? LogLevel::kError
                         : args->severity == GPR_LOG_SEVERITY_INFO ? LogLevel::kInfo
                                                                   : LogLevel::kDebug;
  if (!LogEnabled(level)) return;
  // Whoever can connect can cause such messages.
  static FloodLimit limit;
  const std::size_t place = std::hash<std::string_view>()(args->file) + static_cast<std::size_t>(args->line);
  const auto suppressed = limit.Admit(place, FloodLimit::Clock::now());
  if (suppressed) Log(level, "grpc", {{"message", args->message}, {"suppressed", *suppressed}});
}

}  // namespace

void RouteGrpcLog() { gpr_set_log_function(LogForGrpc); }

}  // namespace livekit::token
