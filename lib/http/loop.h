// A thread that serves connections.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "http/connection.h"
#include "http/mailbox.h"
#include "http/socket.h"
#include "service/heartbeat.h"

namespace livekit::token::http {

// Waits with epoll for the sockets of its connections, for answers and for deadlines. Accepts connections too, together
// with the other loops of the server.
//
// Thread safety: Run belongs to one thread; the other public methods may be called from any while it runs.
class Loop {
 public:
  // Fails by std::bad_alloc if the system has no descriptor left. Everything referred to must outlive the loop.
  Loop(ServerState& server, const std::vector<Fd>& listeners, const std::vector<std::unique_ptr<Loop>>& loops);
  ~Loop();

  // Serves until Stop.
  void Run();
  // The server drains: takes what has connected until now, then accepts no more, and ends idle connections.
  void Drain();
  // Ends everything.
  void Stop();

 private:
  void Wait();
  void Accept(const Fd& listener);
  void OnAcceptError(int error);
  void OnListenerLost();
  void PauseAccepting();
  bool ResumeAccepting();
  // Gives a connection to the loop with the fewest.
  void Place(Accepted accepted);
  // Takes one that another loop has accepted.
  void Adopt(Accepted accepted);
  void Add(Accepted accepted);
  // Ends connections that have waited longest for their clients, to make room for others.
  void MakeRoom();
  void StartDraining();
  void TakeArrivals();
  void FireTimers();
  // Lets a connection do `step`, and looks after what it needs next.
  template <typename Step>
  void Drive(Connection& connection, Step step);
  void Remove(Connection& connection);
  // One of its connections has ended, or was not taken.
  void Forget();

  const std::vector<Fd>& listeners_;
  const std::vector<std::unique_ptr<Loop>>& loops_;
  const Fd epoll_;
  LoopState state_;
  const std::shared_ptr<Heartbeats::Heart> heart_;  // null: there is none
  std::vector<std::unique_ptr<Connection>> connections_;
  // Ended in this round; events that were received together may still name them.
  std::vector<std::unique_ptr<Connection>> graveyard_;
  std::vector<Connection*> ready_;      // have more to do without waiting
  std::vector<Connection*> ready_now_;  // those of this round
  std::vector<std::shared_ptr<Reply>> replies_;
  SteadyTime room_made_;
  SteadyTime error_logged_;
  SteadyTime accept_again_;
  bool accept_paused_ = false;
  std::atomic<bool> drain_wanted_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<int> load_{0};  // connections that it has, or is about to have
  std::mutex mutex_;
  std::vector<Accepted> adopted_;  // guarded by mutex_
};

}  // namespace livekit::token::http
