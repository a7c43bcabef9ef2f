/* The two Linux calls of the storm that Swift's Glibc module does not show: setns and timerfd. */
#ifndef CBOOTSTORM_H
#define CBOOTSTORM_H

#include <stdint.h>

/* setns(2) into a network namespace, for the calling thread only. -1 with errno set. */
int cbootstorm_enter(int descriptor);

/* A close-on-exec, non-blocking timerfd on CLOCK_MONOTONIC; -1 with errno set. */
int cbootstorm_timer(void);

/* Lets the timer become readable once, at this absolute time; 0 disarms it. */
int cbootstorm_arm(int timer, uint64_t nanoseconds);

/* The value of IP_BIND_ADDRESS_NO_PORT: bind(2) leaves the choice of the port to connect(2). */
int cbootstorm_bind_address_no_port(void);

#endif
