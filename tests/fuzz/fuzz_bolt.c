/* Any bytes from a client, through the simulated network, into a connection with the whole session and
 * the fake engine behind it. The first byte chooses a prologue, so that the states behind the handshake
 * and the log-on are reached at once. Afterwards everything must have come back. */
#include <stdlib.h>

#include "tests/lib/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct net_options options = {.host = "127.0.0.1", .database_id = {"x", 1}};

static err_t
start(struct shard *shard, void *context)
{
    (void)context;
    err_t err = fake_engine_create(shard);
    return err ? err : net_start(shard, &options);
}

static bool
drain(struct shard *shard, void *context)
{
    (void)context;
    return net_drain(shard);
}

static void
finish(struct shard *shard, void *context)
{
    (void)context;
    net_destroy(shard);
    fake_engine_destroy(shard);
}

static void
put_prologue(struct pack_writer *out, unsigned choice)
{
    static const uint8_t minors[4] = {4, 8, 0, 4};
    if (choice == 0)
        return;
    const uint8_t hello[20] = {
        0x60, 0x60, 0xB0, 0x17, 0, 0, minors[choice & 3], (choice & 3) == 3 ? 4 : 5};
    pack_write_raw(out, hello, sizeof(hello));
    static const char hello_bytes[] = "\x00\x03\xB1\x01\xA0\x00\x00";
    static const char logon_bytes[] = "\x00\x03\xB1\x6A\xA0\x00\x00";
    pack_write_raw(out, hello_bytes, sizeof(hello_bytes) - 1);
    if ((choice & 3) < 2)
        pack_write_raw(out, logon_bytes, sizeof(logon_bytes) - 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct sim_options sim_options = {
        .program = {.start = start, .drain = drain, .finish = finish}};
    options.port = 0;
    struct sim *sim = sim_create(data[0], 1, &sim_options);
    if (sim_start(sim))
        abort();
    int64_t client = sim_client_connect(sim, net_port(sim_shard(sim, 0)));
    struct pack_writer out;
    pack_writer_create(&out, memory_heap(), 1 << 24);
    put_prologue(&out, data[0] % 5);
    pack_write_raw(&out, data + 1, size - 1);
    size_t sent = 0;
    for (int i = 0; i < 40 && out.data; i++) {
        uint8_t sink[16384];
        sent += sim_client_send(sim, client, out.data + sent, out.size - sent);
        while (sim_client_receive(sim, client, sink, sizeof(sink)) > 0)
            continue;
        sim_run_for(sim, 200 * SIM_MICROSECOND);
    }
    sim_client_close(sim, client);
    pack_writer_destroy(&out);
    if (!sim_stop(sim, 100 * SIM_SECOND))
        abort();
    sim_delete(sim);
    return 0;
}
