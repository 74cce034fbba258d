#include "tools/load/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"

enum { BAR_WIDTH = 30, REDRAW_NS = 100 * 1000 * 1000, LINES_EVERY = 50 };

static uint64_t
now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void
progress_draw(struct progress *progress)
{
    double share = progress->total_size
                       ? (double)atomic_load(&progress->done_size) / (double)progress->total_size
                       : 1;
    atomic_uint_fast64_t *rows = atomic_load(&progress->rows);
    double seconds = (double)(now_ns() - progress->begin_ns) / 1e9;
    double phase_seconds = (double)(now_ns() - progress->phase_begin_ns) / 1e9;
    uint64_t count = rows ? atomic_load(rows) : 0;
    char bar[BAR_WIDTH + 1];
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = (double)i < share * BAR_WIDTH ? '#' : '.';
    bar[BAR_WIDTH] = 0;
    const char *phase = atomic_load(&progress->phase);
    fprintf(
        stderr, "%s[%s] %3.0f%%  %llu %s  %.2f M/s  ", progress->terminal ? "\r" : "", bar,
        share * 100, (unsigned long long)count, phase ? phase : "",
        phase_seconds > 0 ? (double)count / phase_seconds / 1e6 : 0);
    if (share > 0.02 && share < 1)
        fprintf(stderr, "%.0f s left ", seconds / share - seconds);
    fputs(progress->terminal ? "\033[K" : "\n", stderr);
    fflush(stderr);
}

static void *
progress_main(void *argument)
{
    struct progress *progress = argument;
    for (uint64_t turn = 1; !atomic_load(&progress->stop); turn++) {
        nanosleep(&(struct timespec){.tv_nsec = REDRAW_NS}, NULL);
        if (progress->terminal || turn % LINES_EVERY == 0)
            progress_draw(progress);
    }
    return NULL;
}

void
progress_start(struct progress *progress, uint64_t total_size, bool shown)
{
    *progress = (struct progress){
        .shown = shown, .terminal = isatty(STDERR_FILENO), .total_size = total_size};
    progress->begin_ns = progress->phase_begin_ns = now_ns();
    if (shown) {
        int failed = pthread_create(&progress->thread, NULL, progress_main, progress);
        assert(!failed);
    }
}

void
progress_phase(struct progress *progress, const char *phase, atomic_uint_fast64_t *rows)
{
    progress->phase_begin_ns = now_ns();
    atomic_store(&progress->rows, rows);
    atomic_store(&progress->phase, phase);
}

void
progress_add(struct progress *progress, uint64_t size)
{
    atomic_fetch_add_explicit(&progress->done_size, size, memory_order_relaxed);
}

void
progress_stop(struct progress *progress)
{
    progress->end_ns = now_ns();
    atomic_store(&progress->stop, true);
    if (!progress->shown)
        return;
    pthread_join(progress->thread, NULL);
    progress_draw(progress);
    if (progress->terminal)
        fputc('\n', stderr);
}

double
progress_seconds(const struct progress *progress)
{
    return (double)(progress->end_ns - progress->begin_ns) / 1e9;
}
