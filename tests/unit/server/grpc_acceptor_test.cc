#include "server/grpc_acceptor.h"

#include <arpa/inet.h>
#include <grpcpp/grpcpp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "gtest/gtest.h"
#include "service/metrics.h"
#include "support/http2_frames.h"
#include "support/raw_client.h"
#include "support/status_matchers.h"

namespace livekit::token {
namespace {

using testing::RawClient;

constexpr std::chrono::seconds kPatience{30};

// The soft limit of descriptors, until the end of the object.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t soft) {
    getrlimit(RLIMIT_NOFILE, &former_);
    const rlimit limit{soft, former_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  }
  ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &former_); }

 private:
  rlimit former_{};
};

class GrpcAcceptorTest : public ::testing::Test {
 protected:
  void Serve() {
    grpc::ServerBuilder builder;
    auto acceptor = GrpcAcceptor::Listen("127.0.0.1:0", grpc::InsecureServerCredentials(), builder, metrics_,
                                         [this] { lost_.set_value(); });
    ASSERT_OK(acceptor);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    acceptor_ = *std::move(acceptor);
    acceptor_->Start();
  }

  void TearDown() override {
    if (acceptor_ != nullptr) acceptor_->Stop();
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
    acceptor_.reset();
  }

  int port() const { return acceptor_->address().port; }

  // Whether gRPC answers on this connection: its first frame is settings.
  static bool IsServed(RawClient& client) {
    if (!client.Send(testing::Preface())) return false;
    const std::string head = client.ReadBytes(9);
    return head.size() == 9 && head[3] == static_cast<char>(testing::Http2Frame::kSettings);
  }

  // The descriptor of the listening socket: the only one that listens at its port.
  int Listener() const {
    for (int fd = 0; fd < 1024; ++fd) {
      sockaddr_in address{};
      socklen_t size = sizeof address;
      int listens = 0;
      socklen_t length = sizeof listens;
      if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 && listens != 0 &&
          getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0 && ntohs(address.sin_port) == port()) {
        return fd;
      }
    }
    return -1;
  }

  Metrics metrics_;
  std::promise<void> lost_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<GrpcAcceptor> acceptor_;
};

TEST_F(GrpcAcceptorTest, GivesConnectionsToTheServer) {
  Serve();
  EXPECT_EQ(acceptor_->address().host, "127.0.0.1");
  RawClient one(port());
  RawClient two(port());
  EXPECT_TRUE(IsServed(one));
  EXPECT_TRUE(IsServed(two));
}

TEST_F(GrpcAcceptorTest, RefusesAnAddressThatIsTaken) {
  Serve();
  grpc::ServerBuilder builder;
  EXPECT_FALSE(GrpcAcceptor::Listen(acceptor_->address().ToString(), grpc::InsecureServerCredentials(), builder,
                                    metrics_, nullptr)
                   .ok());
}

TEST_F(GrpcAcceptorTest, AcceptsNoMoreOnceStopped) {
  Serve();
  const int stopped = port();
  RawClient before(stopped);
  ASSERT_TRUE(IsServed(before));
  acceptor_->Stop();
  acceptor_->Stop();
  EXPECT_FALSE(RawClient(stopped).connected());
}

TEST_F(GrpcAcceptorTest, WaitsForDescriptors) {
  Serve();
  // The first call of a kind is examined by UBSan through a pipe, for which there would be no descriptor below.
  SystemClock().Now();
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_GE(fd, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto wait = [fd](int ms) {
    const timeval time{ms / 1000, ms % 1000 * 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    char first[9];
    return recv(fd, first, sizeof first, MSG_WAITALL);
  };
  {
    const DescriptorLimit none(3);
    ASSERT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const std::string preface = testing::Preface();
    ASSERT_EQ(send(fd, preface.data(), preface.size(), 0), static_cast<ssize_t>(preface.size()));
    EXPECT_EQ(wait(200), -1);
  }
  EXPECT_EQ(wait(10'000), 9);
  close(fd);
}

TEST_F(GrpcAcceptorTest, KeepsTheLastDescriptors) {
  const DescriptorLimit few(256);  // of which 64 are kept
  Serve();
  std::vector<std::unique_ptr<RawClient>> clients;
  // Each takes two: one here, one in the server.
  while (clients.size() < 128) {
    clients.push_back(std::make_unique<RawClient>(port()));
    ASSERT_TRUE(clients.back()->connected());
    if (!IsServed(*clients.back())) break;
  }
  EXPECT_GT(clients.size(), 32U);
  EXPECT_LT(clients.size(), 96U);
  EXPECT_LT(clients.back()->fd(), 193);
  // One that has ended makes room for one.
  clients.pop_back();
  clients.pop_back();
  bool served = false;
  for (const auto end = std::chrono::steady_clock::now() + kPatience;
       !served && std::chrono::steady_clock::now() < end;) {
    RawClient again(port());
    served = IsServed(again);
  }
  EXPECT_TRUE(served);
}

TEST_F(GrpcAcceptorTest, TellsWhenTheListenerIsLost) {
  Serve();
  auto lost = lost_.get_future();
  RawClient one(port());
  ASSERT_TRUE(IsServed(one));
  EXPECT_EQ(lost.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  ASSERT_EQ(shutdown(Listener(), SHUT_RDWR), 0);
  EXPECT_EQ(lost.wait_for(kPatience), std::future_status::ready);
}

}  // namespace
}  // namespace livekit::token
