/* A bare echo over loopback: what a request over the wire cannot beat. */
#ifndef BENCH_MICRO_ECHO_H
#define BENCH_MICRO_ECHO_H

#include <stdint.h>

/* Messages of `size` bytes echoed per second by another thread of this process over one TCP connection
 * (blocking sockets, TCP_NODELAY), with `window` of them outstanding. */
double echo_rate(uint32_t size, uint32_t window, double seconds);

#endif
