#include "tools/shell/shell.h"

#include <string.h>

/* Details of an operator: what it does, step by step. The first line stands behind its name, the others
 * under it. */
static void
print_details(struct qv_text details, const struct buffer *indent)
{
    for (size_t at = 0, line = 0; at < details.size; line++) {
        const char *end = memchr(details.data + at, '\n', details.size - at);
        size_t size = end ? (size_t)(end - details.data) - at : details.size - at;
        struct buffer text = {0};
        buffer_append_printable(&text, details.data + at, size);
        printf(
            "%s%s  %s", line > 0 ? "\n" : "", line > 0 && indent->data ? indent->data : "",
            text.data);
        buffer_destroy(&text);
        at += size + 1;
    }
}

static void
print_args(const struct shell *shell, struct qv_value plan, const struct buffer *indent)
{
    static const char *const counters[][2] = {{"rows", "rows"}, {"dbHits", "hits"}, {"time", "ns"}};
    struct qv_value args = qv_map_get(plan, "args");
    struct qv_value details = qv_map_get(args, "Details"),
                    estimate = qv_map_get(args, "EstimatedRows");
    double rows;
    print_details(qv_value_text(details), indent);
    fputs(style(shell, "2"), stdout);
    if (qv_value_number(estimate, &rows) == QV_OK)
        printf("  ~%.0f rows", rows);
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        struct qv_value counter = qv_map_get(plan, counters[i][0]);
        if (counter.type == QV_INTEGER)
            printf("  %lld %s", (long long)counter.integer, counters[i][1]);
    }
    printf("%s\n", style(shell, "0"));
}

/* `indent` is what stands before the operator; children hang below it. */
static void
print_operator(const struct shell *shell, struct qv_value plan, struct buffer *indent, int depth)
{
    struct qv_text name = qv_value_text(qv_map_get(plan, "operatorType"));
    const char *at = memchr(name.data, '@', name.size);
    if (at)
        name.size = (size_t)(at - name.data);
    printf(
        "%s%s%.*s%s", indent->data ? indent->data : "", style(shell, "1"), (int)name.size,
        name.data, style(shell, "0"));
    print_args(shell, plan, indent);
    struct qv_value children = qv_map_get(plan, "children"), child;
    struct qv_iterator items = qv_value_items(children);
    size_t indent_size = indent->size;
    while (depth < 200 && qv_iterator_next(&items, NULL, &child) == QV_OK) {
        /* A single input continues the column; of two the first is indented. */
        if (children.size > 1 && items.left_count > 0)
            buffer_append_text(indent, shell->unicode ? "│ " : "| ");
        print_operator(shell, child, indent, depth + 1);
        indent->size = indent_size;
        if (indent->data)
            indent->data[indent_size] = 0;
    }
}

void
plan_print(const struct shell *shell, struct qv_value plan)
{
    struct buffer indent = {0};
    if (plan.type == QV_MAP)
        print_operator(shell, plan, &indent, 0);
    buffer_destroy(&indent);
}
