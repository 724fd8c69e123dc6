// Stop requests: on SIGTERM, SIGINT or SIGUSR1 a run saves and exits with status 75. The handler
// only stores the signal; the work polls for it.
#pragma once

namespace sdxl {

/// Installs the handlers; a second SIGINT kills the process. Also ignores SIGPIPE, SIGXFSZ and,
/// without a terminal, SIGHUP.
void install_stop_handlers();

/// The signal that requested a stop, 0 if none. Safe to poll from any thread.
int stop_requested();

/// Requests a stop as a signal would; 0 withdraws the request. For tests.
void request_stop(int signal);

/// For processes that must stop at the same point. While stops are held, stop_requested() returns
/// the signal of agree_on_stop() instead of this process's signal.
void hold_stops(bool held);
void agree_on_stop(int signal);
/// The signal this process received, held or not; 0 if none.
int stop_signalled();

/// Throws Interrupted if a stop was requested. For phases that have nothing to save.
void throw_if_stop_requested(const char* phase);

}  // namespace sdxl
