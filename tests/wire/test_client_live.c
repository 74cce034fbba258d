/* The client library against a running quiverd, whose address is in QUIVER_URI; suite_client starts one and
 * runs this program. Without the variable every test is skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "quiver/quiver.h"

static struct qv_connection *
open_with(struct qv_options options)
{
    struct qv_connection *connection;
    options.uri = getenv("QUIVER_URI");
    options.receive_timeout_ms = 60000;
    enum qv_status status = qv_connection_open(&options, &connection);
    if (status != QV_OK)
        print_error("%s\n", qv_connection_error(connection)->message);
    assert_int_equal(status, QV_OK);
    return connection;
}

static int
setup(void **state)
{
    if (getenv("QUIVER_URI"))
        *state = open_with((struct qv_options){0});
    return 0;
}

static int
teardown(void **state)
{
    qv_connection_close(*state);
    return 0;
}

static struct qv_connection *
connection_of(void **state)
{
    if (!*state)
        skip();
    return *state;
}

static void
execute(struct qv_connection *connection, const char *statement)
{
    enum qv_status status = qv_execute(connection, statement, NULL);
    if (status != QV_OK)
        print_error("%s: %s\n", statement, qv_connection_error(connection)->message);
    assert_int_equal(status, QV_OK);
}

static struct qv_result *
run(struct qv_connection *connection, const char *statement, const struct qv_params *params)
{
    struct qv_result *result;
    assert_int_equal(qv_run(connection, statement, params, NULL, &result), QV_OK);
    return result;
}

static int64_t
ask_integer(struct qv_connection *connection, const char *statement)
{
    struct qv_result *result = run(connection, statement, NULL);
    enum qv_status status = qv_result_next(result);
    if (status != QV_OK)
        print_error("%s: %s\n", statement, qv_result_error(result)->message);
    assert_int_equal(status, QV_OK);
    assert_int_equal(qv_result_value(result, 0).type, QV_INTEGER);
    int64_t integer = qv_result_value(result, 0).integer;
    assert_int_equal(qv_result_next(result), QV_DONE);
    qv_result_close(result);
    return integer;
}

static void
values_come_back_as_they_were_sent(void **state)
{
    struct qv_connection *connection = connection_of(state);
    static const int64_t integers[] = {0, -1, -16, -17, 127, 128, -32769, INT64_MAX, INT64_MIN};
    struct qv_params *params = qv_params_new();
    qv_params_open_list(params, "v");
    for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++)
        qv_params_integer(params, NULL, integers[i]);
    qv_params_null(params, NULL);
    qv_params_boolean(params, NULL, true);
    qv_params_float(params, NULL, -0.125);
    qv_params_string(params, NULL, "zażółć \xF0\x9F\x98\x80");
    qv_params_open_map(params, NULL);
    qv_params_integer(params, "k", 1);
    qv_params_close(params);
    qv_params_date(params, NULL, (struct qv_date){19000});
    qv_params_time(params, NULL, (struct qv_time){3600000000005, 7200});
    qv_params_local_time(params, NULL, (struct qv_time){1, 0});
    qv_params_date_time(params, NULL, (struct qv_date_time){1700000000, 5, 3600, {"", 0}});
    qv_params_date_time(
        params, NULL, (struct qv_date_time){1700000000, 5, 0, {"Europe/Paris", 12}});
    qv_params_local_date_time(params, NULL, (struct qv_date_time){1700000000, 5, 0, {"", 0}});
    qv_params_duration(params, NULL, (struct qv_duration){14, 3, 5, 7});
    qv_params_point(params, NULL, (struct qv_point){4326, 2, 1.5, -2.5, 0});
    qv_params_point(params, NULL, (struct qv_point){9157, 3, 1, 2, 3});
    qv_params_close(params);
    struct qv_result *result = run(connection, "RETURN $v", params);
    if (qv_result_next(result) != QV_OK)
        fail_msg("%s", qv_result_error(result)->message);
    char text[1024];
    qv_value_print(qv_result_value(result, 0), QV_CYPHER, text, sizeof(text));
    assert_string_equal(
        text, "[0, -1, -16, -17, 127, 128, -32769, 9223372036854775807, -9223372036854775808, "
              "null, true, -0.125, "
              "'zażółć \xF0\x9F\x98\x80', {k: 1}, 2022-01-08, 01:00:00.000000005+02:00, "
              "00:00:00.000000001, "
              "2023-11-14T23:13:20.000000005+01:00, 2023-11-14T22:13:20.000000005Z[Europe/Paris], "
              "2023-11-14T22:13:20.000000005, P1Y2M3DT5.000000007S, point({srid: 4326, x: 1.5, y: "
              "-2.5}), "
              "point({srid: 9157, x: 1.0, y: 2.0, z: 3.0})]");
    qv_result_close(result);
    qv_params_delete(params);
}

static void
large_strings_cross_in_both_directions(void **state)
{
    struct qv_connection *connection = connection_of(state);
    size_t size = 3 << 20;
    char *text = malloc(size);
    for (size_t i = 0; i < size; i++)
        text[i] = (char)('a' + i % 26);
    struct qv_params *params = qv_params_new();
    qv_params_text(params, "t", (struct qv_text){text, size});
    struct qv_result *result = run(connection, "RETURN $t", params);
    assert_int_equal(qv_result_next(result), QV_OK);
    struct qv_text back = qv_value_text(qv_result_value(result, 0));
    assert_int_equal(back.size, size);
    assert_memory_equal(back.data, text, size);
    qv_result_close(result);
    qv_params_delete(params);
    free(text);
}

static void
long_streams_arrive_whole_at_any_fetch_size(void **state)
{
    struct qv_connection *connection = connection_of(state);
    static const int64_t fetch_sizes[] = {-1, 7, 1000, 100000, 0};
    for (size_t i = 0; i < sizeof(fetch_sizes) / sizeof(fetch_sizes[0]); i++) {
        struct qv_run_options options = {.fetch_size = fetch_sizes[i]};
        struct qv_result *result;
        int64_t rows = 0;
        assert_int_equal(
            qv_run(connection, "UNWIND range(1, 20000) AS x RETURN x", NULL, &options, &result),
            QV_OK);
        while (qv_result_next(result) == QV_OK)
            assert_int_equal(qv_result_value(result, 0).integer, ++rows);
        assert_null(qv_result_error(result));
        assert_int_equal(rows, 20000);
        qv_result_close(result);
    }
}

static void
closing_a_long_stream_early_leaves_the_connection_usable(void **state)
{
    struct qv_connection *connection = connection_of(state);
    struct qv_result *result = run(connection, "UNWIND range(1, 1000000) AS x RETURN x", NULL);
    assert_int_equal(qv_result_next(result), QV_OK);
    qv_result_close(result);
    assert_int_equal(ask_integer(connection, "RETURN 42"), 42);
}

static void
a_thousand_statements_travel_together(void **state)
{
    struct qv_connection *connection = connection_of(state);
    enum { COUNT = 1000 };
    struct qv_result **results = calloc(COUNT, sizeof(struct qv_result *));
    struct qv_params *params = qv_params_new();
    for (int i = 0; i < COUNT; i++) {
        qv_params_reset(params);
        qv_params_integer(params, "i", i);
        results[i] = run(connection, "RETURN $i * 2", params);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(qv_result_next(results[i]), QV_OK);
        assert_int_equal(qv_result_value(results[i], 0).integer, i * 2);
        assert_int_equal(qv_result_next(results[i]), QV_DONE);
        qv_result_close(results[i]);
    }
    qv_params_delete(params);
    free(results);
}

static void
a_failure_in_a_batch_spares_what_came_before(void **state)
{
    struct qv_connection *connection = connection_of(state);
    struct qv_result *good = run(connection, "RETURN 1", NULL),
                     *bad = run(connection, "RETURN 1 +", NULL),
                     *late = run(connection, "RETURN 3", NULL);
    assert_int_equal(qv_result_finish(good), QV_OK);
    assert_int_equal(qv_result_finish(bad), QV_FAILED);
    assert_string_equal(qv_result_error(bad)->code, "Neo.ClientError.Statement.SyntaxError");
    assert_true(qv_result_error(bad)->line >= 1 && qv_result_error(bad)->column > 1);
    assert_int_equal(qv_result_finish(late), QV_IGNORED);
    qv_result_close(good);
    qv_result_close(bad);
    qv_result_close(late);
    assert_int_equal(ask_integer(connection, "RETURN 4"), 4);
}

static void
rolled_back_work_is_gone_and_committed_work_stays(void **state)
{
    struct qv_connection *connection = connection_of(state);
    execute(connection, "MATCH (n:ClientLive) DETACH DELETE n");
    assert_int_equal(qv_begin(connection, NULL), QV_OK);
    execute(connection, "CREATE (:ClientLive {n: 1})");
    assert_int_equal(ask_integer(connection, "MATCH (n:ClientLive) RETURN count(n)"), 1);
    assert_int_equal(qv_rollback(connection), QV_OK);
    assert_int_equal(ask_integer(connection, "MATCH (n:ClientLive) RETURN count(n)"), 0);
    assert_int_equal(qv_begin(connection, NULL), QV_OK);
    execute(connection, "CREATE (:ClientLive {n: 2})");
    assert_int_equal(qv_commit(connection), QV_OK);
    assert_string_not_equal(qv_connection_bookmark(connection), "");
    struct qv_connection *other = open_with((struct qv_options){0});
    const char *bookmark = qv_connection_bookmark(connection);
    struct qv_run_options options = {.bookmarks = &bookmark, .bookmark_count = 1};
    struct qv_result *result;
    assert_int_equal(
        qv_run(other, "MATCH (n:ClientLive) RETURN n.n", NULL, &options, &result), QV_OK);
    assert_int_equal(qv_result_next(result), QV_OK);
    assert_int_equal(qv_result_value(result, 0).integer, 2);
    qv_result_close(result);
    qv_connection_close(other);
    execute(connection, "MATCH (n:ClientLive) DETACH DELETE n");
}

static void
results_of_a_transaction_interleave(void **state)
{
    struct qv_connection *connection = connection_of(state);
    struct qv_run_options options = {.fetch_size = 3};
    struct qv_result *one, *other;
    assert_int_equal(qv_begin(connection, NULL), QV_OK);
    assert_int_equal(
        qv_run(connection, "UNWIND range(1, 20) AS x RETURN x", NULL, &options, &one), QV_OK);
    assert_int_equal(qv_result_next(one), QV_OK);
    assert_int_equal(
        qv_run(connection, "UNWIND range(101, 120) AS x RETURN x", NULL, &options, &other), QV_OK);
    for (int i = 1; i < 20; i++) {
        assert_int_equal(qv_result_next(other), QV_OK);
        assert_int_equal(qv_result_value(other, 0).integer, 100 + i);
        assert_int_equal(qv_result_next(one), QV_OK);
        assert_int_equal(qv_result_value(one, 0).integer, i + 1);
    }
    assert_int_equal(qv_result_next(one), QV_DONE);
    assert_int_equal(qv_result_next(other), QV_OK);
    assert_int_equal(qv_result_next(other), QV_DONE);
    qv_result_close(one);
    qv_result_close(other);
    assert_int_equal(qv_commit(connection), QV_OK);
}

static void
a_failed_statement_ends_its_transaction(void **state)
{
    struct qv_connection *connection = connection_of(state);
    assert_int_equal(qv_begin(connection, NULL), QV_OK);
    execute(connection, "CREATE (:ClientLive {n: 3})");
    assert_int_equal(qv_execute(connection, "RETURN 1 / 0", NULL), QV_FAILED);
    assert_int_equal(qv_execute(connection, "CREATE (:ClientLive {n: 4})", NULL), QV_FAILED);
    assert_int_equal(qv_commit(connection), QV_FAILED);
    assert_int_equal(ask_integer(connection, "MATCH (n:ClientLive) RETURN count(n)"), 0);
}

static void
graph_values_can_be_taken_apart(void **state)
{
    struct qv_connection *connection = connection_of(state);
    struct qv_result *result = run(
        connection,
        "CREATE p = (a:ClientLive:Second {k: 'v'})-[:KNOWS {since: 1}]->(b:ClientLive)<-[:LIKES]-"
        "(c:ClientLive) RETURN p, a, b",
        NULL);
    assert_int_equal(qv_result_next(result), QV_OK);
    struct qv_path path;
    struct qv_node node, start, end;
    struct qv_relationship step;
    bool forward;
    assert_int_equal(qv_value_path(qv_result_value(result, 0), &path), QV_OK);
    assert_int_equal(qv_value_node(qv_result_value(result, 1), &start), QV_OK);
    assert_int_equal(qv_value_node(qv_result_value(result, 2), &end), QV_OK);
    assert_int_equal(path.length, 2);
    assert_int_equal(qv_path_node(&path, 0, &node), QV_OK);
    assert_int_equal(node.id, start.id);
    assert_int_equal(node.labels.size, 2);
    assert_memory_equal(qv_value_text(qv_map_get(node.properties, "k")).data, "v", 1);
    assert_int_equal(qv_path_relationship(&path, 0, &step, &forward), QV_OK);
    assert_true(forward);
    assert_int_equal(step.start_id, start.id);
    assert_int_equal(step.end_id, end.id);
    assert_int_equal(qv_map_get(step.properties, "since").integer, 1);
    assert_int_equal(qv_path_relationship(&path, 1, &step, &forward), QV_OK);
    assert_false(forward);
    assert_memory_equal(step.type.data, "LIKES", 5);
    assert_int_equal(qv_result_next(result), QV_DONE);
    struct qv_summary summary;
    assert_int_equal(qv_result_summary(result, &summary), QV_OK);
    assert_int_equal(summary.nodes_created, 3);
    assert_int_equal(summary.relationships_created, 2);
    assert_string_equal(summary.type, "rw");
    qv_result_close(result);
    execute(connection, "MATCH (n:ClientLive) DETACH DELETE n");
}

static const char endless[] = "UNWIND range(1, 1000) AS a UNWIND range(1, 1000) AS b UNWIND "
                              "range(1, 1000) AS c UNWIND range(1, 1000) AS d "
                              "WITH a + b + c + d AS e WHERE e < 0 RETURN count(e)";

static void *
cancel_soon(void *connection)
{
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    qv_cancel(connection);
    return NULL;
}

static void
cancel_stops_a_long_statement(void **state)
{
    struct qv_connection *connection = connection_of(state);
    struct qv_result *result = run(connection, endless, NULL);
    pthread_t thread;
    pthread_create(&thread, NULL, cancel_soon, connection);
    assert_int_equal(qv_result_next(result), QV_CANCELLED);
    pthread_join(thread, NULL);
    qv_result_close(result);
    assert_int_equal(ask_integer(connection, "RETURN 5"), 5);
}

static void
the_server_keeps_the_timeout_of_a_statement(void **state)
{
    struct qv_connection *connection = connection_of(state);
    struct qv_run_options options = {.timeout_ms = 200};
    struct qv_result *result;
    assert_int_equal(qv_run(connection, endless, NULL, &options, &result), QV_OK);
    assert_int_equal(qv_result_next(result), QV_FAILED);
    if (!strstr(qv_result_error(result)->code, "Transaction.TransactionTimedOut"))
        fail_msg("%s: %s", qv_result_error(result)->code, qv_result_error(result)->message);
    qv_result_close(result);
    assert_int_equal(ask_integer(connection, "RETURN 6"), 6);
}

static void
read_mode_refuses_writes(void **state)
{
    struct qv_connection *connection = connection_of(state);
    struct qv_run_options options = {.read_only = true};
    struct qv_result *result;
    assert_int_equal(qv_run(connection, "CREATE (:ClientLive)", NULL, &options, &result), QV_OK);
    assert_int_equal(qv_result_finish(result), QV_FAILED);
    assert_string_equal(qv_result_error(result)->code, "Neo.ClientError.Statement.AccessMode");
    qv_result_close(result);
}

static void
a_missing_parameter_is_named(void **state)
{
    struct qv_connection *connection = connection_of(state);
    assert_int_equal(qv_execute(connection, "RETURN $absent", NULL), QV_FAILED);
    assert_string_equal(
        qv_connection_error(connection)->code, "Neo.ClientError.Statement.ParameterMissing");
    assert_non_null(strstr(qv_connection_error(connection)->message, "absent"));
}

static void
connections_come_and_go(void **state)
{
    (void)connection_of(state);
    for (int i = 0; i < 50; i++) {
        struct qv_connection *connection = open_with((struct qv_options){0});
        struct qv_result *left = run(connection, "RETURN 1", NULL);
        if (i % 2)
            assert_int_equal(qv_flush(connection), QV_OK);
        qv_connection_close(connection);
        qv_result_close(left);
    }
}

int
main(void)
{
#define LIVE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        LIVE(values_come_back_as_they_were_sent),
        LIVE(large_strings_cross_in_both_directions),
        LIVE(long_streams_arrive_whole_at_any_fetch_size),
        LIVE(closing_a_long_stream_early_leaves_the_connection_usable),
        LIVE(a_thousand_statements_travel_together),
        LIVE(a_failure_in_a_batch_spares_what_came_before),
        LIVE(rolled_back_work_is_gone_and_committed_work_stays),
        LIVE(results_of_a_transaction_interleave),
        LIVE(a_failed_statement_ends_its_transaction),
        LIVE(graph_values_can_be_taken_apart),
        LIVE(cancel_stops_a_long_statement),
        LIVE(the_server_keeps_the_timeout_of_a_statement),
        LIVE(read_mode_refuses_writes),
        LIVE(a_missing_parameter_is_named),
        LIVE(connections_come_and_go),
    };
    return cmocka_run_group_tests_name("client live", tests, NULL, NULL);
}
