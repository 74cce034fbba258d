#include "tests/lib/reference.h"

#include <assert.h>
#include <string.h>

static void
node_delete(struct reference *reference, uint32_t key)
{
    reference->nodes[key] = (struct reference_node){0};
    for (uint32_t i = 0; i < reference->rel_count; i++)
        if (reference->rels[i].exists &&
            (reference->rels[i].from == key || reference->rels[i].to == key))
            reference->rels[i].exists = false;
}

bool
reference_apply(struct reference *reference, const struct change *change)
{
    assert(change->key < REFERENCE_KEY_MAX && change->key2 < REFERENCE_KEY_MAX);
    struct reference_node *node = &reference->nodes[change->key],
                          *other = &reference->nodes[change->key2];
    switch ((enum change_kind)change->kind) {
    case CHANGE_NODE_CREATE:
        if (node->exists)
            return false;
        *node = (struct reference_node){.exists = true, .value = change->value};
        return true;
    case CHANGE_NODE_MERGE:
        if (node->exists)
            node->value++;
        else
            *node = (struct reference_node){.exists = true, .value = change->value};
        return true;
    case CHANGE_VALUE_SET:
        if (node->exists)
            node->value = change->value;
        return true;
    case CHANGE_VALUE_ADD:
        if (node->exists)
            node->value += change->value;
        return true;
    case CHANGE_LABEL_TOGGLE:
        if (node->exists)
            node->flagged = change->value & 1;
        return true;
    case CHANGE_REL_CREATE:
        assert(change->rel < REFERENCE_REL_MAX);
        if (node->exists && other->exists)
            reference->rels[change->rel] = (struct reference_rel){true, change->key, change->key2};
        if (change->rel >= reference->rel_count)
            reference->rel_count = change->rel + 1;
        return true;
    case CHANGE_REL_DELETE:
        if (change->rel < reference->rel_count)
            reference->rels[change->rel].exists = false;
        return true;
    case CHANGE_NODE_DELETE:
        if (node->exists)
            node_delete(reference, change->key);
        return true;
    case CHANGE_MOVE:
        if (node->exists && other->exists) {
            node->value -= change->value;
            other->value += change->value;
        }
        return true;
    case CHANGE_KIND_COUNT:
        break;
    }
    assert(!"unknown change");
    return false;
}

bool
reference_equal(const struct reference *a, const struct reference *b)
{
    for (uint32_t i = 0; i < REFERENCE_KEY_MAX; i++) {
        const struct reference_node *x = &a->nodes[i], *y = &b->nodes[i];
        if (x->exists != y->exists ||
            (x->exists && (x->flagged != y->flagged || x->value != y->value)))
            return false;
    }
    uint32_t count = a->rel_count > b->rel_count ? a->rel_count : b->rel_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct reference_rel *x = &a->rels[i], *y = &b->rels[i];
        if (x->exists != y->exists || (x->exists && (x->from != y->from || x->to != y->to)))
            return false;
    }
    return true;
}

int64_t
reference_value_sum(const struct reference *reference)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < REFERENCE_KEY_MAX; i++)
        sum += reference->nodes[i].exists ? reference->nodes[i].value : 0;
    return sum;
}
