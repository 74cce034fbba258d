/* A Bolt client inside the simulator, and a world of shards that serve it with the fake engine. */
#ifndef TESTS_WIRE_H
#define TESTS_WIRE_H

#include "net/frame.h"
#include "net/messages.h"
#include "net/net.h"
#include "shards/core/seam_sim.h"
#include "tests/lib/fake_engine.h"

struct wire_world {
    struct sim *sim;
    struct net_options options;
    uint16_t port;
};

/* `options` may be NULL; its program is set here. Asserts that the world starts. */
void wire_world_create(
    struct wire_world *world,
    uint64_t seed,
    uint32_t shard_count,
    const struct sim_options *options,
    enum net_auth auth);
/* Stops and asserts that everything came back: connections, queries, memory. */
void wire_world_destroy(struct wire_world *world);
/* Sums over all shards. */
struct fake_engine wire_engine_totals(const struct wire_world *world);
uint32_t wire_connection_count(const struct wire_world *world);

struct wire {
    struct wire_world *world;
    int64_t client;
    struct pack_writer out; /* to be sent */
    size_t message;         /* start of the open message */
    struct pack_writer in;  /* received and not yet read */
    size_t in_offset;
    struct arena arena; /* what was received, as values */
    bool is_closed;     /* by the server, and all was read */
};

/* One response. `value` is the map of SUCCESS or FAILURE, or the list of a RECORD. */
struct wire_message {
    uint8_t tag;
    struct value value;
};

void wire_create(struct wire *wire, struct wire_world *world);
/* Closes the connection if it is open. */
void wire_destroy(struct wire *wire);

/* Bytes as they are. */
void wire_put(struct wire *wire, const void *bytes, size_t size);
/* A message: its fields are written between the two, with the pack functions. */
struct pack_writer *wire_open(struct wire *wire, uint8_t tag, unsigned field_count);
void wire_close(struct wire *wire);
/* Messages without anything special in them. */
void wire_put_simple(struct wire *wire, uint8_t tag);
void wire_put_run(struct wire *wire, const char *query);
void wire_put_pull(struct wire *wire, int64_t row_count);
void wire_put_hello(struct wire *wire);
void wire_put_logon(struct wire *wire, const char *user, const char *password);
/* Hands over to the network what was put, as far as there is room; the rest goes later. */
void wire_flush(struct wire *wire);

/* Raw bytes, exactly `size`, waiting for them. False when the server closed first. */
bool wire_receive_bytes(struct wire *wire, void *out, size_t size);
/* The next response, waiting for it up to ten minutes of virtual time. False when the server closed. */
bool wire_receive(struct wire *wire, struct wire_message *message);
/* The next response must have this tag. Returns its value. */
struct value wire_expect(struct wire *wire, uint8_t tag);
/* A FAILURE with this code. */
void wire_expect_failure(struct wire *wire, const char *code);
/* The server closes within ten minutes, without another response. */
void wire_expect_end(struct wire *wire);

/* Handshake for this version, HELLO and LOGON, answers read. */
void wire_connect(struct wire *wire, unsigned major, unsigned minor);

/* Entry of a map; null when it is not there. */
struct value wire_entry(struct value map, const char *key);
bool wire_text_is(struct value value, const char *text);

#endif
