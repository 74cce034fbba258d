/* Mail: who holds a block, and when.
 *
 *                 sender                              |             receiver
 *                                                     |
 *   free --take--> open[to][class] --seal--> sealed --+--> ring --> inbound[class] --> being handled
 *    ^                                     (backlog)  |                                  |        |
 *    |                                                |                       all holds  |        | block_hold
 *    |                                                |                       released   v        v
 *    +---------- chain, one ring entry <--------------+--------------------- home[owner] <----- held
 *
 * A block is filled with messages of one class for one shard, so data never delays a reply that comes
 * after it: the ring is emptied wholly each turn into one list per class. The list is bounded by the
 * pools of the senders. What the ring cannot take waits in the sender's sealed list, lower classes
 * first. A block to the own shard skips the ring.
 *
 * Who finds the ring full rings the doorbell: it may be full of blocks going home, which wake nobody.
 *
 * Invariants (beside those of mail.h)
 *  1. block_out_count = blocks in open, sealed, ring, inbound, held, home; when all mail is at rest it is
 *     zero in every shard.
 *  2. `hold_count` is written by the shard that reads the block, all else in the header by the sender,
 *     and both only while they have it; the ring orders the hand-over.
 *  3. `dirty` has a bit for each shard that has an open block with a message, a sealed block, or a
 *     chain to take home. */
#include "shards/mail/mail.h"

#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define poison(pointer, size) ASAN_POISON_MEMORY_REGION(pointer, size)
#define unpoison(pointer, size) ASAN_UNPOISON_MEMORY_REGION(pointer, size)
#else
#define poison(pointer, size) ((void)0)
#define unpoison(pointer, size) ((void)0)
#endif

enum {
    CLASS_COUNT = 3, /* index = class - 1 */
    CONTROL_BLOCKS_PER_TURN = 256,
    EXCHANGE_BLOCKS_PER_TURN = 64,
    /* So many blocks go home at once even to a shard that sleeps: it may be waiting for them. */
    HOME_DOORBELL_COUNT = 64,
};

struct block {
    struct list_link link;
    struct block *home_next; /* the chain */
    uint32_t owner;          /* whose pool */
    uint32_t capacity;       /* of data[], bytes */
    uint32_t used_size;
    uint16_t message_count;
    uint8_t class;
    uint32_t hold_count;
    _Alignas(16) unsigned char data[];
};

enum { BLOCK_DATA_SIZE = BLOCK_SIZE - sizeof(struct block) };

static_assert(sizeof(struct block) % 16 == 0, "messages are aligned to 16");
static_assert(SHARD_COUNT_MAX <= 64, "a shard is a bit of `dirty`");

struct outbound {
    struct block *open[CLASS_COUNT];
    struct list_link sealed[CLASS_COUNT];
    uint32_t sealed_count[CLASS_COUNT];
    struct block *home; /* blocks of that shard that were read here */
    uint32_t home_count;
};

struct mailbox {
    struct list_link free;
    struct mail_gauge gauge;
    uint64_t dirty;
    bool is_starved;       /* the pool refused, and nothing came home since */
    struct block *writing; /* between mail_open and mail_close */
    uint32_t writing_to;
    struct block *handling; /* whose messages are being handled */
    struct list_link inbound[CLASS_COUNT];
    message_handler_fn *handlers[MESSAGE_TYPE_COUNT];
    struct outbound outbound[];
};

static const uint8_t type_class[MESSAGE_TYPE_COUNT] = {
#define MESSAGE(name, class, text) [MESSAGE_##name] = class,
#include "shards/mail/messages.def"
#undef MESSAGE
};

static size_t
mailbox_size(const struct shard *shard)
{
    return sizeof(struct mailbox) + shard->count * sizeof(struct outbound);
}

err_t
mail_create(struct shard *shard)
{
    struct mailbox *mailbox = memory_allocate(shard_memory(shard), mailbox_size(shard));
    if (!mailbox)
        return ERR(MEMORY_POOL);
    memset(mailbox, 0, mailbox_size(shard));
    list_init(&mailbox->free);
    mailbox->gauge.block_limit_count = MAIL_BLOCK_COUNT_MAX;
    mailbox->gauge.jumbo_limit_size = MAIL_JUMBO_SIZE_MAX;
    for (uint32_t class = 0; class < CLASS_COUNT; class ++) {
        list_init(&mailbox->inbound[class]);
        for (uint32_t to = 0; to < shard->count; to++)
            list_init(&mailbox->outbound[to].sealed[class]);
    }
    shard->mailbox = mailbox;
    return 0;
}

/* ---- the pool ---- */

static bool
block_is_jumbo(const struct block *block)
{
    return block->capacity != BLOCK_DATA_SIZE;
}

static struct block *
block_new(struct shard *shard, uint32_t capacity)
{
    struct block *block = memory_allocate(shard_memory(shard), sizeof(*block) + capacity);
    if (block)
        *block = (struct block){.owner = shard->index, .capacity = capacity};
    return block;
}

static void
block_delete(struct shard *shard, struct block *block)
{
    unpoison(block->data, block->capacity);
    memory_release(shard_memory(shard), block, sizeof(*block) + block->capacity);
}

/* The share of the pool that a class may use up: the rest is for the classes below it. */
static uint32_t
class_limit_count(const struct mailbox *mailbox, uint32_t class)
{
    uint32_t limit_count = mailbox->gauge.block_limit_count;
    switch (class) {
    case MESSAGE_CLASS_REPLY:
        return limit_count;
    case MESSAGE_CLASS_CONTROL:
        return limit_count - limit_count / 8;
    default:
        return limit_count - limit_count / 4;
    }
}

static struct block *
pool_take(struct shard *shard, uint32_t class)
{
    struct mailbox *mailbox = shard->mailbox;
    struct mail_gauge *gauge = &mailbox->gauge;
    struct block *block = NULL;
    if (gauge->block_out_count >= class_limit_count(mailbox, class)) {
        mailbox->is_starved = true;
        return NULL;
    }
    if (!list_is_empty(&mailbox->free)) {
        block = list_entry(list_pop_front(&mailbox->free), struct block, link);
        unpoison(block->data, block->capacity);
    } else {
        block = block_new(shard, BLOCK_DATA_SIZE);
        if (!block)
            return NULL;
        gauge->block_held_count++;
    }
    gauge->block_out_count++;
    return block;
}

static struct block *
pool_take_jumbo(struct shard *shard, uint32_t size)
{
    struct mail_gauge *gauge = &shard->mailbox->gauge;
    if (size > gauge->jumbo_limit_size)
        return NULL;
    if (gauge->jumbo_size > gauge->jumbo_limit_size - size) {
        shard->mailbox->is_starved = true;
        return NULL;
    }
    struct block *block = block_new(shard, size);
    if (block)
        gauge->jumbo_size += size;
    return block;
}

/* Newest first: it may still be in the cache. */
static void
pool_put(struct shard *shard, struct block *block)
{
    struct mailbox *mailbox = shard->mailbox;
    assert(block->owner == shard->index && block->hold_count == 0);
    mailbox->is_starved = false;
    if (block_is_jumbo(block)) {
        assert(mailbox->gauge.jumbo_size >= block->capacity);
        mailbox->gauge.jumbo_size -= block->capacity;
        block_delete(shard, block);
        return;
    }
    assert(mailbox->gauge.block_out_count > 0);
    mailbox->gauge.block_out_count--;
    poison(block->data, block->capacity);
    list_push_front(&mailbox->free, &block->link);
}

static void
pool_put_chain(struct shard *shard, struct block *block)
{
    while (block) {
        struct block *next = block->home_next;
        block->home_next = NULL;
        pool_put(shard, block);
        block = next;
    }
}

struct mail_gauge
mail_gauge(const struct shard *shard)
{
    return shard->mailbox->gauge;
}

void
mail_limit_set(struct shard *shard, uint32_t block_limit_count, uint64_t jumbo_limit_size)
{
    assert(block_limit_count > 0);
    shard->mailbox->gauge.block_limit_count = block_limit_count;
    shard->mailbox->gauge.jumbo_limit_size = jumbo_limit_size;
}

/* ---- sending ---- */

static void
block_seal(struct shard *shard, uint32_t to, struct block *block)
{
    uint32_t class_index = block->class - 1u;
    assert(block->message_count > 0);
    if (to == shard->index) {
        list_push_back(&shard->mailbox->inbound[class_index], &block->link);
        return;
    }
    struct outbound *outbound = &shard->mailbox->outbound[to];
    list_push_back(&outbound->sealed[class_index], &block->link);
    outbound->sealed_count[class_index]++;
}

static void
open_seal(struct shard *shard, uint32_t to, uint32_t class_index)
{
    struct block **open = &shard->mailbox->outbound[to].open[class_index];
    if (!*open || (*open)->message_count == 0)
        return;
    block_seal(shard, to, *open);
    *open = NULL;
}

/* Gives the ring what is sealed, lower classes first, until it is full. Returns how many went. */
static uint32_t
sealed_push(struct shard *shard, uint32_t to)
{
    struct outbound *outbound = &shard->mailbox->outbound[to];
    struct seam *seam = shard->seam;
    uint32_t pushed_count = 0;
    for (uint32_t class_index = 0; class_index < CLASS_COUNT; class_index++) {
        struct list_link *sealed = &outbound->sealed[class_index];
        while (!list_is_empty(sealed)) {
            struct block *block = list_entry(sealed->next, struct block, link);
            list_remove(&block->link);
            if (!seam->ops->mail_push(seam, to, block)) {
                list_push_front(sealed, &block->link);
                goto full;
            }
            outbound->sealed_count[class_index]--;
            pushed_count++;
        }
    }
full:
    metric_add(&shard->metrics.mail_blocks_sent, pushed_count);
    return pushed_count;
}

static bool
sealed_is_left(const struct outbound *outbound)
{
    for (uint32_t class_index = 0; class_index < CLASS_COUNT; class_index++)
        if (outbound->sealed_count[class_index] > 0)
            return true;
    return false;
}

static bool
outbound_is_clean(const struct outbound *outbound)
{
    for (uint32_t class_index = 0; class_index < CLASS_COUNT; class_index++)
        if (outbound->open[class_index])
            return false;
    return !sealed_is_left(outbound) && !outbound->home;
}

static void
outbound_flush(struct shard *shard, uint32_t to)
{
    struct outbound *outbound = &shard->mailbox->outbound[to];
    struct seam *seam = shard->seam;
    for (uint32_t class_index = 0; class_index < CLASS_COUNT; class_index++)
        open_seal(shard, to, class_index);
    if (to == shard->index)
        return;
    bool must_ring = sealed_push(shard, to) > 0 || sealed_is_left(outbound);
    struct block *home = outbound->home;
    if (home) {
        bool is_urgent = outbound->home_count >= HOME_DOORBELL_COUNT || block_is_jumbo(home);
        if (seam->ops->mail_push(seam, to, home)) {
            outbound->home = NULL;
            outbound->home_count = 0;
            must_ring |= is_urgent;
        } else {
            must_ring = true;
        }
    }
    if (must_ring) {
        seam->ops->doorbell(seam, to);
        metric_add(&shard->metrics.doorbells_rung, 1);
    }
}

void
mail_flush(struct shard *shard)
{
    struct mailbox *mailbox = shard->mailbox;
    assert(!mailbox->writing);
    uint64_t todo = mailbox->dirty;
    while (todo) {
        uint32_t to = (uint32_t)__builtin_ctzll(todo);
        todo &= todo - 1;
        outbound_flush(shard, to);
        if (outbound_is_clean(&mailbox->outbound[to]))
            mailbox->dirty &= ~(UINT64_C(1) << to);
    }
}

/* A block with `size` free bytes for (to, class); NULL when there is no memory. */
static struct block *
open_find(struct shard *shard, uint32_t to, uint32_t class, uint32_t size)
{
    struct mailbox *mailbox = shard->mailbox;
    struct block **open = &mailbox->outbound[to].open[class - 1];
    if (size > BLOCK_DATA_SIZE) {
        struct block *jumbo = pool_take_jumbo(shard, size);
        if (jumbo)
            open_seal(shard, to, class - 1);
        return jumbo;
    }
    if (*open && (*open)->capacity - (*open)->used_size >= size)
        return *open;
    struct block *fresh = pool_take(shard, class);
    if (!fresh)
        return NULL;
    if (*open) {
        open_seal(shard, to, class - 1);
        if (to != shard->index && sealed_push(shard, to) > 0)
            shard->seam->ops->doorbell(shard->seam, to);
    }
    *open = fresh;
    return fresh;
}

void *
mail_open(struct shard *shard, uint32_t to, enum message_type type, uint64_t scope, uint32_t size)
{
    struct mailbox *mailbox = shard->mailbox;
    assert(to < shard->count && type > MESSAGE_NONE && type < MESSAGE_TYPE_COUNT);
    assert(!mailbox->writing);
    assert(size <= UINT32_MAX - sizeof(struct message) - sizeof(struct block) - 16);
    uint32_t class = type_class[type];
    uint32_t total = (uint32_t)sizeof(struct message) + ((size + 15) & ~UINT32_C(15));
    struct block *block = open_find(shard, to, class, total);
    if (!block)
        return NULL;
    if (block->used_size == 0)
        block->class = (uint8_t) class;
    assert(block->class == class && block->capacity - block->used_size >= total);
    struct message *message = (struct message *)(void *)(block->data + block->used_size);
    *message = (struct message){
        .size = size, .type = (uint16_t)type, .from = (uint16_t)shard->index, .scope = scope};
    block->used_size += total;
    block->message_count++;
    mailbox->writing = block;
    mailbox->writing_to = to;
    mailbox->dirty |= UINT64_C(1) << to;
    return message + 1;
}

void
mail_close(struct shard *shard)
{
    struct mailbox *mailbox = shard->mailbox;
    struct block *block = mailbox->writing;
    assert(block);
    mailbox->writing = NULL;
    if (block_is_jumbo(block))
        block_seal(shard, mailbox->writing_to, block);
}

err_t
mail_send(
    struct shard *shard,
    uint32_t to,
    enum message_type type,
    uint64_t scope,
    const void *payload,
    uint32_t size)
{
    void *out = mail_open(shard, to, type, scope, size);
    if (!out)
        return ERR(MEMORY_POOL);
    if (size)
        memcpy(out, payload, size);
    mail_close(shard);
    return 0;
}

uint32_t
mail_backlog_count(const struct shard *shard, uint32_t to)
{
    assert(to < shard->count);
    return shard->mailbox->outbound[to].sealed_count[MESSAGE_CLASS_EXCHANGE - 1];
}

bool
mail_is_stuck(const struct shard *shard)
{
    return shard->mailbox->is_starved || shard->mailbox->dirty != 0;
}

/* ---- receiving ---- */

void
mail_handler_set(struct shard *shard, enum message_type type, message_handler_fn *handler)
{
    assert(type > MESSAGE_NONE && type < MESSAGE_TYPE_COUNT && handler);
    shard->mailbox->handlers[type] = handler;
}

/* One reader less; the last one sends the block home. */
static void
block_drop(struct shard *shard, struct block *block)
{
    assert(block->hold_count > 0);
    if (--block->hold_count > 0)
        return;
    block->used_size = 0;
    block->message_count = 0;
    if (block->owner == shard->index) {
        pool_put(shard, block);
        return;
    }
    struct outbound *outbound = &shard->mailbox->outbound[block->owner];
    /* A jumbo block goes to the front, where outbound_flush sees it. */
    if (outbound->home && !block_is_jumbo(block)) {
        block->home_next = outbound->home->home_next;
        outbound->home->home_next = block;
    } else {
        block->home_next = outbound->home;
        outbound->home = block;
    }
    outbound->home_count++;
    shard->mailbox->dirty |= UINT64_C(1) << block->owner;
}

struct block *
block_hold(struct shard *shard)
{
    struct block *block = shard->mailbox->handling;
    assert(block && block->hold_count > 0);
    block->hold_count++;
    return block;
}

void
block_release(struct shard *shard, struct block *block)
{
    block_drop(shard, block);
}

static void
block_handle(struct shard *shard, struct block *block)
{
    struct mailbox *mailbox = shard->mailbox;
    assert(!mailbox->handling && block->hold_count == 0 && block->used_size <= block->capacity);
    mailbox->handling = block;
    block->hold_count = 1;
    uint32_t offset = 0, message_count = block->message_count;
    for (uint32_t i = 0; i < message_count; i++) {
        const struct message *message = (const struct message *)(void *)(block->data + offset);
        assert(message->type > MESSAGE_NONE && message->type < MESSAGE_TYPE_COUNT);
        assert(message->from == block->owner && type_class[message->type] == block->class);
        offset += (uint32_t)sizeof(*message) + ((message->size + 15) & ~UINT32_C(15));
        assert(offset <= block->used_size);
        assert(mailbox->handlers[message->type]);
        mailbox->handlers[message->type](shard, message);
        assert(!mailbox->writing);
    }
    mailbox->handling = NULL;
    shard->work_count += message_count;
    metric_add(&shard->metrics.mail_messages_received, message_count);
    block_drop(shard, block);
}

static void
ring_drain(struct shard *shard, uint32_t from)
{
    struct seam *seam = shard->seam;
    struct block *block;
    while ((block = seam->ops->mail_pop(seam, from))) {
        if (block->owner == shard->index) {
            pool_put_chain(shard, block);
            continue;
        }
        assert(block->owner == from && block->class >= 1 && block->class <= CLASS_COUNT);
        list_push_back(&shard->mailbox->inbound[block->class - 1], &block->link);
        metric_add(&shard->metrics.mail_blocks_received, 1);
    }
}

void
mail_drain(struct shard *shard)
{
    static const uint32_t block_count_max[CLASS_COUNT] = {
        UINT32_MAX, CONTROL_BLOCKS_PER_TURN, EXCHANGE_BLOCKS_PER_TURN};
    struct mailbox *mailbox = shard->mailbox;
    for (uint32_t from = 0; from < shard->count; from++)
        if (from != shard->index)
            ring_drain(shard, from);
    for (uint32_t class_index = 0; class_index < CLASS_COUNT; class_index++) {
        struct list_link *inbound = &mailbox->inbound[class_index];
        /* What a handler sends to its own shard may be sealed at once; it waits for the next turn. */
        struct list_link *last = inbound->prev;
        for (uint32_t i = 0; i < block_count_max[class_index] && !list_is_empty(inbound); i++) {
            struct list_link *first = list_pop_front(inbound);
            block_handle(shard, list_entry(first, struct block, link));
            if (first == last)
                break;
        }
    }
}

bool
mail_is_waiting(const struct shard *shard)
{
    for (uint32_t class_index = 0; class_index < CLASS_COUNT; class_index++)
        if (!list_is_empty(&shard->mailbox->inbound[class_index]))
            return true;
    return false;
}

/* Every shard has stopped turning: what is still here, whoever's it is, is only given back by its owner.
 * Blocks that other shards hold are not ours to touch; their memory goes with this shard's source. */
void
mail_destroy(struct shard *shard)
{
    struct mailbox *mailbox = shard->mailbox;
    assert(mailbox && !mailbox->writing && !mailbox->handling);
    while (!list_is_empty(&mailbox->free))
        block_delete(shard, list_entry(list_pop_front(&mailbox->free), struct block, link));
    memory_release(shard_memory(shard), mailbox, mailbox_size(shard));
    shard->mailbox = NULL;
}
