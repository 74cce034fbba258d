/* The bytes of the transaction messages. The scope of each is the txid, whose low bits name the home shard.
 *
 *      TXN_WRITE     write_head, then items           coordinator -> owner
 *      TXN_WRITTEN   written_head, then rel_count written_rels, then items of follow-ups
 *      TXN_COMMIT    commit_head
 *      TXN_STAMPED, TXN_DURABLE, TXN_ABORT, TXN_ABORTED   empty_body
 *
 *      item = write_item, then the encoded operation, padded to 8 */
#ifndef SHARDS_TXN_MESSAGE_H
#define SHARDS_TXN_MESSAGE_H

#include <assert.h>
#include <stdint.h>

#include "base/error.h"
#include "shards/txn/txn.h"

enum {
    TXID_SHARD_BITS = 6,
    WRITE_MESSAGE_SIZE =
        3800,         /* items of one TXN_WRITE, unless a single one is larger: fits a block */
    WRITE_WINDOW = 4, /* TXN_WRITE messages of a transaction under way to one owner */
};
static_assert((int)SHARD_COUNT_MAX <= 1 << TXID_SHARD_BITS, "a txid names its home shard");
static_assert((int)WRITE_MESSAGE_SIZE < (int)BLOCK_SIZE, "fits a block");

static inline uint32_t
txid_home(uint64_t txid)
{
    return (uint32_t)(txid & ((1 << TXID_SHARD_BITS) - 1));
}

struct write_head {
    uint64_t snapshot;
    uint64_t items_size;
};

struct write_item {
    uint32_t operation_index; /* of the caller's batch */
    uint32_t size;            /* of the encoded operation, without padding */
};

struct written_rel {
    uint64_t operation_index;
    rel_id rel;
};

struct written_head {
    err_t err;
    uint64_t conflicting_node;
    uint32_t failed_operation;
    uint32_t rel_count;
    uint64_t follow_size; /* bytes of items at the end */
    struct write_counters counters;
};

struct commit_head {
    uint64_t timestamp;
    uint64_t participants; /* those that log */
};

struct empty_body {
    uint64_t zero;
};

static inline size_t
write_item_size(size_t operation_size)
{
    return sizeof(struct write_item) + (operation_size + 7) / 8 * 8;
}

#endif
