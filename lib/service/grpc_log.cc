#include "service/grpc_log.h"

#include <grpc/support/log.h>

#include "service/log.h"

namespace livekit::token {
namespace {

void LogForGrpc(gpr_log_func_args* args) {
  const LogLevel level = args->severity == GPR_LOG_SEVERITY_ERROR  ? LogLevel::kError
                         : args->severity == GPR_LOG_SEVERITY_INFO ? LogLevel::kInfo
                                                                   : LogLevel::kDebug;
  Log(level, "grpc", {{"message", args->message}});
}

}  // namespace

void RouteGrpcLog() { gpr_set_log_function(LogForGrpc); }

}  // namespace livekit::token
