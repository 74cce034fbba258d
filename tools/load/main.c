/* quiver-import: CSV files into a new data directory. See tools/README.md. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "tools/load/load.h"

static int
usage(FILE *out)
{
    fputs(
        "usage: quiver-import --data DIR --nodes [LABEL[:LABEL ...]=]FILE[,FILE ...] ...\n"
        "                     --relationships [TYPE=]FILE[,FILE ...] ...\n\n"
        "  --data DIR               a new or empty data directory\n"
        "  --nodes ...              node files; the first file of each list begins with the "
        "header\n"
        "  --relationships ...      relationship files\n"
        "  --delimiter C            between fields (default `,`; `\\t` or TAB for a tab)\n"
        "  --array-delimiter C      between items of an array (default `;`)\n"
        "  --quote C                around fields (default `\"`)\n"
        "  --skip-bad-relationships a relationship whose ends do not exist is counted, not an "
        "error\n"
        "  --skip-duplicate-nodes   a node whose id is taken is counted, not an error\n"
        "  --workers N              threads (default: the cores)\n"
        "  --quiet                  no progress bar\n\n"
        "Headers are those of neo4j-admin: :ID(Space), :LABEL, :START_ID, :END_ID, :TYPE, name, "
        "name:int,\n"
        "name:float[], :IGNORE. Types: string, int, long, float, double, boolean, date, localtime, "
        "time,\n"
        "localdatetime, datetime, duration, and arrays of them.\n",
        out);
    return out == stdout ? 0 : 2;
}

static bool
character_parse(const char *argument, char *out)
{
    if (strcmp(argument, "TAB") == 0 || strcmp(argument, "\\t") == 0) {
        *out = '\t';
        return true;
    }
    *out = argument[0];
    return strlen(argument) == 1;
}

/* "A:B=x.csv,y.csv" into names and opened files. */
static bool
source_parse(
    struct source *source,
    const char *argument,
    bool relationships,
    char *message,
    size_t message_size)
{
    *source = (struct source){.relationships = relationships};
    const char *equals = strchr(argument, '=');
    const char *files = equals ? equals + 1 : argument;
    for (const char *at = argument; equals && at < equals;) {
        const char *stop = memchr(at, ':', (size_t)(equals - at));
        stop = stop && !relationships ? stop : equals;
        if (stop > at && source->name_count < SOURCE_NAME_COUNT_MAX)
            source->names[source->name_count++] = (struct text){at, (size_t)(stop - at)};
        at = stop + 1;
    }
    for (const char *at = files; *at;) {
        const char *stop = strchrnul(at, ',');
        char path[4096];
        snprintf(path, sizeof(path), "%.*s", (int)(stop - at), at);
        source->files = realloc(source->files, (source->file_count + 1) * sizeof(*source->files));
        assert(source->files);
        if (!csv_open(&source->files[source->file_count], path, message, message_size))
            return false;
        source->file_count++;
        at = *stop ? stop + 1 : stop;
    }
    if (source->file_count == 0)
        snprintf(message, message_size, "`%s` names no file", argument);
    return source->file_count > 0;
}

/* The first file has the header; a later one that repeats it has it skipped. */
static bool
source_header_read(
    struct source *source,
    struct csv_dialect dialect,
    struct arena *arena,
    char *message,
    size_t message_size)
{
    struct csv_file *first = &source->files[0];
    if (!header_read(
            first, dialect, source->relationships, arena, &source->header, message, message_size))
        return false;
    for (uint32_t i = 1; i < source->file_count; i++) {
        struct csv_file *file = &source->files[i];
        if (file->size >= first->header_size &&
            memcmp(file->data, first->data, first->header_size) == 0) {
            file->header_size = first->header_size;
            file->header_lines = first->header_lines;
        }
    }
    return true;
}

struct arguments {
    const char *data;
    struct load_options load;
    struct source *sources;
    uint32_t source_count;
};

static int
arguments_parse(
    int argc, char **argv, struct arguments *arguments, char *message, size_t message_size)
{
    static const struct option longs[] = {
        {"data", required_argument, NULL, 'd'},
        {"nodes", required_argument, NULL, 'n'},
        {"relationships", required_argument, NULL, 'r'},
        {"delimiter", required_argument, NULL, 'D'},
        {"array-delimiter", required_argument, NULL, 'a'},
        {"quote", required_argument, NULL, 'q'},
        {"skip-bad-relationships", no_argument, NULL, 'b'},
        {"skip-duplicate-nodes", no_argument, NULL, 'u'},
        {"workers", required_argument, NULL, 'w'},
        {"quiet", no_argument, NULL, 'Q'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int letter;
    bool good = true;
    while (good && (letter = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (letter) {
        case 'd':
            arguments->data = optarg;
            break;
        case 'n':
        case 'r':
            if (arguments->source_count == SOURCE_COUNT_MAX) {
                snprintf(message, message_size, "too many --nodes and --relationships");
                return 1;
            }
            if (!source_parse(
                    &arguments->sources[arguments->source_count++], optarg, letter == 'r', message,
                    message_size))
                return 1;
            break;
        case 'D':
            good = character_parse(optarg, &arguments->load.dialect.delimiter);
            break;
        case 'a':
            good = character_parse(optarg, &arguments->load.array_delimiter);
            break;
        case 'q':
            good = character_parse(optarg, &arguments->load.dialect.quote);
            break;
        case 'b':
            arguments->load.skip_bad_relationships = true;
            break;
        case 'u':
            arguments->load.skip_duplicate_nodes = true;
            break;
        case 'w':
            arguments->load.worker_count = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'Q':
            arguments->load.progress = false;
            break;
        case 'h':
            exit(usage(stdout));
        default:
            good = false;
        }
    }
    if (!good || optind != argc || !arguments->data || !arguments->source_count ||
        arguments->load.worker_count < 1 || arguments->load.worker_count > SHARD_COUNT_MAX)
        return usage(stderr);
    return 0;
}

static bool
import_run(struct arguments *arguments, struct arena *arena, char *message, size_t message_size)
{
    for (uint32_t i = 0; i < arguments->source_count; i++)
        if (!source_header_read(
                &arguments->sources[i], arguments->load.dialect, arena, message, message_size))
            return false;
    struct sink *sink;
    if (!sink_open(
            arguments->data, arguments->load.worker_count, arguments->load.worker_count, &sink,
            message, message_size))
        return false;
    struct load_totals totals;
    bool good = load_run(
        &arguments->load, arguments->sources, arguments->source_count, sink, &totals, message,
        message_size);
    if (good && !sink_finish(sink)) {
        snprintf(message, message_size, "%s", sink_error(sink));
        good = false;
    }
    if (good) {
        printf(
            "imported %llu nodes, %llu relationships, %llu properties in %.2f s (%.2f M rows/s, "
            "log %.1f MiB)\n",
            (unsigned long long)totals.nodes, (unsigned long long)totals.relationships,
            (unsigned long long)totals.properties, totals.seconds,
            (double)(totals.nodes + totals.relationships) / totals.seconds / 1e6,
            (double)sink_bytes(sink) / 1048576);
        if (totals.skipped_nodes || totals.skipped_relationships)
            printf(
                "skipped %llu nodes with an id that was taken, %llu relationships without an end\n",
                (unsigned long long)totals.skipped_nodes,
                (unsigned long long)totals.skipped_relationships);
    }
    sink_close(sink);
    return good;
}

int
main(int argc, char **argv)
{
    char message[4096] = "";
    struct arguments arguments = {
        .load =
            {.dialect = {.delimiter = ',', .quote = '"'},
             .array_delimiter = ';',
             .worker_count = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN),
             .progress = true},
        .sources = calloc(SOURCE_COUNT_MAX, sizeof(struct source)),
    };
    assert(arguments.sources);
    struct arena arena;
    arena_create(&arena, memory_heap(), SIZE_MAX);
    int result = arguments_parse(argc, argv, &arguments, message, sizeof(message));
    if (result == 0 && !import_run(&arguments, &arena, message, sizeof(message)))
        result = 1;
    if (*message)
        fprintf(stderr, "quiver-import: %s\n", message);
    for (uint32_t i = 0; i < arguments.source_count; i++) {
        for (uint32_t k = 0; k < arguments.sources[i].file_count; k++)
            csv_close(&arguments.sources[i].files[k]);
        free(arguments.sources[i].files);
    }
    free(arguments.sources);
    arena_destroy(&arena);
    return result;
}
