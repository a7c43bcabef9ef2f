#define _GNU_SOURCE
#include "CBootStorm.h"

#include <netinet/in.h>
#include <sched.h>
#include <sys/timerfd.h>

int cbootstorm_enter(int descriptor) { return setns(descriptor, CLONE_NEWNET); }

int cbootstorm_timer(void) { return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK); }

int cbootstorm_arm(int timer, uint64_t nanoseconds) {
    struct itimerspec due = {
        .it_value = {.tv_sec = (time_t)(nanoseconds / 1000000000u), .tv_nsec = (long)(nanoseconds % 1000000000u)}};
    return timerfd_settime(timer, TFD_TIMER_ABSTIME, &due, NULL);
}

int cbootstorm_bind_address_no_port(void) { return IP_BIND_ADDRESS_NO_PORT; }
