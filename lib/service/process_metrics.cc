#include "service/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <optional>
#include <string>

#include "prometheus/metric_family.h"
#include "service/log.h"
#include "service/series.h"

namespace livekit::token {
namespace {

// Fields of /proc/self/stat that we use; see proc(5).
struct Stat {
  double start_ticks = 0;     // field 22: since boot
  double resident_pages = 0;  // field 24
};

std::optional<Stat> ReadStat() {
  std::FILE* file = std::fopen("/proc/self/stat", "re");
  if (file == nullptr) return std::nullopt;
  char text[1024];
  const std::size_t size = std::fread(text, 1, sizeof text - 1, file);
  std::fclose(file);
  text[size] = '\0';
  // The name, field 2, may contain anything; what follows its last parenthesis does not.
  const char* rest = std::strrchr(text, ')');
  if (rest == nullptr) return std::nullopt;
  Stat stat;
  const int count = std::sscanf(rest + 1,
                                " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d"
                                " %lf %*u %lf",
                                &stat.start_ticks, &stat.resident_pages);
  if (count != 2) return std::nullopt;
  return stat;
}

std::optional<double> CountOpenFiles() {
  DIR* dir = opendir("/proc/self/fd");
  if (dir == nullptr) return std::nullopt;
  int count = 0;
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.') ++count;
  }
  closedir(dir);
  return count - 1;  // without the one that lists
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}
double Seconds(const timespec& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

prometheus::MetricFamily Make(const MetricRow& row, double value) {
  auto family = MakeFamily(row);
  AddValue(family, {}, value);
  return family;
}

}  // namespace

std::vector<prometheus::MetricFamily> ProcessMetrics::Collect() const {
  std::vector<prometheus::MetricFamily> families;
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    families.push_back(Make(Metric("process_cpu_seconds_total"), Seconds(usage.ru_utime) + Seconds(usage.ru_stime)));
  }
  if (const auto stat = ReadStat()) {
    families.push_back(Make(Metric("process_resident_memory_bytes"),
                            stat->resident_pages * static_cast<double>(sysconf(_SC_PAGESIZE))));
    timespec now{};
    timespec since_boot{};
    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_BOOTTIME, &since_boot);
    const double age = Seconds(since_boot) - stat->start_ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
    families.push_back(Make(Metric("process_start_time_seconds"), Seconds(now) - age));
  }
  if (const auto open_files = CountOpenFiles()) {
    families.push_back(Make(Metric("process_open_fds"), *open_files));
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    families.push_back(Make(Metric("process_max_fds"), static_cast<double>(limit.rlim_cur)));
  }
  families.push_back(Make(Metric("log_dropped_total"), static_cast<double>(DroppedLogLines())));
  return families;
}

}  // namespace livekit::token
