/* Functions of strings. Positions and lengths count code points. */
#include <utf8proc.h>

#include "base/limits.h"
#include "engine/run/function_internal.h"
#include "engine/value/builder.h"
#include "engine/value/utf8.h"

static err_t
finish_string(
    struct expr_context *context, const struct expr *at, struct builder *builder, struct value *out)
{
    struct text text = builder_text(builder);
    if (!text.data)
        return expr_fail_memory(context, at);
    if (text.size > VALUE_STRING_SIZE_MAX)
        return expr_fail(
            context, at, ERR(LIMIT), "the string would be longer than %d bytes",
            VALUE_STRING_SIZE_MAX);
    *out = value_string(text);
    return 0;
}

/* A count of code points: an integer that is not negative. */
static err_t
take_count(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t index,
    uint64_t *out)
{
    int64_t count = 0;
    err_t err = function_take_integer(context, at, arguments, index, &count);
    if (!err && count < 0)
        err = function_fail_argument(context, at, "a position or length must not be negative");
    *out = (uint64_t)count;
    return err;
}

static struct value
sub_text(struct text text, size_t from, size_t to)
{
    assert(from <= to && to <= text.size);
    return value_string((struct text){text.data + from, to - from});
}

err_t
function_substring(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    struct text text = {NULL, 0};
    uint64_t start = 0, length = UINT64_MAX;
    err_t err = function_take_text(context, at, arguments, 0, &text);
    if (!err)
        err = take_count(context, at, arguments, 1, &start);
    if (!err && argument_count > 2)
        err = take_count(context, at, arguments, 2, &length);
    if (err)
        return err;
    size_t from = utf8_skip(text, start);
    struct text rest = {text.data + from, text.size - from};
    *out = sub_text(rest, 0, utf8_skip(rest, length));
    return 0;
}

err_t
function_left(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 2);
    struct text text = {NULL, 0};
    uint64_t length = 0;
    err_t err = function_take_text(context, at, arguments, 0, &text);
    if (!err)
        err = take_count(context, at, arguments, 1, &length);
    if (!err)
        *out = sub_text(text, 0, utf8_skip(text, length));
    return err;
}

err_t
function_right(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 2);
    struct text text = {NULL, 0};
    uint64_t length = 0;
    err_t err = function_take_text(context, at, arguments, 0, &text);
    if (!err)
        err = take_count(context, at, arguments, 1, &length);
    if (err)
        return err;
    uint64_t count = utf8_count(text);
    *out = sub_text(text, length < count ? utf8_skip(text, count - length) : 0, text.size);
    return 0;
}

/* --- trim --- */

/* The code point that begins at `at`, and where it ends; -1 when the bytes are none. */
static int32_t
code_point(struct text text, size_t at, size_t *end)
{
    utf8proc_int32_t code = -1;
    *end = utf8_next(text, at);
    utf8proc_iterate(
        (const utf8proc_uint8_t *)text.data + at, (utf8proc_ssize_t)(*end - at), &code);
    return code;
}

static bool
code_is_space(int32_t code)
{
    if (code < 128)
        return code == ' ' || (code >= '\t' && code <= '\r') || (code >= 0x1c && code <= 0x1f);
    utf8proc_category_t category = utf8proc_category(code);
    return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
           category == UTF8PROC_CATEGORY_ZP;
}

/* Whether the character at [from, to) is to be trimmed: white space, or one of `set`. */
static bool
is_trimmed(struct text text, size_t from, size_t to, const struct text *set)
{
    size_t end;
    if (!set)
        return code_is_space(code_point(text, from, &end));
    for (size_t i = 0; i < set->size; i = utf8_next(*set, i)) {
        end = utf8_next(*set, i);
        if (end - i == to - from && memcmp(set->data + i, text.data + from, to - from) == 0)
            return true;
    }
    return false;
}

static struct text
trim_text(struct text text, const struct text *set, bool left, bool right)
{
    while (left && text.size) {
        size_t end = utf8_next(text, 0);
        if (!is_trimmed(text, 0, end, set))
            break;
        text.data += end;
        text.size -= end;
    }
    while (right && text.size) {
        size_t from = text.size - 1;
        while (from > 0 && ((unsigned char)text.data[from] & 0xc0) == 0x80)
            from--;
        if (!is_trimmed(text, from, text.size, set))
            break;
        text.size = from;
    }
    return text;
}

static err_t
trim_call(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    bool left,
    bool right,
    struct value *out)
{
    struct text text = {NULL, 0}, set = {NULL, 0};
    err_t err = function_take_text(context, at, arguments, 0, &text);
    if (!err && argument_count > 1)
        err = function_take_text(context, at, arguments, 1, &set);
    if (!err)
        *out = value_string(trim_text(text, argument_count > 1 ? &set : NULL, left, right));
    return err;
}

err_t
function_trim(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    return trim_call(context, at, arguments, argument_count, true, true, out);
}

err_t
function_trim_left(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    return trim_call(context, at, arguments, argument_count, true, false, out);
}

err_t
function_trim_right(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    return trim_call(context, at, arguments, argument_count, false, true, out);
}

/* --- replace, split --- */

/* Where `part` next stands at or after `from`; SIZE_MAX when it does not. An empty part stands everywhere. */
static size_t
text_find(struct text text, struct text part, size_t from)
{
    if (part.size == 0)
        return from;
    if (text.size - from < part.size)
        return SIZE_MAX;
    const char *found = memmem(text.data + from, text.size - from, part.data, part.size);
    return found ? (size_t)(found - text.data) : SIZE_MAX;
}

err_t
function_replace(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    struct text text = {NULL, 0}, search = {NULL, 0}, replacement = {NULL, 0};
    uint64_t limit = UINT64_MAX;
    err_t err = function_take_text(context, at, arguments, 0, &text);
    if (!err)
        err = function_take_text(context, at, arguments, 1, &search);
    if (!err)
        err = function_take_text(context, at, arguments, 2, &replacement);
    if (!err && argument_count > 3)
        err = take_count(context, at, arguments, 3, &limit);
    if (err)
        return err;
    struct builder builder = builder_start(context->arena);
    size_t from = 0;
    for (uint64_t done = 0; done < limit; done++) {
        size_t found = text_find(text, search, from);
        if (found == SIZE_MAX || builder.size > VALUE_STRING_SIZE_MAX)
            break;
        builder_add(&builder, (struct text){text.data + from, found - from});
        builder_add(&builder, replacement);
        from = found + search.size;
        if (search.size)
            continue;
        /* An empty search stands before each character and at the end. */
        if (from == text.size)
            break;
        size_t next = utf8_next(text, from);
        builder_add(&builder, (struct text){text.data + from, next - from});
        from = next;
    }
    builder_add(&builder, (struct text){text.data + from, text.size - from});
    return finish_string(context, at, &builder, out);
}

/* The delimiter that comes first after `from`; of several at one place the first in the list. */
static size_t
find_delimiter(
    struct text text, const struct value *delimiters, uint32_t count, size_t from, size_t *size)
{
    size_t best = SIZE_MAX;
    for (uint32_t i = 0; i < count; i++) {
        struct text delimiter = value_text(delimiters[i]);
        if (!delimiter.size)
            continue;
        size_t found = text_find(text, delimiter, from);
        if (found < best) {
            best = found;
            *size = delimiter.size;
        }
    }
    return best;
}

static err_t
split_text(
    struct expr_context *context,
    const struct expr *at,
    struct text text,
    const struct value *delimiters,
    uint32_t delimiter_count,
    bool by_character,
    struct value *out)
{
    uint32_t count = 0, room = 0;
    struct value *items = NULL;
    size_t from = 0, size = 0;
    for (bool more = true; more;) {
        if (count == room) {
            struct value *grown = arena_allocate(
                context->arena, (room * UINT64_C(2) + 8) * sizeof(*grown));
            if (!grown)
                return expr_fail_memory(context, at);
            if (count)
                memcpy(grown, items, count * sizeof(*items));
            items = grown;
            room = room * 2 + 8;
        }
        size_t found = by_character && from < text.size ? utf8_next(text, from) : SIZE_MAX;
        if (by_character)
            size = 0;
        else
            found = find_delimiter(text, delimiters, delimiter_count, from, &size);
        more = found != SIZE_MAX && !(by_character && found == text.size);
        size_t end = found == SIZE_MAX ? text.size : found;
        items[count++] = sub_text(text, from, end);
        from = end + size;
        err_t err = expr_step(context);
        if (err)
            return err;
    }
    *out = value_list(items, count);
    return 0;
}

err_t
function_split(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 2);
    struct text text = {NULL, 0};
    err_t err = function_take_text(context, at, arguments, 0, &text);
    if (err)
        return err;
    bool is_list = arguments[1].type == VALUE_LIST;
    const struct value *delimiters = is_list ? arguments[1].list : &arguments[1];
    uint32_t count = is_list ? arguments[1].size : 1;
    bool by_character = count > 0;
    for (uint32_t i = 0; i < count; i++) {
        if (delimiters[i].type != VALUE_STRING)
            return function_fail_type(
                context, at, 1, "a STRING or a LIST of STRING", delimiters[i]);
        by_character &= delimiters[i].size == 0;
    }
    return split_text(context, at, text, delimiters, count, by_character, out);
}

/* --- letters --- */

static err_t
map_letters(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    bool upper,
    struct value *out)
{
    struct text text = {NULL, 0};
    err_t err = function_take_text(context, at, arguments, 0, &text);
    if (err)
        return err;
    struct builder builder = builder_start(context->arena);
    for (size_t i = 0; i < text.size;) {
        char *to = builder_reserve(&builder, 4);
        if (!to)
            break;
        size_t end;
        int32_t code = code_point(text, i, &end);
        if (code < 0) {
            /* Not UTF-8: as it is. */
            builder_add(&builder, (struct text){text.data + i, end - i});
            i = end;
            continue;
        }
        i = end;
        if (upper && code == 0xdf) {
            /* The sharp s: one letter here and two in capitals, as everybody writes it. */
            builder_add(&builder, TEXT("SS"));
            continue;
        }
        code = upper ? utf8proc_toupper(code) : utf8proc_tolower(code);
        builder.size += (size_t)utf8proc_encode_char(code, (utf8proc_uint8_t *)to);
    }
    return finish_string(context, at, &builder, out);
}

err_t
function_to_upper(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    return map_letters(context, at, arguments, true, out);
}

err_t
function_to_lower(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    return map_letters(context, at, arguments, false, out);
}

err_t
function_char_length(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    struct text text = {NULL, 0};
    err_t err = function_take_text(context, at, arguments, 0, &text);
    if (!err)
        *out = value_integer((int64_t)utf8_count(text));
    return err;
}

/* --- normalize --- */

static int
normal_form_options(struct text form)
{
    if (text_equal_fold(form, TEXT("NFC")))
        return UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    if (text_equal_fold(form, TEXT("NFD")))
        return UTF8PROC_STABLE | UTF8PROC_DECOMPOSE;
    if (text_equal_fold(form, TEXT("NFKC")))
        return UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT;
    if (text_equal_fold(form, TEXT("NFKD")))
        return UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT;
    return -1;
}

err_t
function_normalize(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    struct text text = {NULL, 0}, form = TEXT("NFC");
    err_t err = function_take_text(context, at, arguments, 0, &text);
    if (!err && argument_count > 1)
        err = function_take_text(context, at, arguments, 1, &form);
    if (err)
        return err;
    int options = normal_form_options(form);
    if (options < 0)
        return function_fail_argument(
            context, at, "the normal form is one of NFC, NFD, NFKC, NFKD");
    if (text.size == 0) {
        *out = value_string(text);
        return 0;
    }
    /* utf8proc_map would call malloc, so the two steps are taken here, in the arena: a count of code
     * points, then their decomposition, then UTF-8 in place. */
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text.data;
    utf8proc_ssize_t size = (utf8proc_ssize_t)text.size;
    utf8proc_ssize_t count = utf8proc_decompose(bytes, size, NULL, 0, (utf8proc_option_t)options);
    if (count < 0)
        return function_fail_argument(context, at, "the string is not valid UTF-8");
    utf8proc_int32_t *codes = arena_allocate(context->arena, ((size_t)count + 1) * sizeof(*codes));
    if (!codes)
        return expr_fail_memory(context, at);
    count = utf8proc_decompose(bytes, size, codes, count, (utf8proc_option_t)options);
    if (count >= 0)
        count = utf8proc_reencode(codes, count, (utf8proc_option_t)options);
    if (count < 0)
        return function_fail_argument(context, at, "the string is not valid UTF-8");
    *out = value_string((struct text){(const char *)codes, (size_t)count});
    return 0;
}
