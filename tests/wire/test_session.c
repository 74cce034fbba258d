/* The session over the simulated network, with the fake engine behind it: what each message is answered
 * with, and in which state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/wire.h"

struct fixture {
    struct wire_world world;
    struct wire wire;
};

static int
fixture_setup(void **state)
{
    static struct fixture fixture;
    wire_world_create(&fixture.world, 7, 2, NULL, NET_AUTH_NONE);
    wire_create(&fixture.wire, &fixture.world);
    *state = &fixture;
    return 0;
}

static int
fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    wire_destroy(&fixture->wire);
    wire_world_destroy(&fixture->world);
    return 0;
}

static struct wire *
wire_of(void **state)
{
    return &((struct fixture *)*state)->wire;
}

static struct fake_engine
totals_of(void **state)
{
    return wire_engine_totals(&((struct fixture *)*state)->world);
}

static void
put_demand(struct wire *wire, uint8_t tag, int64_t row_count, int64_t qid)
{
    struct pack_writer *writer = wire_open(wire, tag, 1);
    pack_write_map(writer, 2);
    pack_write_string(writer, TEXT("n"));
    pack_write_integer(writer, row_count);
    pack_write_string(writer, TEXT("qid"));
    pack_write_integer(writer, qid);
    wire_close(wire);
}

static void
put_begin(struct wire *wire, const char *key, struct value value)
{
    static const struct pack_format format = {.utc = true};
    struct pack_writer *writer = wire_open(wire, BOLT_BEGIN, 1);
    struct map_entry entry = {text_of(key ? key : ""), value};
    pack_write_entries(writer, &format, &entry, key != NULL);
    wire_close(wire);
}

static void
put_run_extra(struct wire *wire, const char *query, const char *key, struct value value)
{
    static const struct pack_format format = {.utc = true};
    struct pack_writer *writer = wire_open(wire, BOLT_RUN, 3);
    struct map_entry entry = {text_of(key), value};
    pack_write_string(writer, text_of(query));
    pack_write_map(writer, 0);
    pack_write_entries(writer, &format, &entry, 1);
    wire_close(wire);
}

static void
expect_rows(struct wire *wire, int64_t first, int64_t end)
{
    for (int64_t i = first; i < end; i++) {
        struct value row = wire_expect(wire, BOLT_RECORD);
        assert_int_equal(row.size, 1);
        assert_int_equal(row.list[0].integer, i);
    }
}

/* RUN and PULL all, answered whole. */
static void
assert_still_works(struct wire *wire)
{
    wire_put_run(wire, "ROWS 3");
    wire_put_pull(wire, -1);
    wire_expect(wire, BOLT_SUCCESS);
    expect_rows(wire, 0, 3);
    wire_expect(wire, BOLT_SUCCESS);
}

/* ---- versions ---- */

static void
every_version_is_agreed_on_and_works(void **state)
{
    struct fixture *fixture = *state;
    const uint8_t versions[][2] = {{4, 4}, {5, 0}, {5, 1}, {5, 2}, {5, 3},
                                   {5, 4}, {5, 6}, {5, 7}, {5, 8}};
    for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
        struct wire wire;
        wire_create(&wire, &fixture->world);
        wire_connect(&wire, versions[i][0], versions[i][1]);
        assert_still_works(&wire);
        wire_destroy(&wire);
    }
}

static void
propose(struct wire *wire, const char words[16], const char answer[4])
{
    char got[4];
    wire_put(wire, "\x60\x60\xB0\x17", 4);
    wire_put(wire, words, 16);
    assert_true(wire_receive_bytes(wire, got, 4));
    assert_memory_equal(got, answer, 4);
}

static void
range_gives_the_highest_minor(void **state)
{
    propose(wire_of(state), "\0\7\7\5\0\2\4\4\0\0\1\4\0\0\0\3", "\0\0\7\5");
}

static void
withdrawn_version_is_never_agreed_on(void **state)
{
    propose(wire_of(state), "\0\1\5\5\0\0\0\0\0\0\0\0\0\0\0\0", "\0\0\4\5");
    struct wire wire;
    wire_create(&wire, wire_of(state)->world);
    propose(&wire, "\0\0\5\5\0\0\0\0\0\0\0\0\0\0\0\0", "\0\0\0\0");
    wire_expect_end(&wire);
    wire_destroy(&wire);
}

static void
unknown_versions_are_refused(void **state)
{
    struct wire *wire = wire_of(state);
    propose(wire, "\0\0\0\3\0\0\0\2\0\0\0\1\0\0\0\x09", "\0\0\0\0");
    wire_expect_end(wire);
}

static void
manifest_is_offered_and_the_choice_is_taken(void **state)
{
    struct wire *wire = wire_of(state);
    const uint8_t expected[18] = {0, 0, 1, 0xFF, 3, 0, 2, 8, 5, 0, 4, 4, 5, 0, 0, 4, 4, 0};
    uint8_t manifest[18];
    wire_put(wire, "\x60\x60\xB0\x17\0\0\1\xFF\0\x08\x08\5\0\2\4\4\0\0\0\3", 20);
    assert_true(wire_receive_bytes(wire, manifest, sizeof(manifest)));
    assert_memory_equal(manifest, expected, sizeof(manifest));
    wire_put(wire, "\0\0\x08\5\0", 5);
    wire_put_hello(wire);
    wire_put_logon(wire, NULL, NULL);
    struct value hello = wire_expect(wire, BOLT_SUCCESS);
    assert_true(wire_text_is(wire_entry(hello, "protocol_version"), "5.8"));
    wire_expect(wire, BOLT_SUCCESS);
    assert_still_works(wire);
}

static void
manifest_choice_that_was_not_offered_ends_the_connection(void **state)
{
    const char *const choices[] = {"\0\0\5\5\0", "\0\0\x08\5\1", "\0\0\0\0\0", "\0\1\x08\5\0"};
    for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++) {
        struct wire wire;
        uint8_t manifest[18];
        wire_create(&wire, wire_of(state)->world);
        wire_put(&wire, "\x60\x60\xB0\x17\0\0\1\xFF\0\0\0\0\0\0\0\0\0\0\0\0", 20);
        assert_true(wire_receive_bytes(&wire, manifest, sizeof(manifest)));
        wire_put(&wire, choices[i], 5);
        wire_expect_end(&wire);
        wire_destroy(&wire);
    }
}

/* ---- HELLO, LOGON ---- */

static void
hello_says_who_we_are(void **state)
{
    struct wire *wire = wire_of(state);
    uint8_t answer[4];
    wire_put(wire, "\x60\x60\xB0\x17\0\0\4\5\0\0\0\0\0\0\0\0\0\0\0\0", 20);
    wire_put_hello(wire);
    assert_true(wire_receive_bytes(wire, answer, 4));
    struct value hello = wire_expect(wire, BOLT_SUCCESS);
    struct text server = value_text(wire_entry(hello, "server"));
    assert_memory_equal(server.data, "Neo4j/5.", 8);
    assert_true(wire_entry(hello, "connection_id").type == VALUE_STRING);
    struct value hints = wire_entry(hello, "hints");
    assert_int_equal(wire_entry(hints, "connection.recv_timeout_seconds").integer, 120);
}

static void
request_before_logon_is_refused(void **state)
{
    struct wire *wire = wire_of(state);
    uint8_t answer[4];
    wire_put(wire, "\x60\x60\xB0\x17\0\0\4\5\0\0\0\0\0\0\0\0\0\0\0\0", 20);
    wire_put_hello(wire);
    wire_put_run(wire, "ROWS 1");
    assert_true(wire_receive_bytes(wire, answer, 4));
    wire_expect(wire, BOLT_SUCCESS);
    wire_expect_failure(wire, "Neo.ClientError.Request.Invalid");
    wire_expect_end(wire);
}

static void
second_hello_is_refused(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    wire_put_hello(wire);
    wire_expect_failure(wire, "Neo.ClientError.Request.Invalid");
    wire_expect_end(wire);
}

static void
logoff_and_logon_again_in_a_pipeline(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    wire_put_simple(wire, BOLT_LOGOFF);
    wire_put_logon(wire, "anybody", "anything");
    wire_put_run(wire, "ROWS 1");
    wire_put_pull(wire, -1);
    wire_expect(wire, BOLT_SUCCESS);
    wire_expect(wire, BOLT_SUCCESS);
    wire_expect(wire, BOLT_SUCCESS);
    expect_rows(wire, 0, 1);
    wire_expect(wire, BOLT_SUCCESS);
}

/* ---- autocommit ---- */

static void
run_and_pull_in_portions(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    wire_put_run(wire, "ROWS 250");
    wire_put_pull(wire, 100);
    struct value run = wire_expect(wire, BOLT_SUCCESS);
    struct value fields = wire_entry(run, "fields");
    assert_int_equal(fields.size, 1);
    assert_true(wire_text_is(fields.list[0], "n"));
    assert_int_equal(wire_entry(run, "t_first").type, VALUE_INTEGER);
    assert_true(value_is_null(wire_entry(run, "qid")));
    expect_rows(wire, 0, 100);
    struct value more = wire_expect(wire, BOLT_SUCCESS);
    assert_int_equal(more.size, 1);
    assert_true(wire_entry(more, "has_more").boolean);
    wire_put_pull(wire, 1000);
    expect_rows(wire, 100, 250);
    struct value end = wire_expect(wire, BOLT_SUCCESS);
    assert_true(wire_text_is(wire_entry(end, "type"), "r"));
    assert_true(wire_text_is(wire_entry(end, "db"), "neo4j"));
    assert_int_equal(wire_entry(end, "t_last").type, VALUE_INTEGER);
    assert_true(value_is_null(wire_entry(end, "has_more")));
    assert_true(value_is_null(wire_entry(end, "stats")));
    assert_int_equal(wire_entry(end, "bookmark").type, VALUE_STRING);
    assert_still_works(wire);
}

static void
write_reports_its_counters(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    wire_put_run(wire, "WRITE");
    wire_put_pull(wire, -1);
    assert_int_equal(wire_entry(wire_expect(wire, BOLT_SUCCESS), "fields").size, 0);
    struct value end = wire_expect(wire, BOLT_SUCCESS);
    assert_true(wire_text_is(wire_entry(end, "type"), "w"));
    struct value stats = wire_entry(end, "stats");
    assert_int_equal(stats.size, 2);
    assert_int_equal(wire_entry(stats, "nodes-created").integer, 1);
    assert_true(wire_entry(stats, "contains-updates").boolean);
}

static void
discard_ends_the_result(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    wire_put_run(wire, "ROWS 1000");
    put_demand(wire, BOLT_DISCARD, -1, -1);
    wire_expect(wire, BOLT_SUCCESS);
    assert_int_equal(wire_entry(wire_expect(wire, BOLT_SUCCESS), "bookmark").type, VALUE_STRING);
    assert_int_equal(totals_of(state).autocommit_count, 1);
}

static void
discard_of_some_rows_keeps_the_rest(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    wire_put_run(wire, "ROWS 10");
    put_demand(wire, BOLT_DISCARD, 7, -1);
    wire_put_pull(wire, -1);
    wire_expect(wire, BOLT_SUCCESS);
    assert_true(wire_entry(wire_expect(wire, BOLT_SUCCESS), "has_more").boolean);
    expect_rows(wire, 7, 10);
    wire_expect(wire, BOLT_SUCCESS);
}

static void
parameters_of_every_type_come_back(void **state)
{
    static const struct pack_format format = {.element_ids = true, .utc = true};
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    struct value_duration duration = {1, 2, 3, 4};
    struct value_point point = {7203, 2, 1.5, 2.5, 0};
    struct value_date_time at = {.seconds = 1700000000, .nanoseconds = 5, .offset_seconds = 3600};
    struct value items[8] = {
        value_null(), value_boolean(true), value_integer(INT64_MIN), value_float(0.5)};
    items[4] = (struct value){.type = VALUE_DATE};
    items[4].integer = 19000;
    items[5] = (struct value){.type = VALUE_DURATION};
    items[5].duration = &duration;
    items[6] = (struct value){.type = VALUE_POINT};
    items[6].point = &point;
    items[7] = (struct value){.type = VALUE_DATE_TIME};
    items[7].date_time = &at;
    struct map_entry entries[2] = {
        {TEXT("list"), value_list(items, 8)},
        {TEXT("text"), value_string(TEXT("gr\xC3\xBC\xC3\x9F"))}};
    struct pack_writer *writer = wire_open(wire, BOLT_RUN, 3);
    pack_write_string(writer, TEXT("PARAMETERS"));
    pack_write_entries(writer, &format, entries, 2);
    pack_write_map(writer, 0);
    wire_close(wire);
    wire_put_pull(wire, -1);
    wire_expect(wire, BOLT_SUCCESS);
    struct value row = wire_expect(wire, BOLT_RECORD);
    struct value back = row.list[0];
    assert_true(wire_text_is(wire_entry(back, "text"), "gr\xC3\xBC\xC3\x9F"));
    struct value list = wire_entry(back, "list");
    assert_int_equal(list.size, 8);
    assert_int_equal(list.list[2].integer, INT64_MIN);
    assert_int_equal(list.list[5].duration->nanoseconds, 4);
    assert_true(list.list[6].point->y == 2.5);
    assert_int_equal(list.list[7].date_time->offset_seconds, 3600);
    wire_expect(wire, BOLT_SUCCESS);
}

static void
extra_of_run_reaches_the_engine(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    wire_put_run(wire, "WRITE");
    wire_put_pull(wire, -1);
    wire_expect(wire, BOLT_SUCCESS);
    struct value bookmark = wire_entry(wire_expect(wire, BOLT_SUCCESS), "bookmark");
    assert_int_equal(totals_of(state).bookmark_asked, 0);
    put_run_extra(wire, "ROWS 0", "bookmarks", value_list(&bookmark, 1));
    wire_put_pull(wire, -1);
    wire_expect(wire, BOLT_SUCCESS);
    wire_expect(wire, BOLT_SUCCESS);
    assert_int_equal(totals_of(state).bookmark_asked, 101);
    put_run_extra(wire, "ROWS 0", "tx_timeout", value_integer(1500));
    wire_put_pull(wire, -1);
    wire_expect(wire, BOLT_SUCCESS);
    wire_expect(wire, BOLT_SUCCESS);
    assert_int_equal(totals_of(state).timeout_asked_ns, 1500000000);
}

static void
read_mode_refuses_writes(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    put_run_extra(wire, "WRITE", "mode", value_string(TEXT("r")));
    wire_expect_failure(wire, "Neo.ClientError.Statement.AccessMode");
}

static void
database_names_are_checked(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    put_run_extra(wire, "ROWS 0", "db", value_string(TEXT("SYSTEM")));
    wire_put_pull(wire, -1);
    wire_expect(wire, BOLT_SUCCESS);
    assert_true(wire_text_is(wire_entry(wire_expect(wire, BOLT_SUCCESS), "db"), "system"));
    put_run_extra(wire, "ROWS 0", "db", value_null());
    wire_put_pull(wire, -1);
    wire_expect(wire, BOLT_SUCCESS);
    assert_true(wire_text_is(wire_entry(wire_expect(wire, BOLT_SUCCESS), "db"), "neo4j"));
    put_run_extra(wire, "ROWS 0", "db", value_string(TEXT("other")));
    wire_expect_failure(wire, "Neo.ClientError.Database.DatabaseNotFound");
}

static void
foreign_bookmark_is_refused(void **state)
{
    const char *const bookmarks[] = {
        "FB:kcwQ",
        "QV:6ba7b810-9dad-11d1-80b4-00c04fd430c8:", "QV:6ba7b810-9dad-11d1-80b4-00c04fd430c8:1x",
        "QV:other:1", ""};
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    for (size_t i = 0; i < sizeof(bookmarks) / sizeof(*bookmarks); i++) {
        struct value bookmark = value_string(text_of(bookmarks[i]));
        put_run_extra(wire, "ROWS 0", "bookmarks", value_list(&bookmark, 1));
        wire_expect_failure(wire, "Neo.ClientError.Transaction.InvalidBookmark");
        wire_put_simple(wire, BOLT_RESET);
        wire_expect(wire, BOLT_SUCCESS);
    }
}

/* ---- failures ---- */

static void
failure_ignores_the_rest_until_reset(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    wire_put_run(wire, "ERROR");
    wire_put_pull(wire, -1);
    wire_put_simple(wire, BOLT_COMMIT);
    wire_expect_failure(wire, "Neo.ClientError.Statement.SyntaxError");
    wire_expect(wire, BOLT_IGNORED);
    wire_expect(wire, BOLT_IGNORED);
    wire_put_simple(wire, BOLT_RESET);
    wire_expect(wire, BOLT_SUCCESS);
    assert_still_works(wire);
}

static void
failure_in_mid_stream_follows_the_rows(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    wire_put_run(wire, "FAIL 5");
    wire_put_pull(wire, -1);
    wire_expect(wire, BOLT_SUCCESS);
    expect_rows(wire, 0, 5);
    wire_expect_failure(wire, "Neo.TransientError.Transaction.Outdated");
    wire_put_simple(wire, BOLT_RESET);
    wire_expect(wire, BOLT_SUCCESS);
    assert_still_works(wire);
}

static void
failure_has_the_new_shape_from_5_7_on(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 7);
    wire_put_run(wire, "ERROR");
    struct value map = wire_expect(wire, BOLT_FAILURE);
    assert_true(
        wire_text_is(wire_entry(map, "neo4j_code"), "Neo.ClientError.Statement.SyntaxError"));
    assert_true(wire_text_is(wire_entry(map, "gql_status"), "42001"));
    assert_true(wire_text_is(wire_entry(map, "message"), "that is no command"));
    assert_int_equal(wire_entry(map, "description").type, VALUE_STRING);
    struct value record = wire_entry(map, "diagnostic_record");
    assert_true(wire_text_is(wire_entry(record, "_classification"), "CLIENT_ERROR"));
    assert_int_equal(wire_entry(wire_entry(record, "_position"), "column").integer, 3);
}

static void
summary_holds_a_status_from_5_6_on(void **state)
{
    const struct {
        const char *query, *status;
    } cases[] = {{"ROWS 1", "00000"}, {"EMPTY", "02000"}, {"WRITE", "00001"}};
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 6);
    for (size_t i = 0; i < 3; i++) {
        struct wire_message message;
        wire_put_run(wire, cases[i].query);
        wire_put_pull(wire, -1);
        wire_expect(wire, BOLT_SUCCESS);
        do
            assert_true(wire_receive(wire, &message));
        while (message.tag == BOLT_RECORD);
        struct value statuses = wire_entry(message.value, "statuses");
        assert_int_equal(statuses.size, 1);
        assert_true(wire_text_is(wire_entry(statuses.list[0], "gql_status"), cases[i].status));
    }
}

static void
bad_demand_fails_without_ending_the_connection(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    wire_put_run(wire, "ROWS 10");
    wire_expect(wire, BOLT_SUCCESS);
    put_demand(wire, BOLT_PULL, 0, -1);
    wire_expect_failure(wire, "Neo.ClientError.Statement.ArgumentError");
    wire_put_simple(wire, BOLT_RESET);
    wire_expect(wire, BOLT_SUCCESS);
    assert_still_works(wire);
}

/* ---- explicit transactions ---- */

static void
transaction_commits_with_a_bookmark(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    put_begin(wire, NULL, value_null());
    wire_put_run(wire, "WRITE");
    wire_put_pull(wire, -1);
    wire_put_simple(wire, BOLT_COMMIT);
    wire_expect(wire, BOLT_SUCCESS);
    assert_int_equal(wire_entry(wire_expect(wire, BOLT_SUCCESS), "qid").integer, 0);
    assert_true(value_is_null(wire_entry(wire_expect(wire, BOLT_SUCCESS), "bookmark")));
    assert_int_equal(wire_entry(wire_expect(wire, BOLT_SUCCESS), "bookmark").type, VALUE_STRING);
    assert_int_equal(totals_of(state).committed_count, 1);
    assert_still_works(wire);
}

static void
begin_that_fails_is_rolled_back_by_reset(void **state)
{
    struct wire *wire = wire_of(state);
    struct value bookmark = value_string(TEXT("QV:6ba7b810-9dad-11d1-80b4-00c04fd430c8:99999"));
    wire_connect(wire, 5, 4);
    put_begin(wire, "bookmarks", value_list(&bookmark, 1));
    wire_put_run(wire, "ROWS 1");
    wire_expect_failure(wire, "Neo.ClientError.Transaction.InvalidBookmark");
    wire_expect(wire, BOLT_IGNORED);
    wire_put_simple(wire, BOLT_RESET);
    wire_expect(wire, BOLT_SUCCESS);
    assert_int_equal(totals_of(state).transaction_count, 0);
    assert_still_works(wire);
}

static void
results_of_a_transaction_interleave(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    put_begin(wire, NULL, value_null());
    wire_put_run(wire, "ROWS 4");
    wire_put_run(wire, "ROWS 6");
    wire_expect(wire, BOLT_SUCCESS);
    int64_t first = wire_entry(wire_expect(wire, BOLT_SUCCESS), "qid").integer;
    int64_t second = wire_entry(wire_expect(wire, BOLT_SUCCESS), "qid").integer;
    assert_int_not_equal(first, second);
    put_demand(wire, BOLT_PULL, 2, first);
    put_demand(wire, BOLT_PULL, 3, -1);
    put_demand(wire, BOLT_PULL, -1, first);
    put_demand(wire, BOLT_PULL, -1, second);
    wire_put_simple(wire, BOLT_ROLLBACK);
    expect_rows(wire, 0, 2);
    wire_expect(wire, BOLT_SUCCESS);
    expect_rows(wire, 0, 3);
    wire_expect(wire, BOLT_SUCCESS);
    expect_rows(wire, 2, 4);
    wire_expect(wire, BOLT_SUCCESS);
    expect_rows(wire, 3, 6);
    wire_expect(wire, BOLT_SUCCESS);
    wire_expect(wire, BOLT_SUCCESS);
    assert_int_equal(totals_of(state).rolled_back_count, 1);
}

static void
commit_runs_open_results_to_their_end(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    put_begin(wire, NULL, value_null());
    wire_put_run(wire, "ROWS 500");
    wire_put_run(wire, "ROWS 700");
    wire_put_simple(wire, BOLT_COMMIT);
    for (int i = 0; i < 4; i++)
        wire_expect(wire, BOLT_SUCCESS);
    assert_int_equal(totals_of(state).rows_made_count, 1200);
    assert_int_equal(totals_of(state).committed_count, 1);
}

static void
commit_fails_when_an_open_result_does(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    put_begin(wire, NULL, value_null());
    wire_put_run(wire, "FAIL 5");
    wire_put_simple(wire, BOLT_COMMIT);
    wire_expect(wire, BOLT_SUCCESS);
    wire_expect(wire, BOLT_SUCCESS);
    wire_expect_failure(wire, "Neo.TransientError.Transaction.Outdated");
    wire_put_simple(wire, BOLT_RESET);
    wire_expect(wire, BOLT_SUCCESS);
    assert_int_equal(totals_of(state).committed_count, 0);
    assert_int_equal(totals_of(state).rolled_back_count, 1);
}

static void
reset_rolls_a_failed_transaction_back(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    put_begin(wire, NULL, value_null());
    wire_put_run(wire, "ERROR");
    wire_expect(wire, BOLT_SUCCESS);
    wire_expect_failure(wire, "Neo.ClientError.Statement.SyntaxError");
    assert_int_equal(totals_of(state).transaction_count, 1);
    wire_put_simple(wire, BOLT_RESET);
    wire_expect(wire, BOLT_SUCCESS);
    assert_int_equal(totals_of(state).transaction_count, 0);
    assert_still_works(wire);
}

static void
requests_out_of_place_are_refused(void **state)
{
    const uint8_t misplaced[] = {BOLT_COMMIT, BOLT_ROLLBACK, BOLT_PULL, BOLT_DISCARD};
    for (size_t i = 0; i < sizeof(misplaced); i++) {
        struct wire wire;
        wire_create(&wire, wire_of(state)->world);
        wire_connect(&wire, 5, 4);
        if (misplaced[i] == BOLT_PULL || misplaced[i] == BOLT_DISCARD)
            put_demand(&wire, misplaced[i], -1, -1);
        else
            wire_put_simple(&wire, misplaced[i]);
        wire_expect_failure(&wire, "Neo.ClientError.Request.Invalid");
        wire_expect_end(&wire);
        wire_destroy(&wire);
    }
}

static void
run_while_a_result_streams_is_refused(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    wire_put_run(wire, "ROWS 5");
    wire_put_run(wire, "ROWS 5");
    wire_expect(wire, BOLT_SUCCESS);
    wire_expect_failure(wire, "Neo.ClientError.Request.Invalid");
    wire_expect_end(wire);
    assert_int_equal(totals_of(state).query_count, 0);
}

/* ---- RESET on arrival ---- */

static void
reset_interrupts_a_statement_that_runs(void **state)
{
    const char *const statements[] = {"HANG", "HANG_PULL"};
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    for (size_t i = 0; i < 2; i++) {
        wire_put_run(wire, statements[i]);
        wire_put_pull(wire, -1);
        wire_flush(wire);
        sim_run_for(wire->world->sim, SIM_SECOND);
        wire_put_simple(wire, BOLT_RESET);
        if (i == 1)
            wire_expect(wire, BOLT_SUCCESS);
        else
            wire_expect(wire, BOLT_IGNORED);
        wire_expect(wire, BOLT_IGNORED);
        wire_expect(wire, BOLT_SUCCESS);
        assert_int_equal(totals_of(state).cancelled_count, i + 1);
        assert_int_equal(totals_of(state).query_count, 0);
    }
    assert_still_works(wire);
}

static void
several_resets_are_each_answered(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    wire_put_run(wire, "HANG");
    wire_put_simple(wire, BOLT_RESET);
    wire_put_run(wire, "ROWS 1");
    wire_put_simple(wire, BOLT_RESET);
    wire_put_simple(wire, BOLT_RESET);
    struct wire_message message;
    uint32_t success_count = 0, count = 0;
    while (count < 5) {
        assert_true(wire_receive(wire, &message));
        success_count += message.tag == BOLT_SUCCESS;
        count++;
    }
    assert_true(success_count >= 3);
    assert_int_equal(message.tag, BOLT_SUCCESS);
    assert_still_works(wire);
}

static void
reset_in_an_explicit_transaction_rolls_back(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    put_begin(wire, NULL, value_null());
    wire_put_run(wire, "HANG_PULL");
    wire_put_pull(wire, -1);
    wire_expect(wire, BOLT_SUCCESS);
    wire_expect(wire, BOLT_SUCCESS);
    wire_put_simple(wire, BOLT_RESET);
    wire_expect(wire, BOLT_IGNORED);
    wire_expect(wire, BOLT_SUCCESS);
    assert_int_equal(totals_of(state).rolled_back_count, 1);
    assert_still_works(wire);
}

static void
lost_client_cancels_and_rolls_back(void **state)
{
    struct fixture *fixture = *state;
    struct wire wire;
    wire_create(&wire, &fixture->world);
    wire_connect(&wire, 5, 4);
    put_begin(&wire, NULL, value_null());
    wire_put_run(&wire, "HANG_PULL");
    wire_put_pull(&wire, -1);
    wire_expect(&wire, BOLT_SUCCESS);
    wire_expect(&wire, BOLT_SUCCESS);
    wire_destroy(&wire);
    sim_run_for(fixture->world.sim, SIM_SECOND);
    assert_int_equal(totals_of(state).query_count, 0);
    assert_int_equal(totals_of(state).rolled_back_count, 1);
    assert_int_equal(wire_connection_count(&fixture->world), 1);
}

static void
goodbye_ends_at_once(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    put_begin(wire, NULL, value_null());
    wire_expect(wire, BOLT_SUCCESS);
    wire_put_simple(wire, BOLT_GOODBYE);
    wire_expect_end(wire);
    sim_run_for(wire->world->sim, SIM_MILLISECOND);
    assert_int_equal(totals_of(state).rolled_back_count, 1);
}

/* ---- ROUTE, TELEMETRY, NOOP ---- */

static void
put_route(struct wire *wire, const char *address)
{
    struct pack_writer *writer = wire_open(wire, BOLT_ROUTE, 3);
    pack_write_map(writer, address != NULL);
    if (address) {
        pack_write_string(writer, TEXT("address"));
        pack_write_string(writer, text_of(address));
    }
    pack_write_list(writer, 0);
    pack_write_map(writer, 0);
    wire_close(wire);
}

static void
route_echoes_the_dialled_address(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    const struct {
        const char *dialled, *answered;
    } cases[] = {
        {"h:7687", "h:7687"},
        {"db.example.org", "db.example.org:7687"},
        {"[::1]:99", "[::1]:99"},
        {NULL, NULL}};
    for (size_t i = 0; i < 4; i++) {
        put_route(wire, cases[i].dialled);
        struct value table = wire_entry(wire_expect(wire, BOLT_SUCCESS), "rt");
        assert_int_equal(wire_entry(table, "ttl").integer, 300);
        assert_true(wire_text_is(wire_entry(table, "db"), "neo4j"));
        struct value servers = wire_entry(table, "servers");
        assert_int_equal(servers.size, 3);
        struct value addresses = wire_entry(servers.list[2], "addresses");
        if (cases[i].answered)
            assert_true(wire_text_is(addresses.list[0], cases[i].answered));
        assert_true(wire_text_is(wire_entry(servers.list[2], "role"), "WRITE"));
    }
    put_route(wire, "not an address");
    wire_expect_failure(wire, "Neo.ClientError.Statement.ArgumentError");
}

static void
telemetry_is_accepted_before_a_transaction(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    pack_write_integer(wire_open(wire, BOLT_TELEMETRY, 1), 2);
    wire_close(wire);
    put_begin(wire, NULL, value_null());
    wire_expect(wire, BOLT_SUCCESS);
    wire_expect(wire, BOLT_SUCCESS);
}

static void
noops_between_messages_are_skipped(void **state)
{
    struct wire *wire = wire_of(state);
    wire_connect(wire, 5, 4);
    frame_write_noop(&wire->out);
    frame_write_noop(&wire->out);
    assert_still_works(wire);
}

#define SESSION_TEST(function)                                                                     \
    cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SESSION_TEST(every_version_is_agreed_on_and_works),
        SESSION_TEST(range_gives_the_highest_minor),
        SESSION_TEST(withdrawn_version_is_never_agreed_on),
        SESSION_TEST(unknown_versions_are_refused),
        SESSION_TEST(manifest_is_offered_and_the_choice_is_taken),
        SESSION_TEST(manifest_choice_that_was_not_offered_ends_the_connection),
        SESSION_TEST(hello_says_who_we_are),
        SESSION_TEST(request_before_logon_is_refused),
        SESSION_TEST(second_hello_is_refused),
        SESSION_TEST(logoff_and_logon_again_in_a_pipeline),
        SESSION_TEST(run_and_pull_in_portions),
        SESSION_TEST(write_reports_its_counters),
        SESSION_TEST(discard_ends_the_result),
        SESSION_TEST(discard_of_some_rows_keeps_the_rest),
        SESSION_TEST(parameters_of_every_type_come_back),
        SESSION_TEST(extra_of_run_reaches_the_engine),
        SESSION_TEST(read_mode_refuses_writes),
        SESSION_TEST(database_names_are_checked),
        SESSION_TEST(foreign_bookmark_is_refused),
        SESSION_TEST(failure_ignores_the_rest_until_reset),
        SESSION_TEST(failure_in_mid_stream_follows_the_rows),
        SESSION_TEST(failure_has_the_new_shape_from_5_7_on),
        SESSION_TEST(summary_holds_a_status_from_5_6_on),
        SESSION_TEST(bad_demand_fails_without_ending_the_connection),
        SESSION_TEST(transaction_commits_with_a_bookmark),
        SESSION_TEST(begin_that_fails_is_rolled_back_by_reset),
        SESSION_TEST(results_of_a_transaction_interleave),
        SESSION_TEST(commit_runs_open_results_to_their_end),
        SESSION_TEST(commit_fails_when_an_open_result_does),
        SESSION_TEST(reset_rolls_a_failed_transaction_back),
        SESSION_TEST(requests_out_of_place_are_refused),
        SESSION_TEST(run_while_a_result_streams_is_refused),
        SESSION_TEST(reset_interrupts_a_statement_that_runs),
        SESSION_TEST(several_resets_are_each_answered),
        SESSION_TEST(reset_in_an_explicit_transaction_rolls_back),
        SESSION_TEST(lost_client_cancels_and_rolls_back),
        SESSION_TEST(goodbye_ends_at_once),
        SESSION_TEST(route_echoes_the_dialled_address),
        SESSION_TEST(telemetry_is_accepted_before_a_transaction),
        SESSION_TEST(noops_between_messages_are_skipped),
    };
    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
