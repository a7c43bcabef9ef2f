#define _GNU_SOURCE

#include "CLinuxHost.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

pid_t clinuxhost_fork(void) { return fork(); }

static void fill(sigset_t *set, const int *signals, int count) {
    sigemptyset(set);
    for (int index = 0; index < count; index++) sigaddset(set, signals[index]);
}

static int change_mask(int how, const int *signals, int count) {
    sigset_t set;
    fill(&set, signals, count);
    int error = pthread_sigmask(how, &set, NULL);
    if (error == 0) return 0;
    errno = error;
    return -1;
}

int clinuxhost_block_signals(const int *signals, int count) { return change_mask(SIG_BLOCK, signals, count); }

int clinuxhost_unblock_signals(const int *signals, int count) { return change_mask(SIG_UNBLOCK, signals, count); }

int clinuxhost_signal_descriptor(const int *signals, int count) {
    sigset_t set;
    fill(&set, signals, count);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int clinuxhost_next_signal(int descriptor) {
    struct signalfd_siginfo info;
    for (;;) {
        ssize_t count = read(descriptor, &info, sizeof info);
        if (count == (ssize_t)sizeof info) return (int)info.ssi_signo;
        if (count >= 0) {
            errno = EIO;
            return -1;
        }
        if (errno != EINTR) return -1;
    }
}

int clinuxhost_ignore_broken_pipes(void) {
    struct sigaction action = {.sa_handler = SIG_IGN};
    return sigaction(SIGPIPE, &action, NULL);
}

int clinuxhost_raise_file_limit(uint64_t *limit) {
    struct rlimit limits;
    if (getrlimit(RLIMIT_NOFILE, &limits) != 0) return -1;
    *limit = limits.rlim_cur;
    if (limits.rlim_cur == limits.rlim_max) return 0;
    limits.rlim_cur = limits.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limits) != 0) return -1;
    *limit = limits.rlim_cur;
    return 0;
}

int clinuxhost_socket(int family, int type) { return socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }

int clinuxhost_lock(int descriptor) {
    int result;
    do result = flock(descriptor, LOCK_EX | LOCK_NB);
    while (result != 0 && errno == EINTR);
    return result;
}
