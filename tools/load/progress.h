/* A progress bar on standard error: share done, rows per second, time left. One line, redrawn by a thread
 * of its own; plain lines every few seconds when standard error is not a terminal. */
#ifndef TOOLS_LOAD_PROGRESS_H
#define TOOLS_LOAD_PROGRESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown, terminal;
    uint64_t total_size, begin_ns, phase_begin_ns, end_ns;
    atomic_uint_fast64_t done_size;
    _Atomic(const char *) phase;
    _Atomic(atomic_uint_fast64_t *) rows;
    atomic_bool stop;
    pthread_t thread;
};

void progress_start(struct progress *progress, uint64_t total_size, bool shown);
void progress_phase(struct progress *progress, const char *phase, atomic_uint_fast64_t *rows);
void progress_add(struct progress *progress, uint64_t size);
void progress_stop(struct progress *progress);
double progress_seconds(const struct progress *progress);

#endif
