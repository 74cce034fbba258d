/* Scenarios of the openCypher kind ("Given an empty graph / When executing query / Then the result should
 * be"), run against a database in the simulator. The language is the subset of Gherkin the openCypher
 * Technology Compatibility Kit uses; our own scenarios are written in it too.
 *
 *      struct feature_run run = {.shard_count = 2, .graphs = "tck/graphs"};
 *      feature_file_run(&run, "tests/cypher/features/match.feature");
 *      ... run.passed, run.failed, run.skipped ...
 *
 * A result cell and a value are compared as canonical text: maps by key, labels sorted, floats as Cypher
 * prints them. A scenario that needs what the kit's own procedures do is skipped. */
#ifndef TESTS_LIB_FEATURE_H
#define TESTS_LIB_FEATURE_H

#include <stdbool.h>
#include <stdint.h>

struct feature_run {
    uint32_t shard_count;
    const char *graphs; /* folder of named graphs; NULL: scenarios that use one are skipped */
    const char *only;   /* scenarios whose name holds this; NULL: all */
    bool verbose;       /* says what failed, and how */
    bool strict_errors; /* the kind of an error must fit, not only that there is one */
    uint64_t seed;
    uint32_t passed, failed, skipped;
};

/* Runs all scenarios of a file and adds to the counts. False when the file cannot be read. */
bool feature_file_run(struct feature_run *run, const char *path);

#endif
