// Stop requests: SIGTERM, SIGINT and SIGUSR1 ask the run to save and leave with status 75.
#pragma once

namespace sdxl {

/// Installs the handlers (a second SIGINT ends the process at once) and ignores SIGPIPE.
void install_stop_handlers();

/// The signal that asked for a stop, 0 if none did. Safe to poll from any thread.
int stop_requested();

/// Asks for a stop as a signal would (0 takes the request back); for tests.
void request_stop(int signal);

/// Where several processes must stop at the same point, signals are only noted while stops are
/// held: stop_requested() then tells what the processes have agreed on.
void hold_stops(bool held);
void agree_on_stop(int signal);
/// The signal that this process got, held or not.
int stop_signalled();

/// Throws Interrupted if a stop was requested. For phases that have nothing to save.
void throw_if_stop_requested(const char* phase);

}  // namespace sdxl
