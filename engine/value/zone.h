/* Named time zones. Reading the zone database is file access, so whoever may do that hands in a
 * `struct zone_source`; the decoding of its files (RFC 8536, "TZif") is here. Without a source only
 * offsets and the names of UTC are known. */
#ifndef ENGINE_VALUE_ZONE_H
#define ENGINE_VALUE_ZONE_H

#include "base/error.h"
#include "base/text.h"

/* `lookup` gives the whole TZif file of the zone, lent for as long as the source lives; data NULL when
 * there is no such zone. It must not block: a source reads what it wants to offer before queries run. */
struct zone_source {
    struct text (*lookup)(struct zone_source *source, struct text name);
};

/* UTC, GMT, Z and the like: offset 0 without a database. */
bool zone_is_utc(struct text name);
/* The offset in force at an instant. ERR(NOT_FOUND): no such zone, or no source; ERR(REQUEST_FORMAT): damaged. */
err_t zone_offset_at(
    struct zone_source *source, struct text name, int64_t utc_seconds, int32_t *offset_seconds);
/* The offset in force at a time on the wall clock. In the hour that is skipped, the one before; in the
 * hour that comes twice, `preferred` when it is one of the two, else the earlier (summer). */
err_t zone_offset_local(
    struct zone_source *source,
    struct text name,
    int64_t local_seconds,
    int32_t preferred,
    int32_t *offset_seconds);

/* The offset at an instant by the TZif file `data`; checks every bound. */
err_t tzif_offset_at(struct text data, int64_t utc_seconds, int32_t *offset_seconds);

#endif
