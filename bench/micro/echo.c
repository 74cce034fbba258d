#include "bench/micro/echo.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "bench/bench.h"

enum { BUFFER_SIZE = 1 << 20 };

static void *
echo_serve(void *argument)
{
    int listener = *(int *)argument;
    int fd = accept(listener, NULL, NULL);
    assert(fd >= 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    char *buffer = malloc(BUFFER_SIZE);
    assert(buffer);
    ssize_t got;
    while ((got = recv(fd, buffer, BUFFER_SIZE, 0)) > 0) {
        for (ssize_t sent = 0; sent < got;) {
            ssize_t put = send(fd, buffer + sent, (size_t)(got - sent), MSG_NOSIGNAL);
            if (put <= 0)
                goto out;
            sent += put;
        }
    }
out:
    free(buffer);
    close(fd);
    return NULL;
}

static int
listener_open(struct sockaddr_in *address)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(listener >= 0);
    *address = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(*address);
    int failed = bind(listener, (struct sockaddr *)address, size) || listen(listener, 1) ||
                 getsockname(listener, (struct sockaddr *)address, &size);
    assert(!failed);
    return listener;
}

static double
client_measure(int fd, uint32_t size, uint32_t window, double seconds)
{
    char *buffer = calloc(1, BUFFER_SIZE);
    assert(buffer && (uint64_t)size * window <= BUFFER_SIZE);
    uint64_t begin = bench_now_ns(), end = begin + (uint64_t)(seconds * 1e9), done = 0;
    while (bench_now_ns() < end) {
        size_t want = (size_t)size * window;
        ssize_t put = send(fd, buffer, want, MSG_NOSIGNAL);
        assert(put == (ssize_t)want);
        for (size_t seen = 0; seen < want;) {
            ssize_t got = recv(fd, buffer, want - seen, 0);
            assert(got > 0);
            seen += (size_t)got;
        }
        done += window;
    }
    free(buffer);
    return (double)done * 1e9 / (double)(bench_now_ns() - begin);
}

double
echo_rate(uint32_t size, uint32_t window, double seconds)
{
    struct sockaddr_in address;
    int listener = listener_open(&address);
    pthread_t thread;
    int failed = pthread_create(&thread, NULL, echo_serve, &listener);
    assert(!failed);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(fd >= 0);
    failed = connect(fd, (struct sockaddr *)&address, sizeof(address));
    assert(!failed);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    double rate = client_measure(fd, size, window, seconds);
    close(fd);
    pthread_join(thread, NULL);
    close(listener);
    return rate;
}
