/* Functions of nodes, relationships and paths. */
#include <stdio.h>

#include "engine/run/function_internal.h"

static uint64_t
entity_id(struct value entity)
{
    return entity.type == VALUE_NODE ? value_node_id(entity).id : entity.rel->id.id;
}

static bool
value_is_entity(struct value value)
{
    return value.type == VALUE_NODE || value.type == VALUE_RELATIONSHIP;
}

err_t
function_id(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    if (!value_is_entity(arguments[0]))
        return function_fail_type(context, at, 0, "a NODE or RELATIONSHIP", arguments[0]);
    *out = value_integer((int64_t)entity_id(arguments[0]));
    return 0;
}

err_t
function_element_id(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    if (!value_is_entity(arguments[0]))
        return function_fail_type(context, at, 0, "a NODE or RELATIONSHIP", arguments[0]);
    struct text text = arena_printf(
        context->arena, "%llu", (unsigned long long)entity_id(arguments[0]));
    if (!text.data)
        return expr_fail_memory(context, at);
    *out = value_string(text);
    return 0;
}

err_t
function_type(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    if (arguments[0].type != VALUE_RELATIONSHIP)
        return function_fail_type(context, at, 0, "a RELATIONSHIP", arguments[0]);
    const struct value_rel *rel = arguments[0].rel;
    struct text type = rel->type;
    if (!rel->hydrated)
        type = context->type_name ? context->type_name(context->catalog_argument, rel->type_token)
                                  : (struct text){NULL, 0};
    if (!type.data)
        return expr_fail(
            context, at, ERR(INTERNAL), "the type of a relationship is not known here");
    *out = value_string(type);
    return 0;
}

err_t
function_labels(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    if (arguments[0].type != VALUE_NODE)
        return function_fail_type(context, at, 0, "a NODE", arguments[0]);
    const struct map_entry *entries = NULL;
    uint32_t count = 0;
    err_t err = expr_entity_properties(context, at, arguments[0], &entries, &count);
    if (err)
        return err;
    const struct value_node *node = arguments[0].node;
    struct value *items = arena_allocate(
        context->arena, (node->label_count + UINT64_C(1)) * sizeof(*items));
    if (!items)
        return expr_fail_memory(context, at);
    for (uint32_t i = 0; i < node->label_count; i++)
        items[i] = value_string(node->labels[i]);
    *out = value_list(items, node->label_count);
    return 0;
}

static err_t
take_entries(
    struct expr_context *context,
    const struct expr *at,
    struct value subject,
    const struct map_entry **entries,
    uint32_t *count)
{
    if (subject.type == VALUE_MAP) {
        *entries = subject.map;
        *count = subject.size;
        return 0;
    }
    if (!value_is_entity(subject))
        return function_fail_type(context, at, 0, "a NODE, RELATIONSHIP or MAP", subject);
    return expr_entity_properties(context, at, subject, entries, count);
}

err_t
function_keys(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    const struct map_entry *entries = NULL;
    uint32_t count = 0;
    err_t err = take_entries(context, at, arguments[0], &entries, &count);
    if (err)
        return err;
    struct value *items = arena_allocate(context->arena, (count + UINT64_C(1)) * sizeof(*items));
    if (!items)
        return expr_fail_memory(context, at);
    for (uint32_t i = 0; i < count; i++)
        items[i] = value_string(entries[i].key);
    *out = value_list(items, count);
    return 0;
}

err_t
function_properties(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    const struct map_entry *entries = NULL;
    uint32_t count = 0;
    err_t err = take_entries(context, at, arguments[0], &entries, &count);
    if (err)
        return err;
    return value_map_make(entries, count, out);
}

static err_t
rel_end(
    struct expr_context *context,
    const struct expr *at,
    struct value rel,
    bool start,
    struct value *out)
{
    if (rel.type != VALUE_RELATIONSHIP)
        return function_fail_type(context, at, 0, "a RELATIONSHIP", rel);
    *out = value_node_bare(start ? rel.rel->start : rel.rel->end);
    return 0;
}

err_t
function_start_node(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    return rel_end(context, at, arguments[0], true, out);
}

err_t
function_end_node(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    return rel_end(context, at, arguments[0], false, out);
}

err_t
function_nodes(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    if (arguments[0].type != VALUE_PATH)
        return function_fail_type(context, at, 0, "a PATH", arguments[0]);
    *out = value_list(arguments[0].path->nodes, arguments[0].path->rel_count + 1);
    return 0;
}

err_t
function_relationships(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    if (arguments[0].type != VALUE_PATH)
        return function_fail_type(context, at, 0, "a PATH", arguments[0]);
    *out = value_list(arguments[0].path->rels, arguments[0].path->rel_count);
    return 0;
}

err_t
function_length(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    if (arguments[0].type != VALUE_PATH)
        return function_fail_type(context, at, 0, "a PATH", arguments[0]);
    *out = value_integer(arguments[0].path->rel_count);
    return 0;
}
