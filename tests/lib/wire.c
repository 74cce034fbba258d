#include "tests/lib/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { WAIT_SECONDS = 600 };

/* ---- the world ---- */

static err_t
world_start(struct shard *shard, void *context)
{
    struct wire_world *world = context;
    err_t err = 0;
    if (shard->index == 0 && world->options.auth == NET_AUTH_BASIC)
        err = net_auth_create(shard->seam, TEXT("secret"));
    if (!err)
        err = fake_engine_create(shard);
    if (!err)
        err = net_start(shard, &world->options);
    return err;
}

static bool
world_drain(struct shard *shard, void *context)
{
    (void)context;
    return net_drain(shard);
}

static void
world_finish(struct shard *shard, void *context)
{
    (void)context;
    net_destroy(shard);
    fake_engine_destroy(shard);
}

void
wire_world_create(
    struct wire_world *world,
    uint64_t seed,
    uint32_t shard_count,
    const struct sim_options *options,
    enum net_auth auth)
{
    struct sim_options sim_options = options ? *options : (struct sim_options){0};
    *world = (struct wire_world){0};
    world->options.host = "127.0.0.1";
    world->options.auth = auth;
    world->options.database_id = TEXT("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    sim_options.program = (struct shard_program){
        .context = world, .start = world_start, .drain = world_drain, .finish = world_finish};
    world->sim = sim_create(seed, shard_count, &sim_options);
    assert_int_equal(err_code(sim_start(world->sim)), ERR_NONE);
    world->port = net_port(sim_shard(world->sim, 0));
    assert_int_not_equal(world->port, 0);
    sim_run_for(world->sim, SIM_MILLISECOND);
}

void
wire_world_destroy(struct wire_world *world)
{
    assert_true(sim_stop(world->sim, 600 * SIM_SECOND));
    sim_delete(world->sim);
    world->sim = NULL;
}

struct fake_engine
wire_engine_totals(const struct wire_world *world)
{
    struct fake_engine totals = {0};
    for (uint32_t i = 0; i < sim_shard_count(world->sim); i++) {
        const struct fake_engine *engine = sim_shard(world->sim, i)->engine;
        totals.query_count += engine->query_count;
        totals.transaction_count += engine->transaction_count;
        totals.committed_count += engine->committed_count;
        totals.rolled_back_count += engine->rolled_back_count;
        totals.autocommit_count += engine->autocommit_count;
        totals.cancelled_count += engine->cancelled_count;
        totals.rows_made_count += engine->rows_made_count;
        if (engine->bookmark_asked > totals.bookmark_asked)
            totals.bookmark_asked = engine->bookmark_asked;
        if (engine->timeout_asked_ns > totals.timeout_asked_ns)
            totals.timeout_asked_ns = engine->timeout_asked_ns;
        totals.read_only_asked |= engine->read_only_asked;
    }
    return totals;
}

uint32_t
wire_connection_count(const struct wire_world *world)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < sim_shard_count(world->sim); i++) {
        struct net_gauges gauges;
        net_gauges_read(sim_shard(world->sim, i), &gauges);
        count += gauges.connection_count;
    }
    return count;
}

/* ---- sending ---- */

void
wire_create(struct wire *wire, struct wire_world *world)
{
    *wire = (struct wire){.world = world};
    pack_writer_create(&wire->out, memory_heap(), (size_t)1 << 30);
    pack_writer_create(&wire->in, memory_heap(), (size_t)1 << 30);
    arena_create(&wire->arena, memory_heap(), (size_t)1 << 30);
    wire->client = sim_client_connect(world->sim, world->port);
    assert_true(wire->client >= 0);
}

void
wire_destroy(struct wire *wire)
{
    sim_client_close(wire->world->sim, wire->client);
    pack_writer_destroy(&wire->out);
    pack_writer_destroy(&wire->in);
    arena_destroy(&wire->arena);
}

void
wire_put(struct wire *wire, const void *bytes, size_t size)
{
    pack_write_raw(&wire->out, bytes, size);
}

struct pack_writer *
wire_open(struct wire *wire, uint8_t tag, unsigned field_count)
{
    wire->message = frame_open(&wire->out);
    pack_write_structure(&wire->out, tag, field_count);
    return &wire->out;
}

void
wire_close(struct wire *wire)
{
    frame_close(&wire->out, wire->message);
    assert_int_equal(wire->out.err, 0);
}

void
wire_put_simple(struct wire *wire, uint8_t tag)
{
    wire_open(wire, tag, 0);
    wire_close(wire);
}

void
wire_put_run(struct wire *wire, const char *query)
{
    struct pack_writer *writer = wire_open(wire, BOLT_RUN, 3);
    pack_write_string(writer, text_of(query));
    pack_write_map(writer, 0);
    pack_write_map(writer, 0);
    wire_close(wire);
}

void
wire_put_pull(struct wire *wire, int64_t row_count)
{
    struct pack_writer *writer = wire_open(wire, BOLT_PULL, 1);
    pack_write_map(writer, 1);
    pack_write_string(writer, TEXT("n"));
    pack_write_integer(writer, row_count);
    wire_close(wire);
}

void
wire_put_hello(struct wire *wire)
{
    struct pack_writer *writer = wire_open(wire, BOLT_HELLO, 1);
    pack_write_map(writer, 2);
    pack_write_string(writer, TEXT("user_agent"));
    pack_write_string(writer, TEXT("test/1"));
    pack_write_string(writer, TEXT("routing"));
    pack_write_null(writer);
    wire_close(wire);
}

void
wire_put_logon(struct wire *wire, const char *user, const char *password)
{
    struct pack_writer *writer = wire_open(wire, BOLT_LOGON, 1);
    pack_write_map(writer, user ? 3 : 1);
    pack_write_string(writer, TEXT("scheme"));
    pack_write_string(writer, user ? TEXT("basic") : TEXT("none"));
    if (user) {
        pack_write_string(writer, TEXT("principal"));
        pack_write_string(writer, text_of(user));
        pack_write_string(writer, TEXT("credentials"));
        pack_write_string(writer, text_of(password));
    }
    wire_close(wire);
}

void
wire_flush(struct wire *wire)
{
    size_t sent = sim_client_send(wire->world->sim, wire->client, wire->out.data, wire->out.size);
    if (sent) {
        memmove(wire->out.data, wire->out.data + sent, wire->out.size - sent);
        wire->out.size -= sent;
    }
}

/* ---- receiving ---- */

/* Moves what arrived into `in`. */
static void
wire_pump(struct wire *wire)
{
    uint8_t buffer[4096];
    int64_t size;
    wire_flush(wire);
    while ((size = sim_client_receive(wire->world->sim, wire->client, buffer, sizeof(buffer))) > 0)
        pack_write_raw(&wire->in, buffer, (size_t)size);
    if (size < 0)
        wire->is_closed = true;
}

static bool
wire_progressed(void *context)
{
    struct wire *wire = context;
    size_t before = wire->in.size;
    wire_pump(wire);
    return wire->in.size > before || wire->is_closed;
}

/* More bytes in `in`; false when none will come. */
static bool
wire_wait(struct wire *wire)
{
    if (wire->is_closed)
        return false;
    bool progressed = sim_run_until(
        wire->world->sim, wire_progressed, wire, WAIT_SECONDS * SIM_SECOND);
    if (!progressed)
        fail_msg("the server neither answered nor closed");
    return true;
}

bool
wire_receive_bytes(struct wire *wire, void *out, size_t size)
{
    while (wire->in.size - wire->in_offset < size) {
        if (!wire_wait(wire))
            return false;
    }
    memcpy(out, wire->in.data + wire->in_offset, size);
    wire->in_offset += size;
    return true;
}

/* One whole message off `in`, without its chunk headers; size 0 when it is not all there. */
static struct text
wire_take_message(struct wire *wire)
{
    struct frame_reader reader = {0};
    struct text
        input = {(const char *)wire->in.data + wire->in_offset, wire->in.size - wire->in_offset},
        chunk;
    char *content = arena_allocate(&wire->arena, input.size + 1);
    size_t size = 0;
    for (;;) {
        enum frame_event event = frame_read(&reader, &input, &chunk);
        if (event == FRAME_CONTENT) {
            memcpy(content + size, chunk.data, chunk.size);
            size += chunk.size;
        } else if (event == FRAME_END) {
            wire->in_offset = (size_t)((const uint8_t *)input.data - wire->in.data);
            return (struct text){content, size};
        } else if (event == FRAME_MORE) {
            return (struct text){NULL, 0};
        }
    }
}

bool
wire_receive(struct wire *wire, struct wire_message *message)
{
    static const struct pack_format format = {.element_ids = true, .utc = true, .graph = true};
    struct text bytes;
    for (;;) {
        struct arena_mark mark = arena_mark(&wire->arena);
        bytes = wire_take_message(wire);
        if (bytes.size)
            break;
        arena_rewind(&wire->arena, mark);
        if (!wire_wait(wire))
            return false;
    }
    if (wire->in_offset > (1 << 20)) {
        memmove(wire->in.data, wire->in.data + wire->in_offset, wire->in.size - wire->in_offset);
        wire->in.size -= wire->in_offset;
        wire->in_offset = 0;
    }
    struct pack_reader reader;
    struct pack_item header;
    pack_reader_create(&reader, bytes.data, bytes.size);
    assert_int_equal(pack_check(&reader), 0);
    assert_int_equal(pack_read(&reader, &header), 0);
    message->tag = header.tag;
    message->value = value_null();
    if (header.size)
        assert_int_equal(pack_read_value(&reader, &format, &wire->arena, &message->value), 0);
    return true;
}

struct value
wire_expect(struct wire *wire, uint8_t tag)
{
    struct wire_message message = {0};
    if (!wire_receive(wire, &message))
        fail_msg("the server closed instead of answering");
    if (message.tag != tag) {
        struct value text = wire_entry(message.value, "message");
        if (text.type == VALUE_STRING)
            fail_msg(
                "tag %02X instead of %02X: %.*s", message.tag, tag, TEXT_ARGS(value_text(text)));
        fail_msg("tag %02X instead of %02X", message.tag, tag);
    }
    return message.value;
}

void
wire_expect_failure(struct wire *wire, const char *code)
{
    struct value map = wire_expect(wire, BOLT_FAILURE);
    struct value found = wire_entry(map, "code");
    if (value_is_null(found))
        found = wire_entry(map, "neo4j_code");
    assert_int_equal(found.type, VALUE_STRING);
    if (!wire_text_is(found, code))
        fail_msg("%.*s instead of %s", TEXT_ARGS(value_text(found)), code);
}

void
wire_expect_end(struct wire *wire)
{
    struct wire_message message;
    if (wire_receive(wire, &message))
        fail_msg("tag %02X instead of the end", message.tag);
}

void
wire_connect(struct wire *wire, unsigned major, unsigned minor)
{
    const uint8_t hello[20] = {0x60, 0x60, 0xB0, 0x17, 0, 0, (uint8_t)minor, (uint8_t)major};
    const uint8_t expected[4] = {0, 0, (uint8_t)minor, (uint8_t)major};
    uint8_t answer[4];
    wire_put(wire, hello, sizeof(hello));
    wire_put_hello(wire);
    bool logon = major > 5 || (major == 5 && minor >= 1);
    if (logon)
        wire_put_logon(wire, NULL, NULL);
    assert_true(wire_receive_bytes(wire, answer, sizeof(answer)));
    assert_memory_equal(answer, expected, sizeof(answer));
    wire_expect(wire, BOLT_SUCCESS);
    if (logon)
        wire_expect(wire, BOLT_SUCCESS);
}

/* ---- looking at values ---- */

struct value
wire_entry(struct value map, const char *key)
{
    if (map.type != VALUE_MAP)
        return value_null();
    for (uint32_t i = 0; i < map.size; i++) {
        if (text_equal(map.map[i].key, text_of(key)))
            return map.map[i].value;
    }
    return value_null();
}

bool
wire_text_is(struct value value, const char *text)
{
    return value.type == VALUE_STRING && text_equal(value_text(value), text_of(text));
}
