/* SCHEMA: creates or drops an index or a constraint. The tokens of its names first, then the change
 * itself, which the catalog answers when every shard knows it and the index is online. */
#include "engine/run/operator.h"

enum schema_phase { SCHEMA_BEGIN, SCHEMA_NAMING, SCHEMA_CHANGING, SCHEMA_DONE };

/* Lives in the execution's arena, since an answer may come after the operator is closed. */
struct schema_state {
    enum schema_phase phase;
    struct catalog_request request;
    bool out;
    uint8_t kinds[2];
    struct text names[2];
    uint32_t tokens[2];
};

static void
request_done(struct catalog_request *request)
{
    struct schema_state *state = list_entry(request, struct schema_state, request);
    struct execution *execution = request->context;
    state->out = false;
    assert(execution->request_count > 0);
    execution->request_count--;
    execution->wake(execution);
}

static void request_send(struct operator* op)
{
    struct schema_state *state = op->state;
    state->request.done = request_done;
    state->request.context = op->execution;
    state->out = true;
    op->execution->request_count++;
    catalog_submit(op->execution->shard, &state->request);
}

static bool
action_creates(uint8_t action)
{
    return action == SCHEMA_INDEX_CREATE || action == SCHEMA_CONSTRAINT_CREATE;
}

static bool
action_is_constraint(uint8_t action)
{
    return action == SCHEMA_CONSTRAINT_CREATE || action == SCHEMA_CONSTRAINT_DROP;
}

static void change_send(struct operator* op)
{
    struct schema_state *state = op->state;
    const struct schema_command *command = op->op->schema;
    state->request = (struct catalog_request){
        .action = action_creates(command->action) ? CATALOG_INDEX_CREATE : CATALOG_INDEX_DROP,
        .index =
            {
                .label = state->tokens[0],
                .key = state->tokens[1],
                .unique = action_is_constraint(command->action),
                .name = command->name,
            },
    };
    state->phase = SCHEMA_CHANGING;
    request_send(op);
}

static void names_send(struct operator* op)
{
    struct schema_state *state = op->state;
    const struct schema_command *command = op->op->schema;
    state->kinds[0] = TOKEN_LABEL;
    state->kinds[1] = TOKEN_KEY;
    state->names[0] = command->label;
    state->names[1] = command->key;
    state->request = (struct catalog_request){
        .action = CATALOG_TOKENS,
        .name_count = 2,
        .kinds = state->kinds,
        .names = state->names,
        .tokens = state->tokens,
    };
    state->phase = SCHEMA_NAMING;
    request_send(op);
}

/* A constraint is dropped as a constraint, an index as an index. */
static err_t
drop_check(struct operator* op, bool *nothing)
{
    const struct schema_command *command = op->op->schema;
    bool constraint = action_is_constraint(command->action);
    const struct index_info *info = catalog_index_by_name(
        op->execution->shard->catalog, command->name);
    *nothing = !info && command->if_exists;
    if (*nothing || (info && info->unique == constraint))
        return 0;
    err_t err = constraint ? ERR(CONSTRAINT_NOT_FOUND) : ERR(INDEX_NOT_FOUND);
    if (info && !constraint)
        execution_fail(
            op->execution, err, "Index '%.*s' belongs to a constraint; drop the constraint",
            TEXT_ARGS(command->name));
    else
        execution_fail(
            op->execution, err, "No such %s: '%.*s'", constraint ? "constraint" : "index",
            TEXT_ARGS(command->name));
    return err;
}

static enum pull change_over(struct operator* op)
{
    struct schema_state *state = op->state;
    const struct schema_command *command = op->op->schema;
    struct schema_counters *counters = &op->execution->schema;
    err_t err = state->request.err;
    enum err_code code = err_code(err);
    bool exists = code == ERR_INDEX_EXISTS || code == ERR_CONSTRAINT_EXISTS;
    bool missing = code == ERR_INDEX_NOT_FOUND || code == ERR_CONSTRAINT_NOT_FOUND;
    state->phase = SCHEMA_DONE;
    if ((exists && command->if_not_exists) || (missing && command->if_exists))
        return PULL_END;
    if (code == ERR_CONSTRAINT && state->request.conflict_nodes[0]) {
        execution_fail(
            op->execution, err,
            "Both Node(%llu) and Node(%llu) have the label '%.*s' and the same property '%.*s'",
            (unsigned long long)state->request.conflict_nodes[0],
            (unsigned long long)state->request.conflict_nodes[1], TEXT_ARGS(command->label),
            TEXT_ARGS(command->key));
        return PULL_FAILED;
    }
    if (err)
        return operator_fail(op, err);
    if (!state->request.changed)
        return PULL_END;
    counters->indexes_added += command->action == SCHEMA_INDEX_CREATE;
    counters->indexes_removed += command->action == SCHEMA_INDEX_DROP;
    counters->constraints_added += command->action == SCHEMA_CONSTRAINT_CREATE;
    counters->constraints_removed += command->action == SCHEMA_CONSTRAINT_DROP;
    return PULL_END;
}

static enum pull
schema_next(struct operator* op, struct batch **out)
{
    (void)out;
    struct schema_state *state = op->state;
    const struct schema_command *command = op->op->schema;
    if (state->out)
        return PULL_WAIT;
    if (state->phase == SCHEMA_BEGIN && action_creates(command->action)) {
        names_send(op);
        return PULL_WAIT;
    }
    if (state->phase == SCHEMA_BEGIN) {
        bool nothing;
        if (drop_check(op, &nothing))
            return PULL_FAILED;
        state->phase = SCHEMA_DONE;
        if (nothing)
            return PULL_END;
        change_send(op);
        return PULL_WAIT;
    }
    if (state->phase == SCHEMA_NAMING) {
        if (state->request.err)
            return operator_fail(op, state->request.err);
        change_send(op);
        return PULL_WAIT;
    }
    return state->phase == SCHEMA_CHANGING ? change_over(op) : PULL_END;
}

const struct operator_class operator_class_SCHEMA = {
    .state_size = sizeof(struct schema_state), .next = schema_next};
