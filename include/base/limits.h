/* Every limit of the program, in one place, related by static_assert. Sizes are bytes. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#include <assert.h>
#include <stdint.h>

enum {
    SHARD_COUNT_MAX = 64,
    PARTITION_BITS = 10,
    PARTITION_COUNT =
        1 << PARTITION_BITS, /* virtual partitions, fixed when a directory is created */

    BLOCK_SIZE = 4096,           /* the unit of mail */
    MAIL_BLOCK_COUNT_MAX = 8192, /* per shard, by default */
    MAIL_JUMBO_SIZE_MAX =
        256 << 20, /* messages larger than a block, per sending shard, by default */
    MAIL_RING_COUNT =
        256, /* blocks on the way from one shard to another; more wait with the sender */
    TASK_PRIORITY_COUNT = 32,
    BATCH_ROW_COUNT_MAX = 1024, /* rows an operator handles at once */

    WAL_SEGMENT_SIZE = 64 << 20,
    WAL_FRAME_SIZE_MAX = 1 << 20,
    WAL_FRAMES_IN_FLIGHT_MAX = 4,
    WAL_PAGE_SIZE = 4096,

    TXN_OPEN_COUNT_MAX = 1 << 16, /* transactions a shard coordinates at once */

    QUERY_TEXT_SIZE_MAX = 16 << 20,
    QUERY_NESTING_MAX = 500, /* depth of an expression or subquery */
    VALUE_NESTING_MAX = 100, /* depth of a list or map that comes over the wire */
    VALUE_STRING_SIZE_MAX = 64 << 20,
    PROPERTY_SIZE_MAX = 16 << 20, /* one stored value */
    MESSAGE_SIZE_MAX = 128 << 20, /* one Bolt message, all chunks */

    LABEL_COUNT_MAX = 65535, /* distinct names of each kind in a database */
    NAME_SIZE_MAX = 65535,
};

#define ID_MAX ((UINT64_C(1) << 53) - 1)

static_assert(
    (PARTITION_COUNT & (PARTITION_COUNT - 1)) == 0, "the partition is the low bits of an id");
static_assert(SHARD_COUNT_MAX <= PARTITION_COUNT, "every shard owns at least one partition");
static_assert(WAL_SEGMENT_SIZE % WAL_PAGE_SIZE == 0, "segments are whole pages");
static_assert(WAL_FRAME_SIZE_MAX <= WAL_SEGMENT_SIZE / 4, "a frame fits a segment");
static_assert(
    PROPERTY_SIZE_MAX > 0 && QUERY_TEXT_SIZE_MAX <= MESSAGE_SIZE_MAX, "a query fits a message");

#endif
