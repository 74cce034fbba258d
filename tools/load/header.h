/* Headers in the style of neo4j-admin: `name`, `name:type`, `name:type[]`, `:ID`, `id:ID(Space)`, `:LABEL`,
 * `:START_ID(Space)`, `:END_ID(Space)`, `:TYPE`, `:IGNORE`. Source: the Neo4j operations manual, chapter on
 * neo4j-admin database import. */
#ifndef TOOLS_LOAD_HEADER_H
#define TOOLS_LOAD_HEADER_H

#include "base/arena.h"
#include "base/value.h"
#include "tools/load/csv.h"

enum column_role {
    ROLE_PROPERTY,
    ROLE_ID,
    ROLE_LABEL,
    ROLE_START,
    ROLE_END,
    ROLE_TYPE,
    ROLE_IGNORE
};

enum field_type {
    FIELD_STRING,
    FIELD_INTEGER,
    FIELD_FLOAT,
    FIELD_BOOLEAN,
    FIELD_DATE,
    FIELD_LOCAL_TIME,
    FIELD_TIME,
    FIELD_LOCAL_DATE_TIME,
    FIELD_DATE_TIME,
    FIELD_DURATION,
};

struct header_column {
    enum column_role role;
    enum field_type type;
    bool array;
    struct text name;     /* property name; size 0 = the id is not kept as a property */
    struct text space;    /* id space of ID, START_ID, END_ID; size 0 = the global one */
    uint32_t space_index; /* number of the id space, given by the loader */
    uint32_t key;         /* token, filled in by the loader; TOKEN_NONE when not a property */
};

struct header {
    uint32_t column_count;
    struct header_column *columns;
};

/* Parses the first record of the file; names are in `arena`. False: `message` names file, line and column. */
bool header_read(
    struct csv_file *file,
    struct csv_dialect dialect,
    bool relationships,
    struct arena *arena,
    struct header *header,
    char *message,
    size_t message_size);

/* A field as a value of the column's type; strings are lent from the field, lists and boxed values are in
 * `arena`. An empty unquoted field is null. False: `*why` is static text. */
bool field_parse(
    const struct header_column *column,
    struct text field,
    bool quoted,
    char array_delimiter,
    struct arena *arena,
    struct value *out,
    const char **why);

#endif
