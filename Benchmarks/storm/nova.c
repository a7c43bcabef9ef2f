/* Nova's metadata API for storms: documents from a table, each answer after a fixed time, slower for some instances.
 *
 *     nova PORT TABLE MILLISECONDS [EVERY ITEM SLOW_MILLISECONDS]
 *
 * TABLE is records of one line, `TARGET STATUS BYTES TYPE`, and so many bytes. Where a document has PLACEHOLDER, the
 * asker's own id is put (X-Instance-ID). Instances whose number, the last twelve digits of that id, is a multiple of
 * EVERY wait SLOW_MILLISECONDS for the documents that have ITEM in their name. One thread, one epoll set; keeps
 * connections open; GET only; ends with SIGTERM.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define PLACEHOLDER "00000000-0000-0000-0000-000000000000"

enum { ID_BYTES = 36, HEAD_MAX = 16384, ANSWER_MAX = 1 << 17, DOCUMENTS_MAX = 256, CONNECTIONS_MAX = 65536 };
enum { EVENTS = 256 };

struct document {
    char target[256];
    char *bytes; /* the whole answer */
    size_t count;
    size_t id_at; /* of PLACEHOLDER, or 0 */
};

struct connection {
    uint32_t generation;
    size_t have;
    char head[HEAD_MAX];
};

/* An answer that waits for its time. Each queue has one delay, so it is in order by itself. */
struct waiting {
    uint64_t due;
    int descriptor;
    uint32_t generation;
    const struct document *document;
    char id[ID_BYTES];
};

struct queue {
    struct waiting *slots;
    size_t first, count;
    uint64_t delay;
};

static struct document documents[DOCUMENTS_MAX], missing;
static int document_count, epoll, timer;
static struct connection *connections[CONNECTIONS_MAX];
static struct queue queues[2];
static long every;
static const char *item;
static volatile sig_atomic_t is_over;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void make(struct document *document, const char *target, int status, const char *type, const char *body,
                 size_t count) {
    char head[512];
    int size = snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n", status,
                        status == 200 ? "OK" : "Not Found", type, count);
    snprintf(document->target, sizeof document->target, "%s", target);
    document->count = (size_t)size + count;
    if (document->count > ANSWER_MAX) exit(2);
    document->bytes = malloc(document->count);
    memcpy(document->bytes, head, (size_t)size);
    memcpy(document->bytes + size, body, count);
    const char *id = memmem(document->bytes, document->count, PLACEHOLDER, ID_BYTES);
    document->id_at = id ? (size_t)(id - document->bytes) : 0;
}

static void load(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) fail(path);
    char target[256], type[128];
    int status;
    size_t count;
    while (fscanf(file, "%255s %d %zu %127[^\n]", target, &status, &count, type) == 4) {
        if (document_count == DOCUMENTS_MAX || count > ANSWER_MAX || fgetc(file) != '\n') exit(2);
        char *body = malloc(count + 1);
        if (fread(body, 1, count, file) != count) exit(2);
        make(&documents[document_count++], target, status, type, body, count);
        free(body);
    }
    fclose(file);
    make(&missing, "", 404, "text/plain", "", 0);
}

static const struct document *find(const char *target, size_t count) {
    for (int index = 0; index < document_count; index++)
        if (strlen(documents[index].target) == count && memcmp(documents[index].target, target, count) == 0)
            return &documents[index];
    return &missing;
}

static void close_connection(int descriptor) {
    connections[descriptor]->generation++;
    connections[descriptor]->have = 0;
    close(descriptor);
}

/* Answers fit the socket's buffer: a peer that does not read gets the rest never. */
static void send_answer(const struct waiting *waiting) {
    if (connections[waiting->descriptor]->generation != waiting->generation) return;
    static char bytes[ANSWER_MAX];
    const struct document *document = waiting->document;
    memcpy(bytes, document->bytes, document->count);
    if (document->id_at) memcpy(bytes + document->id_at, waiting->id, ID_BYTES);
    if (send(waiting->descriptor, bytes, document->count, MSG_NOSIGNAL) != (ssize_t)document->count)
        close_connection(waiting->descriptor);
}

static void arm(void) {
    uint64_t next = 0;
    for (int index = 0; index < 2; index++) {
        struct queue *queue = &queues[index];
        if (queue->count && (!next || queue->slots[queue->first].due < next)) next = queue->slots[queue->first].due;
    }
    struct itimerspec due = {
        .it_value = {.tv_sec = (time_t)(next / 1000000000u), .tv_nsec = (long)(next % 1000000000u)}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &due, NULL);
}

static void send_due(void) {
    uint64_t time = now();
    for (int index = 0; index < 2; index++) {
        struct queue *queue = &queues[index];
        while (queue->count && queue->slots[queue->first].due <= time) {
            send_answer(&queue->slots[queue->first]);
            queue->first = (queue->first + 1) % CONNECTIONS_MAX;
            queue->count--;
        }
    }
}

/* One request is in the head of the connection. */
static void take(int descriptor, const char *head) {
    const char *target = strchr(head, ' ');
    const char *end = target ? strchr(target + 1, ' ') : NULL;
    const char *header = strcasestr(head, "\r\nx-instance-id:");
    if (!end || !header) return close_connection(descriptor);
    struct waiting waiting = {.descriptor = descriptor, .generation = connections[descriptor]->generation};
    header += strlen("\r\nx-instance-id:");
    while (*header == ' ') header++;
    if (strlen(header) < ID_BYTES) return close_connection(descriptor);
    memcpy(waiting.id, header, ID_BYTES);
    char digits[13] = {0};
    memcpy(digits, waiting.id + ID_BYTES - 12, 12);
    waiting.document = find(target + 1, (size_t)(end - target - 1));
    int is_slow = every && strtol(digits, NULL, 16) % every == 0 && strstr(waiting.document->target, item);
    struct queue *queue = &queues[is_slow];
    waiting.due = now() + queue->delay;
    /* One request at a time on a connection, so this is never full. */
    queue->slots[(queue->first + queue->count++) % CONNECTIONS_MAX] = waiting;
}

static void serve(int descriptor) {
    struct connection *connection = connections[descriptor];
    for (;;) {
        ssize_t count = recv(descriptor, connection->head + connection->have, HEAD_MAX - 1 - connection->have, 0);
        if (count < 0 && errno == EAGAIN) return;
        if (count <= 0) return close_connection(descriptor);
        connection->have += (size_t)count;
        connection->head[connection->have] = 0;
        char *end = strstr(connection->head, "\r\n\r\n");
        if (end) {
            connection->have = 0;
            take(descriptor, connection->head);
            return;
        }
        if (connection->have == HEAD_MAX - 1) return close_connection(descriptor);
    }
}

static void accept_all(int listener) {
    int descriptor;
    while ((descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        int on = 1;
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (descriptor >= CONNECTIONS_MAX) {
            close(descriptor);
            continue;
        }
        if (!connections[descriptor]) connections[descriptor] = calloc(1, sizeof(struct connection));
        struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
        epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
    }
}

static void stop(int number) {
    (void)number;
    is_over = 1;
}

int main(int count, char **words) {
    if (count != 4 && count != 7) return 2;
    signal(SIGTERM, stop);
    load(words[2]);
    queues[0].delay = (uint64_t)atol(words[3]) * 1000000u;
    if (count == 7) {
        every = atol(words[4]);
        item = words[5];
        queues[1].delay = (uint64_t)atol(words[6]) * 1000000u;
    }
    for (int index = 0; index < 2; index++) queues[index].slots = calloc(CONNECTIONS_MAX, sizeof(struct waiting));
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) fail("bind");
    epoll = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    int watched[2] = {listener, timer};
    for (int index = 0; index < 2; index++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = watched[index]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, watched[index], &event);
    }
    printf("ready\n");
    fflush(stdout);
    struct epoll_event events[EVENTS];
    while (!is_over) {
        int found = epoll_wait(epoll, events, EVENTS, -1);
        for (int index = 0; index < found; index++) {
            int descriptor = events[index].data.fd;
            uint64_t expirations;
            if (descriptor == listener) accept_all(listener);
            else if (descriptor == timer) {
                if (read(timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN) fail("timer");
            } else serve(descriptor);
        }
        send_due();
        arm();
    }
    return 0;
}
