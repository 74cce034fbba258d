/* Who may log on: the users of DIR/auth and the limit on failed attempts. One per shard. */
#ifndef NET_AUTH_H
#define NET_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"
#include "shards/core/shard.h"

enum {
    AUTH_USER_COUNT_MAX = 64,
    AUTH_USER_SIZE_MAX = 64,
    AUTH_PASSWORD_SIZE_MAX = 1024,
    AUTH_HASH_SIZE_MAX = 192, /* an encoded Argon2 hash */
    AUTH_CHECKS_MAX = 4,      /* passwords being checked at once; more wait */
    AUTH_WAITING_MAX = 1000,
    AUTH_FAILURES_MAX = 3, /* then the user is locked */
    AUTH_LOCK_SECONDS = 5,
};

struct auth_user {
    char name[AUTH_USER_SIZE_MAX];
    char hash[AUTH_HASH_SIZE_MAX];
    uint32_t name_size;
};

/* Failed attempts of one name, known or not. */
struct auth_failures {
    uint64_t name_hash;
    uint64_t last_ns;
    uint32_t count;
};

struct auth {
    struct shard *shard;
    uint32_t user_count;
    struct auth_user *users; /* AUTH_USER_COUNT_MAX; NULL when everybody may log on */
    struct auth_failures failures[AUTH_USER_COUNT_MAX];
    uint32_t check_count; /* running or waiting */
    uint32_t running_count;
    struct list_link waiting; /* struct auth_check */
};

struct auth_check;
/* 0, ERR(UNAUTHORIZED), ... From the loop. */
typedef void auth_done_fn(void *context, err_t err);

/* Reads DIR/auth; blocks, so at start-up only. */
err_t auth_open(struct auth *auth, struct shard *shard);
void auth_close(struct auth *auth);
/* Checks a password on the auxiliary thread. On success `done` will run once. An error instead is the
 * answer itself: AUTH_RATE_LIMIT, BUSY, UNAUTHORIZED, MEMORY_POOL. */
err_t auth_check_start(
    struct auth *auth, struct text name, struct text password, auth_done_fn *done, void *context);

#endif
