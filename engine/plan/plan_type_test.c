/* The type of `x IS :: LIST<INTEGER NOT NULL> | STRING`, from its text to what the evaluator compares.
 *
 * The parser has checked that the words are words of types and that the brackets close; which words make a
 * type is decided here. */
#include "base/assert.h"
#include "engine/plan/planner.h"

struct type_reader {
    struct planner *planner;
    const struct ast *ast;
    struct text left; /* what is still to be read */
};

#define VALUE_BIT(name) (1u << VALUE_##name)
enum { VALUE_MASK_ANY = (1u << VALUE_TYPE_COUNT) - 1 };

/* Longer names before those they begin with. */
static const struct {
    const char *words;
    uint32_t mask;
} type_names[] = {
    {"ANY PROPERTY VALUE", VALUE_MASK_ANY & ~(VALUE_BIT(MAP) | VALUE_BIT(NODE) |
                                              VALUE_BIT(RELATIONSHIP) | VALUE_BIT(PATH))},
    {"PROPERTY VALUE", VALUE_MASK_ANY & ~(VALUE_BIT(MAP) | VALUE_BIT(NODE) |
                                          VALUE_BIT(RELATIONSHIP) | VALUE_BIT(PATH))},
    {"ANY VERTEX", VALUE_BIT(NODE)},
    {"ANY NODE", VALUE_BIT(NODE)},
    {"ANY EDGE", VALUE_BIT(RELATIONSHIP)},
    {"ANY RELATIONSHIP", VALUE_BIT(RELATIONSHIP)},
    {"ANY MAP", VALUE_BIT(MAP)},
    {"ANY VALUE", VALUE_MASK_ANY},
    {"ANY", VALUE_MASK_ANY},
    {"BOOLEAN", VALUE_BIT(BOOLEAN)},
    {"BOOL", VALUE_BIT(BOOLEAN)},
    {"VARCHAR", VALUE_BIT(STRING)},
    {"STRING", VALUE_BIT(STRING)},
    {"SIGNED INTEGER", VALUE_BIT(INTEGER)},
    {"INTEGER", VALUE_BIT(INTEGER)},
    {"INT", VALUE_BIT(INTEGER)},
    {"FLOAT", VALUE_BIT(FLOAT)},
    {"DATE", VALUE_BIT(DATE)},
    {"LOCAL TIME", VALUE_BIT(LOCAL_TIME)},
    {"TIME WITHOUT TIME ZONE", VALUE_BIT(LOCAL_TIME)},
    {"TIME WITHOUT TIMEZONE", VALUE_BIT(LOCAL_TIME)},
    {"ZONED TIME", VALUE_BIT(TIME)},
    {"TIME WITH TIME ZONE", VALUE_BIT(TIME)},
    {"TIME WITH TIMEZONE", VALUE_BIT(TIME)},
    {"LOCAL DATETIME", VALUE_BIT(LOCAL_DATE_TIME)},
    {"TIMESTAMP WITHOUT TIME ZONE", VALUE_BIT(LOCAL_DATE_TIME)},
    {"TIMESTAMP WITHOUT TIMEZONE", VALUE_BIT(LOCAL_DATE_TIME)},
    {"ZONED DATETIME", VALUE_BIT(DATE_TIME)},
    {"TIMESTAMP WITH TIME ZONE", VALUE_BIT(DATE_TIME)},
    {"TIMESTAMP WITH TIMEZONE", VALUE_BIT(DATE_TIME)},
    {"DURATION", VALUE_BIT(DURATION)},
    {"POINT", VALUE_BIT(POINT)},
    {"VERTEX", VALUE_BIT(NODE)},
    {"NODE", VALUE_BIT(NODE)},
    {"EDGE", VALUE_BIT(RELATIONSHIP)},
    {"RELATIONSHIP", VALUE_BIT(RELATIONSHIP)},
    {"MAP", VALUE_BIT(MAP)},
    {"PATH", VALUE_BIT(PATH)},
    {"LIST", VALUE_BIT(LIST)},
    {"ARRAY", VALUE_BIT(LIST)},
    {"NULL", VALUE_BIT(NULL)},
    {"NOTHING", 0},
};

static void
reader_skip_space(struct type_reader *reader)
{
    while (reader->left.size > 0 && (unsigned char)reader->left.data[0] <= ' ') {
        reader->left.data++;
        reader->left.size--;
    }
}

static bool
reader_take(struct type_reader *reader, char symbol)
{
    reader_skip_space(reader);
    if (reader->left.size == 0 || reader->left.data[0] != symbol)
        return false;
    reader->left.data++;
    reader->left.size--;
    return true;
}

static bool
byte_is_of_word(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
}

/* The words, whatever the case and the space between them. */
static bool
reader_take_words(struct type_reader *reader, const char *words)
{
    struct type_reader next = *reader;
    while (*words) {
        size_t size = strcspn(words, " ");
        reader_skip_space(&next);
        if (next.left.size < size ||
            !text_equal_fold((struct text){next.left.data, size}, (struct text){words, size}) ||
            (next.left.size > size && byte_is_of_word(next.left.data[size])))
            return false;
        next.left.data += size;
        next.left.size -= size;
        words += size + (words[size] == ' ');
    }
    *reader = next;
    return true;
}

static bool type_read(struct type_reader *reader, struct expr_type *out);

/* One alternative: words, <item> for a list, NOT NULL. */
static bool
alternative_read(struct type_reader *reader, struct expr_type *out)
{
    uint32_t found = 0;
    const uint32_t count = sizeof(type_names) / sizeof(type_names[0]);
    while (found < count && !reader_take_words(reader, type_names[found].words))
        found++;
    if (found == count)
        return planner_fail(
            reader->planner, reader->ast, ERR(SYNTAX), "Unknown type: %.*s",
            TEXT_ARGS(reader->ast->text));
    *out = (struct expr_type){.type_mask = type_names[found].mask};
    if (reader_take(reader, '<')) {
        struct expr_type *item = planner_allocate(reader->planner, sizeof(*item));
        if (!item || !type_read(reader, item))
            return false;
        if (!(out->type_mask & VALUE_BIT(LIST)) || !reader_take(reader, '>'))
            return planner_fail(
                reader->planner, reader->ast, ERR(SYNTAX), "Only LIST takes an item type: %.*s",
                TEXT_ARGS(reader->ast->text));
        out->item = item;
    }
    out->not_null = reader_take_words(reader, "NOT NULL") || reader_take(reader, '!');
    return true;
}

static bool
type_read(struct type_reader *reader, struct expr_type *out)
{
    if (!alternative_read(reader, out))
        return false;
    while (reader_take(reader, '|')) {
        struct expr_type other;
        if (!alternative_read(reader, &other))
            return false;
        if (other.not_null != out->not_null)
            return planner_fail(
                reader->planner, reader->ast, ERR(SYNTAX),
                "All alternatives of a type must be NOT NULL, or none");
        if ((out->type_mask & other.type_mask & VALUE_BIT(LIST)) && (out->item || other.item))
            return planner_fail(
                reader->planner, reader->ast, ERR(UNSUPPORTED),
                "Several list types in one type are not supported");
        out->type_mask |= other.type_mask;
        out->item = out->item ? out->item : other.item;
    }
    return true;
}

const struct expr_type *
type_test_compile(struct planner *planner, const struct ast *ast)
{
    assert(ast->kind == AST_IS_TYPE);
    struct type_reader reader = {.planner = planner, .ast = ast, .left = ast->text};
    struct expr_type *type = planner_allocate(planner, sizeof(*type));
    if (!type || !type_read(&reader, type))
        return NULL;
    type->negated = ast->flags & AST_FLAG_NEGATED;
    return type;
}
