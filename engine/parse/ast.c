#include "engine/parse/ast.h"

#include <stdio.h>

#include "base/assert.h"

const char *
ast_kind_name(enum ast_kind kind)
{
    static const char *const names[] = {
        [AST_ABSENT] = "absent",
#define AST(kind, member, printed, s0, s1, s2, s3, s4) [AST_##kind] = (printed),
#include "engine/parse/ast.def"
#undef AST
    };
    assert(kind < AST_KIND_COUNT);
    return names[kind];
}

static const char *
slot_name(enum ast_kind kind, uint32_t slot)
{
    static const char *const names[][AST_SLOT_COUNT] = {
        [AST_ABSENT] = {""},
#define AST(kind, member, printed, s0, s1, s2, s3, s4) [AST_##kind] = {#s0, #s1, #s2, #s3, #s4},
#include "engine/parse/ast.def"
#undef AST
    };
    assert(kind < AST_KIND_COUNT && slot < AST_SLOT_COUNT);
    return names[kind][slot];
}

static const char *const flag_names[] = {
    "distinct",      "star",           "optional",     "detach",  "union-all",
    "descending",    "shortest",       "all-shortest", "left",    "right",
    "aliased",       "no-parentheses", "explain",      "profile", "if-exists",
    "if-not-exists", "relationship",   "with-headers", "negated",
};

/* A string that grows in the arena; `failed` once there is no memory. */
struct printer {
    struct arena *arena;
    char *data;
    size_t size, room;
    bool failed;
};

static void
printer_put(struct printer *printer, const char *data, size_t size)
{
    if (printer->failed)
        return;
    if (printer->size + size > printer->room) {
        size_t room = (printer->room + size) * 2;
        char *grown = arena_allocate(printer->arena, room);
        if (!grown) {
            printer->failed = true;
            return;
        }
        if (printer->size)
            memcpy(grown, printer->data, printer->size);
        printer->data = grown;
        printer->room = room;
    }
    memcpy(printer->data + printer->size, data, size);
    printer->size += size;
}

static void
printer_put_string(struct printer *printer, const char *string)
{
    printer_put(printer, string, strlen(string));
}

static void
print_text(struct printer *printer, struct text text)
{
    printer_put_string(printer, " \"");
    for (size_t i = 0; i < text.size; i++) {
        char escaped[5];
        unsigned char byte = (unsigned char)text.data[i];
        if (byte < 0x20)
            snprintf(escaped, sizeof(escaped), "\\x%02x", byte);
        else if (byte == '"' || byte == '\\')
            snprintf(escaped, sizeof(escaped), "\\%c", byte);
        else
            snprintf(escaped, sizeof(escaped), "%c", byte);
        printer_put_string(printer, escaped);
    }
    printer_put_string(printer, "\"");
}

static void
print_word(struct printer *printer, const struct ast *node)
{
    char number[64];
    if (node->kind == AST_INTEGER)
        snprintf(number, sizeof(number), " %lld", (long long)node->word.integer);
    else if (node->kind == AST_FLOAT)
        snprintf(number, sizeof(number), " %.17g", node->word.real);
    else if (node->kind == AST_BOOLEAN)
        snprintf(number, sizeof(number), " %s", node->word.boolean ? "true" : "false");
    else
        return;
    printer_put_string(printer, number);
}

static void
print_node(struct printer *printer, const struct ast *node)
{
    printer_put_string(printer, "(");
    printer_put_string(printer, ast_kind_name(node->kind));
    for (uint32_t bit = 0; bit < sizeof(flag_names) / sizeof(flag_names[0]); bit++) {
        if (!(node->flags & (1u << bit)))
            continue;
        printer_put_string(printer, " ");
        printer_put_string(printer, flag_names[bit]);
    }
    if (node->text.data)
        print_text(printer, node->text);
    print_word(printer, node);
    for (uint32_t i = 0; i < AST_SLOT_COUNT; i++) {
        if (!node->slot[i])
            continue;
        printer_put_string(printer, " ");
        printer_put_string(printer, slot_name(node->kind, i));
        printer_put_string(printer, "=");
        print_node(printer, node->slot[i]);
    }
    for (uint32_t i = 0; i < node->item_count; i++) {
        printer_put_string(printer, i == 0 ? " [" : " ");
        print_node(printer, node->items[i]);
    }
    printer_put_string(printer, node->item_count ? "])" : ")");
}

struct text
ast_print(struct arena *arena, const struct ast *node)
{
    assert(arena && node);
    struct printer printer = {.arena = arena};
    print_node(&printer, node);
    return (struct text){printer.failed ? NULL : printer.data, printer.size};
}

bool
ast_equal(const struct ast *a, const struct ast *b)
{
    if (a == b)
        return true;
    if (!a || !b || a->kind != b->kind || a->flags != b->flags || a->item_count != b->item_count ||
        a->depth != b->depth)
        return false;
    if (a->word.integer != b->word.integer || !text_equal(a->text, b->text))
        return false;
    for (uint32_t i = 0; i < ast_child_count(a); i++) {
        if (!ast_equal(ast_child(a, i), ast_child(b, i)))
            return false;
    }
    return true;
}
