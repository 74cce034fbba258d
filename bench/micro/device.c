#include "bench/micro/device.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/assert.h"
#include "bench/bench.h"

enum { FILE_SIZE = 64 << 20, PAGE_SIZE = 4096, ZERO_SIZE = 1 << 20 };

static int
zeroed_file_open(const char *directory, char *path, size_t path_size)
{
    snprintf(path, path_size, "%s/device-rate.tmp", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);
    if (fd < 0)
        return -errno;
    void *zeros = aligned_alloc(PAGE_SIZE, ZERO_SIZE);
    assert(zeros);
    memset(zeros, 0, ZERO_SIZE);
    for (off_t at = 0; at < FILE_SIZE; at += ZERO_SIZE) {
        if (pwrite(fd, zeros, ZERO_SIZE, at) != ZERO_SIZE) {
            int failed = errno ? -errno : -EIO;
            free(zeros);
            close(fd);
            return failed;
        }
    }
    free(zeros);
    if (fsync(fd)) {
        int failed = -errno;
        close(fd);
        return failed;
    }
    return fd;
}

static void
write_prepare(struct io_uring *ring, int fd, void *page, uint64_t *offset)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    assert(sqe);
    io_uring_prep_write(sqe, fd, page, PAGE_SIZE, *offset);
    sqe->rw_flags = RWF_DSYNC;
    *offset = (*offset + PAGE_SIZE) % FILE_SIZE;
}

static double
rate_measure(struct io_uring *ring, int fd, void *page, uint32_t in_flight, double seconds)
{
    uint64_t offset = 0, done = 0;
    uint64_t begin = bench_now_ns(), end = begin + (uint64_t)(seconds * 1e9);
    for (uint32_t i = 0; i < in_flight; i++)
        write_prepare(ring, fd, page, &offset);
    uint32_t outstanding = in_flight;
    while (outstanding) {
        int submitted = io_uring_submit_and_wait(ring, 1);
        if (submitted < 0)
            return submitted;
        bool go_on = bench_now_ns() < end;
        struct io_uring_cqe *cqe;
        while (io_uring_peek_cqe(ring, &cqe) == 0) {
            int result = cqe->res;
            io_uring_cqe_seen(ring, cqe);
            if (result != PAGE_SIZE)
                return result < 0 ? result : -EIO;
            done++;
            outstanding--;
            if (go_on) {
                write_prepare(ring, fd, page, &offset);
                outstanding++;
            }
        }
    }
    return (double)done * 1e9 / (double)(bench_now_ns() - begin);
}

double
device_durable_writes(const char *directory, uint32_t in_flight, double seconds)
{
    assert(in_flight >= 1 && in_flight <= 256);
    char path[4096];
    int fd = zeroed_file_open(directory, path, sizeof(path));
    if (fd < 0)
        return fd;
    void *page = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
    assert(page);
    memset(page, 1, PAGE_SIZE);
    struct io_uring ring;
    struct io_uring_params parameters = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
    double rate = io_uring_queue_init_params(512, &ring, &parameters);
    if (rate == 0) {
        rate = rate_measure(&ring, fd, page, in_flight, seconds);
        io_uring_queue_exit(&ring);
    }
    free(page);
    close(fd);
    unlink(path);
    return rate;
}
