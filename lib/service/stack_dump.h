// What all threads do at this moment: for a process that hangs.
#pragma once

namespace livekit::token {

// From now on SIGQUIT writes the stack of every thread to standard error. A release build then goes on; a debug build
// ends by SIGABRT. To be called once, in main, before other threads exist.
void DumpStacksOnQuit();

// Writes the name, the number and the stack of every thread of this process to `fd`, as offsets in the program and its
// libraries, which addr2line -e turns into lines. Threads that do not answer within 200 ms are passed over.
void DumpStacks(int fd);

}  // namespace livekit::token
