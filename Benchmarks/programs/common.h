// What the benchmark's C programs share: addresses, sockets, and the search for the end of a head.
#pragma once

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct address {
    socklen_t length;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_un local;
    } value;
};

static inline void die(const char *what) {
    perror(what);
    exit(1);
}

// "127.0.0.1:80", or the path of a UNIX socket.
static inline struct address parse_address(const char *text) {
    struct address result;
    memset(&result, 0, sizeof result);
    const char *colon = strrchr(text, ':');
    if (text[0] == '/' || !colon) {
        result.value.local.sun_family = AF_UNIX;
        if (strlen(text) >= sizeof result.value.local.sun_path) {
            errno = ENAMETOOLONG;
            die(text);
        }
        strcpy(result.value.local.sun_path, text);
        result.length = sizeof result.value.local;
        return result;
    }
    char host[64] = "";
    if (colon - text < (long)sizeof host) memcpy(host, text, colon - text);
    result.value.v4.sin_family = AF_INET;
    result.value.v4.sin_port = htons(atoi(colon + 1));
    result.length = sizeof result.value.v4;
    if (inet_pton(AF_INET, host, &result.value.v4.sin_addr) != 1) {
        errno = EINVAL;
        die(text);
    }
    return result;
}

static inline int listen_on(const char *text) {
    struct address address = parse_address(text);
    int one = 1, descriptor = socket(address.value.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (address.value.any.sa_family == AF_UNIX) unlink(text);
    else setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(descriptor, &address.value.any, address.length) < 0 || listen(descriptor, 4096) < 0) die(text);
    return descriptor;
}

// As many descriptors as the system allows.
static inline void raise_limits(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static inline uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + now.tv_nsec;
}

// The length of the head in `bytes`, its blank line included; 0 if that has not come yet.
static inline size_t head_length(const char *bytes, size_t count) {
    const char *line = bytes, *end = bytes + count;
    while ((line = memchr(line, '\n', end - line))) {
        line += 1;
        if (end - line >= 2 && line[0] == '\r' && line[1] == '\n') return line + 2 - bytes;
    }
    return 0;
}

// The value of a header field of a complete head; NULL if it is not there. `name` is in lower case and has its colon.
static inline const char *field(const char *head, size_t length, const char *name) {
    size_t size = strlen(name);
    const char *line = head, *end = head + length;
    while ((line = memchr(line, '\n', end - line)) && line + 1 + size < end) {
        line += 1;
        // Most lines are another field, which their first byte tells.
        if ((*line | 0x20) != *name || strncasecmp(line, name, size) != 0) continue;
        line += size;
        while (*line == ' ') line += 1;
        return line;
    }
    return NULL;
}

static inline int asks_to_close(const char *head, size_t length) {
    const char *value = field(head, length, "connection:");
    return value && strncasecmp(value, "close", 5) == 0;
}
