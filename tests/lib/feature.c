#include "tests/lib/feature.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/value/value_ops.h"
#include "tests/lib/feature_value.h"
#include "tests/lib/world.h"

enum { LINE_COUNT_MAX = 4000, CELL_COUNT_MAX = 64, ROW_COUNT_MAX = 600, STEP_COUNT_MAX = 64 };

/* A table under a step: cells as text, the first row its header. */
struct table {
    uint32_t row_count, column_count;
    char *cells[ROW_COUNT_MAX][CELL_COUNT_MAX];
};

struct step_line {
    const char *text; /* without its keyword */
    char *block;      /* between triple quotes; NULL */
    struct table *table;
};

struct scenario {
    char name[512];
    bool is_outline;
    struct step_line steps[STEP_COUNT_MAX];
    uint32_t step_count;
};

/* A scenario at work. */
struct playing {
    struct feature_run *run;
    struct world *world;
    struct arena arena;
    struct map_entry parameters[CELL_COUNT_MAX];
    uint32_t parameter_count;
    struct statement *result;
    bool skip;
    char why[2048];
};

static bool
starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool
says(const char *text, const char *phrase)
{
    return strstr(text, phrase) != NULL;
}

static const char *
trimmed(char *line)
{
    while (*line == ' ' || *line == '\t')
        line++;
    size_t size = strlen(line);
    while (size && (line[size - 1] == ' ' || line[size - 1] == '\r' || line[size - 1] == '\n'))
        line[--size] = 0;
    return line;
}

/* --- reading --- */

static char *
file_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    fseek(file, 0, SEEK_SET);
    char *text = malloc((size_t)size + 1);
    assert(text);
    size_t got = fread(text, 1, (size_t)size, file);
    text[got] = 0;
    fclose(file);
    return text;
}

/* "| a | b |" into cells; an escaped bar is part of a cell. */
static uint32_t
cells_split(const char *line, char **cells)
{
    uint32_t count = 0;
    const char *at = line + 1;
    while (*at && count < CELL_COUNT_MAX) {
        char *cell = malloc(strlen(at) + 1);
        assert(cell);
        size_t size = 0;
        while (*at && *at != '|') {
            if (*at == '\\' && (at[1] == '|' || at[1] == '\\'))
                at++;
            cell[size++] = *at++;
        }
        if (!*at) {
            free(cell);
            break;
        }
        at++;
        while (size && cell[size - 1] == ' ')
            size--;
        cell[size] = 0;
        size_t lead = strspn(cell, " ");
        memmove(cell, cell + lead, size - (lead > size ? size : lead) + 1);
        cells[count++] = cell;
    }
    return count;
}

static void
table_free(struct table *table)
{
    for (uint32_t row = 0; table && row < table->row_count; row++)
        for (uint32_t i = 0; i < table->column_count; i++)
            free(table->cells[row][i]);
    free(table);
}

static void
scenario_clear(struct scenario *scenario)
{
    for (uint32_t i = 0; i < scenario->step_count; i++) {
        free(scenario->steps[i].block);
        table_free(scenario->steps[i].table);
    }
    scenario->step_count = 0;
    scenario->is_outline = false;
}

/* --- playing --- */

static void
fail(struct playing *playing, const char *format, ...)
{
    if (playing->why[0])
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(playing->why, sizeof(playing->why), format, args);
    va_end(args);
}

static struct statement *
statement_play(struct playing *playing, const char *text, bool with_parameters)
{
    struct value parameters = value_map(
        playing->parameters, with_parameters ? playing->parameter_count : 0);
    /* A statement comes from outside the loop: as a session's bytes would, something must wake the shard. */
    struct seam *seam = sim_shard(world_sim(playing->world), 0)->seam;
    seam->ops->doorbell(seam, 0);
    return world_run(playing->world, 0, text, parameters);
}

static void
setup_play(struct playing *playing, const char *text)
{
    struct statement *statement = statement_play(playing, text, true);
    if (statement->err)
        fail(playing, "setup: %.*s", TEXT_ARGS(statement->message));
    statement_delete(statement);
}

static void
graph_load(struct playing *playing, const char *name, size_t name_size)
{
    char path[1024];
    if (!playing->run->graphs) {
        playing->skip = true;
        return;
    }
    snprintf(
        path, sizeof(path), "%s/%.*s/%.*s.cypher", playing->run->graphs, (int)name_size, name,
        (int)name_size, name);
    char *text = file_read(path);
    if (text)
        setup_play(playing, text);
    else
        playing->skip = true;
    free(text);
}

static void
parameters_read(struct playing *playing, const struct table *table)
{
    for (uint32_t row = 0; table && row < table->row_count; row++) {
        struct map_entry *entry = &playing->parameters[playing->parameter_count++];
        entry->key = arena_text(&playing->arena, text_of(table->cells[row][0]));
        if (!cell_value(&playing->arena, table->cells[row][1], &entry->value))
            fail(playing, "parameter %s is not understood", table->cells[row][1]);
    }
}

static int
line_compare(const void *a, const void *b)
{
    const struct text_buffer *x = a, *y = b;
    return strcmp(x->data, y->data);
}

static void
expected_lines(
    struct playing *playing, const struct table *table, bool any_order, struct text_buffer *lines)
{
    for (uint32_t row = 1; row < table->row_count; row++) {
        text_buffer_add(&lines[row - 1], "|", 1);
        for (uint32_t i = 0; i < table->column_count; i++) {
            if (!cell_canonical(&lines[row - 1], table->cells[row][i], any_order))
                fail(playing, "cell %s is not understood", table->cells[row][i]);
            text_buffer_add(&lines[row - 1], "|", 1);
        }
    }
}

/* Columns are matched by name: the order of a table's columns is not the order asked for. */
static bool
columns_match(struct playing *playing, const struct table *table, uint32_t *order)
{
    struct statement *result = playing->result;
    if (result->column_count != table->column_count) {
        fail(playing, "%u columns, expected %u", result->column_count, table->column_count);
        return false;
    }
    for (uint32_t i = 0; i < table->column_count; i++) {
        order[i] = UINT32_MAX;
        for (uint32_t k = 0; k < result->column_count; k++)
            if (text_equal(result->columns[k], text_of(table->cells[0][i])))
                order[i] = k;
        if (order[i] == UINT32_MAX) {
            fail(
                playing, "no column %s; the first is %.*s", table->cells[0][i],
                TEXT_ARGS(result->columns[0]));
            return false;
        }
    }
    return true;
}

static void
rows_differ(
    struct playing *playing,
    struct text_buffer *got,
    uint64_t got_count,
    struct text_buffer *wanted,
    uint32_t count)
{
    if (got_count != count) {
        fail(
            playing, "%llu rows, expected %u; first got %s", (unsigned long long)got_count, count,
            got_count ? got[0].data : "none");
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(got[i].data, wanted[i].data) != 0)
            fail(playing, "row %u is %s, expected %s", i, got[i].data, wanted[i].data);
}

static void
result_check(struct playing *playing, const struct table *table, const char *text)
{
    struct statement *result = playing->result;
    bool any_order = says(text, "ignoring element order"), in_order = says(text, ", in order");
    uint32_t order[CELL_COUNT_MAX];
    if (result->err) {
        fail(playing, "failed: %.*s", TEXT_ARGS(result->message));
        return;
    }
    if (!table) {
        if (result->row_count)
            fail(playing, "%llu rows, expected none", (unsigned long long)result->row_count);
        return;
    }
    if (!columns_match(playing, table, order))
        return;
    uint32_t wanted_count = table->row_count - 1;
    struct text_buffer *wanted = calloc(wanted_count + 1, sizeof(*wanted));
    struct text_buffer *got = calloc(result->row_count + 1, sizeof(*got));
    assert(wanted && got);
    expected_lines(playing, table, any_order, wanted);
    for (uint64_t row = 0; row < result->row_count; row++) {
        text_buffer_add(&got[row], "|", 1);
        for (uint32_t i = 0; i < table->column_count; i++) {
            value_canonical(
                &got[row], result->rows[row * result->column_count + order[i]], any_order);
            text_buffer_add(&got[row], "|", 1);
        }
    }
    if (!in_order) {
        qsort(wanted, wanted_count, sizeof(*wanted), line_compare);
        qsort(got, result->row_count, sizeof(*got), line_compare);
    }
    rows_differ(playing, got, result->row_count, wanted, wanted_count);
    for (uint32_t i = 0; i < wanted_count; i++)
        text_buffer_free(&wanted[i]);
    for (uint64_t i = 0; i < result->row_count; i++)
        text_buffer_free(&got[i]);
    free(wanted);
    free(got);
}

/* Counts of nodes and relationships are compared; the kit counts labels and properties by what the graph
 * holds before and after, which a summary does not say. */
static void
effects_check(struct playing *playing, const struct table *table)
{
    if (playing->result->err)
        return;
    const struct write_counters *counters = &playing->result->summary.counters;
    uint64_t wanted[4] = {0};
    static const char *const names[4] = {"+nodes", "-nodes", "+relationships", "-relationships"};
    for (uint32_t row = 0; table && row < table->row_count; row++)
        for (uint32_t i = 0; i < 4; i++)
            if (strcmp(table->cells[row][0], names[i]) == 0)
                wanted[i] = strtoull(table->cells[row][1], NULL, 10);
    uint64_t got[4] = {
        counters->nodes_created, counters->nodes_deleted, counters->rels_created,
        counters->rels_deleted};
    for (uint32_t i = 0; i < 4; i++)
        if (got[i] != wanted[i])
            fail(
                playing, "%s: %llu, expected %llu", names[i], (unsigned long long)got[i],
                (unsigned long long)wanted[i]);
}

static bool
error_fits(const char *text, enum err_code code)
{
    if (says(text, "SyntaxError"))
        return code == ERR_SYNTAX || code == ERR_SEMANTIC || code == ERR_UNSUPPORTED;
    if (says(text, "TypeError"))
        return code == ERR_TYPE || code == ERR_SYNTAX;
    if (says(text, "ArgumentError"))
        return code == ERR_ARGUMENT;
    if (says(text, "ArithmeticError"))
        return code == ERR_ARITHMETIC || code == ERR_DIVISION_BY_ZERO;
    if (says(text, "EntityNotFound"))
        return code == ERR_ENTITY_NOT_FOUND;
    if (says(text, "ParameterMissing"))
        return code == ERR_PARAMETER_MISSING;
    if (says(text, "Constraint"))
        return code == ERR_CONSTRAINT || code == ERR_NODE_HAS_RELATIONSHIPS;
    return true;
}

static void
error_check(struct playing *playing, const char *text)
{
    const struct statement *result = playing->result;
    enum err_code code = err_code(result->err);
    if (!result->err)
        fail(playing, "no error, expected: %s", text);
    else if (code == ERR_INTERNAL || code == ERR_MEMORY_QUERY || code == ERR_MEMORY_POOL)
        fail(playing, "failed as it should not: %.*s", TEXT_ARGS(result->message));
    else if (playing->run->strict_errors && !error_fits(text, code))
        fail(playing, "%s (%.*s), expected: %s", err_name(code), TEXT_ARGS(result->message), text);
}

static void
step_play(struct playing *playing, const struct step_line *step)
{
    const char *text = step->text;
    bool executes = says(text, "executing query") || says(text, "executing control query");
    if (says(text, "having executed") && step->block) {
        setup_play(playing, step->block);
    } else if (executes && step->block) {
        if (playing->result)
            statement_delete(playing->result);
        playing->result = statement_play(playing, step->block, true);
    } else if (says(text, "parameters are")) {
        parameters_read(playing, step->table);
    } else if (starts(text, "the ") && says(text, " graph")) {
        const char *name = text + 4;
        graph_load(playing, name, strcspn(name, " "));
    } else if (says(text, "there exists a procedure")) {
        playing->skip = true;
    } else if (says(text, "result should be empty")) {
        result_check(playing, NULL, text);
    } else if (says(text, "result should be")) {
        result_check(playing, step->table, text);
    } else if (says(text, "no side effects")) {
        effects_check(playing, NULL);
    } else if (says(text, "side effects should be")) {
        effects_check(playing, step->table);
    } else if (says(text, "should be raised")) {
        error_check(playing, text);
    } else if (!says(text, "empty graph") && !says(text, "any graph")) {
        fail(playing, "step not understood: %s", text);
    }
}

static void
scenario_play(struct feature_run *run, const struct scenario *scenario)
{
    if (run->only && !strstr(scenario->name, run->only))
        return;
    struct playing playing = {.run = run};
    arena_create(&playing.arena, memory_heap(), 16 << 20);
    struct sim_options options = {.memory_limit_size = 1 << 30};
    playing.world = world_new(run->seed++, run->shard_count, &options);
    for (uint32_t i = 0; i < scenario->step_count && !playing.skip && !playing.why[0]; i++)
        step_play(&playing, &scenario->steps[i]);
    if (playing.skip)
        run->skipped++;
    else if (playing.why[0])
        run->failed++;
    else
        run->passed++;
    if (run->verbose && !playing.skip && playing.why[0])
        fprintf(
            stderr, "  FAILED %s (%u shards)\n         %s\n", scenario->name, run->shard_count,
            playing.why);
    if (playing.result)
        statement_delete(playing.result);
    world_delete(playing.world);
    arena_destroy(&playing.arena);
}

/* --- outlines --- */

/* A copy of the text with <name> replaced from the row. */
static char *
example_fill(const char *text, const struct table *examples, uint32_t row)
{
    struct text_buffer out = {0};
    text_buffer_add(&out, "", 0);
    for (const char *at = text; *at;) {
        bool replaced = false;
        for (uint32_t i = 0; *at == '<' && i < examples->column_count && !replaced; i++) {
            size_t size = strlen(examples->cells[0][i]);
            if (strncmp(at + 1, examples->cells[0][i], size) != 0 || at[size + 1] != '>')
                continue;
            text_buffer_add(&out, examples->cells[row][i], strlen(examples->cells[row][i]));
            at += size + 2;
            replaced = true;
        }
        if (!replaced)
            text_buffer_add(&out, at++, 1);
    }
    return out.data;
}

static void
outline_play(struct feature_run *run, const struct scenario *outline, const struct table *examples)
{
    struct scenario *one = calloc(1, sizeof(*one));
    assert(one);
    for (uint32_t row = 1; row < examples->row_count; row++) {
        snprintf(one->name, sizeof(one->name), "%.480s (example %u)", outline->name, row);
        one->step_count = outline->step_count;
        char *texts[STEP_COUNT_MAX];
        for (uint32_t i = 0; i < outline->step_count; i++) {
            const struct step_line *step = &outline->steps[i];
            texts[i] = example_fill(step->text, examples, row);
            one->steps[i] = (struct step_line){.text = texts[i]};
            if (step->block)
                one->steps[i].block = example_fill(step->block, examples, row);
            if (!step->table)
                continue;
            struct table *table = calloc(1, sizeof(*table));
            assert(table);
            table->row_count = step->table->row_count;
            table->column_count = step->table->column_count;
            for (uint32_t r = 0; r < table->row_count; r++)
                for (uint32_t c = 0; c < table->column_count; c++)
                    table->cells[r][c] = example_fill(step->table->cells[r][c], examples, row);
            one->steps[i].table = table;
        }
        scenario_play(run, one);
        scenario_clear(one);
        for (uint32_t i = 0; i < outline->step_count; i++)
            free(texts[i]);
    }
    free(one);
}

/* --- files --- */

/* What the reader stands in. */
struct reading {
    struct feature_run *run;
    struct scenario scenario;
    struct scenario background;
    bool in_background;
    char *lines[LINE_COUNT_MAX];
    uint32_t line_count, at;
};

static struct table *
table_read(struct reading *reading)
{
    struct table *table = calloc(1, sizeof(*table));
    assert(table);
    while (reading->at < reading->line_count) {
        const char *line = trimmed(reading->lines[reading->at]);
        if (*line == '#' || !*line) {
            reading->at++;
            continue;
        }
        if (*line != '|' || table->row_count == ROW_COUNT_MAX)
            break;
        table->column_count = cells_split(line, table->cells[table->row_count++]);
        reading->at++;
    }
    return table;
}

static char *
block_read(struct reading *reading)
{
    struct text_buffer out = {0};
    text_buffer_add(&out, "", 0);
    reading->at++;
    for (; reading->at < reading->line_count; reading->at++) {
        char *line = reading->lines[reading->at];
        if (starts(line + strspn(line, " \t"), "\"\"\""))
            break;
        size_t lead = strspn(line, " ");
        line += lead < 6 ? lead : 6;
        text_buffer_add(&out, line, strlen(line));
        text_buffer_add(&out, "\n", 1);
    }
    reading->at++;
    return out.data;
}

static void
scenario_end(struct reading *reading)
{
    if (reading->scenario.step_count && !reading->scenario.is_outline)
        scenario_play(reading->run, &reading->scenario);
    scenario_clear(&reading->scenario);
}

static void
scenario_begin(struct reading *reading, const char *line)
{
    scenario_end(reading);
    reading->in_background = starts(line, "Background");
    reading->scenario.is_outline = starts(line, "Scenario Outline");
    const char *name = strchr(line, ':');
    snprintf(reading->scenario.name, sizeof(reading->scenario.name), "%s", name ? name + 1 : "");
    for (uint32_t i = 0; !reading->in_background && i < reading->background.step_count; i++) {
        const struct step_line *step = &reading->background.steps[i];
        reading->scenario.steps[i] = (struct step_line){
            .text = step->text, .block = step->block ? strdup(step->block) : NULL};
        reading->scenario.step_count = i + 1;
    }
}

static void
step_read(struct reading *reading, const char *line)
{
    struct scenario *scenario = reading->in_background ? &reading->background : &reading->scenario;
    reading->at++;
    if (scenario->step_count == STEP_COUNT_MAX)
        return;
    struct step_line *step = &scenario->steps[scenario->step_count++];
    *step = (struct step_line){.text = strchr(line, ' ') + 1};
    while (reading->at < reading->line_count && !*trimmed(reading->lines[reading->at]))
        reading->at++;
    if (reading->at == reading->line_count)
        return;
    char *next = reading->lines[reading->at];
    if (starts(next + strspn(next, " \t"), "\"\"\""))
        step->block = block_read(reading);
    else if (*trimmed(next) == '|')
        step->table = table_read(reading);
}

static void
line_read(struct reading *reading)
{
    const char *line = trimmed(reading->lines[reading->at]);
    if (starts(line, "Scenario") || starts(line, "Background")) {
        scenario_begin(reading, line);
        reading->at++;
    } else if (starts(line, "Examples")) {
        reading->at++;
        struct table *examples = table_read(reading);
        outline_play(reading->run, &reading->scenario, examples);
        table_free(examples);
    } else if (
        starts(line, "Given ") || starts(line, "When ") || starts(line, "Then ") ||
        starts(line, "And ") || starts(line, "But ")) {
        step_read(reading, line);
    } else {
        reading->at++;
    }
}

bool
feature_file_run(struct feature_run *run, const char *path)
{
    char *text = file_read(path);
    if (!text)
        return false;
    struct reading *reading = calloc(1, sizeof(*reading));
    assert(reading);
    reading->run = run;
    for (char *line = text; line && reading->line_count < LINE_COUNT_MAX;) {
        char *end = strchr(line, '\n');
        if (end)
            *end = 0;
        reading->lines[reading->line_count++] = line;
        line = end ? end + 1 : NULL;
    }
    while (reading->at < reading->line_count)
        line_read(reading);
    scenario_end(reading);
    scenario_clear(&reading->background);
    free(reading);
    free(text);
    return true;
}
