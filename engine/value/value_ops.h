/* What can be done with values. Pure functions: no state, no clock, memory only from the arena given.
 * Every shard uses them, and so do the store's indexes through encodings the planner makes. */
#ifndef ENGINE_VALUE_VALUE_OPS_H
#define ENGINE_VALUE_VALUE_OPS_H

#include "base/arena.h"
#include "base/error.h"
#include "base/value.h"

struct zone_source;

/* Three-valued logic. */
enum trit { TRIT_FALSE = 0, TRIT_TRUE = 1, TRIT_NULL = 2 };

static inline struct value
value_trit(enum trit trit)
{
    return trit == TRIT_NULL ? value_null() : value_boolean(trit == TRIT_TRUE);
}

/* `a = b` in Cypher: null when unknown; values of different types are not equal. */
enum trit value_equal(struct value a, struct value b);
/* Equivalence, for DISTINCT, grouping, and set look-ups: null = null, NaN = NaN, 1 = 1.0. */
bool value_equivalent(struct value a, struct value b);
/* Equal for values that are equivalent. */
uint64_t value_hash(struct value value, uint64_t seed);
/* `a < b`, ...: sets *order below, at or above zero; returns TRIT_NULL when not comparable (then the
 * comparison is null) and TRIT_FALSE when no order holds (NaN: all comparisons are false). */
enum trit value_compare(struct value a, struct value b, int *order);
/* The global order of ORDER BY, min and max: total, across types. Ascending: maps, nodes, relationships,
 * lists, paths, date-times, dates, times, durations, points, strings, booleans, numbers, NaN, null. */
int value_order(struct value a, struct value b);

/* A deep copy: everything the value points at is in the arena. */
err_t value_copy(struct arena *arena, struct value value, struct value *out);
/* Why the store would refuse it as a property (value_is_storable in shards/store/operation.h says whether):
 * "a map", "a list with different types"; NULL when it would not. */
const char *value_unstorable_reason(struct value value);

/* What to store for it: a list that mixes integers and floats becomes a list of floats; everything else
 * stays as it is (storable or not). Shallow. */
err_t value_storable_form(struct arena *arena, struct value value, struct value *out);

/* The name of the value's type as Cypher's type system has it: INTEGER, LIST, ZONED DATETIME ... */
const char *value_type_name(struct value value);
/* As valueType() shows it: "LIST<INTEGER NOT NULL> NOT NULL". data NULL when there is no memory. */
struct text value_type_text(struct arena *arena, struct value value);

/* Lookup in a map's entries; NULL when there is no such key. */
const struct value *
value_map_lookup(const struct map_entry *entries, uint32_t entry_count, struct text key);

/* The value as a Cypher literal, or as close as there is (entities, paths). data NULL: no memory. */
struct text value_print(struct arena *arena, struct value value);
/* As toString() writes it (strings without quotes); data NULL when the type has none or there is no memory. */
struct text value_to_string(struct arena *arena, struct value value);
/* Shortest decimal text that reads back as the same float, as Cypher writes it (1.0, 1.0E10); out holds 32 bytes. */
uint32_t value_print_float(double real, char *out);

/* Lists and maps over `items`, which they borrow; ERR(LIMIT) when they would nest deeper than
 * VALUE_DEPTH_MAX. Whatever builds a list or map out of computed values uses these, so that functions that
 * recurse over a value cannot run out of stack. */
enum { VALUE_DEPTH_MAX = 200 };
err_t value_list_make(const struct value *items, uint32_t item_count, struct value *out);
err_t value_map_make(const struct map_entry *entries, uint32_t entry_count, struct value *out);

/* The digits of that text without a point, and the power of ten of the first; `real` is finite, not negative. */
uint32_t value_float_digits(double real, char digits[20], int *exponent);

/* Arithmetic. Null operands give null. ERR(TYPE), ERR(ARITHMETIC), ERR(DIVISION_BY_ZERO), ERR(LIMIT),
 * ERR(MEMORY_QUERY). Zones are needed to add a duration to a date-time with a named zone. */
err_t value_add(
    struct arena *arena,
    struct zone_source *zones,
    struct value a,
    struct value b,
    struct value *out);
err_t value_subtract(
    struct arena *arena,
    struct zone_source *zones,
    struct value a,
    struct value b,
    struct value *out);
err_t value_multiply(struct arena *arena, struct value a, struct value b, struct value *out);
err_t value_divide(struct arena *arena, struct value a, struct value b, struct value *out);
err_t value_modulo(struct arena *arena, struct value a, struct value b, struct value *out);
err_t value_power(struct arena *arena, struct value a, struct value b, struct value *out);
err_t value_negate(struct arena *arena, struct value a, struct value *out);

static inline bool
value_is_number(struct value value)
{
    return value.type == VALUE_INTEGER || value.type == VALUE_FLOAT;
}

static inline double
value_real(struct value value)
{
    return value.type == VALUE_INTEGER ? (double)value.integer : value.real;
}

#endif
