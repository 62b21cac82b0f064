// Mints a token for one participant and prints it. A complete program for the installed library:
//
//   find_package(livekit_token CONFIG REQUIRED)
//   add_executable(mint_token mint_token.cc)
//   target_link_libraries(mint_token PRIVATE livekit_token::token)
//
//   LIVEKIT_API_KEY=... LIVEKIT_API_SECRET=... mint_token alice lobby
//
// The key comes from the environment, in every way that LiveKit's own programs know. The program needs C++17.

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "livekit/token/access_token.h"
#include "livekit/token/api_key.h"
#include "livekit/token/key_source.h"
#include "livekit/token/token_verifier.h"

namespace {

int Fail(const std::string& what) {
  std::fprintf(stderr, "mint_token: %s\n", what.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return Fail("usage: mint_token IDENTITY ROOM");
  const std::string identity = argv[1];
  const std::string room = argv[2];

  const auto loaded = livekit::token::KeysFromEnvironment(livekit::token::ProcessEnvironment,
                                                          livekit::token::SecretStrength::kRequired);
  if (!loaded.ok()) return Fail(std::string(loaded.status().message()));
  if (loaded->keys.empty()) return Fail("set LIVEKIT_API_KEY and LIVEKIT_API_SECRET");
  const std::shared_ptr<const livekit::token::ApiKey> key = loaded->keys.front();

  // Time is an argument everywhere in the library, so that programs can be tested.
  const auto now = std::chrono::system_clock::now();

  livekit::token::AccessToken request;
  request.SetIdentity(identity).SetAttribute("language", "en").JoinRoom(room).SetTtl(std::chrono::minutes(10));
  // What has no setter of its own stands in the message that also the gRPC service uses: here, an agent that joins with
  // the first participant.
  request.grants().mutable_room_config()->add_agents()->set_agent_name("assistant");

  const auto signed_token = request.Sign(*key, now);
  if (!signed_token.ok()) return Fail(std::string(signed_token.status().message()));

  // The check that a LiveKit server makes when the participant joins.
  auto keys = std::make_shared<livekit::token::KeyRing>();
  if (!keys->Add(key).ok()) return Fail("the key is there twice");
  const livekit::token::Verdict verdict = livekit::token::TokenVerifier(keys).VerifyJoin(signed_token->token, now);
  if (!verdict.ok()) return Fail(std::string(livekit::token::Describe(verdict.reason)));

  std::printf("%s\n", signed_token->token.c_str());
  return 0;
}
