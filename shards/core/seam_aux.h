/* The auxiliary thread: what may block. Shards hand it calls (IO_CALL) and log lines; a finished call is
 * given to the shard's `aux_inbox` and the shard is woken. One per process, not pinned. */
#ifndef SHARDS_CORE_SEAM_AUX_H
#define SHARDS_CORE_SEAM_AUX_H

#include <pthread.h>

#include "shards/core/seam.h"

enum { AUX_LINE_SIZE = 512, AUX_LINE_COUNT = 256 };

/* Finished calls on their way back to one shard. */
struct aux_inbox {
    pthread_mutex_t mutex;
    struct list_link done;
    uint32_t done_count; /* atomic: looked at without the mutex */
    int event_fd;        /* written after each addition; the shard's ring reads it */
};

struct aux {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct list_link calls; /* io_op.link; op.backend = its inbox */
    char lines[AUX_LINE_COUNT][AUX_LINE_SIZE];
    uint32_t line_first, line_count;
    uint64_t line_lost_count;
    bool is_running, must_stop;
};

int aux_start(struct aux *aux);
/* Runs what is queued, writes the last lines, ends the thread. */
void aux_stop(struct aux *aux);
void aux_submit(struct aux *aux, struct io_op *op, struct aux_inbox *inbox);
/* Never blocks on the disk; when the queue is full the line is counted as lost. Before aux_start and after
 * aux_stop the line is written at once. */
void aux_log(struct aux *aux, const char *line);

int aux_inbox_create(struct aux_inbox *inbox);
void aux_inbox_destroy(struct aux_inbox *inbox);
/* Moves what has finished to `done`. */
void aux_inbox_drain(struct aux_inbox *inbox, struct list_link *done);
/* Wakes the shard without giving it anything. Async-signal-safe. */
void aux_inbox_ring(struct aux_inbox *inbox);

#endif
