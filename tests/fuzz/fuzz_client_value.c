/* Any bytes as a value from a server: decoding, walking, the accessors and printing must stay inside them. */
#include <stdlib.h>
#include <string.h>

#include "net/client/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk(struct qv_value value, int depth)
{
    struct qv_node node;
    struct qv_relationship relationship;
    struct qv_path path;
    struct qv_value item;
    struct qv_text key;
    bool forward;
    assert(value.encoded_size > 0);
    if (qv_value_node(value, &node) == QV_OK)
        (void)qv_map_get(node.properties, "k");
    (void)qv_value_relationship(value, &relationship);
    if (qv_value_path(value, &path) == QV_OK) {
        for (uint32_t i = 0; i < path.length && i < 4; i++)
            (void)qv_path_relationship(&path, i, &relationship, &forward);
    }
    struct qv_iterator items = qv_value_items(value);
    for (int i = 0; i < 64 && depth < 6 && qv_iterator_next(&items, &key, &item) == QV_OK; i++)
        walk(item, depth + 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qv_value value;
    size_t used;
    if (!value_decode(data, size, &value, &used))
        return 0;
    assert(used > 0 && used <= size && value.encoded_size == used);
    walk(value, 0);
    for (int notation = QV_CYPHER; notation <= QV_PLAIN; notation++) {
        size_t need = qv_value_print(value, (enum qv_notation)notation, NULL, 0);
        if (need > 1 << 20)
            continue;
        char *text = malloc(need + 1);
        assert(text);
        size_t printed = qv_value_print(value, (enum qv_notation)notation, text, need + 1);
        assert(printed == need && text[need] == 0);
        free(text);
    }
    struct client_error error = {.text = NULL};
    client_error_from_failure(&error, value);
    client_error_destroy(&error);
    return 0;
}
