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

/// An open TCP or UNIX socket: type is SOCK_STREAM, SOCK_SEQPACKET or SOCK_DGRAM, always close-on-exec and
/// non-blocking.
int clinuxhost_socket(int family, int type);

/// flock(2): exclusive, without waiting.
int clinuxhost_lock(int descriptor);

/// Sends one message with open descriptors (SCM_RIGHTS), at most CLINUXHOST_DESCRIPTORS_MAX, on a packet socket.
enum { CLINUXHOST_DESCRIPTORS_MAX = 8 };
ssize_t clinuxhost_send_descriptors(int socket, const void *bytes, size_t count, const int *descriptors,
                                    int descriptor_count);

/// Receives one message and the descriptors in it, which are close-on-exec and the caller's to close. *received is
/// their number. A message that does not fit, or with too many descriptors, is -1 with errno EMSGSIZE, and none of
/// its descriptors stays open.
ssize_t clinuxhost_receive_descriptors(int socket, void *bytes, size_t capacity, int *descriptors, int *received);

/// Who connected the other end of a UNIX socket.
int clinuxhost_peer_credentials(int socket, pid_t *pid, uid_t *user, gid_t *group);

/// accept4(2) with SOCK_CLOEXEC and SOCK_NONBLOCK, for UNIX sockets.
int clinuxhost_accept(int listener);

#endif
