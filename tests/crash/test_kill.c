/* kill -9 under load, on the real backend: a child process runs shards on a data directory, sessions commit
 * transactions over two shards as fast as they can, the parent kills it at a random moment, starts it again
 * with another number of shards and looks.
 *
 *   crash_test_kill [--rounds N] [--directory DIR]
 *
 * Session s owns two nodes. Its n-th transaction sets both to n and adds a relationship between them. Shared
 * memory that outlives the child holds, per session, the n it last sent to commit and the n that was last
 * acknowledged. After each restart, for every session:
 *
 *      value of node 1 = value of node 2 = number of relationships = n    (no half transaction)
 *      acknowledged <= n <= sent                                          (nothing lost, nothing invented)
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "shards/boot/runtime.h"
#include "shards/txn/commit.h"
#include "shards/txn/txn.h"
#include "shards/wal/recovery.h"
#include "shards/wal/wal.h"

enum { SESSIONS = 8, SHARDS_MAX = 3, SEGMENT_SIZE = 1 << 20, KEY = 1, TYPE = 1 };

/* Survives the child. */
struct shared_session {
    uint64_t sent, acknowledged;
    uint64_t nodes[2]; /* ids; 0 until they were created and acknowledged */
};
struct shared {
    struct shared_session sessions[SESSIONS];
    char failure[256]; /* what the child found wrong */
    uint64_t commit_count;
    uint32_t started;
};

struct session {
    struct server *server;
    struct shard *shard;
    struct shared_session *shared;
    struct txn *txn;
    struct txn_write write;
    struct operation operations[3];
    struct property property;
    uint64_t number;
    bool busy;
};

struct server {
    struct shared *shared;
    pthread_mutex_t lock;
    bool prepared, verify_only;
    bool stopping; /* atomic */
    err_t err;
    uint32_t applied_count;
    struct recovery *recovery;
    struct commit_words *words;
    struct shard *shards[SHARDS_MAX];
    struct task tasks[SHARDS_MAX];
    struct session sessions[SESSIONS];
};

static long rounds = 6;
static const char *directory_wanted;
static struct server server; /* of the child; one per process */

static void session_next(struct session *session);

static void
fail_child(const char *what, uint64_t a, uint64_t b)
{
    snprintf(
        server.shared->failure, sizeof(server.shared->failure), "%s (%llu, %llu)", what,
        (unsigned long long)a, (unsigned long long)b);
    _exit(1);
}

/* --- the load --- */

static void
session_done(void *context, err_t err, uint64_t timestamp)
{
    struct session *session = context;
    session->txn = NULL;
    if (err)
        fail_child(err_name(err_code(err)), session->number, timestamp);
    if (session->number)
        session->shared->acknowledged = session->number;
    else
        for (int i = 0; i < 2; i++)
            session->shared->nodes[i] = session->operations[i].node.id;
    __atomic_fetch_add(&server.shared->commit_count, 1, __ATOMIC_RELAXED);
    session_next(session);
}

static void
session_retry_done(void *context, err_t err, uint64_t timestamp)
{
    struct session *session = context;
    assert_int_equal(err, 0);
    (void)timestamp;
    session->number--;
    session_next(session);
}

static void
session_written(struct txn_write *write)
{
    struct session *session = write->context;
    if (write->err && err_is_transient(err_code(write->err))) {
        txn_abort(session->txn, session_retry_done, session);
        return;
    }
    if (write->err)
        fail_child(err_name(err_code(write->err)), session->number, write->failed_operation);
    session->shared->sent = session->number;
    txn_commit(session->txn, session_done, session);
}

/* The first transaction makes the two nodes, each on its own shard when there is more than one. */
static void
session_compose(struct session *session)
{
    struct shared_session *shared = session->shared;
    session->property = (struct property){
        .key = KEY, .value = value_integer((int64_t)session->number)};
    for (int i = 0; i < 2; i++)
        session->operations[i] = (struct operation){
            .type = session->number ? OPERATION_NODE_PROPERTIES : OPERATION_NODE_CREATE,
            .node = {shared->nodes[i]},
            .property_count = 1,
            .properties = &session->property,
        };
    session->operations[2] = (struct operation){
        .type = OPERATION_REL_CREATE,
        .start = {shared->nodes[0]},
        .end = {shared->nodes[1]},
        .rel_type = TYPE,
    };
    session->write = (struct txn_write){
        .operations = session->operations,
        .operation_count = session->number ? 3 : 2,
        .done = session_written,
        .context = session,
    };
    /* Ids are chosen here, so that the pair does not depend on the number of shards: the partitions of a
     * pair are neighbours, and neighbours belong to different shards. */
    uint64_t s = (uint64_t)(session - server.sessions);
    for (uint64_t i = 0; i < 2 && !session->number; i++)
        session->operations[i].node.id = (s + 1) << PARTITION_BITS | (s * 2 + i);
}

static void
session_next(struct session *session)
{
    struct txn_options options = {0};
    session->busy = !__atomic_load_n(&server.stopping, __ATOMIC_RELAXED);
    if (!session->busy)
        return;
    session->number = session->shared->nodes[0] ? session->number + 1 : 0;
    err_t err = txn_begin(session->shard, &options, NULL, NULL, &session->txn);
    if (err)
        fail_child(err_name(err_code(err)), session->number, 0);
    session_compose(session);
    txn_write(session->txn, &session->write);
}

/* --- what the last life left --- */

static void
session_verify(struct session *session)
{
    struct shared_session *shared = session->shared;
    struct view view = {.snapshot = txn_stable(session->shard)};
    uint64_t values[2] = {0}, counts[2];
    for (uint64_t i = 0; i < 2; i++) {
        uint64_t s = (uint64_t)(session - server.sessions);
        node_id node = {(s + 1) << PARTITION_BITS | (s * 2 + i)};
        struct store *store = server.shards[id_owner(session->shard, node.id)]->store;
        bool there = store_node_exists(store, view, node);
        if (!there && shared->nodes[i])
            fail_child("an acknowledged node is lost", s, i);
        if (there)
            shared->nodes[i] = node.id; /* not acknowledged, but kept */
        values[i] = there ? (uint64_t)store_node_property(store, view, node, KEY).integer : 0;
        counts[i] = store_degree(store, view, node, i ? DIRECTION_IN : DIRECTION_OUT, NULL, 0);
    }
    if (!shared->nodes[0] != !shared->nodes[1])
        fail_child("one of two nodes is there", shared->nodes[0], shared->nodes[1]);
    if (values[0] != values[1])
        fail_child("half a transaction: values", values[0], values[1]);
    if (counts[0] != values[0] || counts[1] != values[0])
        fail_child("half a transaction: relationships", counts[0], counts[1]);
    if (values[0] < shared->acknowledged)
        fail_child("an acknowledged transaction is lost", values[0], shared->acknowledged);
    if (values[0] > shared->sent)
        fail_child("a transaction that nobody sent", values[0], shared->sent);
    session->number = values[0];
}

/* --- the program --- */

static err_t
replay_catalog(void *context, const uint8_t *bytes, size_t size)
{
    (void)bytes;
    (void)size;
    assert_non_null(context);
    return ERR(STORAGE_DAMAGE);
}

static err_t
replay_operation(
    void *context, const struct operation *operation, uint64_t timestamp, struct arena *arena)
{
    struct shard *shard = context;
    return store_replay(shard->store, operation, timestamp, arena);
}

static void
server_prepare(struct shard *shard)
{
    struct recovery_options options = {
        .shard_count = shard->count, .segment_size = SEGMENT_SIZE, .database_id = 9};
    struct refusal refusal;
    server.prepared = true;
    server.err = recovery_prepare(shard->seam, &options, &server.recovery, &refusal);
    if (server.err) {
        snprintf(server.shared->failure, sizeof(server.shared->failure), "%s", refusal.text);
        return;
    }
    server.words = aligned_alloc(128, commit_words_size(SHARD_COUNT_MAX));
    commit_words_create(server.words, shard->count, recovery_first_timestamp(server.recovery));
}

static enum task_result
load_begin(struct task *task)
{
    uint32_t k = (uint32_t)(task - server.tasks);
    struct shard *shard = server.shards[k];
    for (uint32_t s = 0; s < SESSIONS; s++)
        if (s % shard->count == k && !server.verify_only)
            session_next(&server.sessions[s]);
    return TASK_DONE;
}

static err_t
server_start(struct shard *shard, void *context)
{
    struct recovery_sink sink = {
        .context = shard, .catalog = replay_catalog, .operation = replay_operation};
    struct refusal refusal = {{0}};
    (void)context;
    pthread_mutex_lock(&server.lock);
    if (!server.prepared)
        server_prepare(shard);
    pthread_mutex_unlock(&server.lock);
    if (server.err)
        return server.err;
    err_t err = store_create(shard, &shard->store);
    if (!err)
        err = recovery_apply(server.recovery, shard, &sink, &refusal);
    struct wal_start start = recovery_wal_start(server.recovery, shard->index);
    if (!err)
        err = wal_open(shard, &start, WAL_SYNC_FULL, &shard->wal);
    if (!err)
        err = txn_manager_create(shard, server.words, &shard->txns);
    if (err)
        return err;
    pthread_mutex_lock(&server.lock);
    server.shards[shard->index] = shard;
    /* The last one to come looks, while nobody turns yet. */
    if (++server.applied_count == shard->count) {
        recovery_delete(server.recovery);
        for (uint32_t s = 0; s < SESSIONS; s++) {
            struct session *session = &server.sessions[s];
            *session = (struct session){
                .shard = server.shards[s % shard->count], .shared = &server.shared->sessions[s]};
            session_verify(session);
        }
        __atomic_store_n(&server.shared->started, 1, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&server.lock);
    task_init(&server.tasks[shard->index], TASK_POINT, load_begin);
    task_ready(shard, &server.tasks[shard->index]);
    return 0;
}

static bool
server_drain(struct shard *shard, void *context)
{
    (void)context;
    __atomic_store_n(&server.stopping, true, __ATOMIC_RELAXED);
    for (uint32_t s = shard->index; s < SESSIONS; s += shard->count)
        if (server.sessions[s].busy)
            return false;
    return txn_manager_is_idle(shard->txns) && wal_drain(shard->wal);
}

static void
server_finish(struct shard *shard, void *context)
{
    (void)context;
    if (shard->txns)
        txn_manager_destroy(shard->txns);
    if (shard->wal)
        wal_close(shard->wal);
    if (shard->store)
        store_destroy(shard->store);
}

static int
child_run(struct shared *shared, const char *directory, uint32_t shard_count, bool verify_only)
{
    struct runtime_options options = {
        .data_directory = directory,
        .shard_count = shard_count,
        .memory_size = (uint64_t)512 << 20,
        .program = {NULL, server_start, server_drain, server_finish},
    };
    struct runtime *runtime;
    char why[256] = "";
    server.shared = shared;
    server.verify_only = verify_only;
    pthread_mutex_init(&server.lock, NULL);
    if (runtime_start(&options, &runtime, why, sizeof(why))) {
        if (!shared->failure[0])
            snprintf(shared->failure, sizeof(shared->failure), "start: %.200s", why);
        return 1;
    }
    if (!verify_only)
        for (;;)
            pause();
    runtime_stop(runtime);
    runtime_join(runtime);
    free(server.words);
    return 0;
}

/* --- the parent --- */

static void
nap_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&time, &time) < 0 && errno == EINTR)
        ;
}

static pid_t
child_start(struct shared *shared, const char *directory, uint32_t shard_count, bool verify_only)
{
    shared->started = 0;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(child_run(shared, directory, shard_count, verify_only));
    return pid;
}

static void
round_run(struct shared *shared, const char *directory, long round)
{
    uint32_t shard_count = 1 + (uint32_t)(round % SHARDS_MAX);
    int status;
    pid_t pid = child_start(shared, directory, shard_count, false);
    for (int i = 0;
         i < 20000 && !__atomic_load_n(&shared->started, __ATOMIC_ACQUIRE) && !shared->failure[0];
         i++)
        nap_ms(1);
    nap_ms(20 + rand() % 200);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (shared->failure[0])
        fail_msg("round %ld: %s", round, shared->failure);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void
remove_tree(const char *path)
{
    char inner[4096];
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
        if (unlink(inner) < 0)
            remove_tree(inner);
    }
    if (directory)
        closedir(directory);
    rmdir(path);
}

/* The dump stands beside the tests: build/<preset>/bin/quiver-wal. Its exit status; -1 without it. */
static int
dump_status(const char *directory)
{
    char path[4096];
    ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 64);
    assert_true(size > 0);
    path[size] = '\0';
    for (int i = 0; i < 2; i++)
        *strrchr(path, '/') = '\0';
    snprintf(path + strlen(path), 64, "/bin/quiver-wal");
    if (access(path, X_OK) < 0)
        return -1;
    int status;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stdout))
            _exit(126);
        execl(path, path, directory, "--operations", (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void
acknowledged_transactions_survive_kill(void **state)
{
    (void)state;
    char made[] = "/var/tmp/quiver-kill-XXXXXX";
    const char *directory = directory_wanted ? directory_wanted : mkdtemp(made);
    struct shared *shared = mmap(
        NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_non_null(directory);
    assert_true(shared != MAP_FAILED);
    for (long round = 0; round < rounds; round++)
        round_run(shared, directory, round);
    /* Once more without load, and a clean stop. */
    int status;
    pid_t pid = child_start(shared, directory, 2, true);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (shared->failure[0])
        fail_msg("%s", shared->failure);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    int dumped = dump_status(directory);
    assert_true(dumped == 0 || dumped == -1);
    print_message("%ld rounds, %llu commits\n", rounds, (unsigned long long)shared->commit_count);
    assert_true(shared->commit_count > 0);
    munmap(shared, sizeof(*shared));
    if (!directory_wanted)
        remove_tree(directory);
}

int
main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--rounds"))
            rounds = strtol(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--directory"))
            directory_wanted = argv[i + 1];
    }
    srand((unsigned)getpid());
    const struct CMUnitTest tests[] = {cmocka_unit_test(acknowledged_transactions_survive_kill)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
