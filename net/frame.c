/* Chunking. The writer leaves two bytes for the header of the first chunk and patches them when the
 * message is complete; the rare message of several chunks is spread apart then, from its end backwards:
 *
 *      frame_open       content is appended              frame_close
 *      [ 2 bytes ][ c o n t e n t ............ ]   ->   [ size ][ chunk ][ size ][ rest ][ 00 00 ]
 */
#include "net/frame.h"

enum { HEADER_SIZE = 2 };

size_t
frame_open(struct pack_writer *writer)
{
    size_t start = writer->size;
    pack_write_raw(writer, "\0\0", HEADER_SIZE);
    return start;
}

void
frame_cancel(struct pack_writer *writer, size_t start)
{
    assert(start <= writer->size);
    writer->size = start;
    writer->err = 0;
}

static void
header_write(uint8_t *at, size_t size)
{
    assert(size > 0 && size <= FRAME_CHUNK_SIZE_MAX);
    at[0] = (uint8_t)(size >> 8);
    at[1] = (uint8_t)size;
}

void
frame_close(struct pack_writer *writer, size_t start)
{
    if (!writer->err && pack_writer_reserve(writer, HEADER_SIZE)) {
        size_t content_size = writer->size - start - HEADER_SIZE;
        assert(content_size > 0);
        size_t chunk_count = (content_size + FRAME_CHUNK_SIZE_MAX - 1) / FRAME_CHUNK_SIZE_MAX;
        if (pack_writer_reserve(writer, HEADER_SIZE * chunk_count)) {
            uint8_t *content = writer->data + start + HEADER_SIZE;
            for (size_t i = chunk_count; i > 0; i--) {
                size_t offset = (i - 1) * FRAME_CHUNK_SIZE_MAX;
                size_t size = i == chunk_count ? content_size - offset : FRAME_CHUNK_SIZE_MAX;
                uint8_t *to = content + offset + HEADER_SIZE * (i - 1);
                if (i > 1)
                    memmove(to, content + offset, size);
                header_write(to - HEADER_SIZE, size);
            }
            writer->size += HEADER_SIZE * (chunk_count - 1);
            pack_write_raw(writer, "\0\0", HEADER_SIZE);
            return;
        }
    }
    writer->size = start <= writer->size ? start : writer->size;
}

void
frame_write_noop(struct pack_writer *writer)
{
    pack_write_raw(writer, "\0\0", HEADER_SIZE);
}

enum frame_event
frame_read(struct frame_reader *reader, struct text *input, struct text *content)
{
    while (input->size) {
        if (reader->chunk_left) {
            size_t size = input->size < reader->chunk_left ? input->size : reader->chunk_left;
            *content = (struct text){input->data, size};
            input->data += size;
            input->size -= size;
            reader->chunk_left -= (uint32_t)size;
            return FRAME_CONTENT;
        }
        uint8_t byte = (uint8_t)*input->data;
        input->data++;
        input->size--;
        if (reader->header_count == 0) {
            reader->header_high = byte;
            reader->header_count = 1;
            continue;
        }
        reader->header_count = 0;
        reader->chunk_left = (uint32_t)reader->header_high << 8 | byte;
        if (reader->chunk_left == 0) {
            bool was_inside = reader->is_inside;
            reader->is_inside = false;
            return was_inside ? FRAME_END : FRAME_NOOP;
        }
        reader->is_inside = true;
    }
    return FRAME_MORE;
}
