/* Who sees a version: see state.h. */
#ifndef SHARDS_STORE_STAMP_H
#define SHARDS_STORE_STAMP_H

#include <stdbool.h>
#include <stdint.h>

#define STAMP_BASE UINT64_C(0) /* seen by everybody */
/* The timestamp of entries an index population brings; commits have later ones. */
#define STAMP_POPULATED UINT64_C(1)
#define STAMP_NEVER UINT64_MAX
#define STAMP_INTENT (UINT64_C(1) << 63)

static inline bool
stamp_is_intent(uint64_t stamp)
{
    return stamp != STAMP_NEVER && (stamp & STAMP_INTENT);
}

static inline bool
stamp_is_visible(uint64_t stamp, uint64_t snapshot, uint64_t txid)
{
    return stamp <= snapshot || stamp == (STAMP_INTENT | txid);
}

#endif
