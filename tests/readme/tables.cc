// The tables of README.md that the code itself knows: metrics, fields and events of the log, fields of the audit,
// limits.
//
// Usage: readme_tables --write README.md   fills in what stands between `<!-- generated: NAME -->` and `<!-- end -->`
//        readme_tables --check README.md   fails if that would change anything
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "server/audit.h"
#include "service/limits.h"
#include "service/log_fields.h"
#include "service/metric_table.h"

namespace livekit::token {
namespace {

std::string Code(std::string_view text) { return "`" + std::string(text) + "`"; }

std::string Row(std::initializer_list<std::string> cells) {
  std::string row = "|";
  for (const std::string& cell : cells) row += " " + cell + " |";
  return row + "\n";
}

std::string Head(std::initializer_list<std::string> cells) {
  std::string rule = "|";
  for (std::size_t i = 0; i < cells.size(); ++i) rule += "---|";
  return Row(cells) + rule + "\n";
}

std::string_view NameOf(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      return "histogram";
  }
  return "";
}

std::string ProgramsOf(unsigned programs) {
  if (programs == kAllPrograms) return "all";
  std::string names;
  for (const auto& [program, name] :
       {std::pair{kServer, "server"}, std::pair{kGateway, "gateway"}, std::pair{kStandalone, "standalone"}}) {
    if ((programs & program) != 0) names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return names;
}

std::string Metrics() {
  std::string table = Head({"metric", "type", "labels", "program", "meaning"});
  for (const MetricRow& row : kMetricTable) {
    std::string labels;
    for (const std::string_view label : row.labels) {
      if (!label.empty()) labels += (labels.empty() ? "" : ", ") + Code(label);
    }
    table +=
        Row({Code(row.name), std::string(NameOf(row.type)), labels, ProgramsOf(row.programs), std::string(row.help)});
  }
  return table;
}

std::string LogFields() {
  std::string table = Head({"field", "meaning"});
  for (const LogFieldInfo& field : kLogFields) table += Row({Code(field.name), std::string(field.meaning)});
  return table;
}

std::string LogEvents() {
  std::string table = Head({"event", "level", "meaning"});
  for (const LogEventInfo& event : kLogEvents) {
    table += Row({Code(event.name), std::string(event.level), std::string(event.meaning)});
  }
  return table;
}

std::string AuditFields() {
  std::string table = Head({"field", "meaning"});
  for (const AuditField& field : kAuditFields) table += Row({Code(field.name), std::string(field.meaning)});
  return table;
}

std::string Bytes(int bytes) {
  if (bytes == 0) return "";
  return bytes >= 1 << 20 ? std::to_string(bytes >> 20) + " MiB" : std::to_string(bytes >> 10) + " KiB";
}

std::string Limits() {
  std::string table = Head({"way in", "name", "request", "answer", "items", "time", "what may run out"});
  for (const LimitRow& row : LimitTable()) {
    std::string scopes;
    std::istringstream names{std::string(row.scopes)};
    for (std::string name; names >> name;) scopes += (scopes.empty() ? "" : ", ") + Code(name);
    table +=
        Row({std::string(row.surface), Code(row.name), row.request_bytes == 0 ? "none" : Bytes(row.request_bytes),
             Bytes(row.answer_bytes), row.items == 0 ? "" : std::to_string(row.items), std::string(row.time), scopes});
  }
  return table;
}

std::string RateLimits() {
  std::string table = Head({"`rate_limits`", "default", "of what"});
  for (const LimitScopeInfo& scope : kLimitScopes) {
    table += Row({Code(scope.name), Code(scope.otherwise), std::string(scope.meaning)});
  }
  return table;
}

// `text` with every table as the code has it. Nothing if a mark is not known or has no end.
std::optional<std::string> Filled(const std::string& text) {
  static const std::map<std::string, std::function<std::string()>> tables = {
      {"metrics", Metrics},          {"log_fields", LogFields}, {"log_events", LogEvents},
      {"audit_fields", AuditFields}, {"limits", Limits},        {"rate_limits", RateLimits}};
  constexpr std::string_view kBegin = "<!-- generated: ";
  constexpr std::string_view kEnd = "<!-- end -->";
  std::string filled;
  std::size_t at = 0, count = 0;
  for (;;) {
    const std::size_t begin = text.find(kBegin, at);
    if (begin == std::string::npos) break;
    const std::size_t name = begin + kBegin.size();
    const std::size_t line = text.find('\n', name);
    const std::size_t end = text.find(kEnd, name);
    const auto table = tables.find(text.substr(name, text.find(' ', name) - name));
    if (line == std::string::npos || end == std::string::npos || table == tables.end()) return std::nullopt;
    filled += text.substr(at, line + 1 - at) + table->second();
    at = end;
    ++count;
  }
  if (count != tables.size()) return std::nullopt;
  return filled + text.substr(at);
}

int Main(std::string_view mode, const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  const auto filled = Filled(text.str());
  if (!filled) {
    std::cerr << path << ": the marks of generated tables are not those that readme_tables knows\n";
    return 1;
  }
  if (mode == "--write") {
    std::ofstream(path) << *filled;
    return 0;
  }
  if (*filled == text.str()) return 0;
  std::cerr << path << ": its tables are not those of the code; run readme_tables --write " << path << "\n";
  return 1;
}

}  // namespace
}  // namespace livekit::token

int main(int argc, char** argv) {
  const std::string_view mode = argc == 3 ? argv[1] : "";
  if (mode != "--write" && mode != "--check") {
    std::cerr << "usage: readme_tables --write|--check README.md\n";
    return 2;
  }
  return livekit::token::Main(mode, argv[2]);
}
