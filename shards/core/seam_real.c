/* The real backend: one io_uring ring per shard, used by its thread alone.
 *
 *      io_submit -> submission queue --.                    .--> completions -> `done` list -> shard_step
 *      doorbell  -> MSG_RING ----------+--> one enter per --+
 *      aux inbox <- eventfd read ------'      turn          '--> doorbells, eventfd: only wake
 *
 * Sleeping
 *
 *      sleeper                                  sender
 *      sleeping = 1                             push block on the ring
 *      membarrier(all threads of the process)   compiler barrier
 *      look at all mail rings once more         read sleeping; if 1, set 0 and ring
 *      enter the kernel
 *
 * The membarrier orders the sleeper's store before its second look, and each sender's push before its
 * read, so one of the two sees the other; the sender pays nothing. The kernel runs one membarrier at a time,
 * and a shard queued behind it could not be woken: so it is tried under a flag, and who does not get it takes
 * another turn instead of sleeping. Where membarrier is not allowed the sender pays for a full fence.
 *
 * Invariants
 *  1. The ring is touched by its own thread only, from seam_shard_enter to seam_shard_leave. MSG_RING and
 *     the eventfd are how others reach it.
 *  2. user_data is the operation's address, its low bits one of enum tag.
 *  3. A handle is the file descriptor. A file's slot in the table of registered files has the same number;
 *     it is emptied before the descriptor is closed.
 *  4. Closing a socket first cancels what is pending on it; the close is submitted when the cancellation
 *     has completed, so `done` of a cancelled operation runs before the close's. */
#include "shards/core/seam_real.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "shards/core/ring.h"
#include "shards/core/seam_aux.h"
#include "shards/mail/spsc.h"

enum {
    LISTEN_BACKLOG = 1024,
    LISTENER_COUNT_MAX = 16,
    TRANSFER_SIZE_MAX = 1 << 30, /* of one submission; longer ones go on where it ended */
    FATAL_EXIT_STATUS = 70,
};

enum tag { TAG_OP, TAG_WAKE, TAG_EVENT, TAG_CANCEL, TAG_MASK = 7 };

struct listener_name {
    char host[64];
    uint16_t asked_port, bound_port;
};

struct seam_real {
    struct seam seam;
    struct seam_group *group;
    struct ring ring;
    struct aux_inbox inbox;
    uint64_t event_value; /* what the eventfd read delivers */
    uint64_t random_state[2];
    uint64_t sleep_count;
    uint32_t pending_count; /* submitted to the ring and not completed */
    bool has_left;
    bool logged_indirect;
    uint8_t registered[RING_FILE_COUNT]; /* atomic: the aux thread may close a file */
    _Alignas(128) uint32_t sleeping;     /* written by the shard and by who wakes it */
};

struct seam_group {
    uint32_t shard_count;
    int directory_fd;
    bool has_membarrier;
    struct aux aux;
    pthread_mutex_t listen_mutex;
    struct listener_name listeners[LISTENER_COUNT_MAX];
    uint32_t listener_count;
    char description[128];
    struct spsc *mail; /* [to * shard_count + from] */
    struct seam_real *shards;
    _Alignas(128) uint32_t membarrier_taken;
    uint32_t fence_word;
};

static struct seam_real *
real_of(struct seam *seam)
{
    return (struct seam_real *)(void *)((char *)seam - offsetof(struct seam_real, seam));
}

/* ---- clocks, random, log ---- */

static uint64_t
clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t
real_clock_monotonic_ns(struct seam *seam)
{
    (void)seam;
    return clock_ns(CLOCK_MONOTONIC);
}

static uint64_t
real_clock_wall_ns(struct seam *seam)
{
    (void)seam;
    return clock_ns(CLOCK_REALTIME);
}

/* xoroshiro128+, seeded from the kernel once: fast, and not for secrets that must last. */
static uint64_t
real_random(struct seam *seam)
{
    uint64_t *s = real_of(seam)->random_state;
    uint64_t a = s[0], b = s[1], result = a + b;
    b ^= a;
    s[0] = (a << 24 | a >> 40) ^ b ^ (b << 16);
    s[1] = b << 37 | b >> 27;
    return result;
}

static void
real_log(struct seam *seam, const char *line)
{
    char full[AUX_LINE_SIZE];
    snprintf(full, sizeof(full), "[%u] %s", seam->shard_index, line);
    aux_log(&real_of(seam)->group->aux, full);
}

static void __attribute__((noreturn)) real_fatal(struct seam *seam, const char *line)
{
    char full[AUX_LINE_SIZE];
    int size = snprintf(
        full, sizeof(full), "quiverd: fatal, shard %u: %s\n", seam->shard_index, line);
    ssize_t written = write(
        STDERR_FILENO, full, (size_t)(size < AUX_LINE_SIZE ? size : AUX_LINE_SIZE - 1));
    (void)written;
    _exit(FATAL_EXIT_STATUS);
}

/* ---- the group ---- */

static err_t
shard_open(struct seam_group *group, uint32_t index, char *why, size_t why_size)
{
    struct seam_real *real = &group->shards[index];
    real->group = group;
    real->inbox.event_fd = -1;
    int result = ring_open(&real->ring);
    if (result < 0) {
        snprintf(
            why, why_size,
            "io_uring cannot be used here (%s); Quiver needs Linux 6.1 or later, sysctl "
            "kernel.io_uring_disabled=0, "
            "and in a container a seccomp profile that allows io_uring_setup",
            strerror(-result));
        return ERR(CONFIGURATION);
    }
    result = aux_inbox_create(&real->inbox);
    if (result == 0 && getrandom(real->random_state, sizeof(real->random_state), 0) !=
                           (ssize_t)sizeof(real->random_state))
        result = -EIO;
    if (result < 0) {
        snprintf(why, why_size, "shard %u: %s", index, strerror(-result));
        return ERR_ERRNO(result);
    }
    real->random_state[0] |= 1;
    return 0;
}

static bool
membarrier_register(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

static const struct seam_ops real_ops;

static void *
zeroed_aligned(size_t size)
{
    void *memory = NULL;
    if (posix_memalign(&memory, 128, size) != 0)
        return NULL;
    memset(memory, 0, size);
    return memory;
}

err_t
seam_group_create(
    struct seam_group **out, uint32_t shard_count, int directory_fd, char *why, size_t why_size)
{
    assert(shard_count > 0 && shard_count <= SHARD_COUNT_MAX);
    err_t err = ERR(MEMORY_POOL);
    struct seam_group *group = zeroed_aligned(sizeof(*group));
    if (!group) {
        close(directory_fd);
        return err;
    }
    group->shard_count = shard_count;
    group->directory_fd = directory_fd;
    pthread_mutex_init(&group->listen_mutex, NULL);
    group->shards = zeroed_aligned(shard_count * sizeof(*group->shards));
    group->mail = zeroed_aligned((size_t)shard_count * shard_count * sizeof(*group->mail));
    if (!group->shards || !group->mail)
        goto fail;
    for (uint32_t i = 0; i < shard_count * shard_count; i++)
        spsc_create(&group->mail[i]);
    group->has_membarrier = membarrier_register();
    for (uint32_t i = 0; i < shard_count; i++) {
        group->shards[i].seam = (struct seam){
            .ops = &real_ops, .shard_index = i, .shard_count = shard_count};
        group->shards[i].inbox.event_fd = -1;
    }
    for (uint32_t i = 0; i < shard_count; i++) {
        err = shard_open(group, i, why, why_size);
        if (err)
            goto fail;
    }
    ring_describe(&group->shards[0].ring, group->description, sizeof(group->description));
    if (!group->has_membarrier) {
        size_t used_size = strlen(group->description);
        snprintf(
            group->description + used_size, sizeof(group->description) - used_size,
            ", no membarrier");
    }
    int result = aux_start(&group->aux);
    if (result < 0) {
        snprintf(why, why_size, "the auxiliary thread cannot be started: %s", strerror(-result));
        err = ERR_ERRNO(result);
        goto fail;
    }
    *out = group;
    return 0;
fail:
    seam_group_destroy(group);
    return err;
}

void
seam_group_destroy(struct seam_group *group)
{
    aux_stop(&group->aux);
    for (uint32_t i = 0; group->shards && i < group->shard_count; i++) {
        ring_close(&group->shards[i].ring);
        if (group->shards[i].inbox.event_fd >= 0)
            aux_inbox_destroy(&group->shards[i].inbox);
    }
    pthread_mutex_destroy(&group->listen_mutex);
    close(group->directory_fd);
    free(group->shards);
    free(group->mail);
    free(group);
}

const char *
seam_group_description(const struct seam_group *group)
{
    return group->description;
}

void
seam_group_log(struct seam_group *group, const char *line)
{
    aux_log(&group->aux, line);
}

void
seam_group_wake_all(struct seam_group *group)
{
    for (uint32_t i = 0; i < group->shard_count; i++)
        aux_inbox_ring(&group->shards[i].inbox);
}

struct seam *
seam_group_shard(struct seam_group *group, uint32_t shard_index)
{
    assert(shard_index < group->shard_count);
    return &group->shards[shard_index].seam;
}

void
seam_memory_set(struct seam_group *group, uint32_t shard_index, struct range *range)
{
    assert(shard_index < group->shard_count);
    group->shards[shard_index].seam.memory = range_memory(range);
}

uint64_t
seam_shard_sleep_count(const struct seam *seam)
{
    const struct seam_real *real =
        (const struct seam_real *)(const void
                                       *)((const char *)seam - offsetof(struct seam_real, seam));
    return __atomic_load_n(&real->sleep_count, __ATOMIC_RELAXED);
}

/* ---- submitting ---- */

static struct io_uring_sqe *
sqe_get(struct seam_real *real)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&real->ring.uring);
    if (!sqe) {
        io_uring_submit(&real->ring.uring);
        sqe = io_uring_get_sqe(&real->ring.uring);
    }
    assert(sqe);
    real->pending_count++;
    return sqe;
}

static void
sqe_tag(struct io_uring_sqe *sqe, const void *subject, enum tag tag)
{
    uint64_t address = (uint64_t)(uintptr_t)subject;
    assert((address & TAG_MASK) == 0);
    sqe->user_data = address | tag;
}

/* Puts the file into the table of registered files when that works; sets what the submission needs. */
static void
sqe_set_file(struct seam_real *real, struct io_uring_sqe *sqe, int fd)
{
    if (!real->ring.has_files || fd >= RING_FILE_COUNT)
        return;
    if (!__atomic_load_n(&real->registered[fd], __ATOMIC_RELAXED)) {
        if (io_uring_register_files_update(&real->ring.uring, (unsigned)fd, &fd, 1) != 1)
            return;
        __atomic_store_n(&real->registered[fd], 1, __ATOMIC_RELAXED);
    }
    sqe->flags |= IOSQE_FIXED_FILE;
}

/* On the shard's thread: the slot is emptied. Elsewhere the slot is only marked, and the next use of the
 * number replaces it. */
static void
file_unregister(struct seam_real *real, int fd, bool is_own_thread)
{
    if (fd >= RING_FILE_COUNT || !__atomic_exchange_n(&real->registered[fd], 0, __ATOMIC_RELAXED))
        return;
    int none = -1;
    if (is_own_thread)
        io_uring_register_files_update(&real->ring.uring, (unsigned)fd, &none, 1);
}

/* Reads and writes go on until all is done; `backend` counts the bytes so far. */
static void
transfer_submit(struct seam_real *real, struct io_op *op)
{
    struct io_uring_sqe *sqe = sqe_get(real);
    size_t left = op->size - op->backend;
    unsigned size = left < TRANSFER_SIZE_MAX ? (unsigned)left : TRANSFER_SIZE_MAX;
    char *at = (char *)op->buffer + op->backend;
    if (op->kind == IO_WRITE) {
        io_uring_prep_write(sqe, op->handle, at, size, op->offset + op->backend);
        sqe->rw_flags = op->durable ? RWF_DSYNC : 0;
    } else {
        io_uring_prep_read(sqe, op->handle, at, size, op->offset + op->backend);
    }
    sqe_set_file(real, sqe, op->handle);
    sqe_tag(sqe, op, TAG_OP);
}

static bool
handle_is_socket(io_handle handle)
{
    struct stat status;
    return fstat(handle, &status) == 0 && S_ISSOCK(status.st_mode);
}

static void
close_submit(struct seam_real *real, struct io_op *op)
{
    file_unregister(real, op->handle, true);
    struct io_uring_sqe *sqe = sqe_get(real);
    io_uring_prep_close(sqe, op->handle);
    sqe_tag(sqe, op, TAG_OP);
}

static void
real_io_submit(struct seam *seam, struct io_op *op)
{
    struct seam_real *real = real_of(seam);
    struct io_uring_sqe *sqe;
    unsigned size = op->size < TRANSFER_SIZE_MAX ? (unsigned)op->size : TRANSFER_SIZE_MAX;
    op->backend = 0;
    switch ((enum io_kind)op->kind) {
    case IO_READ:
    case IO_WRITE:
        assert(op->size > 0);
        transfer_submit(real, op);
        return;
    case IO_ACCEPT:
        sqe = sqe_get(real);
        io_uring_prep_accept(sqe, op->handle, NULL, NULL, SOCK_CLOEXEC);
        sqe_tag(sqe, op, TAG_OP);
        return;
    case IO_RECV:
        sqe = sqe_get(real);
        io_uring_prep_recv(sqe, op->handle, op->buffer, size, 0);
        sqe_tag(sqe, op, TAG_OP);
        return;
    case IO_SEND:
        sqe = sqe_get(real);
        io_uring_prep_send(sqe, op->handle, op->buffer, size, MSG_NOSIGNAL);
        sqe_tag(sqe, op, TAG_OP);
        return;
    case IO_CLOSE:
        if (!handle_is_socket(op->handle)) {
            close_submit(real, op);
            return;
        }
        sqe = sqe_get(real);
        io_uring_prep_cancel_fd(sqe, op->handle, IORING_ASYNC_CANCEL_ALL);
        sqe_tag(sqe, op, TAG_CANCEL);
        return;
    case IO_CALL:
        aux_submit(&real->group->aux, op, &real->inbox);
        return;
    }
    assert(false && "an io_op of unknown kind");
}

static void
event_read_submit(struct seam_real *real)
{
    struct io_uring_sqe *sqe = sqe_get(real);
    io_uring_prep_read(sqe, real->inbox.event_fd, &real->event_value, sizeof(real->event_value), 0);
    sqe_tag(sqe, NULL, TAG_EVENT);
}

/* ---- completing ---- */

static void
op_finish(struct io_op *op, int64_t result, struct list_link *done)
{
    op->result = result;
    list_push_back(done, &op->link);
}

static void
transfer_complete(struct seam_real *real, struct io_op *op, int32_t result, struct list_link *done)
{
    if (result == -EINTR || result == -EAGAIN) {
        transfer_submit(real, op);
        return;
    }
    if (result < 0) {
        op_finish(op, result, done);
        return;
    }
    op->backend += (uint64_t)result;
    bool is_whole = op->backend == op->size;
    if (!is_whole && result > 0) {
        transfer_submit(real, op);
        return;
    }
    /* A write that makes no progress is an error; a read is at the end of the file. */
    op_finish(op, is_whole || op->kind == IO_READ ? (int64_t)op->backend : -EIO, done);
}

static void
op_complete(struct seam_real *real, struct io_op *op, int32_t result, struct list_link *done)
{
    assert(op->submitted);
    if (op->kind == IO_READ || op->kind == IO_WRITE) {
        transfer_complete(real, op, result, done);
        return;
    }
    if ((op->kind == IO_RECV || op->kind == IO_SEND || op->kind == IO_ACCEPT) && result == -EINTR) {
        real_io_submit(&real->seam, op);
        return;
    }
    if (op->kind == IO_ACCEPT && result >= 0) {
        int on = 1;
        setsockopt(result, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    op_finish(op, result, done);
}

static void
cqe_handle(struct seam_real *real, uint64_t user_data, int32_t result, struct list_link *done)
{
    void *subject = (void *)(uintptr_t)(user_data & ~(uint64_t)TAG_MASK);
    switch ((enum tag)(user_data & TAG_MASK)) {
    case TAG_OP:
        real->pending_count--;
        op_complete(real, subject, result, done);
        return;
    case TAG_WAKE:
        /* Rung by somebody, or our own ring that failed. */
        if (subject && result < 0)
            aux_inbox_ring(&((struct seam_real *)subject)->inbox);
        return;
    case TAG_EVENT:
        real->pending_count--;
        if (!real->has_left)
            event_read_submit(real);
        return;
    case TAG_CANCEL:
        real->pending_count--;
        if (subject)
            close_submit(real, subject);
        return;
    case TAG_MASK:
        break;
    }
    assert(false && "a completion of unknown kind");
}

static bool
completions_collect(struct seam_real *real, struct list_link *done)
{
    struct io_uring *uring = &real->ring.uring;
    struct io_uring_cqe *cqe;
    bool any = false;
    while (io_uring_peek_cqe(uring, &cqe) == 0) {
        uint64_t user_data = cqe->user_data;
        int32_t result = cqe->res;
        io_uring_cqe_seen(uring, cqe);
        cqe_handle(real, user_data, result, done);
        any = true;
    }
    aux_inbox_drain(&real->inbox, done);
    return any || !list_is_empty(done);
}

/* Where membarrier is not allowed. ThreadSanitizer does not know fences: there it is a locked instruction. */
static void
fence_full(struct seam_group *group)
{
#if defined(__SANITIZE_THREAD__)
    __atomic_fetch_add(&group->fence_word, 1, __ATOMIC_SEQ_CST);
#else
    (void)group;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* ---- mail ---- */

static struct spsc *
mail_ring(struct seam_group *group, uint32_t to, uint32_t from)
{
    return &group->mail[to * group->shard_count + from];
}

static bool
real_mail_push(struct seam *seam, uint32_t to, struct block *block)
{
    assert(to < seam->shard_count && to != seam->shard_index);
    return spsc_push(mail_ring(real_of(seam)->group, to, seam->shard_index), block);
}

static struct block *
real_mail_pop(struct seam *seam, uint32_t from)
{
    return spsc_pop(mail_ring(real_of(seam)->group, seam->shard_index, from));
}

static bool
mail_is_there(struct seam_real *real)
{
    for (uint32_t from = 0; from < real->seam.shard_count; from++)
        if (from != real->seam.shard_index &&
            !spsc_is_empty(mail_ring(real->group, real->seam.shard_index, from)))
            return true;
    return false;
}

static void
real_doorbell(struct seam *seam, uint32_t to)
{
    struct seam_real *real = real_of(seam);
    struct seam_real *peer = &real->group->shards[to];
    if (real->group->has_membarrier)
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
    else
        fence_full(real->group);
    if (!__atomic_load_n(&peer->sleeping, __ATOMIC_RELAXED) ||
        !__atomic_exchange_n(&peer->sleeping, 0, __ATOMIC_ACQ_REL))
        return;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&real->ring.uring);
    if (!sqe) {
        aux_inbox_ring(&peer->inbox);
        return;
    }
    io_uring_prep_msg_ring(sqe, peer->ring.uring.ring_fd, 0, TAG_WAKE, 0);
    /* Silent when it works. When it does not, the bell is rung by other means. */
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = (uint64_t)(uintptr_t)peer | TAG_WAKE;
}

/* ---- turning ---- */

static bool
membarrier_try(struct seam_group *group)
{
    if (group->shard_count == 1)
        return true;
    if (!group->has_membarrier) {
        fence_full(group);
        return true;
    }
    if (__atomic_exchange_n(&group->membarrier_taken, 1, __ATOMIC_ACQUIRE))
        return false;
    long result = syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    __atomic_store_n(&group->membarrier_taken, 0, __ATOMIC_RELEASE);
    return result == 0;
}

static void
ring_sleep(struct seam_real *real, uint64_t wait_ns)
{
    struct __kernel_timespec timeout = {
        .tv_sec = (int64_t)(wait_ns / 1000000000u), .tv_nsec = (int64_t)(wait_ns % 1000000000u)};
    struct io_uring_cqe *cqe;
    __atomic_store_n(&real->sleeping, 1, __ATOMIC_RELEASE);
    if (membarrier_try(real->group) && !mail_is_there(real)) {
        __atomic_store_n(&real->sleep_count, real->sleep_count + 1, __ATOMIC_RELAXED);
        io_uring_submit_and_wait_timeout(
            &real->ring.uring, &cqe, 1, wait_ns == UINT64_MAX ? NULL : &timeout, NULL);
    } else {
        io_uring_submit_and_get_events(&real->ring.uring);
    }
    __atomic_store_n(&real->sleeping, 0, __ATOMIC_RELAXED);
}

static void
real_poll(struct seam *seam, struct list_link *done, uint64_t wait_ns)
{
    struct seam_real *real = real_of(seam);
    struct io_uring *uring = &real->ring.uring;
    if (wait_ns == 0) {
        if (io_uring_sq_ready(uring) > 0 || ring_has_pending_work(&real->ring) ||
            (real->ring.defers && !real->ring.flags_taskrun))
            io_uring_submit_and_get_events(uring);
        completions_collect(real, done);
        return;
    }
    if (completions_collect(real, done)) {
        if (io_uring_sq_ready(uring) > 0)
            io_uring_submit_and_get_events(uring);
        return;
    }
    /* What is submitted often completes at once (a send, a receive of what is there already): then falling
     * asleep, which costs a membarrier when there are peers, was not needed. */
    if (seam->shard_count > 1 && io_uring_sq_ready(uring) > 0) {
        io_uring_submit_and_get_events(uring);
        if (completions_collect(real, done))
            return;
    }
    ring_sleep(real, wait_ns);
    completions_collect(real, done);
}

int
seam_shard_enter(struct seam *seam)
{
    struct seam_real *real = real_of(seam);
    int result = ring_enable(&real->ring);
    if (result < 0)
        return result;
    event_read_submit(real);
    return 0;
}

/* What is pending is cancelled and collected, so the kernel writes into no buffer after this. */
void
seam_shard_leave(struct seam *seam)
{
    struct seam_real *real = real_of(seam);
    struct io_uring *uring = &real->ring.uring;
    struct list_link done;
    list_init(&done);
    real->has_left = true;
    struct io_uring_sqe *sqe = sqe_get(real);
    io_uring_prep_cancel(sqe, NULL, IORING_ASYNC_CANCEL_ANY);
    sqe_tag(sqe, NULL, TAG_CANCEL);
    /* Cancelled operations complete soon; writes to a disk in their time. */
    for (uint32_t i = 0; i < 1000 && real->pending_count > 0; i++) {
        struct __kernel_timespec timeout = {.tv_nsec = 10000000};
        struct io_uring_cqe *cqe;
        io_uring_submit_and_wait_timeout(uring, &cqe, 1, &timeout, NULL);
        completions_collect(real, &done);
    }
    ring_close(&real->ring);
}

/* ---- files ---- */

static int64_t
result_of(int64_t result)
{
    return result < 0 ? -errno : result;
}

static const char *
path_or_dot(const char *path)
{
    return path[0] ? path : ".";
}

static int64_t
real_disk_open(struct seam *seam, const char *path, bool create, bool direct, io_handle *handle)
{
    struct seam_real *real = real_of(seam);
    int flags = O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0);
    int fd = openat(real->group->directory_fd, path, flags | (direct ? O_DIRECT : 0), 0640);
    if (fd < 0 && direct && errno == EINVAL) {
        /* tmpfs and a few others: correct, only cached twice. */
        fd = openat(real->group->directory_fd, path, flags, 0640);
        if (fd >= 0 && !__atomic_exchange_n(&real->logged_indirect, true, __ATOMIC_RELAXED))
            real_log(
                seam, "the file system of the data directory has no O_DIRECT; files go through the "
                      "page cache");
    }
    if (fd < 0)
        return -errno;
    *handle = fd;
    return 0;
}

static int64_t
real_disk_close(struct seam *seam, io_handle handle)
{
    file_unregister(real_of(seam), handle, false);
    return result_of(close(handle));
}

static int64_t
real_disk_read(struct seam *seam, io_handle handle, void *buffer, size_t size, uint64_t offset)
{
    (void)seam;
    size_t done_size = 0;
    while (done_size < size) {
        ssize_t part = pread(
            handle, (char *)buffer + done_size, size - done_size, (off_t)(offset + done_size));
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return -errno;
        if (part == 0)
            break;
        done_size += (size_t)part;
    }
    return (int64_t)done_size;
}

static int64_t
real_disk_write(
    struct seam *seam, io_handle handle, const void *buffer, size_t size, uint64_t offset)
{
    (void)seam;
    size_t done_size = 0;
    while (done_size < size) {
        const char *at = (const char *)buffer + done_size;
        ssize_t part = pwrite(handle, at, size - done_size, (off_t)(offset + done_size));
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return -errno;
        if (part == 0)
            return -EIO;
        done_size += (size_t)part;
    }
    return (int64_t)done_size;
}

static int64_t
real_disk_sync(struct seam *seam, io_handle handle)
{
    (void)seam;
    return result_of(fsync(handle));
}

static int64_t
real_disk_size(struct seam *seam, io_handle handle)
{
    (void)seam;
    struct stat status;
    return fstat(handle, &status) < 0 ? -errno : status.st_size;
}

static int
entry_compare(const void *a, const void *b)
{
    const struct disk_entry *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* Insertion by order, so that of many names the first `max` are kept. */
static void
entries_insert(struct disk_entry *out, size_t count, size_t max, const struct disk_entry *entry)
{
    size_t at = count < max ? count : max;
    if (at == max && (max == 0 || entry_compare(&out[max - 1], entry) <= 0))
        return;
    if (at == max)
        at--;
    while (at > 0 && entry_compare(&out[at - 1], entry) > 0) {
        out[at] = out[at - 1];
        at--;
    }
    out[at] = *entry;
}

static int64_t
real_disk_list(struct seam *seam, const char *path, struct disk_entry *out, size_t max)
{
    int fd = openat(
        real_of(seam)->group->directory_fd, path_or_dot(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    DIR *directory = fdopendir(fd);
    if (!directory) {
        int64_t result = -errno;
        close(fd);
        return result;
    }
    int64_t count = 0;
    struct dirent *found;
    while ((found = readdir(directory))) {
        struct disk_entry entry = {0};
        struct stat status;
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
            continue;
        /* Longer names are none of ours. */
        size_t name_size = strlen(found->d_name);
        if (name_size >= sizeof(entry.name) || fstatat(fd, found->d_name, &status, 0) < 0)
            continue;
        memcpy(entry.name, found->d_name, name_size);
        entry.size = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
        entries_insert(out, (size_t)count, max, &entry);
        count++;
    }
    closedir(directory);
    return count;
}

static int64_t
real_disk_make_directory(struct seam *seam, const char *path)
{
    return result_of(mkdirat(real_of(seam)->group->directory_fd, path, 0750));
}

static int64_t
real_disk_remove(struct seam *seam, const char *path)
{
    int directory_fd = real_of(seam)->group->directory_fd;
    if (unlinkat(directory_fd, path, 0) == 0)
        return 0;
    if (errno != EISDIR)
        return -errno;
    return result_of(unlinkat(directory_fd, path, AT_REMOVEDIR));
}

static int64_t
real_disk_rename(struct seam *seam, const char *from, const char *to)
{
    int directory_fd = real_of(seam)->group->directory_fd;
    return result_of(renameat(directory_fd, from, directory_fd, to));
}

static int64_t
real_disk_sync_directory(struct seam *seam, const char *path)
{
    int fd = openat(
        real_of(seam)->group->directory_fd, path_or_dot(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int64_t result = result_of(fsync(fd));
    close(fd);
    return result;
}

/* ---- sockets ---- */

static uint16_t
socket_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {.v6 = {0}};
    socklen_t size = sizeof(address);
    if (getsockname(fd, &address.any, &size) < 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

/* A bound socket, or -errno. `shared`: other shards may bind the same port. */
static int
socket_bind(const struct addrinfo *address, bool shared)
{
    int on = 1;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0) ||
        bind(fd, address->ai_addr, address->ai_addrlen) < 0 || (!shared && listen(fd, 1) < 0)) {
        int result = -errno;
        close(fd);
        return result;
    }
    return fd;
}

/* SO_REUSEPORT lets any process of the user join in, also a second daemon by mistake. So the first shard
 * that listens takes the port alone for a moment: that fails when somebody else has it. */
static int
socket_listen(const struct addrinfo *address, bool is_first)
{
    if (is_first && ((struct sockaddr_in *)(void *)address->ai_addr)->sin_port != 0) {
        int probe = socket_bind(address, false);
        if (probe < 0)
            return probe;
        close(probe);
    }
    int fd = socket_bind(address, true);
    if (fd >= 0 && listen(fd, LISTEN_BACKLOG) < 0) {
        int result = -errno;
        close(fd);
        return result;
    }
    return fd;
}

static struct listener_name *
listener_lookup(struct seam_group *group, const char *host, uint16_t port)
{
    for (uint32_t i = 0; i < group->listener_count; i++)
        if (group->listeners[i].asked_port == port && strcmp(group->listeners[i].host, host) == 0)
            return &group->listeners[i];
    return NULL;
}

static err_t
listen_locked(struct seam_group *group, const char *host, uint16_t *port, io_handle *handle)
{
    struct listener_name *known = listener_lookup(group, host, *port);
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *addresses = NULL;
    char service[8];
    snprintf(service, sizeof(service), "%u", known ? known->bound_port : *port);
    if (strlen(host) >= sizeof(known->host) ||
        (!known && group->listener_count == LISTENER_COUNT_MAX))
        return ERR(LIMIT);
    if (getaddrinfo(host[0] ? host : NULL, service, &hints, &addresses) != 0)
        return ERR(CONFIGURATION);
    int fd = -EADDRNOTAVAIL;
    for (struct addrinfo *at = addresses; at && fd < 0; at = at->ai_next)
        fd = socket_listen(at, !known);
    freeaddrinfo(addresses);
    if (fd < 0)
        return fd == -EADDRINUSE || fd == -EACCES || fd == -EADDRNOTAVAIL ? ERR(CONFIGURATION)
                                                                          : ERR_ERRNO(fd);
    if (!known) {
        known = &group->listeners[group->listener_count++];
        snprintf(known->host, sizeof(known->host), "%s", host);
        known->asked_port = *port;
        known->bound_port = socket_port(fd);
    }
    *port = known->bound_port;
    *handle = fd;
    return 0;
}

static err_t
real_listen(struct seam *seam, const char *host, uint16_t *port, io_handle *handle)
{
    struct seam_group *group = real_of(seam)->group;
    assert(host && port && handle);
    pthread_mutex_lock(&group->listen_mutex);
    err_t err = listen_locked(group, host, port, handle);
    pthread_mutex_unlock(&group->listen_mutex);
    return err;
}

static void
real_peer_name(struct seam *seam, io_handle handle, char *out, size_t out_size)
{
    (void)seam;
    assert(out_size > 0);
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    char host[64], service[16];
    if (getpeername(handle, (struct sockaddr *)&address, &size) < 0 ||
        getnameinfo(
            (struct sockaddr *)&address, size, host, sizeof(host), service, sizeof(service),
            NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        snprintf(out, out_size, "unknown");
        return;
    }
    bool has_colon = strchr(host, ':');
    snprintf(out, out_size, has_colon ? "[%s]:%s" : "%s:%s", host, service);
}

static const struct seam_ops real_ops = {
    .clock_monotonic_ns = real_clock_monotonic_ns,
    .clock_wall_ns = real_clock_wall_ns,
    .random = real_random,
    .io_submit = real_io_submit,
    .listen = real_listen,
    .peer_name = real_peer_name,
    .disk_open = real_disk_open,
    .disk_close = real_disk_close,
    .disk_read = real_disk_read,
    .disk_write = real_disk_write,
    .disk_sync = real_disk_sync,
    .disk_size = real_disk_size,
    .disk_list = real_disk_list,
    .disk_make_directory = real_disk_make_directory,
    .disk_remove = real_disk_remove,
    .disk_rename = real_disk_rename,
    .disk_sync_directory = real_disk_sync_directory,
    .mail_push = real_mail_push,
    .mail_pop = real_mail_pop,
    .doorbell = real_doorbell,
    .poll = real_poll,
    .log = real_log,
    .fatal = real_fatal,
};
