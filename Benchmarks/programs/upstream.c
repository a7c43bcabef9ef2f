// The fast HTTP server that stands behind every contender, in Nova's place or in the metadata agent's.
//
// One thread, one epoll set. Each complete request head (requests have no bodies here) gets the same answer: 200 with
// 1 KB of JSON. Connections are kept, unless the request says `Connection: close`.
//
//     upstream 127.0.0.1:PORT /path/of/socket ... [-l LOG_SOCKET]
//
// With -l it also plays the syslog daemon: datagrams that come to that UNIX socket are read and thrown away. A
// contender that logs pays for sending its lines, and nobody's real log is filled.
#include "common.h"

enum { BODY_BYTES = 1024, EVENTS_MAX = 256, BUFFER_BYTES = 16384, HEAD_BYTES_MAX = 8192 };

struct connection {
    int descriptor;
    enum { LISTENER, LOG, PEER } kind;
    // The beginning of a head whose end has not come; NULL as a rule.
    char *part;
    size_t part_length;
};

static char answer[BODY_BYTES + 512];
static size_t answer_length;
static int epoll;

static void make_answer(void) {
    answer_length = sprintf(answer,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
        "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n", BODY_BYTES);
    char *body = answer + answer_length;
    int length = sprintf(body,
        "{\"uuid\": \"f2b1c0de-0000-4000-8000-000000000010\", \"name\": \"web\", \"filler\": \"");
    memset(body + length, 'x', BODY_BYTES - length - 2);
    memcpy(body + BODY_BYTES - 2, "\"}", 2);
    answer_length += BODY_BYTES;
}

static struct connection *watch(int descriptor, int kind) {
    struct connection *connection = calloc(1, sizeof *connection);
    connection->descriptor = descriptor;
    connection->kind = kind;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) < 0) die("epoll_ctl");
    return connection;
}

static void end(struct connection *connection) {
    close(connection->descriptor);
    free(connection->part);
    free(connection);
}

static void take_connections(int listener) {
    int one = 1, descriptor;
    for (int count = 0; count < 64; count++) {
        descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor < 0) return;
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(descriptor, PEER);
    }
}

// Answers what has come. An answer is small and the reader waits for it, so the socket takes it whole.
static void serve(struct connection *connection) {
    static char buffer[BUFFER_BYTES + HEAD_BYTES_MAX];
    size_t have = connection->part_length;
    if (have) memcpy(buffer, connection->part, have);
    ssize_t count = recv(connection->descriptor, buffer + have, BUFFER_BYTES, 0);
    if (count <= 0) {
        if (count == 0 || (errno != EAGAIN && errno != EINTR)) end(connection);
        return;
    }
    size_t length = have + count, start = 0, head;
    while ((head = head_length(buffer + start, length - start))) {
        if (send(connection->descriptor, answer, answer_length, MSG_NOSIGNAL) != (ssize_t)answer_length ||
            asks_to_close(buffer + start, head)) {
            return end(connection);
        }
        start += head;
    }
    free(connection->part);
    connection->part = NULL;
    connection->part_length = length - start;
    if (connection->part_length > HEAD_BYTES_MAX) return end(connection);
    if (connection->part_length) {
        connection->part = malloc(connection->part_length);
        memcpy(connection->part, buffer + start, connection->part_length);
    }
}

static void drain_log(int descriptor) {
    char line[4096];
    for (int count = 0; count < 64 && recv(descriptor, line, sizeof line, MSG_DONTWAIT) >= 0; count++) {}
}

static int log_socket(const char *path) {
    struct address address = parse_address(path);
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    unlink(path);
    if (bind(descriptor, &address.value.any, address.length) < 0) die(path);
    return descriptor;
}

int main(int count, char **words) {
    if (count < 2) {
        fprintf(stderr, "usage: upstream ADDRESS:PORT|PATH ... [-l LOG_SOCKET]\n");
        return 2;
    }
    raise_limits();
    make_answer();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int index = 1; index < count; index++) {
        if (strcmp(words[index], "-l") == 0 && index + 1 < count) watch(log_socket(words[++index]), LOG);
        else watch(listen_on(words[index]), LISTENER);
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int ready = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int index = 0; index < ready; index++) {
            struct connection *connection = events[index].data.ptr;
            switch (connection->kind) {
            case LISTENER: take_connections(connection->descriptor); break;
            case LOG: drain_log(connection->descriptor); break;
            case PEER: serve(connection); break;
            }
        }
    }
}
