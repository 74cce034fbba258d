/* Any bytes, read as a value and as a message: no step outside the input, and whatever was accepted is
 * written again and read again equal in size. */
#include <stdlib.h>

#include "net/frame.h"
#include "net/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
round_trip(const struct pack_format *format, const uint8_t *data, size_t size)
{
    struct pack_reader reader;
    struct arena arena;
    struct value value;
    arena_create(&arena, memory_heap(), 64 << 20);
    pack_reader_create(&reader, data, size);
    if (pack_read_value(&reader, format, &arena, &value) == 0) {
        struct pack_writer writer;
        pack_writer_create(&writer, memory_heap(), 256 << 20);
        pack_write_value(&writer, format, &value);
        assert(writer.err == 0);
        struct pack_reader again;
        struct value read;
        pack_reader_create(&again, writer.data, writer.size);
        assert(pack_read_value(&again, format, &arena, &read) == 0);
        assert(pack_reader_is_at_end(&again));
        assert(read.type == value.type);
        pack_writer_destroy(&writer);
    }
    arena_destroy(&arena);
    pack_reader_create(&reader, data, size);
    (void)pack_check(&reader);
    (void)pack_skip(&reader);
}

static void
unframe(const uint8_t *data, size_t size)
{
    struct frame_reader reader = {0};
    struct text input = {(const char *)data, size}, content;
    size_t total = 0;
    for (enum frame_event event; (event = frame_read(&reader, &input, &content)) != FRAME_MORE;) {
        if (event == FRAME_CONTENT)
            total += content.size;
    }
    assert(total <= size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pack_format client = {
        .element_ids = true, .utc = true, .graph = true, .database_id = {"x", 1}};
    static const struct pack_format server = {0};
    round_trip(&client, data, size);
    round_trip(&server, data, size);
    unframe(data, size);
    return 0;
}
