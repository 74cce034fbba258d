/* Random transactions against a plain reference graph: many open transactions and held snapshots at once,
 * collection in between, everything readable compared for every view. And the same kind of history with
 * each allocation failing in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/store_fixture.h"

enum {
    NODES = 24,
    RELS = 400,
    LABELS = 3,
    KEYS = 3,
    TYPES = 3,
    TXNS = 4,
    HELD = 4,
    VALUES = 6,
    UNIQUE_KEY = 2
};

struct ref_node {
    bool exists;
    bool labels[LABELS];
    int8_t values[KEYS]; /* -1: null */
};

struct ref_rel {
    bool exists;
    uint8_t start, end, type;
    int8_t value;
};

struct ref_state {
    struct ref_node nodes[NODES];
    struct ref_rel rels[RELS];
};

/* The items a transaction wrote: what first-committer-wins is about. */
struct ref_writes {
    bool node[NODES], cell[NODES][KEYS], rel[RELS], rel_cell[RELS];
};

struct ref_txn {
    struct view view;
    struct ref_state state;
    struct ref_writes writes;
};

struct game {
    struct store_fixture fix;
    uint64_t random;
    node_id ids[NODES];
    rel_id rel_ids[RELS];
    uint32_t rel_count;
    struct ref_state now;
    struct {
        uint64_t node[NODES], cell[NODES][KEYS], rel[RELS], rel_cell[RELS];
    } written; /* when each item was last committed */
    struct ref_txn *txns[TXNS];
    struct ref_txn *held[HELD];
    uint32_t plain_index, unique_index;
    uint32_t conflicts, commits;
};

static uint32_t
draw(struct game *game, uint32_t bound)
{
    game->random ^= game->random << 13;
    game->random ^= game->random >> 7;
    game->random ^= game->random << 17;
    return (uint32_t)((game->random >> 11) % bound);
}

/* Every other value is a string, so that chunks become mixed and memory is owned. */
static struct value
value_of(int8_t number)
{
    static const char *const strings[] = {"", "one", "", "three, and long enough not to be inline",
                                          "", "five"};
    if (number < 0)
        return value_null();
    return number % 2 ? value_string(text_of(strings[number])) : value_integer(number);
}

static bool
is_value(struct value value, int8_t number)
{
    struct value expected = value_of(number);
    if (value.type != expected.type)
        return false;
    if (value.type == VALUE_STRING)
        return text_equal(value_text(value), value_text(expected));
    return value_is_null(value) || value.integer == expected.integer;
}

/* --- comparing one view with its state --- */

static void
check_node(struct game *game, const struct ref_txn *txn, uint32_t n)
{
    struct store *store = game->fix.store;
    const struct ref_node *node = &txn->state.nodes[n];
    assert_int_equal(store_node_exists(store, txn->view, game->ids[n]), node->exists);
    for (uint32_t label = 0; label < LABELS; label++)
        assert_int_equal(
            store_node_has_label(store, txn->view, game->ids[n], label),
            node->exists && node->labels[label]);
    uint32_t count = 0;
    for (uint32_t key = 0; key < KEYS; key++) {
        int8_t expected = node->exists ? node->values[key] : -1;
        count += expected >= 0;
        assert_true(is_value(store_node_property(store, txn->view, game->ids[n], key), expected));
    }
    struct property properties[KEYS];
    assert_int_equal(
        store_node_properties(store, txn->view, game->ids[n], properties, KEYS), count);
}

static uint32_t
degree_of(
    const struct ref_state *state,
    uint32_t rel_count,
    uint32_t n,
    enum direction direction,
    uint32_t type)
{
    uint32_t degree = 0;
    for (uint32_t r = 0; r < rel_count; r++) {
        const struct ref_rel *rel = &state->rels[r];
        if (!rel->exists || (type != TYPE_ANY && rel->type != type))
            continue;
        bool out = rel->start == n && (direction & DIRECTION_OUT);
        bool in = rel->end == n && (direction & DIRECTION_IN);
        degree += direction == DIRECTION_BOTH ? out || in : out + in;
    }
    return degree;
}

static void
check_adjacency(struct game *game, const struct ref_txn *txn, uint32_t n)
{
    struct store *store = game->fix.store;
    enum direction direction = (enum direction)(1 + draw(game, 3));
    uint32_t type = draw(game, TYPES + 1), max = 1 + draw(game, 9), total = 0;
    bool any = type == TYPES;
    struct expand_cursor cursor = {0};
    uint64_t others[10], rels[10];
    uint32_t types[10];
    uint8_t directions[10];
    bool seen[RELS] = {false};
    while (!cursor.done) {
        struct expand_output out = {
            .others = others, .rels = rels, .types = types, .directions = directions};
        uint32_t count = store_expand(
            store, txn->view, &game->ids[n].id, 1, direction, any ? NULL : &type, !any, &cursor,
            &out, max);
        assert_true(count <= max);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t r = 0;
            while (r < game->rel_count && game->rel_ids[r].id != rels[i])
                r++;
            assert_true(r < game->rel_count && txn->state.rels[r].exists && !seen[r]);
            seen[r] = true;
            const struct ref_rel *rel = &txn->state.rels[r];
            bool out_way = directions[i] == DIRECTION_OUT;
            assert_int_equal(rel->type, types[i]);
            assert_int_equal(out_way ? rel->start : rel->end, n);
            assert_int_equal(game->ids[out_way ? rel->end : rel->start].id, others[i]);
        }
        total += count;
    }
    uint32_t expected = degree_of(
        &txn->state, game->rel_count, n, direction, any ? TYPE_ANY : type);
    assert_int_equal(total, expected);
    assert_int_equal(
        store_degree(store, txn->view, game->ids[n], direction, any ? NULL : &type, !any),
        expected);
    uint32_t other = draw(game, NODES), into = 0;
    for (uint32_t r = 0; r < game->rel_count; r++) {
        const struct ref_rel *rel = &txn->state.rels[r];
        bool out = rel->start == n && rel->end == other && (direction & DIRECTION_OUT);
        bool in = rel->end == n && rel->start == other && (direction & DIRECTION_IN);
        into += rel->exists &&
                (n == other && direction == DIRECTION_BOTH ? out : (uint32_t)out + in);
    }
    total = 0;
    for (cursor = (struct expand_cursor){0}; !cursor.done;) {
        struct expand_output out = {.others = others};
        total += store_expand_into(
            store, txn->view, game->ids[n], game->ids[other], direction, NULL, 0, &cursor, &out,
            max);
    }
    assert_int_equal(total, into);
}

static void
check_rels(struct game *game, const struct ref_txn *txn)
{
    for (uint32_t r = 0; r < game->rel_count; r++) {
        const struct ref_rel *rel = &txn->state.rels[r];
        struct rel_record record;
        assert_int_equal(
            store_rel_get(game->fix.store, txn->view, game->rel_ids[r], &record), rel->exists);
        assert_true(is_value(
            store_rel_property(game->fix.store, txn->view, game->rel_ids[r], 0),
            rel->exists ? rel->value : -1));
        if (rel->exists)
            assert_true(
                record.start.id == game->ids[rel->start].id &&
                record.end.id == game->ids[rel->end].id);
    }
}

static void
check_index(struct game *game, const struct ref_txn *txn, uint32_t index, uint32_t key)
{
    for (int value = 0; value < VALUES; value++) {
        uint64_t out[NODES];
        struct expand_cursor cursor = {0};
        uint32_t expected = 0, count = 0;
        for (uint32_t n = 0; n < NODES; n++) {
            const struct ref_node *node = &txn->state.nodes[n];
            expected += node->exists && node->labels[0] && node->values[key] == value;
        }
        while (!cursor.done)
            count += store_index_seek(
                game->fix.store, txn->view, index, value_of((int8_t)value), &cursor, out + count,
                1 + draw(game, 4));
        assert_int_equal(count, expected);
    }
}

static void
check_columns(struct game *game, const struct ref_txn *txn)
{
    struct store *store = game->fix.store;
    uint64_t nodes[NODES], scanned[NODES];
    uint32_t selected[NODES], label = draw(game, LABELS), key = draw(game, KEYS), with_label = 0,
                              at_least = 0;
    for (uint32_t n = 0; n < NODES; n++) {
        const struct ref_node *node = &txn->state.nodes[n];
        nodes[n] = game->ids[n].id;
        with_label += node->exists && node->labels[label];
        at_least += node->exists && node->values[key] >= 2 && node->values[key] % 2 == 0;
    }
    assert_int_equal(
        store_node_select_label(store, txn->view, nodes, NODES, label, selected), with_label);
    assert_int_equal(
        store_node_select_property(
            store, txn->view, nodes, NODES, key, COMPARE_GE, value_integer(2), selected),
        at_least);
    struct scan_cursor cursor = {0};
    uint32_t count = 0;
    while (!cursor.done)
        count += store_scan_nodes(store, txn->view, label, &cursor, scanned, 1 + draw(game, NODES));
    assert_int_equal(count, with_label);
}

static void
check_view(struct game *game, const struct ref_txn *txn)
{
    for (uint32_t n = 0; n < NODES; n++) {
        check_node(game, txn, n);
        check_adjacency(game, txn, n);
    }
    check_rels(game, txn);
    check_columns(game, txn);
    check_index(game, txn, game->plain_index, 0);
    check_index(game, txn, game->unique_index, UNIQUE_KEY);
}

/* --- playing --- */

static err_t
play_node(struct game *game, struct ref_txn *txn)
{
    uint32_t n = draw(game, NODES);
    struct ref_node *node = &txn->state.nodes[n];
    struct property properties[KEYS];
    struct ref_node made = {.exists = true};
    if (node->exists) {
        err_t err = fixture_node_delete(&game->fix, txn->view, game->ids[n]);
        if (err)
            return err;
        assert_int_equal(degree_of(&txn->state, game->rel_count, n, DIRECTION_BOTH, TYPE_ANY), 0);
        *node = (struct ref_node){.values = {-1, -1, -1}};
        txn->writes.node[n] = true;
        return 0;
    }
    /* Ids are given once: a node that was ever tried gets a new one, if nobody holds the old. */
    for (uint32_t i = 0; i < TXNS + HELD; i++) {
        const struct ref_txn *other = i < TXNS ? game->txns[i] : game->held[i - TXNS];
        if (other && (other->state.nodes[n].exists || (other != txn && other->writes.node[n])))
            return 0;
    }
    if (game->now.nodes[n].exists || txn->writes.node[n] ||
        game->written.node[n] > txn->view.snapshot)
        return 0;
    game->ids[n] = store_node_allocate(game->fix.store, 0);
    uint32_t labels[LABELS], label_count = 0;
    for (uint32_t i = 0; i < LABELS; i++) {
        made.labels[i] = draw(game, 2);
        if (made.labels[i])
            labels[label_count++] = i;
    }
    for (uint32_t i = 0; i < KEYS; i++) {
        made.values[i] = (int8_t)(i == UNIQUE_KEY ? -1 : (int)draw(game, VALUES + 1) - 1);
        properties[i] = (struct property){.key = i, .value = value_of(made.values[i])};
    }
    err_t err = fixture_node(
        &game->fix, txn->view, game->ids[n], labels, label_count, properties, KEYS);
    if (!err) {
        *node = made;
        txn->writes.node[n] = true;
    }
    return err;
}

static err_t
play_property(struct game *game, struct ref_txn *txn)
{
    uint32_t n = draw(game, NODES), key = draw(game, KEYS);
    int8_t value = (int8_t)((int)draw(game, VALUES + 1) - 1);
    err_t err = fixture_set(&game->fix, txn->view, game->ids[n], key, value_of(value));
    struct ref_node *node = &txn->state.nodes[n];
    if (err_code(err) == ERR_ENTITY_NOT_FOUND)
        assert_false(node->exists);
    if (err)
        return err;
    assert_true(node->exists);
    txn->writes.cell[n][key] |= value >= 0 || node->values[key] >= 0;
    node->values[key] = value;
    return 0;
}

static err_t
play_label(struct game *game, struct ref_txn *txn)
{
    uint32_t n = draw(game, NODES), label = draw(game, LABELS), add = draw(game, 2);
    struct ref_node *node = &txn->state.nodes[n];
    err_t err = fixture_labels(&game->fix, txn->view, game->ids[n], &label, add, !add);
    if (err)
        return err;
    txn->writes.node[n] |= node->labels[label] != (add == 1);
    node->labels[label] = add;
    return 0;
}

static err_t
play_rel(struct game *game, struct ref_txn *txn)
{
    if (draw(game, 2) && game->rel_count < RELS) {
        struct ref_rel rel = {
            .exists = true,
            .start = (uint8_t)draw(game, NODES),
            .end = (uint8_t)draw(game, NODES),
            .type = (uint8_t)draw(game, TYPES),
            .value = -1,
        };
        rel_id id;
        err_t err = fixture_rel(
            &game->fix, txn->view, game->ids[rel.start], game->ids[rel.end], rel.type, &id);
        if (err_code(err) == ERR_ENTITY_NOT_FOUND)
            assert_false(txn->state.nodes[rel.start].exists && txn->state.nodes[rel.end].exists);
        if (err)
            return err;
        uint32_t r = game->rel_count++;
        game->rel_ids[r] = id;
        txn->state.rels[r] = rel;
        txn->writes.rel[r] = true;
        return 0;
    }
    if (game->rel_count == 0)
        return 0;
    uint32_t r = draw(game, game->rel_count);
    struct ref_rel *rel = &txn->state.rels[r];
    if (!rel->exists)
        return 0;
    if (draw(game, 2)) {
        struct property property = {.key = 0, .value = value_of((int8_t)draw(game, VALUES))};
        rel->value = property.value.type == VALUE_INTEGER ? (int8_t)property.value.integer
                                                          : rel->value;
        if (property.value.type != VALUE_INTEGER)
            return 0;
        txn->writes.rel_cell[r] = true;
        return fixture_apply(
            &game->fix, txn->view,
            (struct operation){
                .type = OPERATION_REL_PROPERTIES,
                .rel = game->rel_ids[r],
                .properties = &property,
                .property_count = 1});
    }
    err_t err = fixture_rel_delete(
        &game->fix, txn->view, game->rel_ids[r], game->ids[rel->start], game->ids[rel->end],
        rel->type);
    if (!err) {
        rel->exists = false;
        txn->writes.rel[r] = true;
    }
    return err;
}

static struct ref_txn *
txn_begin(struct game *game, bool writer)
{
    struct ref_txn *txn = test_calloc(1, sizeof(*txn));
    txn->view = fixture_now(&game->fix);
    if (writer)
        txn->view = fixture_begin(&game->fix);
    txn->state = game->now;
    return txn;
}

/* What the transaction wrote becomes the present; nobody may have written the same since it began. */
static void
txn_commit(struct game *game, struct ref_txn *txn)
{
    uint64_t began = txn->view.snapshot, at = fixture_commit(&game->fix, txn->view);
    game->commits++;
    for (uint32_t n = 0; n < NODES; n++) {
        if (txn->writes.node[n]) {
            assert_true(game->written.node[n] <= began);
            game->written.node[n] = at;
            memcpy(
                game->now.nodes[n].labels, txn->state.nodes[n].labels,
                sizeof(game->now.nodes[n].labels));
            if (game->now.nodes[n].exists != txn->state.nodes[n].exists)
                game->now.nodes[n] = txn->state.nodes[n];
        }
        for (uint32_t key = 0; key < KEYS; key++) {
            if (!txn->writes.cell[n][key] || !txn->state.nodes[n].exists)
                continue;
            assert_true(game->written.cell[n][key] <= began && game->written.node[n] <= at);
            game->written.cell[n][key] = at;
            game->now.nodes[n].values[key] = txn->state.nodes[n].values[key];
        }
    }
    for (uint32_t r = 0; r < game->rel_count; r++) {
        if (txn->writes.rel[r]) {
            assert_true(game->written.rel[r] <= began);
            game->written.rel[r] = at;
            game->now.rels[r] = txn->state.rels[r];
        } else if (txn->writes.rel_cell[r]) {
            assert_true(game->written.rel_cell[r] <= began && game->written.rel[r] <= began);
            game->now.rels[r].value = txn->state.rels[r].value;
        }
        if (txn->writes.rel_cell[r])
            game->written.rel_cell[r] = at;
    }
}

static void
play_move(struct game *game)
{
    uint32_t which = draw(game, TXNS);
    if (!game->txns[which])
        game->txns[which] = txn_begin(game, true);
    struct ref_txn *txn = game->txns[which];
    err_t (*const moves[])(struct game *, struct ref_txn *) = {
        play_node, play_property, play_label, play_rel, play_rel};
    err_t err = moves[draw(game, 5)](game, txn);
    enum err_code code = err_code(err);
    assert_true(
        !err || code == ERR_CONFLICT || code == ERR_DEADLOCK || code == ERR_ENTITY_NOT_FOUND ||
        code == ERR_NODE_HAS_RELATIONSHIPS || code == ERR_CONSTRAINT);
    game->conflicts += code == ERR_CONFLICT || code == ERR_DEADLOCK;
    if (err || draw(game, 6) == 0) {
        if (!err && draw(game, 4))
            txn_commit(game, txn);
        else
            store_abort(game->fix.store, txn->view.txid);
        test_free(txn);
        game->txns[which] = NULL;
    }
}

static uint64_t
horizon(const struct game *game)
{
    uint64_t oldest = game->fix.timestamp;
    for (uint32_t i = 0; i < TXNS + HELD; i++) {
        const struct ref_txn *txn = i < TXNS ? game->txns[i] : game->held[i - TXNS];
        if (txn && txn->view.snapshot < oldest)
            oldest = txn->view.snapshot;
    }
    return oldest;
}

static void
game_begin(struct game *game, uint64_t seed)
{
    memset(game, 0, sizeof(*game));
    store_fixture_create(&game->fix);
    game->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (uint32_t n = 0; n < NODES; n++) {
        game->ids[n] = store_node_allocate(game->fix.store, 0);
        memset(game->now.nodes[n].values, -1, KEYS);
    }
    game->plain_index = fixture_index(&game->fix, 0, 0, false, INDEX_ONLINE);
    game->unique_index = fixture_index(&game->fix, 0, UNIQUE_KEY, true, INDEX_ONLINE);
}

static void
game_end(struct game *game)
{
    for (uint32_t i = 0; i < TXNS; i++) {
        if (game->txns[i])
            store_abort(game->fix.store, game->txns[i]->view.txid);
        test_free(game->txns[i]);
    }
    for (uint32_t i = 0; i < HELD; i++)
        test_free(game->held[i]);
    store_fixture_destroy(&game->fix);
}

static void
random_histories_match_the_reference(void **state)
{
    (void)state;
    uint32_t conflicts = 0, commits = 0;
    static struct game game;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        game_begin(&game, seed);
        for (int move = 0; move < 600; move++) {
            play_move(&game);
            uint32_t held = draw(&game, HELD * 8);
            if (held < HELD) {
                test_free(game.held[held]);
                game.held[held] = draw(&game, 2) ? txn_begin(&game, false) : NULL;
            }
            if (draw(&game, 5) == 0)
                store_collect(game.fix.store, horizon(&game), 1 + draw(&game, 40));
            if (move % 12)
                continue;
            struct ref_txn *now = txn_begin(&game, false);
            check_view(&game, now);
            test_free(now);
            for (uint32_t i = 0; i < TXNS + HELD; i++) {
                const struct ref_txn *txn = i < TXNS ? game.txns[i] : game.held[i - TXNS];
                if (txn)
                    check_view(&game, txn);
            }
            assert_true(store_is_sane(game.fix.store));
            arena_reset(&game.fix.arena);
        }
        uint32_t nodes = 0, rels = 0;
        for (uint32_t n = 0; n < NODES; n++)
            nodes += game.now.nodes[n].exists;
        for (uint32_t r = 0; r < game.rel_count; r++)
            rels += game.now.rels[r].exists;
        assert_int_equal(store_node_count(game.fix.store, LABEL_ANY), nodes);
        assert_int_equal(store_rel_count(game.fix.store, TYPE_ANY), rels);
        conflicts += game.conflicts;
        commits += game.commits;
        game_end(&game);
    }
    assert_true(conflicts > 100 && commits > 1000); /* or the game tests nothing */
}

/* --- memory that fails --- */

static void
failing_memory_leaves_the_store_sane(void **state)
{
    (void)state;
    static struct game game;
    for (uint64_t fail_after = 1;; fail_after += fail_after < 300 ? 1 : 7) {
        game_begin(&game, 7);
        uint64_t fail_at = game.fix.allocation_count + fail_after;
        bool failed = false;
        struct ref_txn *txn = txn_begin(&game, true);
        for (int move = 0; move < 120 && !failed; move++) {
            game.fix.fail_at = fail_at;
            err_t (*const moves[])(struct game *, struct ref_txn *) = {
                play_node, play_property, play_label, play_rel};
            err_t err = moves[draw(&game, 4)](&game, txn);
            if (draw(&game, 10) == 0)
                store_collect(game.fix.store, txn->view.snapshot, 100);
            game.fix.fail_at = 0;
            failed = err_code(err) == ERR_MEMORY_POOL;
            bool ends = err || draw(&game, 8) == 0;
            if (!ends)
                continue;
            if (err)
                store_abort(game.fix.store, txn->view.txid);
            else
                txn_commit(&game, txn);
            test_free(txn);
            txn = txn_begin(&game, true);
        }
        store_abort(game.fix.store, txn->view.txid);
        test_free(txn);
        assert_true(store_is_sane(game.fix.store));
        struct ref_txn *now = txn_begin(&game, false);
        check_view(&game, now);
        store_collect(game.fix.store, game.fix.timestamp, 1000000);
        check_view(&game, now);
        assert_true(store_is_sane(game.fix.store));
        test_free(now);
        game_end(&game);
        if (!failed && game.fix.allocation_count < fail_at)
            break;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_histories_match_the_reference),
        cmocka_unit_test(failing_memory_leaves_the_store_sane),
    };
    return cmocka_run_group_tests_name("store_random", tests, NULL, NULL);
}
