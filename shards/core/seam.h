/* The seam: everything a shard can reach outside its own memory.
 *
 *        engine, shards/{mail,store,txn,wal}, net
 *                        |
 *                  struct seam (this file)
 *                   /            \
 *        seam_real.c              seam_sim.c
 *        io_uring, clocks,        one thread, one seed: virtual time, a disk that tears and loses
 *        ck_ring, aux thread      writes, partial sends, delayed mail, failing memory, crashes
 *
 * Each shard has its own `struct seam`; all calls are made by the shard's own thread. tools/check fails
 * the build when an object of engine/, shards/ or net/ outside the two backends references a clock,
 * random, file, socket, thread or liburing symbol.
 *
 * Asynchronous work is a `struct io_op` embedded in the caller's own structure. io_submit() never blocks
 * and never calls back; later `done` runs from the shard's ready queue, never inside the completion
 * loop. An op belongs to the seam from io_submit until `done`; it may be resubmitted from `done`.
 *
 * Blocking file calls (disk_*) are for start-up, before the loop runs, and for aux calls. */
#ifndef SHARDS_CORE_SEAM_H
#define SHARDS_CORE_SEAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/list.h"
#include "base/memory.h"

struct seam;
struct io_op;
struct block;

typedef void io_done_fn(struct io_op *op);

/* A file or socket as the backend knows it. -1 is none. */
typedef int32_t io_handle;

enum io_kind {
    IO_READ, /* file: `size` bytes at `offset` into `buffer`; result = bytes read */
    IO_WRITE, /* file: the whole of `buffer`, or the result is an error; `durable` = on stable storage at done */
    IO_ACCEPT, /* listener: result = io_handle of the connection; one connection per submit */
    IO_RECV,   /* socket: up to `size` bytes into `buffer`; 0 = the peer closed */
    IO_SEND,   /* socket: up to `size` bytes of `buffer`; result = bytes sent, may be fewer */
    IO_CLOSE, /* file or socket; after this completes the handle may be reused. Cancels what is pending on it */
    IO_CALL, /* run `call(call_argument)` on the auxiliary thread (the simulator: inline, later); result = its return */
};

struct io_op {
    struct list_link link; /* the backend's, and the ready queue's, while submitted */
    io_done_fn *done;
    uint8_t kind; /* enum io_kind */
    bool durable;
    bool submitted;
    io_handle handle;
    void *buffer; /* O_DIRECT files: aligned to 4096, as are size and offset */
    size_t size;
    uint64_t offset;
    int64_t (*call)(void *argument);
    void *call_argument;
    uint64_t backend; /* the backend's, while submitted */
    int64_t result;   /* >= 0, or a negative errno */
};

/* Entry kinds of disk_list. */
struct disk_entry {
    char name[64];
    uint64_t size;
};

struct seam_ops {
    /* Clocks. monotonic: nanoseconds, does not go backwards, read each time (25 ns; shard_now_ns() is the
     * turn's cached copy). wall: nanoseconds since 1970 UTC. */
    uint64_t (*clock_monotonic_ns)(struct seam *seam);
    uint64_t (*clock_wall_ns)(struct seam *seam);
    uint64_t (*random)(struct seam *seam);

    void (*io_submit)(struct seam *seam, struct io_op *op);

    /* Listening socket on host:port (port 0 = any, the same on all shards; the port bound is written back).
     * Every shard listens on its own socket, and the kernel deals out connections. */
    err_t (*listen)(struct seam *seam, const char *host, uint16_t *port, io_handle *handle);
    /* Printable address of a connection's other end, for logs and SHOW TRANSACTIONS. */
    void (*peer_name)(struct seam *seam, io_handle handle, char *out, size_t out_size);

    /* Blocking file calls; `path` is relative to the data directory. Return 0, a count or -errno. */
    int64_t (*disk_open)(
        struct seam *seam, const char *path, bool create, bool direct, io_handle *handle);
    int64_t (*disk_close)(struct seam *seam, io_handle handle);
    int64_t (*disk_read)(
        struct seam *seam, io_handle handle, void *buffer, size_t size, uint64_t offset);
    int64_t (*disk_write)(
        struct seam *seam, io_handle handle, const void *buffer, size_t size, uint64_t offset);
    int64_t (*disk_sync)(struct seam *seam, io_handle handle);
    int64_t (*disk_size)(struct seam *seam, io_handle handle);
    /* Names in a directory, sorted; writes at most `max`, returns how many there are. */
    int64_t (*disk_list)(struct seam *seam, const char *path, struct disk_entry *out, size_t max);
    int64_t (*disk_make_directory)(struct seam *seam, const char *path);
    int64_t (*disk_remove)(struct seam *seam, const char *path);
    int64_t (*disk_rename)(struct seam *seam, const char *from, const char *to);
    int64_t (*disk_sync_directory)(struct seam *seam, const char *path);

    /* Mail: one FIFO of block pointers per ordered pair of shards. push: false when the ring is full.
     * pop: NULL when nothing is there. doorbell: wake `to` if it sleeps (once per batch). */
    bool (*mail_push)(struct seam *seam, uint32_t to, struct block *block);
    struct block *(*mail_pop)(struct seam *seam, uint32_t from);
    void (*doorbell)(struct seam *seam, uint32_t to);

    /* Submits what is pending, collects completions onto the ready list `done`, and, when `wait_ns` is
     * not 0, sleeps until a completion, a doorbell or that long (UINT64_MAX: no limit). */
    void (*poll)(struct seam *seam, struct list_link *done, uint64_t wait_ns);

    /* One line to the log (standard error, through the aux thread). */
    void (*log)(struct seam *seam, const char *line);
    /* The process must stop now and loudly: a disk lied, an invariant of stored data broke. No return. */
    void (*fatal)(struct seam *seam, const char *line) __attribute__((noreturn));
};

struct seam {
    const struct seam_ops *ops;
    uint32_t shard_index;
    uint32_t shard_count;
    struct memory memory; /* the shard's own memory source */
};

static inline uint64_t
seam_now_ns(struct seam *seam)
{
    return seam->ops->clock_monotonic_ns(seam);
}

static inline void
io_submit(struct seam *seam, struct io_op *op)
{
    assert(!op->submitted && op->done);
    op->submitted = true;
    seam->ops->io_submit(seam, op);
}

#endif
