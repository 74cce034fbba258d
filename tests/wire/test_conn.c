/* Connections over the simulated network: fragmentation, back-pressure, deadlines, limits, malformed and
 * hostile bytes, failing memory, authentication. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/conn.h"
#include "tests/lib/wire.h"

static const uint8_t handshake_5_4[20] = {0x60, 0x60, 0xB0, 0x17, 0, 0, 4, 5};

static uint64_t
memory_used(const struct wire_world *world)
{
    uint64_t used = 0;
    for (uint32_t i = 0; i < sim_shard_count(world->sim); i++)
        used += sim_shard(world->sim, i)->seam->memory.used_size;
    return used;
}

static void
expect_rows(struct wire *wire, int64_t end)
{
    for (int64_t i = 0; i < end; i++) {
        struct value row = wire_expect(wire, BOLT_RECORD);
        assert_int_equal(row.list[0].integer, i);
    }
}

static void
run_rows(struct wire *wire, int64_t count)
{
    char query[32];
    snprintf(query, sizeof(query), "ROWS %ld", count);
    wire_put_run(wire, query);
    wire_put_pull(wire, -1);
    wire_expect(wire, BOLT_SUCCESS);
    expect_rows(wire, count);
    wire_expect(wire, BOLT_SUCCESS);
}

/* ---- fragmentation, pipelines ---- */

static void
bytes_one_at_a_time_are_understood(void **state)
{
    (void)state;
    struct wire_world world;
    struct wire wire;
    wire_world_create(&world, 11, 1, NULL, NET_AUTH_NONE);
    wire_create(&wire, &world);
    wire_put(&wire, handshake_5_4, sizeof(handshake_5_4));
    wire_put_hello(&wire);
    wire_put_logon(&wire, NULL, NULL);
    wire_put_run(&wire, "ROWS 2");
    wire_put_pull(&wire, -1);
    for (size_t i = 0; i < wire.out.size; i++) {
        assert_int_equal(sim_client_send(world.sim, wire.client, wire.out.data + i, 1), 1);
        sim_run_for(world.sim, 100 * SIM_MICROSECOND);
    }
    pack_writer_reset(&wire.out);
    uint8_t answer[4];
    assert_true(wire_receive_bytes(&wire, answer, 4));
    wire_expect(&wire, BOLT_SUCCESS);
    wire_expect(&wire, BOLT_SUCCESS);
    wire_expect(&wire, BOLT_SUCCESS);
    expect_rows(&wire, 2);
    wire_expect(&wire, BOLT_SUCCESS);
    wire_destroy(&wire);
    wire_world_destroy(&world);
}

static void
long_pipeline_is_answered_in_order(void **state)
{
    (void)state;
    enum { REQUESTS = 3000 };
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct wire_world world;
        struct wire wire;
        wire_world_create(&world, seed, 2, NULL, NET_AUTH_NONE);
        wire_create(&wire, &world);
        wire_connect(&wire, 5, 4);
        for (int i = 0; i < REQUESTS; i++) {
            char query[32];
            snprintf(query, sizeof(query), "ROWS %d", i % 5);
            wire_put_run(&wire, query);
            wire_put_pull(&wire, -1);
        }
        for (int i = 0; i < REQUESTS; i++) {
            wire_expect(&wire, BOLT_SUCCESS);
            expect_rows(&wire, i % 5);
            wire_expect(&wire, BOLT_SUCCESS);
        }
        wire_destroy(&wire);
        wire_world_destroy(&world);
    }
}

static void
reading_ahead_is_bounded(void **state)
{
    (void)state;
    struct wire_world world;
    struct wire wire;
    wire_world_create(&world, 3, 1, NULL, NET_AUTH_NONE);
    wire_create(&wire, &world);
    wire_connect(&wire, 5, 4);
    wire_put_run(&wire, "HANG");
    for (int i = 0; i < 100000; i++)
        wire_put_run(&wire, "ROWS 1");
    uint64_t before = memory_used(&world);
    for (int i = 0; i < 200; i++) {
        wire_flush(&wire);
        sim_run_for(world.sim, SIM_MILLISECOND);
    }
    assert_true(wire.out.size > 1000000);
    assert_true(memory_used(&world) - before < (256 << 10));
    wire_destroy(&wire);
    wire_world_destroy(&world);
}

static void
large_parameter_comes_back_whole(void **state)
{
    (void)state;
    enum { SIZE = 3 << 20 };
    struct wire_world world;
    struct wire wire;
    wire_world_create(&world, 5, 1, NULL, NET_AUTH_NONE);
    wire_create(&wire, &world);
    wire_connect(&wire, 5, 4);
    char *content = malloc(SIZE);
    for (int i = 0; i < SIZE; i++)
        content[i] = (char)('a' + i % 23);
    struct pack_writer *writer = wire_open(&wire, BOLT_RUN, 3);
    pack_write_string(writer, TEXT("PARAMETERS"));
    pack_write_map(writer, 1);
    pack_write_string(writer, TEXT("p"));
    pack_write_string(writer, (struct text){content, SIZE});
    pack_write_map(writer, 0);
    wire_close(&wire);
    wire_put_pull(&wire, -1);
    wire_expect(&wire, BOLT_SUCCESS);
    struct value back = wire_entry(wire_expect(&wire, BOLT_RECORD).list[0], "p");
    assert_int_equal(back.size, SIZE);
    assert_memory_equal(back.string, content, SIZE);
    wire_expect(&wire, BOLT_SUCCESS);
    free(content);
    wire_destroy(&wire);
    wire_world_destroy(&world);
}

/* ---- back-pressure, memory ---- */

static void
client_that_does_not_read_stops_the_statement(void **state)
{
    (void)state;
    enum { ROWS = 60000, TEXT_SIZE = 500 };
    struct wire_world world;
    struct wire wire;
    wire_world_create(&world, 9, 1, NULL, NET_AUTH_NONE);
    wire_create(&wire, &world);
    wire_connect(&wire, 5, 4);
    uint64_t before = memory_used(&world);
    wire_put_run(&wire, "TEXTS 60000 500");
    wire_put_pull(&wire, -1);
    wire_flush(&wire);
    sim_run_for(world.sim, 30 * SIM_SECOND);
    uint32_t made = wire_engine_totals(&world).rows_made_count;
    assert_true(made > 500 && made < 4000);
    assert_true(memory_used(&world) - before < (3 << 20));
    wire_expect(&wire, BOLT_SUCCESS);
    for (int i = 0; i < ROWS; i++) {
        struct arena_mark mark = arena_mark(&wire.arena);
        assert_int_equal(wire_expect(&wire, BOLT_RECORD).list[0].size, TEXT_SIZE);
        arena_rewind(&wire.arena, mark);
    }
    wire_expect(&wire, BOLT_SUCCESS);
    wire_destroy(&wire);
    wire_world_destroy(&world);
}

static void
client_that_never_reads_is_dropped(void **state)
{
    (void)state;
    struct wire_world world;
    struct wire wire;
    wire_world_create(&world, 9, 1, NULL, NET_AUTH_NONE);
    wire_create(&wire, &world);
    wire_connect(&wire, 5, 4);
    wire_put_run(&wire, "TEXTS 60000 500");
    wire_put_pull(&wire, -1);
    wire_flush(&wire);
    sim_run_for(world.sim, 50 * SIM_SECOND);
    assert_int_equal(wire_connection_count(&world), 1);
    sim_run_for(world.sim, 20 * SIM_SECOND);
    assert_int_equal(wire_connection_count(&world), 0);
    assert_int_equal(wire_engine_totals(&world).query_count, 0);
    wire_destroy(&wire);
    wire_world_destroy(&world);
}

static void
idle_connection_costs_at_most_16_kib(void **state)
{
    (void)state;
    enum { COUNT = 64 };
    static struct wire wires[COUNT];
    struct wire_world world;
    wire_world_create(&world, 21, 2, NULL, NET_AUTH_NONE);
    sim_run_for(world.sim, SIM_SECOND);
    uint64_t before = memory_used(&world);
    for (int i = 0; i < COUNT; i++) {
        wire_create(&wires[i], &world);
        wire_connect(&wires[i], 5, 4);
        run_rows(&wires[i], i % 2 ? 3 : 3000);
        wire_put_run(&wires[i], "TEXTS 20 100000");
        wire_put_pull(&wires[i], -1);
        wire_expect(&wires[i], BOLT_SUCCESS);
        for (int row = 0; row < 20; row++)
            wire_expect(&wires[i], BOLT_RECORD);
        wire_expect(&wires[i], BOLT_SUCCESS);
        arena_destroy(&wires[i].arena);
    }
    sim_run_for(world.sim, 5 * SIM_SECOND);
    uint64_t each = (memory_used(&world) - before) / COUNT;
    print_message("an idle connection holds %lu bytes\n", each);
    assert_true(each <= 16 << 10);
    for (int i = 0; i < COUNT; i++)
        wire_destroy(&wires[i]);
    sim_run_for(world.sim, 5 * SIM_SECOND);
    assert_int_equal(memory_used(&world), before);
    wire_world_destroy(&world);
}

/* ---- deadlines ---- */

/* Virtual seconds until the server closes a client that sent `bytes` and says nothing more. */
static uint64_t
seconds_until_closed(const void *bytes, size_t size)
{
    struct wire_world world;
    struct wire wire;
    wire_world_create(&world, 13, 1, NULL, NET_AUTH_NONE);
    wire_create(&wire, &world);
    wire_put(&wire, bytes, size);
    wire_flush(&wire);
    uint64_t start = sim_now_ns(world.sim);
    while (wire_connection_count(&world) == 0)
        sim_run_for(world.sim, SIM_MILLISECOND);
    while (wire_connection_count(&world) && sim_now_ns(world.sim) - start < 200 * SIM_SECOND)
        sim_run_for(world.sim, SIM_SECOND / 4);
    uint64_t seconds = (sim_now_ns(world.sim) - start) / SIM_SECOND;
    wire_destroy(&wire);
    wire_world_destroy(&world);
    return seconds;
}

static void
silent_clients_are_dropped_in_time(void **state)
{
    (void)state;
    uint64_t nothing = seconds_until_closed("", 0);
    assert_true(nothing >= 10 && nothing <= 12);
    uint64_t no_hello = seconds_until_closed(handshake_5_4, sizeof(handshake_5_4));
    assert_true(no_hello >= 30 && no_hello <= 32);
}

static void
half_a_message_is_not_waited_for_forever(void **state)
{
    (void)state;
    struct wire_world world;
    struct wire wire;
    wire_world_create(&world, 13, 1, NULL, NET_AUTH_NONE);
    wire_create(&wire, &world);
    wire_connect(&wire, 5, 4);
    wire_put(&wire, "\x00\x20\xB1", 3);
    wire_flush(&wire);
    sim_run_for(world.sim, 50 * SIM_SECOND);
    assert_int_equal(wire_connection_count(&world), 1);
    sim_run_for(world.sim, 15 * SIM_SECOND);
    assert_int_equal(wire_connection_count(&world), 0);
    wire_destroy(&wire);
    wire_world_destroy(&world);
}

static void
idle_client_is_left_alone(void **state)
{
    (void)state;
    struct wire_world world;
    struct wire wire;
    wire_world_create(&world, 13, 1, NULL, NET_AUTH_NONE);
    wire_create(&wire, &world);
    wire_connect(&wire, 5, 4);
    sim_run_for(world.sim, 3600 * SIM_SECOND);
    run_rows(&wire, 3);
    wire_destroy(&wire);
    wire_world_destroy(&world);
}

static void
long_statement_is_kept_alive_with_noops(void **state)
{
    (void)state;
    struct wire_world world;
    struct wire wire;
    wire_world_create(&world, 13, 1, NULL, NET_AUTH_NONE);
    wire_create(&wire, &world);
    wire_connect(&wire, 5, 4);
    wire_put_run(&wire, "HANG");
    wire_flush(&wire);
    for (int i = 0; i < 3; i++) {
        uint8_t noop[2];
        uint64_t start = sim_now_ns(world.sim);
        assert_true(wire_receive_bytes(&wire, noop, 2));
        assert_memory_equal(noop, "\0\0", 2);
        assert_true(sim_now_ns(world.sim) - start <= 62 * SIM_SECOND);
    }
    wire_put_simple(&wire, BOLT_RESET);
    wire_expect(&wire, BOLT_IGNORED);
    wire_expect(&wire, BOLT_SUCCESS);
    wire_destroy(&wire);
    wire_world_destroy(&world);
}

/* ---- malformed and hostile ---- */

struct hostile {
    const char *name;
    const char *bytes;
    size_t size;
};
#define HOSTILE(name, bytes)                                                                       \
    {                                                                                              \
        name, bytes, sizeof(bytes) - 1                                                             \
    }

/* After these an authenticated connection gets a FAILURE and ends. */
static const struct hostile hostile_messages[] = {
    HOSTILE("no structure", "\x00\x01\xA0\x00\x00"),
    HOSTILE("unknown tag", "\x00\x02\xB0\x55\x00\x00"),
    HOSTILE("structure without tag", "\x00\x01\xB0\x00\x00"),
    HOSTILE("wrong number of fields", "\x00\x02\xB1\x0F\x00\x00"),
    HOSTILE("fields missing", "\x00\x02\xB3\x10\x00\x00"),
    HOSTILE("string beyond the end", "\x00\x07\xB3\x10\xD2\x7F\xFF\xFF\xFF\x00\x00"),
    HOSTILE("list beyond the end", "\x00\x0A\xB3\x10\x80\xA1\x81\x61\xD5\xFF\xFF\xA0\x00\x00"),
    HOSTILE("invalid UTF-8", "\x00\x06\xB3\x10\x81\xFF\xA0\xA0\x00\x00"),
    HOSTILE("key that is no string", "\x00\x07\xB3\x10\x80\xA1\x01\x01\xA0\x00\x00"),
    HOSTILE("illegal marker", "\x00\x07\xB3\x10\x80\xA1\x81\x61\xC7\x00\x00"),
    HOSTILE("bytes behind the message", "\x00\x06\xB3\x10\x80\xA0\xA0\x01\x00\x00"),
    HOSTILE("server message", "\x00\x03\xB1\x70\xA0\x00\x00"),
    HOSTILE(
        "structure with too few fields",
        "\x00\x0A\xB3\x10\x80\xA1\x81\x61\xB1\x45\x01\xA0\x00\x00"),
};

static void
malformed_messages_end_their_connection_only(void **state)
{
    (void)state;
    struct wire_world world;
    struct wire bystander;
    wire_world_create(&world, 31, 2, NULL, NET_AUTH_NONE);
    wire_create(&bystander, &world);
    wire_connect(&bystander, 5, 4);
    for (size_t i = 0; i < sizeof(hostile_messages) / sizeof(*hostile_messages); i++) {
        struct wire wire;
        struct wire_message message;
        wire_create(&wire, &world);
        wire_connect(&wire, 5, 4);
        wire_put(&wire, hostile_messages[i].bytes, hostile_messages[i].size);
        if (!wire_receive(&wire, &message) || message.tag != BOLT_FAILURE)
            fail_msg("%s: no FAILURE", hostile_messages[i].name);
        struct text code = value_text(wire_entry(message.value, "code"));
        assert_memory_equal(code.data, "Neo.ClientError.Request.", 24);
        wire_expect_end(&wire);
        wire_destroy(&wire);
        run_rows(&bystander, 2);
    }
    wire_destroy(&bystander);
    wire_world_destroy(&world);
}

/* Well-formed, but with a value that is not accepted: the request fails, the connection lives. */
static void
unacceptable_values_fail_the_request_only(void **state)
{
    (void)state;
    const struct {
        const char *value;
        size_t size;
        const char *code;
    } cases[] = {
        {"\xB1\x44\x81\x61", 4, "Neo.ClientError.Statement.TypeError"},
        {"\xB1\x7A\x01", 3, "Neo.ClientError.Statement.TypeError"},
        {"\xB4\x4E\x01\x90\xA0\x80", 6, "Neo.ClientError.Statement.TypeError"},
        {"\xB1\x74\xFF", 3, "Neo.ClientError.Statement.ArgumentError"},
        {"\xB3\x69\x01\x00\x84Mars", 9, "Neo.ClientError.Statement.ArgumentError"},
    };
    struct wire_world world;
    struct wire wire;
    wire_world_create(&world, 32, 1, NULL, NET_AUTH_NONE);
    wire_create(&wire, &world);
    wire_connect(&wire, 5, 4);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct pack_writer *writer = wire_open(&wire, BOLT_RUN, 3);
        pack_write_string(writer, TEXT("PARAMETERS"));
        pack_write_map(writer, 1);
        pack_write_string(writer, TEXT("p"));
        pack_write_raw(writer, cases[i].value, cases[i].size);
        pack_write_map(writer, 0);
        wire_close(&wire);
        wire_expect_failure(&wire, cases[i].code);
        wire_put_simple(&wire, BOLT_RESET);
        wire_expect(&wire, BOLT_SUCCESS);
    }
    run_rows(&wire, 2);
    wire_destroy(&wire);
    wire_world_destroy(&world);
}

static void
deep_nesting_fails_the_request_only(void **state)
{
    (void)state;
    struct wire_world world;
    struct wire wire;
    wire_world_create(&world, 33, 1, NULL, NET_AUTH_NONE);
    wire_create(&wire, &world);
    wire_connect(&wire, 5, 4);
    struct pack_writer *writer = wire_open(&wire, BOLT_RUN, 3);
    pack_write_string(writer, TEXT("PARAMETERS"));
    pack_write_map(writer, 1);
    pack_write_string(writer, TEXT("p"));
    for (int i = 0; i < 10000; i++)
        pack_write_list(writer, 1);
    pack_write_null(writer);
    pack_write_map(writer, 0);
    wire_close(&wire);
    wire_expect_failure(&wire, "Neo.ClientError.Statement.ArgumentError");
    wire_put_simple(&wire, BOLT_RESET);
    wire_expect(&wire, BOLT_SUCCESS);
    run_rows(&wire, 2);
    wire_destroy(&wire);
    wire_world_destroy(&world);
}

static void
huge_query_fails_the_request_only(void **state)
{
    (void)state;
    enum { SIZE = 20 << 20 };
    struct wire_world world;
    struct wire wire;
    wire_world_create(&world, 34, 1, NULL, NET_AUTH_NONE);
    wire_create(&wire, &world);
    wire_connect(&wire, 5, 4);
    char *query = malloc(SIZE);
    memset(query, ' ', SIZE);
    struct pack_writer *writer = wire_open(&wire, BOLT_RUN, 3);
    pack_write_string(writer, (struct text){query, SIZE});
    pack_write_map(writer, 0);
    pack_write_map(writer, 0);
    wire_close(&wire);
    free(query);
    wire_expect_failure(&wire, "Neo.ClientError.Statement.ArgumentError");
    wire_put_simple(&wire, BOLT_RESET);
    wire_expect(&wire, BOLT_SUCCESS);
    run_rows(&wire, 2);
    wire_destroy(&wire);
    wire_world_destroy(&world);
}

static void
message_that_memory_cannot_hold_fails_alone(void **state)
{
    (void)state;
    enum { SIZE = 12 << 20 };
    struct sim_options options = {.memory_limit_size = 8 << 20};
    struct wire_world world;
    struct wire wire;
    wire_world_create(&world, 35, 1, &options, NET_AUTH_NONE);
    wire_create(&wire, &world);
    wire_connect(&wire, 5, 4);
    char *content = calloc(1, SIZE);
    struct pack_writer *writer = wire_open(&wire, BOLT_RUN, 3);
    pack_write_string(writer, TEXT("PARAMETERS"));
    pack_write_map(writer, 1);
    pack_write_string(writer, TEXT("p"));
    pack_write_bytes(writer, content, SIZE);
    pack_write_map(writer, 0);
    wire_close(&wire);
    free(content);
    wire_expect_failure(&wire, "Neo.TransientError.General.MemoryPoolOutOfMemoryError");
    wire_put_simple(&wire, BOLT_RESET);
    wire_expect(&wire, BOLT_SUCCESS);
    run_rows(&wire, 2);
    wire_destroy(&wire);
    wire_world_destroy(&world);
}

static void
large_message_before_logon_is_refused(void **state)
{
    (void)state;
    struct wire_world world;
    struct wire wire;
    uint8_t answer[4];
    static char content[20000];
    wire_world_create(&world, 36, 1, NULL, NET_AUTH_NONE);
    wire_create(&wire, &world);
    wire_put(&wire, handshake_5_4, sizeof(handshake_5_4));
    struct pack_writer *writer = wire_open(&wire, BOLT_HELLO, 1);
    pack_write_map(writer, 1);
    pack_write_string(writer, TEXT("user_agent"));
    pack_write_string(writer, (struct text){content, sizeof(content)});
    wire_close(&wire);
    assert_true(wire_receive_bytes(&wire, answer, 4));
    wire_expect_failure(&wire, "Neo.ClientError.Request.Invalid");
    wire_expect_end(&wire);
    wire_destroy(&wire);
    wire_world_destroy(&world);
}

static void
foreign_protocols_are_closed_without_an_answer(void **state)
{
    (void)state;
    const char *const greetings[] = {
        "\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03", "SSH-2.0-x\r\n", "POST / HTTP/1.1\r\n\r\n"};
    struct wire_world world;
    wire_world_create(&world, 37, 1, NULL, NET_AUTH_NONE);
    for (size_t i = 0; i < 3; i++) {
        struct wire wire;
        uint8_t byte;
        wire_create(&wire, &world);
        wire_put(&wire, greetings[i], 11);
        assert_false(wire_receive_bytes(&wire, &byte, 1));
        wire_destroy(&wire);
    }
    wire_world_destroy(&world);
}

static void
http_request_gets_the_discovery_document(void **state)
{
    (void)state;
    struct wire_world world;
    struct wire wire;
    wire_world_create(&world, 38, 1, NULL, NET_AUTH_NONE);
    wire_create(&wire, &world);
    static const char request[] =
        "GET / HTTP/1.1\r\nAccept: */*\r\nhost: db.example.org:7687\r\n\r\n";
    wire_put(&wire, request, sizeof(request) - 1);
    char answer[2048];
    size_t size = 0;
    while (size < sizeof(answer) - 1 && wire_receive_bytes(&wire, answer + size, 1))
        size++;
    answer[size] = 0;
    assert_non_null(strstr(answer, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(answer, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(answer, "\"bolt_direct\":\"bolt://db.example.org:7687\""));
    wire_destroy(&wire);
    wire_world_destroy(&world);
}

/* Valid traffic with bytes changed, dropped or repeated: anything may be answered, nothing may break. */
static void
damaged_traffic_breaks_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct sim_options options = {.connection_reset_ppm = seed % 3 == 0 ? 20000 : 0};
        struct wire_world world;
        struct wire wire;
        wire_world_create(&world, seed, 1, &options, NET_AUTH_NONE);
        wire_create(&wire, &world);
        wire_put(&wire, handshake_5_4, sizeof(handshake_5_4));
        wire_put_hello(&wire);
        wire_put_logon(&wire, NULL, NULL);
        for (int i = 0; i < 20; i++) {
            const char *const queries[] = {"ROWS 300", "WRITE",     "ERROR",
                                           "FAIL 3",   "HANG_PULL", "PARAMETERS"};
            wire_put_run(&wire, queries[sim_random(world.sim, 6)]);
            wire_put_pull(&wire, (int64_t)sim_random(world.sim, 100));
            if (sim_random(world.sim, 2))
                wire_put_simple(&wire, BOLT_RESET);
        }
        uint64_t damage = sim_random(world.sim, 4);
        for (uint64_t i = 0; i < damage; i++)
            wire.out.data[24 + sim_random(world.sim, wire.out.size - 24)] = (uint8_t)sim_random(
                world.sim, 256);
        if (sim_random(world.sim, 2))
            wire.out.size -= sim_random(world.sim, wire.out.size);
        for (int i = 0; i < 50; i++) {
            wire_flush(&wire);
            uint8_t sink[4096];
            sim_client_receive(world.sim, wire.client, sink, sizeof(sink));
            sim_run_for(world.sim, SIM_MILLISECOND);
        }
        wire_destroy(&wire);
        wire_world_destroy(&world);
    }
}

/* ---- failing memory ---- */

static void
every_allocation_may_fail_once(void **state)
{
    (void)state;
    uint32_t completed_count = 0;
    for (uint32_t n = 1; n <= 60; n++) {
        struct wire_world world;
        struct wire wire;
        struct wire_message message;
        wire_world_create(&world, 41, 1, NULL, NET_AUTH_NONE);
        sim_allocation_fail_after(world.sim, 0, n);
        wire_create(&wire, &world);
        wire_put(&wire, handshake_5_4, sizeof(handshake_5_4));
        wire_put_hello(&wire);
        wire_put_logon(&wire, NULL, NULL);
        struct pack_writer *writer = wire_open(&wire, BOLT_RUN, 3);
        pack_write_string(writer, TEXT("TEXTS 300 1000"));
        pack_write_map(writer, 1);
        pack_write_string(writer, TEXT("p"));
        pack_write_list(writer, 0);
        pack_write_map(writer, 0);
        wire_close(&wire);
        wire_put_pull(&wire, -1);
        uint8_t answer[4];
        bool open = wire_receive_bytes(&wire, answer, 4);
        uint32_t record_count = 0;
        while (open && record_count < 300 && wire_receive(&wire, &message) &&
               message.tag != BOLT_FAILURE)
            record_count += message.tag == BOLT_RECORD;
        completed_count += record_count == 300;
        wire_destroy(&wire);
        wire_world_destroy(&world);
    }
    assert_true(completed_count > 0 && completed_count < 60);
}

/* ---- stopping ---- */

static void
stop_ends_busy_connections(void **state)
{
    (void)state;
    struct wire_world world;
    struct wire wires[6];
    const char *const queries[] = {"HANG",   "HANG_PULL", "TEXTS 60000 500",
                                   "ROWS 1", "WRITE",     "ERROR"};
    wire_world_create(&world, 51, 3, NULL, NET_AUTH_NONE);
    for (int i = 0; i < 6; i++) {
        wire_create(&wires[i], &world);
        if (i < 5)
            wire_connect(&wires[i], 5, 4);
        wire_put_run(&wires[i], queries[i]);
        wire_put_pull(&wires[i], -1);
        wire_flush(&wires[i]);
    }
    sim_run_for(world.sim, SIM_SECOND);
    assert_true(sim_stop(world.sim, SIM_SECOND));
    for (int i = 0; i < 6; i++)
        wire_destroy(&wires[i]);
    sim_delete(world.sim);
}

/* At the moment of the stop a connection may be anywhere between the listener's queue and its own life. */
static void
stop_while_a_connection_arrives(void **state)
{
    (void)state;
    for (uint64_t step = 0; step < 60; step++) {
        struct wire_world world;
        struct wire wire;
        wire_world_create(&world, step, 1, NULL, NET_AUTH_NONE);
        wire_create(&wire, &world);
        for (uint64_t i = 0; i < step / 2; i++)
            sim_step(world.sim);
        wire_world_destroy(&world);
        pack_writer_destroy(&wire.out);
        pack_writer_destroy(&wire.in);
        arena_destroy(&wire.arena);
    }
}

static void
connections_beyond_the_limit_are_closed(void **state)
{
    (void)state;
    struct wire_world world;
    struct wire wires[4];
    wire_world_create(&world, 52, 1, NULL, NET_AUTH_NONE);
    world.options.connection_count_max = 3;
    for (int i = 0; i < 3; i++) {
        wire_create(&wires[i], &world);
        wire_connect(&wires[i], 5, 4);
    }
    uint8_t byte;
    wire_create(&wires[3], &world);
    assert_false(wire_receive_bytes(&wires[3], &byte, 1));
    run_rows(&wires[0], 1);
    wire_destroy(&wires[3]);
    wire_destroy(&wires[0]);
    sim_run_for(world.sim, SIM_SECOND);
    wire_create(&wires[0], &world);
    wire_connect(&wires[0], 5, 4);
    for (int i = 0; i < 3; i++)
        wire_destroy(&wires[i]);
    wire_world_destroy(&world);
}

/* ---- authentication ---- */

/* Handshake, HELLO and LOGON; returns the tag of the answer to LOGON. */
static struct wire_message
log_on(struct wire *wire, const char *user, const char *password)
{
    uint8_t answer[4];
    struct wire_message message;
    wire_put(wire, handshake_5_4, sizeof(handshake_5_4));
    wire_put_hello(wire);
    wire_put_logon(wire, user, password);
    assert_true(wire_receive_bytes(wire, answer, 4));
    wire_expect(wire, BOLT_SUCCESS);
    assert_true(wire_receive(wire, &message));
    return message;
}

static void
password_decides(void **state)
{
    (void)state;
    const struct {
        const char *user, *password, *code;
    } cases[] = {
        {"neo4j", "secret", NULL},
        {"neo4j", "wrong", "Neo.ClientError.Security.Unauthorized"},
        {"nobody", "secret", "Neo.ClientError.Security.Unauthorized"},
        {NULL, NULL, "Neo.ClientError.Security.Unauthorized"},
    };
    struct wire_world world;
    wire_world_create(&world, 61, 1, NULL, NET_AUTH_BASIC);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct wire wire;
        wire_create(&wire, &world);
        struct wire_message message = log_on(&wire, cases[i].user, cases[i].password);
        if (cases[i].code) {
            assert_int_equal(message.tag, BOLT_FAILURE);
            assert_true(wire_text_is(wire_entry(message.value, "code"), cases[i].code));
            wire_expect_end(&wire);
        } else {
            assert_int_equal(message.tag, BOLT_SUCCESS);
            run_rows(&wire, 1);
        }
        wire_destroy(&wire);
    }
    wire_world_destroy(&world);
}

static void
password_in_hello_decides_before_5_1(void **state)
{
    (void)state;
    struct wire_world world;
    wire_world_create(&world, 62, 1, NULL, NET_AUTH_BASIC);
    for (int good = 0; good < 2; good++) {
        struct wire wire;
        uint8_t answer[4];
        wire_create(&wire, &world);
        wire_put(&wire, "\x60\x60\xB0\x17\0\0\4\4\0\0\0\0\0\0\0\0\0\0\0\0", 20);
        struct pack_writer *writer = wire_open(&wire, BOLT_HELLO, 1);
        const char *const words[] = {
            "user_agent", "t/1",   "scheme",      "basic",
            "principal",  "neo4j", "credentials", good ? "secret" : "guess"};
        pack_write_map(writer, 5);
        for (int i = 0; i < 8; i++)
            pack_write_string(writer, text_of(words[i]));
        pack_write_string(writer, TEXT("patch_bolt"));
        pack_write_list(writer, 1);
        pack_write_string(writer, TEXT("utc"));
        wire_close(&wire);
        assert_true(wire_receive_bytes(&wire, answer, 4));
        if (good) {
            struct value hello = wire_expect(&wire, BOLT_SUCCESS);
            assert_int_equal(wire_entry(hello, "patch_bolt").size, 1);
            run_rows(&wire, 1);
        } else {
            wire_expect_failure(&wire, "Neo.ClientError.Security.Unauthorized");
            wire_expect_end(&wire);
        }
        wire_destroy(&wire);
    }
    wire_world_destroy(&world);
}

static void
failed_log_ons_lock_the_name_for_a_while(void **state)
{
    (void)state;
    struct wire_world world;
    wire_world_create(&world, 63, 1, NULL, NET_AUTH_BASIC);
    const char *expected = NULL;
    for (int i = 0; i < 5; i++) {
        struct wire wire;
        wire_create(&wire, &world);
        struct wire_message message = log_on(&wire, "neo4j", i < 4 ? "guess" : "secret");
        expected = i < 3 ? "Neo.ClientError.Security.Unauthorized"
                         : "Neo.ClientError.Security.AuthenticationRateLimit";
        assert_true(wire_text_is(wire_entry(message.value, "code"), expected));
        wire_destroy(&wire);
    }
    sim_run_for(world.sim, 6 * SIM_SECOND);
    struct wire wire;
    wire_create(&wire, &world);
    assert_int_equal(log_on(&wire, "neo4j", "secret").tag, BOLT_SUCCESS);
    wire_destroy(&wire);
    wire_world_destroy(&world);
}

static err_t
start_with_auth(struct shard *shard, void *context)
{
    err_t err = fake_engine_create(shard);
    return err ? err : net_start(shard, context);
}

static void
finish_after_failure(struct shard *shard, void *context)
{
    (void)context;
    net_destroy(shard);
    fake_engine_destroy(shard);
}

/* Without users nobody could log on: the server does not start, rather than let nobody or everybody in. */
static void
damaged_user_file_is_refused(void **state)
{
    (void)state;
    const char *const contents[] = {"", "neo4j\n", ":$argon2id$x\n", "neo4j:\n", "\n\n"};
    for (size_t i = 0; i < sizeof(contents) / sizeof(*contents); i++) {
        struct net_options options = {
            .host = "127.0.0.1", .auth = NET_AUTH_BASIC, .database_id = TEXT("x")};
        struct sim_options sim_options = {
            .program = {
                .context = &options, .start = start_with_auth, .finish = finish_after_failure}};
        struct sim *sim = sim_create(i, 1, &sim_options);
        if (contents[i][0])
            sim_disk_poke(sim, "auth", 0, contents[i], strlen(contents[i]));
        assert_int_not_equal(sim_start(sim), 0);
        sim_delete(sim);
    }
}

static void
many_log_ons_at_once_all_succeed(void **state)
{
    (void)state;
    enum { COUNT = 12 };
    struct wire_world world;
    struct wire wires[COUNT];
    wire_world_create(&world, 65, 1, NULL, NET_AUTH_BASIC);
    for (int i = 0; i < COUNT; i++) {
        wire_create(&wires[i], &world);
        wire_put(&wires[i], handshake_5_4, sizeof(handshake_5_4));
        wire_put_hello(&wires[i]);
        wire_put_logon(&wires[i], "neo4j", "secret");
        wire_flush(&wires[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        uint8_t answer[4];
        assert_true(wire_receive_bytes(&wires[i], answer, 4));
        wire_expect(&wires[i], BOLT_SUCCESS);
        wire_expect(&wires[i], BOLT_SUCCESS);
        wire_destroy(&wires[i]);
    }
    wire_world_destroy(&world);
}

static void
client_that_leaves_during_the_password_check(void **state)
{
    (void)state;
    struct wire_world world;
    struct wire wire;
    wire_world_create(&world, 64, 1, NULL, NET_AUTH_BASIC);
    wire_create(&wire, &world);
    wire_put(&wire, handshake_5_4, sizeof(handshake_5_4));
    wire_put_hello(&wire);
    wire_put_logon(&wire, "neo4j", "secret");
    wire_flush(&wire);
    sim_run_for(world.sim, 300 * SIM_MICROSECOND);
    wire_destroy(&wire);
    sim_run_for(world.sim, SIM_SECOND);
    assert_int_equal(wire_connection_count(&world), 0);
    wire_world_destroy(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_one_at_a_time_are_understood),
        cmocka_unit_test(long_pipeline_is_answered_in_order),
        cmocka_unit_test(reading_ahead_is_bounded),
        cmocka_unit_test(large_parameter_comes_back_whole),
        cmocka_unit_test(client_that_does_not_read_stops_the_statement),
        cmocka_unit_test(client_that_never_reads_is_dropped),
        cmocka_unit_test(idle_connection_costs_at_most_16_kib),
        cmocka_unit_test(silent_clients_are_dropped_in_time),
        cmocka_unit_test(half_a_message_is_not_waited_for_forever),
        cmocka_unit_test(idle_client_is_left_alone),
        cmocka_unit_test(long_statement_is_kept_alive_with_noops),
        cmocka_unit_test(malformed_messages_end_their_connection_only),
        cmocka_unit_test(unacceptable_values_fail_the_request_only),
        cmocka_unit_test(deep_nesting_fails_the_request_only),
        cmocka_unit_test(huge_query_fails_the_request_only),
        cmocka_unit_test(message_that_memory_cannot_hold_fails_alone),
        cmocka_unit_test(large_message_before_logon_is_refused),
        cmocka_unit_test(foreign_protocols_are_closed_without_an_answer),
        cmocka_unit_test(http_request_gets_the_discovery_document),
        cmocka_unit_test(damaged_traffic_breaks_nothing),
        cmocka_unit_test(every_allocation_may_fail_once),
        cmocka_unit_test(stop_ends_busy_connections),
        cmocka_unit_test(stop_while_a_connection_arrives),
        cmocka_unit_test(connections_beyond_the_limit_are_closed),
        cmocka_unit_test(password_decides),
        cmocka_unit_test(password_in_hello_decides_before_5_1),
        cmocka_unit_test(failed_log_ons_lock_the_name_for_a_while),
        cmocka_unit_test(damaged_user_file_is_refused),
        cmocka_unit_test(many_log_ons_at_once_all_succeed),
        cmocka_unit_test(client_that_leaves_during_the_password_check),
    };
    return cmocka_run_group_tests_name("conn", tests, NULL, NULL);
}
