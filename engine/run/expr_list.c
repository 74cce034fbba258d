/* Expressions over lists: slices, comprehensions, reduce, quantifiers, and the assembly of map
 * projections and paths. Loops count their steps, so a long list can be cancelled. */
#include "base/limits.h"
#include "engine/run/expr_internal.h"

/* A list operand: ERR(TYPE) unless it is a list or null. */
static err_t
eval_list_operand(
    const struct expr *expr,
    const struct expr *list,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out)
{
    err_t err = expr_eval_node(list, context, batch, row, out);
    if (!err && out->type != VALUE_LIST && out->type != VALUE_NULL)
        err = expr_fail(
            context, list, ERR(TYPE), "%s needs a LIST, got %s",
            expr_kind_text((enum expr_kind)expr->kind), value_type_name(*out));
    return err;
}

static void
local_set(struct expr_context *context, uint32_t slot, struct value value)
{
    assert(slot < context->local_count);
    context->locals[slot] = value;
}

/* The end of a slice as a position 0 .. size. */
static err_t
slice_bound(
    const struct expr *expr,
    struct expr_context *context,
    struct value bound,
    uint32_t size,
    uint32_t *out)
{
    if (bound.type != VALUE_INTEGER)
        return expr_fail(
            context, expr, ERR(TYPE), "the bounds of a slice are INTEGER, got %s",
            value_type_name(bound));
    int64_t position = bound.integer < 0 ? bound.integer + size : bound.integer;
    *out = position < 0 ? 0 : position > size ? size : (uint32_t)position;
    return 0;
}

err_t
expr_eval_slice(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out)
{
    struct value list = {0}, from = value_integer(0), to = value_integer(INT64_MAX);
    err_t err = expr_eval_node(expr->children[0], context, batch, row, &list);
    if (!err && list.type != VALUE_LIST && list.type != VALUE_NULL)
        err = expr_fail(
            context, expr, ERR(TYPE), "`[ .. ]` needs a LIST, got %s", value_type_name(list));
    if (!err && expr->children[1])
        err = expr_eval_node(expr->children[1], context, batch, row, &from);
    if (!err && expr->children[2])
        err = expr_eval_node(expr->children[2], context, batch, row, &to);
    *out = value_null();
    if (err || list.type == VALUE_NULL || from.type == VALUE_NULL || to.type == VALUE_NULL)
        return err;
    uint32_t first = 0, end = 0;
    err = slice_bound(expr, context, from, list.size, &first);
    if (!err)
        err = slice_bound(expr, context, to, list.size, &end);
    if (err)
        return err;
    *out = value_list(list.list + first, end > first ? end - first : 0);
    out->depth = list.depth;
    return 0;
}

err_t
expr_eval_comprehension(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out)
{
    const struct expr *predicate = expr->children[1], *projection = expr->children[2];
    struct value list = {0};
    err_t err = eval_list_operand(expr, expr->children[0], context, batch, row, &list);
    *out = value_null();
    if (err || list.type == VALUE_NULL)
        return err;
    struct value *items = arena_allocate(
        context->arena, (list.size + UINT64_C(1)) * sizeof(*items));
    if (!items)
        return expr_fail_memory(context, expr);
    uint32_t count = 0;
    for (uint32_t i = 0; i < list.size; i++) {
        enum trit keep = TRIT_TRUE;
        struct value test = {0}, item = list.list[i];
        err = expr_step(context);
        local_set(context, expr->slot, item);
        if (!err && predicate)
            err = expr_eval_node(predicate, context, batch, row, &test);
        if (!err && predicate)
            err = expr_as_trit(context, predicate, test, &keep);
        if (!err && keep == TRIT_TRUE && projection)
            err = expr_eval_node(projection, context, batch, row, &item);
        if (err)
            return err;
        if (keep == TRIT_TRUE)
            items[count++] = item;
    }
    err = value_list_make(items, count, out);
    return err ? expr_fail(context, expr, err, "lists are nested too deeply") : 0;
}

/* reduce(list = [], x IN xs | list + x) and the same over strings are how people build lists and strings.
 * Copying the accumulator at each step would take square time and memory, so while its kind stays it grows
 * in a buffer: earlier values stay what they were, being prefixes of it. */
struct accumulator {
    struct value *items; /* a list's */
    char *bytes;         /* a string's */
    uint64_t room;       /* items or bytes */
};

/* Room for `size` items or bytes behind the value's own. False: no memory. */
static bool
accumulator_reserve(
    struct accumulator *buffer,
    struct expr_context *context,
    const struct value *value,
    uint64_t size)
{
    bool is_list = value->type == VALUE_LIST;
    uint64_t unit = is_list ? sizeof(struct value) : 1, used = value->size;
    const void *old = is_list ? (const void *)value->list : value->string;
    bool mine = is_list ? value->list == buffer->items : value->string == buffer->bytes;
    if (mine && old && used + size <= buffer->room)
        return true;
    uint64_t room = (used + size) * 2 + 16;
    void *grown = arena_allocate(context->arena, room * unit);
    if (!grown)
        return false;
    if (used && old)
        memcpy(grown, old, used * unit);
    *buffer = (struct accumulator){.room = room};
    if (is_list)
        buffer->items = grown;
    else
        buffer->bytes = grown;
    return true;
}

/* Appends in place; *done is false when this is not such a case, and nothing has happened then. */
static err_t
accumulator_append(
    struct accumulator *buffer,
    struct expr_context *context,
    const struct expr *at,
    struct value *value,
    struct value item,
    bool *done)
{
    bool is_list = value->type == VALUE_LIST;
    *done = item.type != VALUE_NULL &&
            (is_list || (value->type == VALUE_STRING && item.type == VALUE_STRING));
    if (!*done)
        return 0;
    uint64_t size = is_list && item.type != VALUE_LIST ? 1 : item.size;
    if (value->size + size > (is_list ? UINT32_MAX : (uint64_t)VALUE_STRING_SIZE_MAX))
        return expr_fail(context, at, ERR(LIMIT), "the result of reduce() is too large");
    if (!accumulator_reserve(buffer, context, value, size))
        return expr_fail_memory(context, at);
    if (!is_list) {
        if (size)
            memcpy(buffer->bytes + value->size, item.string, size);
        *value = value_string((struct text){buffer->bytes, value->size + size});
        return 0;
    }
    const struct value *items = item.type == VALUE_LIST ? item.list : &item;
    struct value added = {0};
    err_t err = value_list_make(items, (uint32_t)size, &added);
    if (err)
        return expr_fail(context, at, err, "lists are nested too deeply");
    uint16_t depth = added.depth > value->depth ? added.depth : value->depth;
    if (size)
        memcpy(buffer->items + value->size, items, size * sizeof(*items));
    *value = value_list(buffer->items, value->size + (uint32_t)size);
    value->depth = depth;
    return 0;
}

/* One step of a reduce; `grows` says that it has the form accumulator + something. */
static err_t
reduce_step(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct accumulator *buffer,
    struct value *accumulator)
{
    const struct expr *step = expr->children[2];
    bool grows = step->kind == EXPR_BINARY && step->op == OPERATOR_ADD &&
                 step->children[0]->kind == EXPR_LOCAL && step->children[0]->slot == expr->slot2;
    bool growable = accumulator->type == VALUE_LIST || accumulator->type == VALUE_STRING;
    if (!grows || !growable)
        return expr_eval_node(step, context, batch, row, accumulator);
    struct value item = {0};
    bool done = false;
    err_t err = expr_eval_node(step->children[1], context, batch, row, &item);
    if (!err)
        err = accumulator_append(buffer, context, step, accumulator, item, &done);
    if (!err && !done)
        err = expr_apply_binary(context, step, OPERATOR_ADD, *accumulator, item, accumulator);
    return err;
}

err_t
expr_eval_reduce(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out)
{
    struct value accumulator = {0}, list = {0};
    struct accumulator buffer = {0};
    err_t err = expr_eval_node(expr->children[0], context, batch, row, &accumulator);
    if (!err)
        err = eval_list_operand(expr, expr->children[1], context, batch, row, &list);
    *out = value_null();
    if (err || list.type == VALUE_NULL)
        return err;
    for (uint32_t i = 0; !err && i < list.size; i++) {
        err = expr_step(context);
        local_set(context, expr->slot, list.list[i]);
        local_set(context, expr->slot2, accumulator);
        if (!err)
            err = reduce_step(expr, context, batch, row, &buffer, &accumulator);
    }
    *out = accumulator;
    return err;
}

/* What the numbers of true, false and unknown items amount to. */
static struct value
quantifier_result(
    enum expr_kind kind, uint32_t true_count, uint32_t false_count, uint32_t null_count)
{
    bool unknown = null_count > 0;
    switch ((uint32_t)kind) {
    case EXPR_ALL:
        return false_count ? value_boolean(false) : unknown ? value_null() : value_boolean(true);
    case EXPR_ANY:
        return true_count ? value_boolean(true) : unknown ? value_null() : value_boolean(false);
    case EXPR_NONE:
        return true_count ? value_boolean(false) : unknown ? value_null() : value_boolean(true);
    default:
        assert(kind == EXPR_SINGLE);
        return true_count > 1 ? value_boolean(false)
               : unknown      ? value_null()
                              : value_boolean(true_count == 1);
    }
}

err_t
expr_eval_quantifier(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out)
{
    struct value list = {0}, test = {0};
    err_t err = eval_list_operand(expr, expr->children[0], context, batch, row, &list);
    *out = value_null();
    if (err || list.type == VALUE_NULL)
        return err;
    uint32_t counts[3] = {0, 0, 0};
    for (uint32_t i = 0; i < list.size; i++) {
        enum trit trit = TRIT_NULL;
        err = expr_step(context);
        local_set(context, expr->slot, list.list[i]);
        if (!err)
            err = expr_eval_node(expr->children[1], context, batch, row, &test);
        if (!err)
            err = expr_as_trit(context, expr->children[1], test, &trit);
        if (err)
            return err;
        counts[trit]++;
        bool decided = expr->kind == EXPR_ALL      ? counts[TRIT_FALSE] > 0
                       : expr->kind == EXPR_SINGLE ? counts[TRIT_TRUE] > 1
                                                   : counts[TRIT_TRUE] > 0;
        if (decided)
            break;
    }
    *out = quantifier_result(
        (enum expr_kind)expr->kind, counts[TRIT_TRUE], counts[TRIT_FALSE], counts[TRIT_NULL]);
    return 0;
}

/* --- map projections --- */

/* Sets the key, replacing an entry that is there already. */
static void
entries_put(struct map_entry *entries, uint32_t *count, struct text key, struct value value)
{
    for (uint32_t i = 0; i < *count; i++) {
        if (text_equal(entries[i].key, key)) {
            entries[i].value = value;
            return;
        }
    }
    entries[(*count)++] = (struct map_entry){key, value};
}

err_t
expr_eval_map_projection(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out)
{
    struct value subject = {0};
    const struct map_entry *all = NULL;
    uint32_t all_count = 0;
    err_t err = expr_eval_node(expr->children[0], context, batch, row, &subject);
    *out = value_null();
    if (err || subject.type == VALUE_NULL)
        return err;
    if (subject.type == VALUE_MAP) {
        all = subject.map;
        all_count = subject.size;
    } else if (subject.type == VALUE_NODE || subject.type == VALUE_RELATIONSHIP) {
        err = expr_entity_properties(context, expr, subject, &all, &all_count);
    } else {
        err = expr_fail(
            context, expr, ERR(TYPE), "a map projection needs a MAP, NODE or RELATIONSHIP, got %s",
            value_type_name(subject));
    }
    if (err)
        return err;
    struct map_entry *entries = arena_allocate(
        context->arena, (all_count + UINT64_C(1) * expr->child_count) * sizeof(*entries));
    if (!entries)
        return expr_fail_memory(context, expr);
    uint32_t count = 0;
    for (uint32_t i = 1; i < expr->child_count; i++) {
        struct text key = expr->keys[i - 1];
        struct value value = value_null();
        if (!expr->children[i] && !key.data) {
            for (uint32_t j = 0; j < all_count; j++)
                entries_put(entries, &count, all[j].key, all[j].value);
            continue;
        }
        const struct value *found = expr->children[i] ? NULL
                                                      : value_map_lookup(all, all_count, key);
        if (found)
            value = *found;
        if (expr->children[i])
            err = expr_eval_node(expr->children[i], context, batch, row, &value);
        if (err)
            return err;
        entries_put(entries, &count, key, value);
    }
    err = value_map_make(entries, count, out);
    return err ? expr_fail(context, expr, err, "maps are nested too deeply") : 0;
}

/* --- paths --- */

struct path_builder {
    struct value *nodes, *rels;
    uint32_t rel_count;
};

/* The other end, seen from `from`; UINT64_MAX when the relationship does not touch it. */
static uint64_t
rel_other_end(const struct value_rel *rel, uint64_t from)
{
    if (rel->start.id == from)
        return rel->end.id;
    return rel->end.id == from ? rel->start.id : UINT64_MAX;
}

/* Walks the relationships from the last node; false when they are not connected to it. */
static bool
path_walk(struct path_builder *path, const struct value *rels, uint32_t count, bool backwards)
{
    uint64_t at = value_node_id(path->nodes[path->rel_count]).id;
    uint32_t start = path->rel_count;
    for (uint32_t i = 0; i < count; i++) {
        struct value rel = rels[backwards ? count - 1 - i : i];
        if (rel.type != VALUE_RELATIONSHIP || (at = rel_other_end(rel.rel, at)) == UINT64_MAX) {
            path->rel_count = start;
            return false;
        }
        path->rels[path->rel_count++] = rel;
        path->nodes[path->rel_count] = value_node_bare((node_id){at});
    }
    return true;
}

static err_t
eval_path_parts(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *parts,
    uint64_t *rel_count,
    bool *is_null)
{
    *rel_count = 0;
    *is_null = false;
    for (uint32_t i = 0; i < expr->child_count; i++) {
        err_t err = expr_eval_node(expr->children[i], context, batch, row, &parts[i]);
        if (err)
            return err;
        uint8_t type = parts[i].type;
        *is_null |= type == VALUE_NULL;
        if (type == VALUE_NULL)
            continue;
        bool fits = i % 2 ? type == VALUE_RELATIONSHIP || type == VALUE_LIST : type == VALUE_NODE;
        if (!fits)
            return expr_fail(
                context, expr->children[i], ERR(INTERNAL), "a path cannot have a %s here",
                value_type_name(parts[i]));
        *rel_count += i % 2 == 0 ? 0 : type == VALUE_LIST ? parts[i].size : 1;
    }
    return 0;
}

err_t
expr_eval_path(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out)
{
    assert(expr->child_count % 2 == 1);
    uint64_t rel_count;
    bool is_null;
    *out = value_null();
    struct value *parts = arena_allocate(context->arena, expr->child_count * sizeof(*parts));
    if (!parts)
        return expr_fail_memory(context, expr);
    err_t err = eval_path_parts(expr, context, batch, row, parts, &rel_count, &is_null);
    if (err || is_null)
        return err;
    struct value_path *path = arena_zeroed(context->arena, sizeof(*path));
    struct path_builder builder = {
        .nodes = arena_allocate(context->arena, (rel_count + 1) * sizeof(struct value)),
        .rels = arena_allocate(context->arena, (rel_count + 1) * sizeof(struct value)),
    };
    if (!path || !builder.nodes || !builder.rels)
        return expr_fail_memory(context, expr);
    builder.nodes[0] = parts[0];
    for (uint32_t i = 1; i < expr->child_count; i += 2) {
        bool is_list = parts[i].type == VALUE_LIST;
        const struct value *rels = is_list ? parts[i].list : &parts[i];
        uint32_t count = is_list ? parts[i].size : 1;
        bool connected = path_walk(&builder, rels, count, false) ||
                         path_walk(&builder, rels, count, true);
        uint64_t end = value_node_id(builder.nodes[builder.rel_count]).id;
        if (!connected || end != value_node_id(parts[i + 1]).id)
            return expr_fail(
                context, expr, ERR(INTERNAL), "the relationships of a path are not connected");
        /* The pattern's own node may be hydrated. */
        builder.nodes[builder.rel_count] = parts[i + 1];
    }
    *path = (struct value_path){builder.rel_count, builder.nodes, builder.rels};
    *out = (struct value){.type = VALUE_PATH};
    out->path = path;
    return 0;
}
