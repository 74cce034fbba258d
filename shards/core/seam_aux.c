#include "shards/core/seam_aux.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

int
aux_inbox_create(struct aux_inbox *inbox)
{
    list_init(&inbox->done);
    inbox->done_count = 0;
    pthread_mutex_init(&inbox->mutex, NULL);
    inbox->event_fd = eventfd(0, EFD_CLOEXEC);
    return inbox->event_fd < 0 ? -errno : 0;
}

void
aux_inbox_destroy(struct aux_inbox *inbox)
{
    if (inbox->event_fd >= 0)
        close(inbox->event_fd);
    inbox->event_fd = -1;
    pthread_mutex_destroy(&inbox->mutex);
}

void
aux_inbox_ring(struct aux_inbox *inbox)
{
    uint64_t one = 1;
    ssize_t written = write(inbox->event_fd, &one, sizeof(one));
    (void)written; /* it fails only when 2^64 rings are pending: the shard is woken anyway */
}

void
aux_inbox_drain(struct aux_inbox *inbox, struct list_link *done)
{
    if (__atomic_load_n(&inbox->done_count, __ATOMIC_ACQUIRE) == 0)
        return;
    pthread_mutex_lock(&inbox->mutex);
    struct list_link *link;
    while ((link = list_pop_front(&inbox->done)))
        list_push_back(done, link);
    __atomic_store_n(&inbox->done_count, 0, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&inbox->mutex);
}

static void
inbox_give(struct aux_inbox *inbox, struct io_op *op)
{
    pthread_mutex_lock(&inbox->mutex);
    list_push_back(&inbox->done, &op->link);
    __atomic_add_fetch(&inbox->done_count, 1, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&inbox->mutex);
    aux_inbox_ring(inbox);
}

static void
line_write(const char *line)
{
    char out[AUX_LINE_SIZE + 64], stamp[32];
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &parts);
    int size = snprintf(out, sizeof(out), "%s.%03ldZ %s\n", stamp, now.tv_nsec / 1000000, line);
    if (size > (int)sizeof(out) - 1)
        size = (int)sizeof(out) - 1;
    ssize_t written = write(STDERR_FILENO, out, (size_t)size);
    (void)written; /* there is nowhere to complain to */
}

/* With the mutex held; gives it up while it writes. */
static void
lines_write(struct aux *aux)
{
    char line[AUX_LINE_SIZE];
    while (aux->line_count > 0) {
        memcpy(line, aux->lines[aux->line_first], sizeof(line));
        aux->line_first = (aux->line_first + 1) % AUX_LINE_COUNT;
        aux->line_count--;
        uint64_t lost_count = aux->line_lost_count;
        aux->line_lost_count = 0;
        pthread_mutex_unlock(&aux->mutex);
        line_write(line);
        if (lost_count > 0) {
            snprintf(
                line, sizeof(line), "%llu log lines were lost", (unsigned long long)lost_count);
            line_write(line);
        }
        pthread_mutex_lock(&aux->mutex);
    }
}

static void *
aux_main(void *argument)
{
    struct aux *aux = argument;
    pthread_mutex_lock(&aux->mutex);
    for (;;) {
        lines_write(aux);
        struct list_link *link = list_pop_front(&aux->calls);
        if (link) {
            pthread_mutex_unlock(&aux->mutex);
            struct io_op *op = list_entry(link, struct io_op, link);
            struct aux_inbox *inbox = (struct aux_inbox *)(uintptr_t)op->backend;
            op->result = op->call(op->call_argument);
            inbox_give(inbox, op);
            pthread_mutex_lock(&aux->mutex);
            continue;
        }
        if (aux->must_stop)
            break;
        pthread_cond_wait(&aux->changed, &aux->mutex);
    }
    pthread_mutex_unlock(&aux->mutex);
    return NULL;
}

int
aux_start(struct aux *aux)
{
    memset(aux, 0, sizeof(*aux));
    list_init(&aux->calls);
    pthread_mutex_init(&aux->mutex, NULL);
    pthread_cond_init(&aux->changed, NULL);
    /* Signals are for the thread that called main. */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int result = pthread_create(&aux->thread, NULL, aux_main, aux);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    aux->is_running = result == 0;
    if (result == 0)
        pthread_setname_np(aux->thread, "quiver-aux");
    return -result;
}

void
aux_stop(struct aux *aux)
{
    if (!aux->is_running)
        return;
    pthread_mutex_lock(&aux->mutex);
    aux->must_stop = true;
    pthread_cond_signal(&aux->changed);
    pthread_mutex_unlock(&aux->mutex);
    pthread_join(aux->thread, NULL);
    aux->is_running = false;
    assert(list_is_empty(&aux->calls));
    pthread_cond_destroy(&aux->changed);
    pthread_mutex_destroy(&aux->mutex);
}

void
aux_submit(struct aux *aux, struct io_op *op, struct aux_inbox *inbox)
{
    assert(op->call && aux->is_running);
    op->backend = (uint64_t)(uintptr_t)inbox;
    pthread_mutex_lock(&aux->mutex);
    list_push_back(&aux->calls, &op->link);
    pthread_cond_signal(&aux->changed);
    pthread_mutex_unlock(&aux->mutex);
}

void
aux_log(struct aux *aux, const char *line)
{
    if (!aux->is_running) {
        line_write(line);
        return;
    }
    pthread_mutex_lock(&aux->mutex);
    if (aux->line_count == AUX_LINE_COUNT) {
        aux->line_lost_count++;
    } else {
        uint32_t at = (aux->line_first + aux->line_count++) % AUX_LINE_COUNT;
        snprintf(aux->lines[at], AUX_LINE_SIZE, "%s", line);
        pthread_cond_signal(&aux->changed);
    }
    pthread_mutex_unlock(&aux->mutex);
}
