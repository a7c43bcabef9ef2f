// The few Linux calls that Swift's Glibc module does not offer: fork (withheld because a Swift program with
// threads must not use it), signalfd, and calls whose C types come out differently from one glibc to the next.
// Every function returns what the system call returns, with errno set.

#ifndef CLINUXHOST_H
#define CLINUXHOST_H

#include <stdint.h>
#include <sys/types.h>

/// fork(2). Safe only while the process has a single thread.
pid_t clinuxhost_fork(void);

/// Blocks the signals in the calling thread and in all threads it starts later.
int clinuxhost_block_signals(const int *signals, int count);

/// The reverse, for programs that are started from here.
int clinuxhost_unblock_signals(const int *signals, int count);

/// A close-on-exec, non-blocking signalfd for signals that are already blocked.
int clinuxhost_signal_descriptor(const int *signals, int count);

/// The next signal of a signalfd, or -1 with errno EAGAIN if there is none.
int clinuxhost_next_signal(int descriptor);

/// Makes a write to a closed pipe or socket return EPIPE instead of ending the process.
int clinuxhost_ignore_broken_pipes(void);

/// Raises the soft limit of open descriptors to the hard one; *limit receives the limit now in force.
int clinuxhost_raise_file_limit(uint64_t *limit);

/// An open TCP or UNIX socket: type is SOCK_STREAM or SOCK_DGRAM, always close-on-exec and non-blocking.
int clinuxhost_socket(int family, int type);

/// flock(2): exclusive, without waiting.
int clinuxhost_lock(int descriptor);

#endif
