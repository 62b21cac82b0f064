#include "server/build/context.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "livekit/token/grants.h"

namespace livekit::token::build {
namespace {

constexpr std::size_t kMaxSecretFileBytes = 64 * 1024;

}  // namespace

void Context::CheckName(const std::string& path, const std::string& name, std::set<std::string>& seen) {
  if (name.empty()) {
    Problem(ConfigPath(path, "name"), "is required");
  } else if (!seen.insert(name).second) {
    Problem(ConfigPath(path, "name"), "is there twice");
  }
}

void Context::CheckGlobs(const std::string& path, const google::protobuf::RepeatedPtrField<std::string>& globs) {
  for (int i = 0; i < globs.size(); ++i) {
    if (globs[i].empty()) Problem(ConfigPath(path, i), "is empty");
    if (LooksLikeExpression(globs[i])) Problem(ConfigPath(path, i), kOnlyGlobs);
  }
}

std::chrono::seconds Context::Seconds(const std::string& path, const google::protobuf::Duration& duration) {
  if (duration.nanos() != 0) Problem(path, "must be whole seconds");
  return std::chrono::seconds(duration.seconds());
}

std::shared_ptr<const Project> Context::FindProject(const std::string& path, const std::string& name) {
  if (name.empty()) {
    if (projects.size() == 1) return projects.front();
    Problem(path, "is required, since there are several projects");
    return nullptr;
  }
  for (const auto& project : projects) {
    if (project->name == name) return project;
  }
  Problem(path, "is not the name of a project");
  return nullptr;
}

bool Context::CheckAuthenticator(const std::string& path, const std::string& name) {
  if (!name.empty() && authenticator_names.count(name) != 0) return true;
  Problem(path, name.empty() ? "is required" : "is not the name of an authenticator");
  return false;
}

std::optional<Secret> Context::ReadSecret(const std::string& path, const std::string& file) {
  const auto content = files.Get(file, kMaxSecretFileBytes);
  if (!content.ok()) {
    Problem(path, file + " cannot be read");
    return std::nullopt;
  }
  std::string_view text = content->content;
  while (!text.empty() && std::string_view(" \t\r\n").find(text.back()) != std::string_view::npos)
    text.remove_suffix(1);
  if (!content->others_may_access) return Secret::CopyOf(text);
  Problem(path, file + " is accessible to others; take their rights away (chmod o-rwx)");
  return std::nullopt;
}

absl::StatusOr<KeyFile> Context::ReadKeys(const std::string& path) const {
  const auto file = files.Get(path);
  if (!file.ok()) return file.status();
  return KeyFile{std::string(file->content), file->regular, file->others_may_access};
}

void Context::CheckSources(const std::string& path, const v1::VideoGrant& grants) {
  for (int i = 0; i < grants.can_publish_sources_size(); ++i) {
    if (IsTrackSource(grants.can_publish_sources(i))) continue;
    Problem(ConfigPath(ConfigPath(path, "can_publish_sources"), i),
            "must be camera, microphone, screen_share or screen_share_audio");
  }
}

bool LooksLikeExpression(std::string_view text) {
  return text.find_first_of("^$|()[]{}+?\\") != std::string_view::npos;
}

std::string Sentence(const absl::Status& status) {
  const v1::Error error = ToError(status);
  return error.fields_size() > 0 ? error.fields(0).message() : error.message();
}

}  // namespace livekit::token::build
