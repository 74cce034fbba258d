#include "shards/wal/record.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"

const char *
record_type_name(uint8_t type)
{
    static const char *const names[WAL_RECORD_TYPE_COUNT] = {
        [WAL_RECORD_NONE] = "NONE",
#define RECORD(name, text) [WAL_RECORD_##name] = #name,
#include "shards/wal/records.def"
#undef RECORD
    };
    return type < WAL_RECORD_TYPE_COUNT ? names[type] : "UNKNOWN";
}

/* Takes the header of the type off the front of the body. */
static err_t
record_head_take(struct wal_record *record, void *head, size_t head_size)
{
    if (record->size < head_size)
        return ERR(STORAGE_DAMAGE);
    memcpy(head, record->body, head_size);
    record->body += head_size;
    record->size -= (uint32_t)head_size;
    return 0;
}

err_t
record_decode(const uint8_t *payload, size_t size, size_t *offset, struct wal_record *out)
{
    struct wal_record_header header;
    assert(*offset <= size);
    if (size - *offset < sizeof(header))
        return ERR(STORAGE_DAMAGE);
    memcpy(&header, payload + *offset, sizeof(header));
    if (header.size > size || record_size(header.size) > size - *offset)
        return ERR(STORAGE_DAMAGE);
    if (header.zero[0] | header.zero[1] | header.zero[2])
        return ERR(STORAGE_DAMAGE);
    *out = (struct wal_record){
        .type = header.type, .size = header.size, .body = payload + *offset + sizeof(header)};
    *offset += record_size(header.size);
    switch ((enum wal_record_type)header.type) {
    case WAL_RECORD_TRANSACTION:
        return record_head_take(out, &out->transaction, sizeof(out->transaction));
    case WAL_RECORD_TRANSACTION_PART:
        return record_head_take(out, &out->part, sizeof(out->part));
    case WAL_RECORD_CATALOG:
        return 0;
    case WAL_RECORD_NONE:
    case WAL_RECORD_TYPE_COUNT:
    default:
        return ERR(STORAGE_DAMAGE);
    }
}

struct text
record_print(const struct wal_record *record, struct arena *arena)
{
    switch ((enum wal_record_type)record->type) {
    case WAL_RECORD_TRANSACTION:
        return arena_printf(
            arena,
            "TRANSACTION ts %" PRIu64 " txid %" PRIu64 " participants %#" PRIx64 " ahead %" PRIu64
            " bytes %u",
            record->transaction.timestamp, record->transaction.txid,
            record->transaction.participants, record->transaction.part_size, record->size);
    case WAL_RECORD_TRANSACTION_PART:
        return arena_printf(
            arena, "TRANSACTION_PART txid %" PRIu64 " bytes %u", record->part.txid, record->size);
    case WAL_RECORD_CATALOG:
    case WAL_RECORD_NONE:
    case WAL_RECORD_TYPE_COUNT:
    default:
        return arena_printf(arena, "%s bytes %u", record_type_name(record->type), record->size);
    }
}
