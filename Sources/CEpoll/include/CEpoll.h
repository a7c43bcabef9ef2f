/* The few Linux calls that Swift's Glibc module does not show: epoll, eventfd, accept4, thread names. */
#ifndef CEPOLL_H
#define CEPOLL_H

#include <pthread.h>
#include <stdint.h>

static const uint32_t cepoll_in = 0x001;
static const uint32_t cepoll_out = 0x004;
static const uint32_t cepoll_error = 0x008;
static const uint32_t cepoll_hangup = 0x010;
static const uint32_t cepoll_read_hangup = 0x2000;
static const uint32_t cepoll_exclusive = 1u << 28;
static const uint32_t cepoll_edge = 1u << 31;

/* One readiness report; the same layout on every architecture, unlike struct epoll_event. */
struct cepoll_event {
    uint64_t key;
    uint32_t events;
};

/* Each returns -1 and sets errno like the call it is named after. */
int cepoll_create(void);
int cepoll_add(int epoll, int descriptor, uint32_t events, uint64_t key);
int cepoll_remove(int epoll, int descriptor);
/* Waits for at most `capacity` (up to 256) events; a negative timeout waits for ever. */
int cepoll_wait(int epoll, struct cepoll_event *events, int capacity, int timeout_ms);
int cepoll_eventfd(void);
/* The accepted socket is non-blocking and close-on-exec. `address` is a struct sockaddr; system headers stay out of
   this one, so that their types have one owner in Swift. */
int cepoll_accept(int listener, void *address, uint32_t *length);
/* A new non-blocking, close-on-exec stream socket. */
int cepoll_socket(int family);
int cepoll_name_thread(pthread_t thread, const char *name);

#endif
