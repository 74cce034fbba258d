/* Users and passwords.
 *
 *      DIR/auth    one line per user:   name ':' encoded Argon2id hash '\n'
 *      neo4j:$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>
 *
 * The file is read when a shard starts. A check runs on the auxiliary thread, since one takes some 20
 * milliseconds; it owns copies of everything it reads and is wiped afterwards.
 *
 * Invariants
 *  1. A name that does not exist costs as much time as a wrong password: it is checked against a hash
 *     that no password has.
 *  2. After AUTH_FAILURES_MAX failures in a row a name is locked for AUTH_LOCK_SECONDS, known or not; the
 *     lock is per shard, like everything here.
 *  3. At most AUTH_CHECKS_MAX checks are under way and the others wait here, so log-on floods cannot fill
 *     the auxiliary thread's queue, which the log also needs.
 *
 * The parameters of Argon2id (19 MiB, 2 passes, 1 lane) are the smallest OWASP recommends. */
#include "net/auth.h"

#include <argon2.h>
#include <stdio.h>

#include "base/hash.h"
#include "net/net.h"

enum {
    HASH_MEMORY_KIB = 19456,
    HASH_PASS_COUNT = 2,
    HASH_SIZE = 32,
    SALT_SIZE = 16,
    AUTH_FILE_SIZE_MAX = AUTH_USER_COUNT_MAX * (AUTH_USER_SIZE_MAX + AUTH_HASH_SIZE_MAX),
};

static const char auth_path[] = "auth";
static const char auth_path_new[] = "auth.new";
/* Well-formed, with parameters as above, and the hash of nothing anybody knows. */
static const char unknown_user_hash[] = "$argon2id$v=19$m=19456,t=2,p=1$cXVpdmVyLW5vLXN1Y2gtdXNlcg$"
                                        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/* ---- the file ---- */

/* Opens, writes, syncs, renames and syncs the directory: the file is there wholly or not at all. */
static err_t
file_write(struct seam *seam, const char *content, size_t size)
{
    io_handle handle;
    int64_t result = seam->ops->disk_open(seam, auth_path_new, true, false, &handle);
    if (result < 0)
        return ERR_ERRNO(result);
    result = seam->ops->disk_write(seam, handle, content, size, 0);
    if (result >= 0)
        result = seam->ops->disk_sync(seam, handle);
    int64_t closed = seam->ops->disk_close(seam, handle);
    if (result >= 0)
        result = closed;
    if (result >= 0)
        result = seam->ops->disk_rename(seam, auth_path_new, auth_path);
    if (result >= 0)
        result = seam->ops->disk_sync_directory(seam, ".");
    return result < 0 ? ERR_ERRNO(result) : 0;
}

err_t
net_auth_create(struct seam *seam, struct text initial_password)
{
    io_handle handle;
    if (seam->ops->disk_open(seam, auth_path, false, false, &handle) >= 0) {
        int64_t closed = seam->ops->disk_close(seam, handle);
        return closed < 0 ? ERR_ERRNO(closed) : 0;
    }
    if (initial_password.size == 0 || initial_password.size > AUTH_PASSWORD_SIZE_MAX)
        return ERR(CONFIGURATION);
    uint64_t salt[SALT_SIZE / sizeof(uint64_t)];
    for (size_t i = 0; i < sizeof(salt) / sizeof(*salt); i++)
        salt[i] = seam->ops->random(seam);
    char hash[AUTH_HASH_SIZE_MAX], content[AUTH_HASH_SIZE_MAX + 16];
    int code = argon2id_hash_encoded(
        HASH_PASS_COUNT, HASH_MEMORY_KIB, 1, initial_password.data, initial_password.size, salt,
        sizeof(salt), HASH_SIZE, hash, sizeof(hash));
    if (code != ARGON2_OK)
        return code == ARGON2_MEMORY_ALLOCATION_ERROR ? ERR(MEMORY_POOL) : ERR(INTERNAL);
    int size = snprintf(content, sizeof(content), "neo4j:%s\n", hash);
    assert(size > 0 && (size_t)size < sizeof(content));
    return file_write(seam, content, (size_t)size);
}

/* One line, without its end. */
static err_t
user_parse(struct auth *auth, struct text line)
{
    assert(line.data && line.size);
    const char *colon = memchr(line.data, ':', line.size);
    size_t name_size = colon ? (size_t)(colon - line.data) : 0;
    size_t hash_size = colon ? line.size - name_size - 1 : 0;
    if (name_size == 0 || name_size >= AUTH_USER_SIZE_MAX || hash_size == 0 ||
        hash_size >= AUTH_HASH_SIZE_MAX)
        return ERR(CONFIGURATION);
    if (auth->user_count == AUTH_USER_COUNT_MAX)
        return ERR(LIMIT);
    struct auth_user *user = &auth->users[auth->user_count++];
    memcpy(user->name, line.data, name_size);
    user->name_size = (uint32_t)name_size;
    memcpy(user->hash, colon + 1, hash_size);
    user->hash[hash_size] = 0;
    return 0;
}

static err_t
users_parse(struct auth *auth, struct text content)
{
    while (content.size) {
        assert(content.data);
        const char *end = memchr(content.data, '\n', content.size);
        size_t size = end ? (size_t)(end - content.data) : content.size;
        if (size) {
            err_t err = user_parse(auth, (struct text){content.data, size});
            if (err)
                return err;
        }
        size += end != NULL;
        content = (struct text){content.data + size, content.size - size};
    }
    return auth->user_count ? 0 : ERR(CONFIGURATION);
}

err_t
auth_open(struct auth *auth, struct shard *shard)
{
    struct memory *memory = shard_memory(shard);
    struct seam *seam = shard->seam;
    *auth = (struct auth){.shard = shard};
    list_init(&auth->waiting);
    io_handle handle;
    int64_t result = seam->ops->disk_open(seam, auth_path, false, false, &handle);
    if (result < 0)
        return ERR_ERRNO(result);
    char *content = memory_allocate(memory, AUTH_FILE_SIZE_MAX);
    auth->users = memory_allocate(memory, AUTH_USER_COUNT_MAX * sizeof(*auth->users));
    err_t err = ERR(MEMORY_POOL);
    if (content && auth->users) {
        memset(auth->users, 0, AUTH_USER_COUNT_MAX * sizeof(*auth->users));
        result = seam->ops->disk_read(seam, handle, content, AUTH_FILE_SIZE_MAX, 0);
        err = result < 0 ? ERR_ERRNO(result)
                         : users_parse(auth, (struct text){content, (size_t)result});
        if (err)
            seam->ops->log(
                seam, "net: the file auth of the data directory cannot be read, or is damaged");
    }
    int64_t closed = seam->ops->disk_close(seam, handle);
    memory_release(memory, content, AUTH_FILE_SIZE_MAX);
    if (!err && closed < 0)
        err = ERR_ERRNO(closed);
    if (err)
        auth_close(auth);
    return err;
}

void
auth_close(struct auth *auth)
{
    assert(auth->check_count == 0);
    if (auth->users) {
        explicit_bzero(auth->users, AUTH_USER_COUNT_MAX * sizeof(*auth->users));
        memory_release(
            shard_memory(auth->shard), auth->users, AUTH_USER_COUNT_MAX * sizeof(*auth->users));
    }
    auth->users = NULL;
}

/* ---- failed attempts ---- */

/* The record of this name, or the one to reuse for it: the oldest. */
static struct auth_failures *
failures_lookup(struct auth *auth, uint64_t name_hash)
{
    struct auth_failures *oldest = &auth->failures[0];
    for (unsigned i = 0; i < AUTH_USER_COUNT_MAX; i++) {
        struct auth_failures *failures = &auth->failures[i];
        if (failures->count && failures->name_hash == name_hash)
            return failures;
        if (failures->last_ns < oldest->last_ns)
            oldest = failures;
    }
    return oldest;
}

static bool
failures_lock(struct auth *auth, uint64_t name_hash, uint64_t now_ns)
{
    struct auth_failures *failures = failures_lookup(auth, name_hash);
    if (failures->name_hash != name_hash || failures->count < AUTH_FAILURES_MAX)
        return false;
    if (now_ns - failures->last_ns < AUTH_LOCK_SECONDS * UINT64_C(1000000000))
        return true;
    failures->count = 0;
    return false;
}

static void
failures_note(struct auth *auth, uint64_t name_hash, bool failed)
{
    struct auth_failures *failures = failures_lookup(auth, name_hash);
    if (failures->name_hash != name_hash)
        *failures = (struct auth_failures){.name_hash = name_hash};
    failures->count = failed ? failures->count + 1 : 0;
    failures->last_ns = seam_now_ns(auth->shard->seam);
}

/* ---- checking ---- */

struct auth_check {
    struct io_op op;
    struct list_link link; /* auth->waiting */
    struct auth *auth;
    auth_done_fn *done;
    void *context;
    uint64_t name_hash;
    bool is_known;
    char hash[AUTH_HASH_SIZE_MAX];
    size_t password_size;
    char password[AUTH_PASSWORD_SIZE_MAX];
};

/* On the auxiliary thread: touches nothing but the check. */
static int64_t
check_run(void *argument)
{
    struct auth_check *check = argument;
    return argon2id_verify(check->hash, check->password, check->password_size) == ARGON2_OK;
}

/* Tells the answer and forgets the check, the password first. */
static void
check_end(struct auth_check *check, err_t err)
{
    struct auth *auth = check->auth;
    auth_done_fn *done = check->done;
    void *context = check->context;
    explicit_bzero(check, sizeof(*check));
    memory_release(shard_memory(auth->shard), check, sizeof(*check));
    auth->check_count--;
    done(context, err);
}

/* Begins as many as may run. The lock is looked at once more: failures that came meanwhile count. */
static void
checks_begin(struct auth *auth)
{
    while (auth->running_count < AUTH_CHECKS_MAX && !list_is_empty(&auth->waiting)) {
        struct auth_check *check = list_entry(
            list_pop_front(&auth->waiting), struct auth_check, link);
        if (failures_lock(auth, check->name_hash, seam_now_ns(auth->shard->seam))) {
            check_end(check, ERR(AUTH_RATE_LIMIT));
            continue;
        }
        auth->running_count++;
        io_submit(auth->shard->seam, &check->op);
    }
}

static void
check_done(struct io_op *op)
{
    struct auth_check *check = list_entry(op, struct auth_check, op);
    struct auth *auth = check->auth;
    bool good = op->result == 1 && check->is_known;
    failures_note(auth, check->name_hash, !good);
    auth->running_count--;
    check_end(check, good ? 0 : ERR(UNAUTHORIZED));
    checks_begin(auth);
}

err_t
auth_check_start(
    struct auth *auth, struct text name, struct text password, auth_done_fn *done, void *context)
{
    assert(auth->users && done);
    uint64_t name_hash = hash_bytes(name.data, name.size, 0);
    if (failures_lock(auth, name_hash, seam_now_ns(auth->shard->seam)))
        return ERR(AUTH_RATE_LIMIT);
    if (password.size > AUTH_PASSWORD_SIZE_MAX)
        return ERR(UNAUTHORIZED);
    if (auth->check_count == AUTH_CHECKS_MAX + AUTH_WAITING_MAX)
        return ERR(BUSY);
    struct auth_check *check = memory_allocate(shard_memory(auth->shard), sizeof(*check));
    if (!check)
        return ERR(MEMORY_POOL);
    memset(check, 0, sizeof(*check));
    check->auth = auth;
    check->done = done;
    check->context = context;
    check->name_hash = name_hash;
    check->password_size = password.size;
    if (password.size)
        memcpy(check->password, password.data, password.size);
    memcpy(check->hash, unknown_user_hash, sizeof(unknown_user_hash));
    for (uint32_t i = 0; i < auth->user_count; i++) {
        struct auth_user *user = &auth->users[i];
        if (text_equal_fold((struct text){user->name, user->name_size}, name)) {
            memcpy(check->hash, user->hash, sizeof(check->hash));
            check->is_known = true;
        }
    }
    auth->check_count++;
    check->op.done = check_done;
    check->op.kind = IO_CALL;
    check->op.call = check_run;
    check->op.call_argument = check;
    list_push_back(&auth->waiting, &check->link);
    if (auth->running_count < AUTH_CHECKS_MAX)
        checks_begin(auth);
    return 0;
}
