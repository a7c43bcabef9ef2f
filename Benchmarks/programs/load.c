// The guests: a closed or paced loop of HTTP requests from many loopback addresses, with a histogram of latencies.
//
//     load -c 32 -s 16 -d 2 -n 100000 -m new 127.0.0.1:8080 [MORE TARGETS]
//
//     -m new     a connection per request, closed by the guest after the answer, as cloud-init does (the default)
//     -m close   a connection per request with `Connection: close`
//     -m keep    as many connections as -c says, kept
//     -c N       requests in flight         -s N   source addresses, 127.0.0.11 and up
//     -d SECONDS and -n REQUESTS            the run ends with the first of them
//     -r RATE    requests per second instead of as many as possible; latencies count from when each was due
//     -i N       no run: open N connections, send one request on each, say so, keep them until standard input ends
//
// Targets are taken in turn. Every answer must be a 200 with a Content-Length; all else is an error. One JSON object
// goes to standard output.
#include "common.h"
#include <poll.h>

enum { FLIGHT_MAX = 4096, HEAD_MAX = 2048, BUCKETS = 64 * 128, EVENTS_MAX = 256 };
#define ANSWER_SECONDS_MAX 15

enum mode { NEW, CLOSE, KEEP };

struct flight {
    int descriptor;  // -1 while there is none
    int is_watched, is_sent, is_busy, ends;
    unsigned turn;
    uint64_t started;
    size_t have;      // bytes of the head
    ssize_t missing;  // bytes of the body; -1 while the head is not complete
    char head[HEAD_MAX];
};

static struct {
    long requests, connects, refused, reset, early_end, bad_answer, timed_out;
    uint64_t bytes, longest;
} total;
static uint32_t histogram[BUCKETS];

static enum mode mode = NEW;
static struct address *targets;
static int target_count, source_count = 16, epoll;
static unsigned turns;
static char request[512];
static size_t request_length;

// MARK: Latencies: 128 buckets per power of two, so each is within 1 % of the truth

static int bucket_of(uint64_t nanoseconds) {
    if (nanoseconds < 128) return nanoseconds;
    int power = 63 - __builtin_clzll(nanoseconds) - 7;
    return (power << 7) + (int)(nanoseconds >> power);
}

static double middle_of(int bucket) {
    if (bucket < 128) return bucket;
    int power = (bucket >> 7) - 1;
    return ((double)(bucket - (power << 7)) + 0.5) * (double)(1ull << power);
}

static double percentile(double share) {
    uint64_t count = 0, wanted;
    for (int bucket = 0; bucket < BUCKETS; bucket++) count += histogram[bucket];
    wanted = (uint64_t)(share * count);
    if (wanted >= count && count) wanted = count - 1;
    for (int bucket = 0; bucket < BUCKETS; bucket++) {
        if (histogram[bucket] > wanted) return middle_of(bucket) / 1000;
        wanted -= histogram[bucket];
    }
    return 0;
}

// MARK: One request

static void drop(struct flight *flight) {
    if (flight->descriptor >= 0) close(flight->descriptor);
    flight->descriptor = -1;
    flight->is_watched = flight->is_sent = flight->is_busy = 0;
}

static int connect_flight(struct flight *flight) {
    flight->turn = turns++;
    struct address *target = &targets[flight->turn % target_count];
    int one = 1, family = target->value.any.sa_family;
    flight->descriptor = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (flight->descriptor < 0) die("socket");
    if (family == AF_INET) {
        struct sockaddr_in source = {.sin_family = AF_INET};
        source.sin_addr.s_addr = htonl(0x7f00000b + flight->turn / target_count % source_count);
        // The port is chosen at connect(), when the kernel knows the target too and may take one again sooner.
        setsockopt(flight->descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        setsockopt(flight->descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (bind(flight->descriptor, (struct sockaddr *)&source, sizeof source) < 0) die("bind");
    }
    total.connects++;
    if (connect(flight->descriptor, &target->value.any, target->length) == 0 || errno == EINPROGRESS) return 1;
    total.refused++;
    drop(flight);
    return 0;
}

static void watch(struct flight *flight) {
    if (flight->is_watched) return;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = flight};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, flight->descriptor, &event) < 0) die("epoll_ctl");
    flight->is_watched = 1;
}

static int fail(struct flight *flight, long *counter) {
    *counter += 1;
    drop(flight);
    return 0;
}

// False if the request has failed.
static int send_request(struct flight *flight) {
    if (send(flight->descriptor, request, request_length, MSG_NOSIGNAL) == (ssize_t)request_length) {
        flight->is_sent = 1;
    } else if (errno != EAGAIN && errno != ENOTCONN) {
        return fail(flight, errno == ECONNREFUSED ? &total.refused : &total.reset);
    }
    return 1;
}

static int start(struct flight *flight, uint64_t due) {
    flight->is_busy = 1;
    flight->is_sent = 0;
    flight->ends = 0;
    flight->have = 0;
    flight->missing = -1;
    flight->started = due;
    if (flight->descriptor < 0 && !connect_flight(flight)) return 0;
    if (!send_request(flight)) return 0;
    watch(flight);
    return 1;
}

static int head_arrived(struct flight *flight, size_t length) {
    const char *value = field(flight->head, length, "content-length:");
    if (flight->have < 12 || memcmp(flight->head + 9, "200", 3) != 0 || !value) return 0;
    flight->missing = atol(value) - (ssize_t)(flight->have - length);
    flight->ends = asks_to_close(flight->head, length);
    return flight->missing >= 0;
}

static int finish(struct flight *flight) {
    uint64_t taken = now_ns() - flight->started;
    histogram[bucket_of(taken)]++;
    if (taken > total.longest) total.longest = taken;
    total.requests++;
    flight->is_busy = 0;
    if (mode != KEEP || flight->ends) drop(flight);
    return 1;
}

// Reads what there is. True when the request has ended, well or not.
static int receive(struct flight *flight) {
    static char body[65536];
    if (!flight->is_sent && !send_request(flight)) return 1;
    while (flight->is_sent) {
        int in_head = flight->missing < 0;
        ssize_t count = in_head ? recv(flight->descriptor, flight->head + flight->have, HEAD_MAX - flight->have, 0)
                                : recv(flight->descriptor, body, sizeof body, 0);
        if (count < 0) {
            if (errno == EAGAIN || errno == EINTR) return 0;
            fail(flight, errno == ECONNREFUSED ? &total.refused : &total.reset);
            return 1;
        }
        if (count == 0) {
            // A kept connection may be closed between two requests; that one is sent again on a new connection.
            if (mode == KEEP && flight->have == 0) {
                uint64_t due = flight->started;
                drop(flight);
                return !start(flight, due);
            }
            fail(flight, &total.early_end);
            return 1;
        }
        total.bytes += count;
        if (in_head) {
            flight->have += count;
            size_t length = head_length(flight->head, flight->have);
            if (length == 0 && flight->have < HEAD_MAX) continue;
            if (length == 0 || !head_arrived(flight, length)) {
                fail(flight, &total.bad_answer);
                return 1;
            }
        } else {
            flight->missing -= count;
        }
        if (flight->missing == 0) return finish(flight);
    }
    return 0;
}

// MARK: The run

static void run(struct flight *flights, int flight_count, double seconds, long requests_max, double rate) {
    uint64_t begin = now_ns(), end = begin + (uint64_t)(seconds * 1e9), due = begin;
    uint64_t interval = rate > 0 ? (uint64_t)(1e9 / rate) : 0, sweep = begin + 1000000000u;
    struct flight **waiting = calloc(flight_count, sizeof *waiting);
    int waiting_count = 0, busy = 0;
    long started = 0;
    for (int index = 0; index < flight_count; index++) waiting[waiting_count++] = &flights[flight_count - 1 - index];
    for (;;) {
        uint64_t now = now_ns();
        int is_over = now >= end || started >= requests_max;
        while (!is_over && waiting_count && (!interval || due <= now)) {
            struct flight *flight = waiting[--waiting_count];
            if (start(flight, interval ? due : now)) busy++;
            else waiting[waiting_count++] = flight;
            due += interval;
            is_over = ++started >= requests_max;
            // A target that refuses at once must not keep the loop here.
            if (!interval && now_ns() - now > 100000000u) break;
        }
        if (is_over && !busy) break;
        struct timespec wait = {.tv_nsec = 100000000};
        if (interval && waiting_count && !is_over) wait.tv_nsec = due > now ? (long)(due - now) : 0;
        struct epoll_event events[EVENTS_MAX];
        int ready = epoll_pwait2(epoll, events, EVENTS_MAX, &wait, NULL);
        for (int index = 0; index < ready; index++) {
            struct flight *flight = events[index].data.ptr;
            if (!flight->is_busy) continue;
            if (receive(flight)) {
                busy--;
                waiting[waiting_count++] = flight;
            }
        }
        if (now < sweep) continue;
        sweep = now + 1000000000u;
        for (int index = 0; index < flight_count; index++) {
            if (!flights[index].is_busy || now - flights[index].started < ANSWER_SECONDS_MAX * 1000000000ull) continue;
            fail(&flights[index], &total.timed_out);
            busy--;
            waiting[waiting_count++] = &flights[index];
        }
    }
    free(waiting);
    double taken = (now_ns() - begin) / 1e9;
    printf("{\"requests\": %ld, \"seconds\": %.6f, \"connects\": %ld, \"bytes\": %llu, "
           "\"errors\": {\"refused\": %ld, \"reset\": %ld, \"early_end\": %ld, \"bad_answer\": %ld, "
           "\"timed_out\": %ld}, "
           "\"p50_us\": %.2f, \"p90_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f, \"max_us\": %.2f}\n",
        total.requests, taken, total.connects, (unsigned long long)total.bytes, total.refused, total.reset,
        total.early_end, total.bad_answer, total.timed_out, percentile(0.5), percentile(0.9), percentile(0.99),
        percentile(0.999), total.longest / 1e3);
}

// Opens the connections 64 at a time, and holds them.
static void hold(struct flight *flights, int count) {
    mode = KEEP;
    for (int first = 0; first < count; first += 64) {
        int last = first + 64 < count ? first + 64 : count, busy = 0;
        for (int index = first; index < last; index++) busy += start(&flights[index], now_ns());
        uint64_t begin = now_ns();
        while (busy && now_ns() - begin < 10000000000u) {
            struct epoll_event events[EVENTS_MAX];
            int ready = epoll_wait(epoll, events, EVENTS_MAX, 100);
            for (int index = 0; index < ready; index++) {
                struct flight *flight = events[index].data.ptr;
                if (flight->is_busy && receive(flight)) busy--;
            }
        }
    }
    printf("{\"held\": %ld, \"wanted\": %d}\n", total.requests, count);
    fflush(stdout);
    struct pollfd input = {.fd = 0, .events = POLLIN};
    char byte;
    while (poll(&input, 1, -1) >= 0 && read(0, &byte, 1) > 0) {}
}

int main(int count, char **words) {
    int flight_count = 32, idle = 0, option;
    double seconds = 1, rate = 0;
    long requests_max = 100000000;
    while ((option = getopt(count, words, "m:c:s:d:n:r:i:")) > 0) {
        switch (option) {
        case 'm': mode = strcmp(optarg, "keep") == 0 ? KEEP : strcmp(optarg, "close") == 0 ? CLOSE : NEW; break;
        case 'c': flight_count = atoi(optarg); break;
        case 's': source_count = atoi(optarg); break;
        case 'd': seconds = atof(optarg); break;
        case 'n': requests_max = atol(optarg); break;
        case 'r': rate = atof(optarg); break;
        case 'i': idle = atoi(optarg); break;
        default: return 2;
        }
    }
    if (optind == count || flight_count < 1 || flight_count > FLIGHT_MAX || source_count < 1 || source_count > 200) {
        fprintf(stderr, "usage: load [options] ADDRESS:PORT|PATH ...\n");
        return 2;
    }
    raise_limits();
    target_count = count - optind;
    targets = calloc(target_count, sizeof *targets);
    for (int index = 0; index < target_count; index++) targets[index] = parse_address(words[optind + index]);
    // What cloud-init 22.4.2 sends.
    request_length = sprintf(request,
        "GET /openstack/latest/meta_data.json HTTP/1.1\r\nHost: 169.254.169.254\r\n"
        "User-Agent: Cloud-Init/22.4.2\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: %s\r\n\r\n",
        mode == CLOSE ? "close" : "keep-alive");
    epoll = epoll_create1(EPOLL_CLOEXEC);
    int made = idle ? idle : flight_count;
    struct flight *flights = calloc(made, sizeof *flights);
    for (int index = 0; index < made; index++) flights[index].descriptor = -1;
    if (idle) hold(flights, idle);
    else run(flights, flight_count, seconds, requests_max, rate);
}
