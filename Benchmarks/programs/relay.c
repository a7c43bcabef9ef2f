// The limit to compare with: as little as a relay for metadata can do, in C on epoll.
//
// It accepts, reads a request's head, leaves out all header fields of the guest's, splices in four of its own, sends
// that on a pooled connection, and passes the answer on as bytes. It has no time-outs, no log, no lookup, no chunked
// bodies, and believes what it reads: fit for measuring, not for serving.
//
//     relay LISTEN UPSTREAM
//
// What makes it fast is meant to be what makes ours fast: no memory is allocated per request, a connection is read
// before epoll is asked and enters the epoll set only if it stays, and an edge-triggered registration is never changed.
#include "common.h"

enum { HEAD_MAX = 4096, BUFFER_BYTES = 65536, EVENTS_MAX = 256, ACCEPTS_PER_TURN = 64 };

enum kind { LISTENER, GUEST, UPSTREAM };

struct connection {
    int descriptor;
    uint8_t kind, is_watched, is_dead;
    uint8_t closes;      // guest: after this answer
    uint8_t is_sending;  // guest: what is kept is the rest of an answer, not the beginning of a head
    uint8_t has_news;    // guest: epoll has reported something while a request was in flight
    struct connection *other;  // a guest's upstream connection, and the other way round, while a request is in flight
    struct connection *next;   // in the list of idle upstream connections, of those that wait for one, or of free ones
    int64_t missing;           // upstream: bytes of the answer's body; -1 while its head is not complete
    // What waits to be sent, or the beginning of a head; NULL as a rule.
    char *kept;
    uint32_t kept_start, kept_end;
    struct in_addr address;
};

static const char BEFORE_ADDRESS[] = "\r\nHost: 127.0.0.1:8775\r\nX-Forwarded-For: ";
static const char AFTER_ADDRESS[] =
    "\r\nX-Instance-ID: f2b1c0de-0000-4000-8000-000000000010\r\n"
    "X-Tenant-ID: 9d6c5f0e4b3a4c2d8e1f000000000001\r\n"
    "X-Instance-ID-Signature: 7a6c3d0f5b1e4298a7d6c3f0b5e1a2987a6c3d0f5b1e4298a7d6c3f0b5e1a298\r\n\r\n";

static int epoll;
static struct address upstream_address;
static struct connection *idle, *spare, *ended;
// Shared by all connections: what is in it is used up before the next one's turn.
static char buffer[BUFFER_BYTES];

// MARK: Connections

static struct connection *make(int descriptor, enum kind kind) {
    struct connection *connection = spare;
    if (connection) spare = connection->next;
    else connection = malloc(sizeof *connection);
    memset(connection, 0, sizeof *connection);
    connection->descriptor = descriptor;
    connection->kind = kind;
    return connection;
}

static void watch(struct connection *connection) {
    if (connection->is_watched) return;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = connection};
    if (connection->kind == LISTENER) event.events = EPOLLIN;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, connection->descriptor, &event) < 0) die("epoll_ctl");
    connection->is_watched = 1;
}

static void end(struct connection *connection) {
    if (connection->is_dead) return;
    connection->is_dead = 1;
    close(connection->descriptor);
    free(connection->kept);
    if (connection->other) {
        // An answer that is cut must not look whole, and a connection with half an answer on it cannot be used again.
        struct connection *other = connection->other;
        connection->other = other->other = NULL;
        end(other);
    }
    if (connection->kind == UPSTREAM) {
        for (struct connection **link = &idle; *link; link = &(*link)->next) {
            if (*link == connection) {
                *link = connection->next;
                break;
            }
        }
    }
    // An event for it may wait in the same batch.
    connection->next = ended;
    ended = connection;
}

static void keep(struct connection *connection, const char *bytes, size_t count) {
    // Never more than a buffer: nothing is read for a connection that is kept waiting.
    if (!connection->kept) connection->kept = malloc(BUFFER_BYTES);
    memcpy(connection->kept + connection->kept_end, bytes, count);
    connection->kept_end += count;
}

static void forget(struct connection *connection) {
    free(connection->kept);
    connection->kept = NULL;
    connection->kept_start = connection->kept_end = 0;
}

// MARK: The answer

static void serve(struct connection *guest);

// Sends to the guest; what it does not take is kept. False if the guest is gone.
static int pass(struct connection *guest, const char *bytes, size_t count, int more_follows) {
    ssize_t sent = send(guest->descriptor, bytes, count, MSG_NOSIGNAL | (more_follows ? MSG_MORE : 0));
    if (sent < 0 && errno != EAGAIN) {
        end(guest);
        return 0;
    }
    if (sent < 0) sent = 0;
    if ((size_t)sent < count) {
        keep(guest, bytes + sent, count - sent);
        guest->is_sending = 1;
        watch(guest);
    }
    return 1;
}

// The whole answer is out.
static void next_request(struct connection *guest) {
    if (guest->closes) return end(guest);
    watch(guest);
    if (guest->has_news) serve(guest);
}

// Passes on what there is of the answer.
static void relay_answer(struct connection *upstream) {
    struct connection *guest;
    while ((guest = upstream->other) && !guest->is_sending) {
        size_t have = upstream->kept_end;
        if (have) memcpy(buffer, upstream->kept, have);
        ssize_t count = recv(upstream->descriptor, buffer + have, BUFFER_BYTES - have, 0);
        if (count <= 0) {
            if (count == 0 || errno != EAGAIN) end(upstream);
            return;
        }
        size_t length = have + count;
        if (upstream->missing < 0) {
            size_t head = head_length(buffer, length);
            const char *value = head ? field(buffer, head, "content-length:") : NULL;
            forget(upstream);
            if (!head && length < HEAD_MAX) {
                keep(upstream, buffer, length);
                continue;
            }
            if (!value) return end(upstream);
            upstream->missing = atol(value) + head;
        }
        upstream->missing -= length;
        if (upstream->missing < 0) return end(upstream);
        int is_whole = upstream->missing == 0;
        if (is_whole) {
            upstream->other = guest->other = NULL;
            upstream->next = idle;
            idle = upstream;
        }
        // A close that follows at once goes in the same segment.
        if (!pass(guest, buffer, length, is_whole && guest->closes)) return;
        if (is_whole && !guest->is_sending) next_request(guest);
        // A short read has emptied the socket; a full one has to be repeated, or a large body stalls here.
        if (is_whole || length < BUFFER_BYTES) return;
    }
}

// MARK: The request

static char *append(char *at, const char *bytes, size_t count) {
    memcpy(at, bytes, count);
    return at + count;
}

static char *append_address(char *at, struct in_addr address) {
    const uint8_t *parts = (const uint8_t *)&address.s_addr;
    for (int index = 0; index < 4; index++) {
        unsigned part = parts[index];
        if (index) *at++ = '.';
        if (part >= 100) *at++ = '0' + part / 100;
        if (part >= 10) *at++ = '0' + part / 10 % 10;
        *at++ = '0' + part % 10;
    }
    return at;
}

static void forward(struct connection *guest, const char *head, size_t length) {
    static char request[HEAD_MAX + 512];
    const char *line = memchr(head, '\r', length);
    char *at = append(request, head, line - head);
    at = append(at, BEFORE_ADDRESS, sizeof BEFORE_ADDRESS - 1);
    at = append_address(at, guest->address);
    at = append(at, AFTER_ADDRESS, sizeof AFTER_ADDRESS - 1);
    ssize_t size = at - request;
    struct connection *upstream = idle;
    if (upstream) {
        idle = upstream->next;
        upstream->next = NULL;
    } else {
        int one = 1, descriptor = socket(upstream_address.value.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        // Blocking: it happens once per connection of the pool.
        if (connect(descriptor, &upstream_address.value.any, upstream_address.length) < 0) die("connect");
        fcntl(descriptor, F_SETFL, O_NONBLOCK);
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        upstream = make(descriptor, UPSTREAM);
        watch(upstream);
    }
    upstream->missing = -1;
    upstream->other = guest;
    guest->other = upstream;
    guest->closes = asks_to_close(head, length);
    if (send(upstream->descriptor, request, size, MSG_NOSIGNAL) != size) end(upstream);
}

// Reads a request, unless one is being answered.
static void serve(struct connection *guest) {
    if (guest->other || guest->is_sending) {
        guest->has_news = 1;
        return;
    }
    guest->has_news = 0;
    size_t have = guest->kept_end;
    if (have) memcpy(buffer, guest->kept, have);
    ssize_t count = recv(guest->descriptor, buffer + have, HEAD_MAX - have, 0);
    if (count < 0 && errno == EAGAIN) return watch(guest);
    if (count <= 0) return end(guest);
    size_t length = have + count, head = head_length(buffer, length);
    forget(guest);
    if (head == length) return forward(guest, buffer, head);
    // Pipelining is more than a relay for measuring needs.
    if (head || length == HEAD_MAX) return end(guest);
    keep(guest, buffer, length);
    watch(guest);
}

static void take_connections(int listener) {
    for (int count = 0; count < ACCEPTS_PER_TURN; count++) {
        struct sockaddr_in peer;
        socklen_t size = sizeof peer;
        int descriptor = accept4(listener, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor < 0) return;
        struct connection *guest = make(descriptor, GUEST);
        guest->address = peer.sin_addr;
        serve(guest);
    }
}

// The guest takes bytes again.
static void flush(struct connection *guest) {
    ssize_t sent = send(guest->descriptor, guest->kept + guest->kept_start, guest->kept_end - guest->kept_start,
        MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return end(guest);
    if (sent > 0) guest->kept_start += sent;
    if (guest->kept_start < guest->kept_end) return;
    forget(guest);
    guest->is_sending = 0;
    if (guest->other) relay_answer(guest->other);
    else next_request(guest);
}

int main(int count, char **words) {
    if (count != 3) {
        fprintf(stderr, "usage: relay LISTEN UPSTREAM\n");
        return 2;
    }
    raise_limits();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    upstream_address = parse_address(words[2]);
    watch(make(listen_on(words[1]), LISTENER));
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int ready = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int index = 0; index < ready; index++) {
            struct connection *connection = events[index].data.ptr;
            if (connection->is_dead) continue;
            switch (connection->kind) {
            case LISTENER: take_connections(connection->descriptor); break;
            case UPSTREAM:
                if (events[index].events & ~EPOLLOUT) {
                    // While nothing is asked, anything that comes is the other side's goodbye.
                    if (connection->other) relay_answer(connection);
                    else end(connection);
                }
                break;
            case GUEST:
                if (connection->is_sending && events[index].events & EPOLLOUT) flush(connection);
                if (!connection->is_dead && events[index].events & ~EPOLLOUT) serve(connection);
                break;
            }
        }
        while (ended) {
            struct connection *connection = ended;
            ended = connection->next;
            connection->next = spare;
            spare = connection;
        }
    }
}
