// File descriptors that are kept for other uses than connections of clients.
#pragma once

namespace livekit::token::http {

// Raises the soft limit, as far as the hard one allows, to what so many connections and the rest of the process need:
// systems start programs with 1024, meant for those that use select(). Logs a warning if that is not enough.
void RaiseDescriptorLimit(int connections);

// The first of the last descriptors that this process may have: a quarter, and 256 at most. The kernel hands out the
// lowest that is free (POSIX accept()), so a connection that has got this one or a higher one is one too many: with it
// files of secrets, calls to others and the probes would soon find no descriptors.
int FirstReservedDescriptor();

}  // namespace livekit::token::http
