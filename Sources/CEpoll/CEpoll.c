#define _GNU_SOURCE
#include "CEpoll.h"

#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

_Static_assert(EPOLLIN == 0x001 && EPOLLOUT == 0x004 && EPOLLERR == 0x008 && EPOLLHUP == 0x010, "epoll bits");
_Static_assert(EPOLLRDHUP == 0x2000 && EPOLLEXCLUSIVE == 1u << 28 && EPOLLET == 1u << 31, "epoll bits");

int cepoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

int cepoll_add(int epoll, int descriptor, uint32_t events, uint64_t key) {
    struct epoll_event event = {.events = events, .data.u64 = key};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

int cepoll_remove(int epoll, int descriptor) { return epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, NULL); }

int cepoll_wait(int epoll, struct cepoll_event *events, int capacity, int timeout_ms) {
    struct epoll_event raw[256];
    int wanted = capacity < 256 ? capacity : 256;
    int count = epoll_wait(epoll, raw, wanted, timeout_ms);
    for (int i = 0; i < count; i++) {
        events[i].key = raw[i].data.u64;
        events[i].events = raw[i].events;
    }
    return count;
}

int cepoll_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int cepoll_accept(int listener, void *address, uint32_t *length) {
    return accept4(listener, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int cepoll_socket(int family) { return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

int cepoll_name_thread(pthread_t thread, const char *name) { return pthread_setname_np(thread, name); }
