/* Values as canonical text, for comparing expected cells with results; and cells as values, for
 * parameters. */
#ifndef TESTS_LIB_FEATURE_VALUE_H
#define TESTS_LIB_FEATURE_VALUE_H

#include "base/arena.h"
#include "base/value.h"

struct text_buffer {
    char *data;
    size_t size, room;
};
void text_buffer_add(struct text_buffer *buffer, const char *data, size_t size);
void text_buffer_free(struct text_buffer *buffer);

/* `any_order`: lists are compared as bags. */
void value_canonical(struct text_buffer *out, struct value value, bool any_order);
/* False when the cell is not in the language. */
bool cell_canonical(struct text_buffer *out, const char *cell, bool any_order);
bool cell_value(struct arena *arena, const char *cell, struct value *out);

#endif
