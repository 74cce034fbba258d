/* The life of statements and transactions: pulling, stopping, time, memory, conflicts; and that nothing is
 * left on any shard when they are over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/route/engine.h"
#include "tests/lib/world.h"

/* A statement driven by hand. */
struct session {
    struct world *world;
    struct query *query;
    bool planned, paused, finished, failed;
    bool full; /* the receiver takes one batch, then says it is full */
    uint64_t rows;
    int64_t sum;
    err_t err;
    char message[256];
    int64_t offset;
    struct query_summary summary;
};

static void
on_fields(void *context, const struct text *names, uint32_t count)
{
    struct session *session = context;
    assert_true(count == 0 || names != NULL);
    session->planned = true;
}

static bool
on_rows(void *context, const struct batch *batch)
{
    struct session *session = context;
    for (uint32_t row = 0; row < batch->row_count && batch->column_count; row++) {
        struct value value = batch_value(batch, 0, row);
        session->sum += value.type == VALUE_INTEGER ? value.integer : 0;
    }
    session->rows += batch->row_count;
    return !session->full;
}

static void
on_paused(void *context)
{
    ((struct session *)context)->paused = true;
}

static void
on_finished(void *context, const struct query_summary *summary)
{
    struct session *session = context;
    assert_false(session->finished || session->failed);
    session->finished = true;
    session->summary = *summary;
}

static void
on_failed(void *context, const struct failure *failure)
{
    struct session *session = context;
    assert_false(session->finished || session->failed);
    session->failed = true;
    session->err = failure->err;
    session->offset = failure->offset;
    snprintf(session->message, sizeof(session->message), "%.*s", TEXT_ARGS(failure->message));
}

static const struct query_events events = {on_fields, on_rows, on_paused, on_finished, on_failed};

static void
shard_wake(struct world *world, uint32_t shard)
{
    struct seam *seam = sim_shard(world_sim(world), shard)->seam;
    seam->ops->doorbell(seam, shard);
}

static struct session *
session_run(
    struct world *world,
    uint32_t shard,
    const char *text,
    struct transaction *transaction,
    uint64_t timeout_ns)
{
    struct session *session = calloc(1, sizeof(*session));
    assert_non_null(session);
    session->world = world;
    struct query_options options = {
        .text = text_of(text),
        .parameters = value_map(NULL, 0),
        .transaction = transaction,
        .timeout_ns = timeout_ns,
        .events = &events,
        .context = session,
    };
    shard_wake(world, shard);
    assert_int_equal(query_run(sim_shard(world_sim(world), shard), &options, &session->query), 0);
    return session;
}

static bool
is_planned(void *context)
{
    struct session *session = context;
    return session->planned || session->failed;
}

static bool
is_still(void *context)
{
    struct session *session = context;
    return session->paused || session->finished || session->failed;
}

static void
session_plan(struct session *session)
{
    assert_true(sim_run_until(world_sim(session->world), is_planned, session, 60 * SIM_SECOND));
}

static void
session_pull(struct session *session, int64_t count)
{
    session->paused = false;
    shard_wake(session->world, 0);
    query_pull(session->query, count);
    assert_true(sim_run_until(world_sim(session->world), is_still, session, 600 * SIM_SECOND));
}

static void
session_free(struct session *session)
{
    shard_wake(session->world, 0);
    query_free(session->query);
    free(session);
}

static bool
engines_are_empty(void *context)
{
    struct world *world = context;
    for (uint32_t i = 0; i < sim_shard_count(world_sim(world)); i++) {
        struct engine *engine = shard_engine(sim_shard(world_sim(world), i));
        if (engine->run_count || !list_is_empty(&engine->buried) ||
            !list_is_empty(&engine->buried_queries))
            return false;
    }
    return true;
}

static void
assert_nothing_left(struct world *world)
{
    for (uint32_t i = 0; i < sim_shard_count(world_sim(world)); i++)
        shard_wake(world, i);
    assert_true(sim_run_until(world_sim(world), engines_are_empty, world, 60 * SIM_SECOND));
}

static void
execute(struct world *world, const char *text)
{
    struct session *session = session_run(world, 0, text, NULL, 0);
    session_plan(session);
    if (!session->failed)
        session_pull(session, INT64_MAX);
    if (session->failed)
        fprintf(stderr, "%s: %s\n", text, session->message);
    assert_true(session->finished);
    session_free(session);
}

static int64_t
number(struct world *world, const char *text)
{
    struct session *session = session_run(world, 0, text, NULL, 0);
    session_plan(session);
    session_pull(session, INT64_MAX);
    assert_true(session->finished);
    assert_int_equal(session->rows, 1);
    int64_t sum = session->sum;
    session_free(session);
    return sum;
}

static struct world *
world_with_nodes(uint64_t seed, uint32_t shard_count)
{
    struct world *world = world_new(seed, shard_count, NULL);
    for (uint32_t shard = 0; shard < shard_count; shard++) {
        struct statement *statement;
        shard_wake(world, shard);
        statement = world_run(
            world, shard, "UNWIND range(1, 1000) AS i CREATE (:N {i: i})-[:R]->(:M {i: i})",
            value_map(NULL, 0));
        assert_int_equal(statement->err, 0);
        statement_delete(statement);
    }
    return world;
}

static void
a_pull_gives_as_many_rows_as_asked(void **state)
{
    (void)state;
    struct world *world = world_with_nodes(1, 3);
    struct session *session = session_run(world, 0, "MATCH (n:N) RETURN n.i", NULL, 0);
    session_plan(session);
    for (uint32_t i = 1; i <= 5; i++) {
        session_pull(session, 7);
        assert_true(session->paused);
        assert_int_equal(session->rows, 7 * i);
    }
    session_pull(session, 2965);
    assert_true(session->finished);
    assert_int_equal(session->rows, 3000);
    assert_int_equal(session->sum, 3 * 500500);
    session_free(session);
    assert_nothing_left(world);
    world_delete(world);
}

static void
a_full_receiver_gets_nothing_until_it_resumes(void **state)
{
    (void)state;
    struct world *world = world_with_nodes(2, 2);
    struct session *session = session_run(
        world, 0, "UNWIND range(1, 100000) AS x RETURN x", NULL, 0);
    session->full = true;
    session_plan(session);
    query_pull(session->query, INT64_MAX);
    shard_wake(world, 0);
    sim_run_for(world_sim(world), SIM_SECOND);
    uint64_t before = session->rows;
    assert_true(before > 0 && before < 100000);
    sim_run_for(world_sim(world), SIM_SECOND);
    assert_int_equal(session->rows, before);
    session->full = false;
    query_resume(session->query);
    shard_wake(world, 0);
    assert_true(sim_run_until(world_sim(world), is_still, session, 60 * SIM_SECOND));
    assert_true(session->finished);
    assert_int_equal(session->rows, 100000);
    session_free(session);
    world_delete(world);
}

static void
a_paused_traversal_holds_bounded_memory_elsewhere(void **state)
{
    (void)state;
    struct world *world = world_with_nodes(3, 3);
    struct session *session = session_run(world, 0, "MATCH (a:N), (b:N) RETURN a.i + b.i", NULL, 0);
    session_plan(session);
    session_pull(session, 10);
    assert_true(session->paused);
    sim_run_for(world_sim(world), 5 * SIM_SECOND);
    for (uint32_t i = 0; i < 3; i++)
        assert_true(sim_shard(world_sim(world), i)->seam->memory.used_size < 64 << 20);
    session_free(session);
    assert_nothing_left(world);
    world_delete(world);
}

static void
a_limit_ends_the_run_on_all_shards(void **state)
{
    (void)state;
    for (uint32_t shards = 1; shards <= 4; shards++) {
        struct world *world = world_with_nodes(10 + shards, shards);
        for (uint32_t i = 0; i < 10; i++) {
            assert_int_equal(number(world, "MATCH (a:N), (b:M) WITH a LIMIT 3 RETURN count(a)"), 3);
            assert_int_equal(
                number(world, "MATCH (a:N)-[*1..2]-(b) WITH a LIMIT 5 RETURN count(a)"), 5);
        }
        assert_nothing_left(world);
        world_delete(world);
    }
}

static void
a_cancelled_statement_fails_and_leaves_nothing(void **state)
{
    (void)state;
    for (uint32_t shards = 1; shards <= 3; shards++) {
        for (uint32_t steps = 1; steps < 200; steps += 60) {
            struct world *world = world_with_nodes(20 + shards, shards);
            struct session *session = session_run(
                world, 0, "MATCH (a:N), (b:N), (c:N) RETURN count(a.i + b.i + c.i)", NULL, 0);
            session_plan(session);
            query_pull(session->query, INT64_MAX);
            shard_wake(world, 0);
            for (uint32_t i = 0; i < steps * 10; i++)
                sim_step(world_sim(world));
            assert_false(session->finished);
            query_cancel(session->query, ERR(TERMINATED));
            shard_wake(world, 0);
            assert_true(sim_run_until(world_sim(world), is_still, session, 60 * SIM_SECOND));
            assert_int_equal(err_code(session->err), ERR_TERMINATED);
            session_free(session);
            assert_nothing_left(world);
            world_delete(world);
        }
    }
}

static void
a_freed_statement_says_nothing_more(void **state)
{
    (void)state;
    struct world *world = world_with_nodes(30, 2);
    struct session *session = session_run(
        world, 0, "MATCH (a:N), (b:N), (c:N) RETURN count(*)", NULL, 0);
    session_plan(session);
    query_pull(session->query, INT64_MAX);
    shard_wake(world, 0);
    sim_run_for(world_sim(world), SIM_MILLISECOND);
    query_free(session->query);
    shard_wake(world, 0);
    assert_nothing_left(world);
    assert_false(session->finished || session->failed);
    free(session);
    world_delete(world);
}

static void
a_statement_out_of_time_fails(void **state)
{
    (void)state;
    struct world *world = world_with_nodes(31, 2);
    struct session *session = session_run(
        world, 0, "MATCH (a:N), (b:N), (c:N) RETURN count(*)", NULL, 50 * SIM_MILLISECOND);
    session_plan(session);
    session_pull(session, INT64_MAX);
    assert_int_equal(err_code(session->err), ERR_TIMED_OUT);
    session_free(session);
    assert_nothing_left(world);
    world_delete(world);
}

static void
a_statement_over_its_memory_fails_alone(void **state)
{
    (void)state;
    struct world *world = world_with_nodes(32, 2);
    for (uint32_t i = 0; i < 2; i++)
        engine_query_memory_set(sim_shard(world_sim(world), i), 4 << 20);
    static const char *const greedy[] = {
        "UNWIND range(1, 1000000) AS x RETURN collect(x)",
        "MATCH (a:N), (b:N) RETURN collect(a.i + b.i)",
        "MATCH (a:N), (b:N) WITH DISTINCT a.i AS a, b.i AS b RETURN count(*)",
        "MATCH (a:N), (b:N) RETURN a.i AS x, b.i ORDER BY x",
    };
    for (uint32_t i = 0; i < sizeof(greedy) / sizeof(*greedy); i++) {
        struct session *session = session_run(world, 0, greedy[i], NULL, 0);
        session_plan(session);
        session_pull(session, INT64_MAX);
        assert_int_equal(err_code(session->err), ERR_MEMORY_QUERY);
        session_free(session);
        assert_nothing_left(world);
    }
    assert_int_equal(number(world, "MATCH (n:N) RETURN count(*)"), 2000);
    world_delete(world);
}

static void
an_error_on_another_shard_is_told_with_its_place(void **state)
{
    (void)state;
    struct world *world = world_with_nodes(33, 3);
    struct session *session = session_run(
        world, 0, "MATCH (n:N) WHERE n.i / 0 > 1 RETURN n", NULL, 0);
    session_plan(session);
    session_pull(session, INT64_MAX);
    assert_int_equal(err_code(session->err), ERR_DIVISION_BY_ZERO);
    assert_int_equal(session->offset, 18);
    session_free(session);
    assert_nothing_left(world);
    world_delete(world);
}

static void
a_missing_parameter_is_named(void **state)
{
    (void)state;
    struct world *world = world_new(34, 1, NULL);
    struct session *session = session_run(world, 0, "RETURN $absent", NULL, 0);
    session_plan(session);
    assert_int_equal(err_code(session->err), ERR_PARAMETER_MISSING);
    assert_non_null(strstr(session->message, "absent"));
    session_free(session);
    world_delete(world);
}

static void
many_statements_at_once_all_end_right(void **state)
{
    (void)state;
    for (uint32_t shards = 2; shards <= 4; shards++) {
        struct world *world = world_with_nodes(70 + shards, shards);
        execute(world, "MATCH (a:N {i: 1}), (b:N) CREATE (a)-[:Q]->(b)");
        execute(world, "MATCH (a:N), (b:N {i: 2}) CREATE (a)-[:Q]->(b)");
        execute(world, "CREATE INDEX FOR (n:N) ON (n.i)");
        enum { AT_ONCE = 16, ROUNDS = 3 };
        for (uint32_t round = 0; round < ROUNDS; round++) {
            struct statement *statements[AT_ONCE];
            int64_t first = -1;
            for (uint32_t i = 0; i < AT_ONCE; i++) {
                shard_wake(world, i % shards);
                statements[i] = world_start(
                    world, i % shards,
                    "MATCH (a:N {i: 1})-[:Q]->()-[:Q]->(c) WHERE c.i < 500 RETURN count(*) AS n",
                    value_map(NULL, 0), NULL);
            }
            for (uint32_t i = 0; i < AT_ONCE; i++) {
                assert_true(world_await(world, statements[i]));
                assert_int_equal(statements[i]->err, 0);
                assert_int_equal(statements[i]->row_count, 1);
                first = first < 0 ? statements[i]->rows[0].integer : first;
                assert_true(first > 0);
                assert_int_equal(statements[i]->rows[0].integer, first);
                statement_delete(statements[i]);
            }
        }
        assert_nothing_left(world);
        world_delete(world);
    }
}

/* --- conflicts --- */

static void
writers_of_one_node_all_succeed(void **state)
{
    (void)state;
    for (uint32_t shards = 1; shards <= 3; shards++) {
        struct world *world = world_new(40 + shards, shards, NULL);
        execute(world, "CREATE (:Counter {n: 0})");
        enum { WRITERS = 12 };
        struct statement *writers[WRITERS];
        for (uint32_t i = 0; i < WRITERS; i++) {
            shard_wake(world, i % shards);
            writers[i] = world_start(
                world, i % shards, "MATCH (c:Counter) SET c.n = c.n + 1", value_map(NULL, 0), NULL);
        }
        int64_t succeeded = 0;
        for (uint32_t i = 0; i < WRITERS; i++) {
            assert_true(world_await(world, writers[i]));
            succeeded += writers[i]->err == 0;
            if (writers[i]->err)
                assert_true(err_is_transient(err_code(writers[i]->err)));
            statement_delete(writers[i]);
        }
        assert_true(succeeded >= WRITERS / 2);
        assert_int_equal(number(world, "MATCH (c:Counter) RETURN c.n"), succeeded);
        assert_nothing_left(world);
        world_delete(world);
    }
}

/* --- explicit transactions --- */

struct ending {
    bool done;
    err_t err;
    uint64_t bookmark;
};

static void
on_end(void *context, const struct failure *failure, uint64_t bookmark)
{
    struct ending *ending = context;
    ending->done = true;
    ending->err = failure ? failure->err : 0;
    ending->bookmark = bookmark;
}

static bool
is_ended(void *context)
{
    return ((struct ending *)context)->done;
}

static struct transaction *
transaction_open(struct world *world, bool read_only)
{
    struct ending ending = {0};
    struct transaction_options options = {.read_only = read_only};
    struct transaction *transaction;
    shard_wake(world, 0);
    assert_int_equal(
        transaction_begin(sim_shard(world_sim(world), 0), &options, on_end, &ending, &transaction),
        0);
    assert_true(sim_run_until(world_sim(world), is_ended, &ending, SIM_SECOND));
    assert_int_equal(ending.err, 0);
    return transaction;
}

static struct ending
transaction_close(struct world *world, struct transaction *transaction, bool commit)
{
    struct ending ending = {0};
    shard_wake(world, 0);
    if (commit)
        transaction_commit(transaction, on_end, &ending);
    else
        transaction_rollback(transaction, on_end, &ending);
    assert_true(sim_run_until(world_sim(world), is_ended, &ending, 60 * SIM_SECOND));
    return ending;
}

static struct session *
transaction_execute(struct world *world, struct transaction *transaction, const char *text)
{
    struct session *session = session_run(world, 0, text, transaction, 0);
    session_plan(session);
    if (!session->failed)
        session_pull(session, INT64_MAX);
    return session;
}

static void
a_transaction_sees_itself_and_others_only_after_commit(void **state)
{
    (void)state;
    for (uint32_t shards = 1; shards <= 3; shards++) {
        struct world *world = world_new(50 + shards, shards, NULL);
        struct transaction *transaction = transaction_open(world, false);
        session_free(
            transaction_execute(world, transaction, "UNWIND range(1, 10) AS i CREATE (:T {i: i})"));
        struct session *own = transaction_execute(
            world, transaction, "MATCH (t:T) RETURN count(*)");
        assert_int_equal(own->sum, 10);
        session_free(own);
        assert_int_equal(number(world, "MATCH (t:T) RETURN count(*)"), 0);
        struct ending ending = transaction_close(world, transaction, true);
        assert_int_equal(ending.err, 0);
        assert_true(ending.bookmark > 0);
        assert_int_equal(number(world, "MATCH (t:T) RETURN count(*)"), 10);
        world_delete(world);
    }
}

static void
a_rolled_back_transaction_leaves_no_trace(void **state)
{
    (void)state;
    struct world *world = world_with_nodes(54, 2);
    struct transaction *transaction = transaction_open(world, false);
    session_free(transaction_execute(world, transaction, "MATCH (n:N) DETACH DELETE n"));
    struct ending ending = transaction_close(world, transaction, false);
    assert_int_equal(ending.err, 0);
    assert_int_equal(number(world, "MATCH (n:N)-[:R]->(:M) RETURN count(*)"), 2000);
    world_delete(world);
}

static void
a_failed_statement_dooms_its_transaction(void **state)
{
    (void)state;
    struct world *world = world_new(55, 2, NULL);
    struct transaction *transaction = transaction_open(world, false);
    session_free(transaction_execute(world, transaction, "CREATE (:T)"));
    struct session *bad = transaction_execute(world, transaction, "RETURN 1 / 0");
    assert_true(bad->failed);
    session_free(bad);
    struct session *after = transaction_execute(world, transaction, "RETURN 1");
    assert_int_equal(err_code(after->err), ERR_TRANSACTION_FAILED);
    session_free(after);
    struct ending ending = transaction_close(world, transaction, true);
    assert_true(ending.err != 0);
    assert_int_equal(number(world, "MATCH (t:T) RETURN count(*)"), 0);
    world_delete(world);
}

static void
several_statements_of_a_transaction_take_turns(void **state)
{
    (void)state;
    struct world *world = world_with_nodes(56, 2);
    struct transaction *transaction = transaction_open(world, false);
    struct session *a = session_run(world, 0, "MATCH (n:N) RETURN n.i", transaction, 0);
    struct session *b = session_run(world, 0, "UNWIND range(1, 100) AS x RETURN x", transaction, 0);
    session_plan(a);
    session_plan(b);
    while (!a->finished || !b->finished) {
        if (!a->finished)
            session_pull(a, 300);
        if (!b->finished)
            session_pull(b, 30);
        assert_false(a->failed || b->failed);
    }
    assert_int_equal(a->rows, 2000);
    assert_int_equal(b->rows, 100);
    session_free(a);
    session_free(b);
    assert_int_equal(transaction_close(world, transaction, true).err, 0);
    world_delete(world);
}

static void
a_commit_runs_what_is_open_to_its_end(void **state)
{
    (void)state;
    struct world *world = world_new(57, 2, NULL);
    struct transaction *transaction = transaction_open(world, false);
    struct session *session = session_run(
        world, 0, "UNWIND range(1, 5) AS i CREATE (t:T) RETURN t", transaction, 0);
    session_plan(session);
    assert_int_equal(transaction_close(world, transaction, true).err, 0);
    assert_true(session->finished);
    session_free(session);
    assert_int_equal(number(world, "MATCH (t:T) RETURN count(*)"), 5);
    world_delete(world);
}

static void
reading_transactions_do_not_write(void **state)
{
    (void)state;
    struct world *world = world_new(58, 1, NULL);
    struct transaction *transaction = transaction_open(world, true);
    struct session *session = transaction_execute(world, transaction, "CREATE (:T)");
    assert_int_equal(err_code(session->err), ERR_ACCESS_MODE);
    session_free(session);
    transaction_close(world, transaction, false);
    world_delete(world);
}

static void
schema_commands_stand_alone(void **state)
{
    (void)state;
    struct world *world = world_new(59, 1, NULL);
    struct transaction *transaction = transaction_open(world, false);
    struct session *session = transaction_execute(
        world, transaction, "CREATE INDEX FOR (n:N) ON (n.x)");
    assert_int_equal(err_code(session->err), ERR_TRANSACTION_KIND);
    session_free(session);
    transaction_close(world, transaction, false);
    world_delete(world);
}

static void
counters_say_what_was_changed(void **state)
{
    (void)state;
    struct world *world = world_new(60, 3, NULL);
    struct session *session = session_run(
        world, 0, "CREATE (a:A:B {x: 1, y: 2})-[:R {z: 3}]->(b:C) SET b.w = 4", NULL, 0);
    session_plan(session);
    session_pull(session, INT64_MAX);
    assert_true(session->finished);
    const struct write_counters *counters = &session->summary.counters;
    assert_int_equal(counters->nodes_created, 2);
    assert_int_equal(counters->rels_created, 1);
    assert_int_equal(counters->labels_added, 3);
    assert_int_equal(counters->properties_set, 4);
    assert_true(session->summary.bookmark > 0);
    session_free(session);
    world_delete(world);
}

/* Each allocation of a statement fails once: it fails or it does not, but nothing stops or stays. */
static void
a_failing_allocation_fails_the_statement_only(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "MATCH (a:N)-[:R]->(b:M) WHERE a.i < 100 RETURN a.i % 3 AS g, count(*), collect(b.i)",
        "MATCH (a:N {i: 7})-[r*1..2]-(b) RETURN a, r, b ORDER BY b.i LIMIT 5",
        "MATCH (a:N) WHERE a.i < 20 MERGE (c:C {i: a.i % 5}) ON CREATE SET c.x = 1",
        "MATCH (a:N) WHERE a.i < 5 OPTIONAL MATCH (a)-->(b) DETACH DELETE b",
    };
    struct world *world = world_with_nodes(80, 1);
    for (uint32_t text = 0; text < sizeof(texts) / sizeof(*texts); text++) {
        for (uint32_t n = 1; n < 400; n += n < 40 ? 1 : 7) {
            struct session *session = session_run(world, 0, texts[text], NULL, 0);
            sim_allocation_fail_after(world_sim(world), 0, n);
            session_plan(session);
            if (!session->failed)
                session_pull(session, INT64_MAX);
            sim_allocation_fail_after(world_sim(world), 0, 0);
            assert_true(session->finished || session->failed);
            session_free(session);
            assert_nothing_left(world);
        }
    }
    world_delete(world);
}

static void
explain_plans_and_runs_nothing(void **state)
{
    (void)state;
    struct world *world = world_new(61, 2, NULL);
    struct session *session = session_run(world, 0, "EXPLAIN CREATE (:T)", NULL, 0);
    session_plan(session);
    session_pull(session, INT64_MAX);
    assert_true(session->finished);
    assert_non_null(session->summary.plan);
    session_free(session);
    assert_int_equal(number(world, "MATCH (t:T) RETURN count(*)"), 0);
    world_delete(world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pull_gives_as_many_rows_as_asked),
        cmocka_unit_test(a_full_receiver_gets_nothing_until_it_resumes),
        cmocka_unit_test(a_paused_traversal_holds_bounded_memory_elsewhere),
        cmocka_unit_test(a_limit_ends_the_run_on_all_shards),
        cmocka_unit_test(a_cancelled_statement_fails_and_leaves_nothing),
        cmocka_unit_test(a_freed_statement_says_nothing_more),
        cmocka_unit_test(a_statement_out_of_time_fails),
        cmocka_unit_test(a_statement_over_its_memory_fails_alone),
        cmocka_unit_test(an_error_on_another_shard_is_told_with_its_place),
        cmocka_unit_test(a_missing_parameter_is_named),
        cmocka_unit_test(many_statements_at_once_all_end_right),
        cmocka_unit_test(writers_of_one_node_all_succeed),
        cmocka_unit_test(a_transaction_sees_itself_and_others_only_after_commit),
        cmocka_unit_test(a_rolled_back_transaction_leaves_no_trace),
        cmocka_unit_test(a_failed_statement_dooms_its_transaction),
        cmocka_unit_test(several_statements_of_a_transaction_take_turns),
        cmocka_unit_test(a_commit_runs_what_is_open_to_its_end),
        cmocka_unit_test(reading_transactions_do_not_write),
        cmocka_unit_test(schema_commands_stand_alone),
        cmocka_unit_test(counters_say_what_was_changed),
        cmocka_unit_test(a_failing_allocation_fails_the_statement_only),
        cmocka_unit_test(explain_plans_and_runs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
