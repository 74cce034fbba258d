/* Procedures: what CALL and SHOW run. One list, procedures.def; one function each. All of them tell
 * about names, schema and server, from what the home shard knows, so they are synchronous and their
 * rows are few.
 *
 * SHOW commands are procedures called "SHOW INDEXES", "SHOW CONSTRAINTS", "SHOW DATABASES",
 * "SHOW PROCEDURES", "SHOW FUNCTIONS": the planner looks them up by that name. Their columns flagged
 * `brief` are the ones shown without YIELD; procedures proper have all columns brief. */
#ifndef ENGINE_RUN_PROCEDURE_H
#define ENGINE_RUN_PROCEDURE_H

#include "engine/run/execution.h"

enum { PROCEDURE_COLUMN_COUNT_MAX = 32 };

struct procedure_column {
    struct text name;
    struct text type; /* as Cypher writes it: STRING, LIST<STRING>, ... */
    bool brief;
};

struct procedure_call;

struct procedure {
    struct text name; /* db.labels; matched without regard to ASCII case */
    struct text mode; /* READ, WRITE, SCHEMA, DBMS */
    struct text description;
    struct text signature;
    uint8_t arguments_min, arguments_max;
    uint8_t column_count;
    const struct procedure_column *columns;
    err_t (*run)(struct procedure_call *call);
};

struct procedure_row {
    struct procedure_row *next;
    struct value *values; /* column_count */
};

struct procedure_call {
    struct execution *execution;
    const struct procedure *procedure;
    struct arena *arena; /* rows and what they point at */
    const struct value *arguments;
    uint32_t argument_count;
    struct procedure_row *first, *last;
};

/* NULL when there is no such procedure. */
const struct procedure *procedure_lookup(struct text name);
/* All of them, SHOW commands included. */
const struct procedure *procedure_list(uint32_t *count);
/* Index of a column by name, SLOT_NONE when there is none. */
uint32_t procedure_column_index(const struct procedure *procedure, struct text name);
/* Appends a row. */
err_t procedure_row_add(struct procedure_call *call, const struct value *values);

#endif
