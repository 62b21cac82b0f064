// Every request of tests/data/http_corpus.json over a raw socket: exactly the answers that it must have, the connection
// ends exactly when it must, and the next client is answered.
#include <algorithm>
#include <iterator>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "support/http_corpus.h"
#include "unit/http/server_fixture.h"

namespace livekit::token::http {
namespace {

using testing::CorpusAnswer;
using testing::CorpusCase;
using testing::GetRequest;
using testing::RawClient;
using testing::RawResponse;

const std::vector<CorpusCase>& Cases() {
  static const auto* const cases =
      new std::vector<CorpusCase>(testing::LoadHttpCorpus(TEST_DATA_DIR "/http_corpus.json"));
  return *cases;
}

CorpusAnswer Accepted(const std::string& path) { return {200, "GET", path, "", {}}; }

// Bytes sent one by one would take long for the few large cases; those are cut into about this many pieces.
constexpr std::size_t kMaxPieces = 2048;

class HttpCorpusTest : public ServerFixture {
 protected:
  void SetUp() override {
    handler_.on_request = [this](Request request, Respond respond) {
      Response response = TextResponse(200, request.method + " " + request.path + " " + request.body);
      {
        std::lock_guard lock(mutex_);
        handled_.push_back(std::move(request));
      }
      respond(std::move(response));
    };
    Start();
  }

  // Sends `before`, the case and, unless the client is to end its sending there, a request behind it that only a
  // connection which goes on answers. `step` bytes go at a time.
  void Run(const CorpusCase& one, std::string_view before, std::vector<CorpusAnswer> expected, std::size_t step) {
    expected.insert(expected.end(), one.answers.begin(), one.answers.end());
    std::string bytes = std::string(before) + one.bytes;
    if (!one.ends_early) bytes += GetRequest("/after", "Connection: close\r\n");
    if (!one.closes) expected.push_back(Accepted("/after"));

    RawClient client(server_->port());
    ASSERT_TRUE(client.connected());
    // A server that has refused need not take the rest.
    for (std::size_t at = 0; at < bytes.size() && client.Send(std::string_view(bytes).substr(at, step)); at += step) {
    }
    if (one.ends_early) client.EndSending();

    for (std::size_t i = 0; i < expected.size(); ++i) {
      const auto response = ReadFinal(client, expected[i], one.interim);
      ASSERT_TRUE(response) << "answer " << i;
      // Where the case itself has no answer, the client ends the connection.
      ExpectAnswer(expected[i], *response, i + 1 == expected.size() && !one.answers.empty());
    }
    EXPECT_TRUE(client.AtEnd()) << "more answers than " << expected.size() << ", or no end";
    ExpectHandled(expected);
    ExpectNextClientIsAnswered();
  }

 private:
  // The next answer that is not an interim one.
  static std::optional<RawResponse> ReadFinal(RawClient& client, const CorpusAnswer& expected, bool interim) {
    auto response = client.Read(expected.method == "HEAD");
    if (interim && response && response->status == 100) response = client.Read(expected.method == "HEAD");
    return response;
  }

  static void ExpectAnswer(const CorpusAnswer& expected, const RawResponse& response, bool says_close) {
    EXPECT_EQ(response.status, expected.status);
    if (!expected.method.empty() && expected.method != "HEAD") {
      EXPECT_EQ(response.body, expected.method + " " + expected.path + " " + expected.body);
    }
    EXPECT_EQ(response.Header("x-injected"), std::nullopt);
    // Several values would be joined by a comma.
    EXPECT_EQ(response.Header("content-length").value_or(",").find(','), std::string::npos);
    EXPECT_EQ(response.Header("connection") == "close", says_close);
  }

  // The handler saw the accepted requests, in order, and nothing else.
  void ExpectHandled(const std::vector<CorpusAnswer>& expected) {
    std::vector<CorpusAnswer> accepted;
    std::copy_if(expected.begin(), expected.end(), std::back_inserter(accepted),
                 [](const CorpusAnswer& answer) { return !answer.method.empty(); });
    std::lock_guard lock(mutex_);
    ASSERT_EQ(handled_.size(), accepted.size());
    for (std::size_t i = 0; i < accepted.size(); ++i) {
      EXPECT_EQ(handled_[i].method, accepted[i].method);
      EXPECT_EQ(handled_[i].path, accepted[i].path);
      EXPECT_EQ(handled_[i].body, accepted[i].body);
      for (const auto& [name, value] : accepted[i].headers) EXPECT_EQ(handled_[i].SingleHeader(name), value) << name;
    }
    handled_.clear();
  }

  void ExpectNextClientIsAnswered() {
    RawClient client(server_->port());
    const auto response = client.Exchange(GetRequest("/next"));
    ASSERT_TRUE(response) << "the next client gets no answer";
    EXPECT_EQ(response->body, "GET /next ");
    std::lock_guard lock(mutex_);
    handled_.clear();
  }

  std::mutex mutex_;
  std::vector<Request> handled_;
};

TEST(HttpCorpus, IsAsLargeAsItHasToBe) {
  EXPECT_GE(Cases().size(), 150u);
  std::vector<std::string> names;
  for (const CorpusCase& one : Cases()) {
    names.push_back(one.name);
    EXPECT_FALSE(one.rfc.empty()) << one.name;
    EXPECT_TRUE(one.closes || !one.ends_early) << one.name;
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end()) << "two cases have one name";
}

TEST_F(HttpCorpusTest, AnswersEachCaseAsItMust) {
  for (const CorpusCase& one : Cases()) {
    SCOPED_TRACE(one.name + " (RFC " + one.rfc + ")");
    Run(one, "", {}, one.bytes.size() + 1000);
  }
}

TEST_F(HttpCorpusTest, AnswersEachCaseTheSameWhenItComesByteByByte) {
  for (const CorpusCase& one : Cases()) {
    SCOPED_TRACE(one.name + " (RFC " + one.rfc + ")");
    Run(one, "", {}, 1 + one.bytes.size() / kMaxPieces);
  }
}

TEST_F(HttpCorpusTest, AnswersEachCaseTheSameBehindAnotherRequest) {
  for (const CorpusCase& one : Cases()) {
    SCOPED_TRACE(one.name + " (RFC " + one.rfc + ")");
    Run(one, GetRequest("/before"), {Accepted("/before")}, one.bytes.size() + 1000);
  }
}

}  // namespace
}  // namespace livekit::token::http
