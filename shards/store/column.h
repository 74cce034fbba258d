/* How a cell's word becomes a value: for the files of this folder that run over columns. */
#ifndef SHARDS_STORE_COLUMN_H
#define SHARDS_STORE_COLUMN_H

#include <string.h>

#include "shards/store/state.h"

static inline struct value
cell_value(uint8_t type, uint64_t word)
{
    if (word == CELL_ABSENT)
        return value_null();
    struct value value = {.type = type};
    value.word = word;
    if (type == VALUE_STRING)
        memcpy(&value.size, value.string - sizeof(value.size), sizeof(value.size));
    return value;
}

#endif
