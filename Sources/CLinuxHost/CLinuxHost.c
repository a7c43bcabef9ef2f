#define _GNU_SOURCE

#include "CLinuxHost.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
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

ssize_t clinuxhost_send_descriptors(int socket, const void *bytes, size_t count, const int *descriptors,
                                    int descriptor_count) {
    if (descriptor_count < 0 || descriptor_count > CLINUXHOST_DESCRIPTORS_MAX) {
        errno = EINVAL;
        return -1;
    }
    union {
        char bytes[CMSG_SPACE(sizeof(int) * CLINUXHOST_DESCRIPTORS_MAX)];
        struct cmsghdr alignment;
    } control;
    memset(&control, 0, sizeof control);
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (descriptor_count > 0) {
        size_t size = sizeof(int) * (size_t)descriptor_count;
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(size);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(header), descriptors, size);
    }
    ssize_t sent;
    do sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent;
}

ssize_t clinuxhost_receive_descriptors(int socket, void *bytes, size_t capacity, int *descriptors, int *received) {
    *received = 0;
    union {
        char bytes[CMSG_SPACE(sizeof(int) * CLINUXHOST_DESCRIPTORS_MAX)];
        struct cmsghdr alignment;
    } control;
    struct iovec part = {.iov_base = bytes, .iov_len = capacity};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t count;
    do count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (count < 0 && errno == EINTR);
    if (count < 0) return -1;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t present = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t index = 0; index < present && *received < CLINUXHOST_DESCRIPTORS_MAX; index++) {
            memcpy(&descriptors[*received], CMSG_DATA(header) + index * sizeof(int), sizeof(int));
            *received += 1;
        }
    }
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        for (int index = 0; index < *received; index++) close(descriptors[index]);
        *received = 0;
        errno = EMSGSIZE;
        return -1;
    }
    return count;
}

int clinuxhost_peer_credentials(int socket, pid_t *pid, uid_t *user, gid_t *group) {
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return -1;
    *pid = credentials.pid;
    *user = credentials.uid;
    *group = credentials.gid;
    return 0;
}

int clinuxhost_accept(int listener) {
    int descriptor;
    do descriptor = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    while (descriptor < 0 && errno == EINTR);
    return descriptor;
}
