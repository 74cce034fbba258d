/* The scenarios of tests/cypher/features on one to four shards; or, with --tck DIR, those of a copy of the
 * openCypher Technology Compatibility Kit, counted by folder.
 *
 *      test_features [--tck DIR] [--shards N] [--only TEXT] [--folder TEXT] [--strict] [--verbose] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/feature.h"

enum { PATH_SIZE_MAX = 1024, FILE_COUNT_MAX = 1024 };

struct files {
    char *paths[FILE_COUNT_MAX];
    uint32_t count;
};

static int
path_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Feature files under a folder, at any depth. */
static void
files_find(struct files *files, const char *folder)
{
    DIR *directory = opendir(folder);
    if (!directory)
        return;
    const struct dirent *entry;
    while ((entry = readdir(directory))) {
        char path[PATH_SIZE_MAX];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        const char *dot = strrchr(entry->d_name, '.');
        if (dot && strcmp(dot, ".feature") == 0 && files->count < FILE_COUNT_MAX)
            files->paths[files->count++] = strdup(path);
        else if (!dot)
            files_find(files, path);
    }
    closedir(directory);
}

static void
files_free(struct files *files)
{
    for (uint32_t i = 0; i < files->count; i++)
        free(files->paths[i]);
    files->count = 0;
}

static void
scenarios_pass(uint32_t shard_count)
{
    struct files files = {0};
    struct feature_run run = {
        .shard_count = shard_count, .verbose = true, .seed = 1000 * shard_count};
    files_find(&files, "tests/cypher/features");
    qsort(files.paths, files.count, sizeof(*files.paths), path_compare);
    assert_true(files.count > 0);
    for (uint32_t i = 0; i < files.count; i++)
        assert_true(feature_file_run(&run, files.paths[i]));
    files_free(&files);
    assert_int_equal(run.failed, 0);
    assert_int_equal(run.skipped, 0);
    assert_true(run.passed > 0);
}

static void
scenarios_pass_on_one_shard(void **state)
{
    (void)state;
    scenarios_pass(1);
}

static void
scenarios_pass_on_two_shards(void **state)
{
    (void)state;
    scenarios_pass(2);
}

static void
scenarios_pass_on_three_shards(void **state)
{
    (void)state;
    scenarios_pass(3);
}

static void
scenarios_pass_on_four_shards(void **state)
{
    (void)state;
    scenarios_pass(4);
}

/* --- the kit --- */

/* The folder of a file below `root`: what counts are kept for. */
static void
folder_name(const char *root, const char *path, char *out, size_t size)
{
    const char *inside = path + strlen(root);
    const char *slash = strrchr(inside, '/');
    snprintf(out, size, "%.*s", (int)(slash ? slash - inside : 0), inside);
}

static int
kit_run(const char *root, struct feature_run *run, const char *only_folder)
{
    struct files files = {0};
    char features[PATH_SIZE_MAX], graphs[PATH_SIZE_MAX];
    snprintf(features, sizeof(features), "%s/features", root);
    snprintf(graphs, sizeof(graphs), "%s/graphs", root);
    run->graphs = graphs;
    files_find(&files, features);
    qsort(files.paths, files.count, sizeof(*files.paths), path_compare);
    char folder[PATH_SIZE_MAX] = "", before[PATH_SIZE_MAX] = "";
    struct feature_run start = *run;
    for (uint32_t i = 0; i <= files.count; i++) {
        if (i < files.count)
            folder_name(features, files.paths[i], folder, sizeof(folder));
        if (before[0] && (i == files.count || strcmp(folder, before) != 0)) {
            uint32_t passed = run->passed - start.passed, failed = run->failed - start.failed;
            if (passed || failed)
                printf(
                    "%-50s %5u passed %5u failed %5u skipped\n", before, passed, failed,
                    run->skipped - start.skipped);
            fflush(stdout);
            start = *run;
        }
        if (i == files.count)
            break;
        snprintf(before, sizeof(before), "%s", folder);
        if (only_folder && !strstr(files.paths[i], only_folder))
            continue;
        if (run->verbose)
            fprintf(stderr, "%s\n", files.paths[i]);
        feature_file_run(run, files.paths[i]);
    }
    printf(
        "%-50s %5u passed %5u failed %5u skipped\n", "all", run->passed, run->failed, run->skipped);
    files_free(&files);
    return files.count > 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
    struct feature_run run = {.shard_count = 1, .seed = 1};
    const char *kit = NULL, *folder = NULL;
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--tck") == 0 && more)
            kit = argv[++i];
        else if (strcmp(argv[i], "--shards") == 0 && more)
            run.shard_count = (uint32_t)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--only") == 0 && more)
            run.only = argv[++i];
        else if (strcmp(argv[i], "--folder") == 0 && more)
            folder = argv[++i];
        else if (strcmp(argv[i], "--verbose") == 0)
            run.verbose = true;
        else if (strcmp(argv[i], "--strict") == 0)
            run.strict_errors = true;
    }
    if (kit)
        return kit_run(kit, &run, folder);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scenarios_pass_on_one_shard),
        cmocka_unit_test(scenarios_pass_on_two_shards),
        cmocka_unit_test(scenarios_pass_on_three_shards),
        cmocka_unit_test(scenarios_pass_on_four_shards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
