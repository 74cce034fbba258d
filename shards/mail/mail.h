/* Mail between shards.
 *
 *      sender                                                        receiver
 *      mail_open(to, type, size) -> payload                          handler[type](shard, message)
 *      mail_close()                                                      ^
 *          |  many messages fill one 4 KiB block                         |  messages of one block in order
 *          v                                                             |
 *      [block|block|block] --- one SPSC ring of pointers per pair ---> [block]
 *          ^                                                             |
 *          +------------------- the block travels home ------------------+
 *
 * Invariants
 *  1. A block belongs to the sender's pool and is freed by the sender only, after it came home. Blocks read
 *     in one turn go home chained together, as one entry of the ring in the other direction: no message, and
 *     so no memory, is needed to return memory.
 *  2. Between one pair of shards, messages of one class arrive in the order they were sent.
 *  3. A handler of class c sends only classes below c (or, for EXCHANGE, a later stage). So class 1 can
 *     always be consumed and no cycle of waiting exists.
 *  4. Classes 1 and 2 are bounded by requests that are outstanding, which their users limit. Class 3 is
 *     bounded by credits its user (engine/route) keeps.
 *  5. A message is wholly inside one block. A message larger than a block gets a block of its own size.
 *
 * Messages to the own shard take the same road (handlers are never called from inside mail_close), so
 * code need not treat "self" specially; hot paths may call the local function directly instead.
 *
 * When the pool is used up mail_open returns NULL. Class 3 may use three quarters of it and class 2 seven
 * eighths, so replies, which free things, still go out when data no longer does.
 *
 * The types are one list, messages.def; the layer that handles a type registers its handler at start. */
#ifndef SHARDS_MAIL_MAIL_H
#define SHARDS_MAIL_MAIL_H

#include <stdint.h>

#include "base/error.h"
#include "shards/core/shard.h"

enum message_class {
    MESSAGE_CLASS_REPLY = 1,
    MESSAGE_CLASS_CONTROL = 2,
    MESSAGE_CLASS_EXCHANGE = 3
};

enum message_type {
    MESSAGE_NONE = 0,
#define MESSAGE(name, class, text) MESSAGE_##name,
#include "shards/mail/messages.def"
#undef MESSAGE
    MESSAGE_TYPE_COUNT
};

/* Precedes each payload inside a block; 16 bytes, so payloads are aligned to 16. */
struct message {
    uint32_t size; /* of the payload, bytes */
    uint16_t type;
    uint16_t from;  /* sending shard */
    uint64_t scope; /* the sender's or receiver's query, transaction, ... ; meaning is the type's */
};
static_assert(sizeof(struct message) == 16, "payloads stay aligned");

static inline void *
message_payload(const struct message *message)
{
    return (void *)(uintptr_t)(message + 1);
}

/* The payload is lent until the handler returns, unless it calls block_hold. */
typedef void message_handler_fn(struct shard *shard, const struct message *message);
void mail_handler_set(struct shard *shard, enum message_type type, message_handler_fn *handler);

/* Opens a message of exactly `size` payload bytes to shard `to`. Returns where to write the payload
 * (aligned to 16), or NULL when there is no memory. Nothing else may be opened before mail_close. */
void *
mail_open(struct shard *shard, uint32_t to, enum message_type type, uint64_t scope, uint32_t size);
void mail_close(struct shard *shard);
/* open + copy + close. */
err_t mail_send(
    struct shard *shard,
    uint32_t to,
    enum message_type type,
    uint64_t scope,
    const void *payload,
    uint32_t size);
/* Sends blocks that are not full yet; the loop does this at the end of each turn. */
void mail_flush(struct shard *shard);

/* Keeps the block of the message being handled alive after the handler returned (a batch of rows that
 * is worked on later). Counted; each hold needs one block_release on the same shard. */
struct block *block_hold(struct shard *shard);
void block_release(struct shard *shard, struct block *block);

/* Blocks of class 3 queued to `to` that its ring could not take yet: a sender with a choice stops above
 * a few. */
uint32_t mail_backlog_count(const struct shard *shard, uint32_t to);

/* How full the sender's pool is. */
struct mail_gauge {
    uint32_t block_limit_count;
    uint32_t block_held_count; /* taken from memory, never given back before the end */
    uint32_t block_out_count; /* not free: being written, queued, travelling, or read by somebody */
    uint64_t jumbo_limit_size;
    uint64_t jumbo_size; /* messages larger than a block, not yet home */
};
struct mail_gauge mail_gauge(const struct shard *shard);
/* Lowers or raises the pool's limits; blocks that are out stay valid. */
void mail_limit_set(struct shard *shard, uint32_t block_limit_count, uint64_t jumbo_limit_size);

/* For the loop only. */
err_t mail_create(struct shard *shard);
void mail_destroy(struct shard *shard);
/* Takes in what arrived and runs handlers: class 1 wholly, the others up to a number of blocks. */
void mail_drain(struct shard *shard);
/* Some of what arrived, or was sent to this shard by itself, waits for the next turn. */
bool mail_is_waiting(const struct shard *shard);
/* Something waits for this shard to act again soon though nobody will wake it: a full ring, an empty pool. */
bool mail_is_stuck(const struct shard *shard);

#endif
