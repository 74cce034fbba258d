/* The disk's own rates: what a durable commit cannot beat. */
#ifndef BENCH_MICRO_DEVICE_H
#define BENCH_MICRO_DEVICE_H

#include <stdint.h>

/* Durable 4 KiB writes per second (O_DIRECT, RWF_DSYNC, over a zeroed file of 64 MiB in `directory`) with
 * `in_flight` of them outstanding, for about `seconds`. Below 0: the errno, negative. */
double device_durable_writes(const char *directory, uint32_t in_flight, double seconds);

#endif
