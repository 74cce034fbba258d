/* What change_decode accepts must encode to the very same bytes; whatever catalog_replay is given, the
 * catalog stays whole. */
#include <stdlib.h>

#include "base/assert.h"
#include "shards/store/catalog_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_change(const uint8_t *data, size_t size)
{
    struct catalog_change change;
    size_t used;
    if (change_decode(data, size, &change, &used))
        return;
    assert(used <= size);
    uint8_t *again = malloc(used);
    assert(again);
    const uint8_t *end = change.type == CHANGE_TOKEN
                             ? change_token_encode(
                                   again, (enum token_kind)change.kind, change.token, change.name)
                             : change_index_encode(again, &change.index);
    assert((size_t)(end - again) == used && memcmp(again, data, used) == 0);
    free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seam seam = {.memory = *memory_heap()};
    struct shard shard = {.count = 1, .seam = &seam};
    check_change(data, size);
    err_t err = catalog_create(&shard, &shard.catalog);
    assert(!err);
    (void)catalog_replay(shard.catalog, data, size);
    for (unsigned kind = 0; kind < TOKEN_KIND_COUNT; kind++) {
        uint32_t count = catalog_token_count(shard.catalog, (enum token_kind)kind);
        for (uint32_t token = 0; token < count; token++) {
            struct text name = catalog_name(shard.catalog, (enum token_kind)kind, token);
            assert(catalog_lookup(shard.catalog, (enum token_kind)kind, name) == token);
        }
    }
    catalog_destroy(shard.catalog);
    return 0;
}
