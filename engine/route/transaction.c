/* Explicit transactions: a txn, and the statements run in it one at a time.
 *
 *      begin -> open: queries ... -> commit: the open ones run to their end, then txn_commit -> done
 *                        |        -> rollback: the open ones are cancelled, then txn_abort -> done
 *                        +- a failure, or the timeout: only rollback is left */
#include "engine/route/query_state.h"

static void
transaction_release(struct transaction *transaction)
{
    timer_stop(transaction->shard, &transaction->timeout);
    shard_engine(transaction->shard)->transaction_count--;
    memory_release(shard_memory(transaction->shard), transaction, sizeof(*transaction));
}

static void
transaction_tell(struct transaction *transaction, err_t err, uint64_t bookmark, bool gone)
{
    transaction_done_fn *done = transaction->done;
    void *context = transaction->context;
    struct failure failure = {
        .err = err, .message = text_of(err ? err_text(err_code(err)) : ""), .offset = -1};
    transaction->done = NULL;
    if (gone)
        transaction_release(transaction);
    done(context, err ? &failure : NULL, bookmark);
}

void
transaction_fail(struct transaction *transaction, err_t err)
{
    if (!transaction->failed)
        transaction->failed = err;
}

static void
begin_ready(void *context, err_t err)
{
    struct transaction *transaction = context;
    transaction->ready = err == 0;
    if (err)
        transaction->failed = err;
    transaction_tell(transaction, err, 0, false);
}

/* `done` must come from the loop, so a snapshot that is there at once is told by a timer of no length. */
static void
begin_told(struct timer *timer)
{
    begin_ready(list_entry(timer, struct transaction, begun), 0);
}

static void
timeout_expired(struct timer *timer)
{
    struct transaction *transaction = list_entry(timer, struct transaction, timeout);
    transaction_fail(transaction, ERR(TIMED_OUT));
    list_for_each (link, &transaction->queries)
        query_cancel(list_entry(link, struct query, link), ERR(TIMED_OUT));
}

err_t
transaction_begin(
    struct shard *shard,
    const struct transaction_options *options,
    transaction_done_fn *done,
    void *context,
    struct transaction **out)
{
    struct transaction *transaction = memory_allocate(shard_memory(shard), sizeof(*transaction));
    if (!transaction)
        return ERR(MEMORY_POOL);
    *transaction = (struct transaction){
        .shard = shard, .read_only = options->read_only, .done = done, .context = context};
    list_init(&transaction->queries);
    struct txn_options txn_options = {
        .bookmark = options->bookmark, .read_only = options->read_only};
    err_t err = txn_begin(shard, &txn_options, begin_ready, transaction, &transaction->txn);
    if (err) {
        memory_release(shard_memory(shard), transaction, sizeof(*transaction));
        return err;
    }
    shard_engine(shard)->transaction_count++;
    if (txn_is_ready(transaction->txn))
        timer_start(shard, &transaction->begun, 0, begin_told);
    if (options->timeout_ns)
        timer_start(shard, &transaction->timeout, options->timeout_ns, timeout_expired);
    *out = transaction;
    return 0;
}

static void
committed(void *context, err_t err, uint64_t timestamp)
{
    transaction_tell(context, err, err ? 0 : timestamp, true);
}

static void
aborted(void *context, err_t err, uint64_t timestamp)
{
    (void)timestamp;
    struct transaction *transaction = context;
    /* A commit that could not be, because a statement failed, reports that. */
    err_t reason = transaction->committing ? transaction->failed : err;
    transaction_tell(transaction, reason, 0, true);
}

/* Goes on with the end once no statement is open. */
static void
transaction_end(struct transaction *transaction)
{
    bool asked = transaction->committing || transaction->rolling_back;
    if (!asked || transaction->ending || !list_is_empty(&transaction->queries))
        return;
    transaction->ending = true;
    struct txn *txn = transaction->txn;
    transaction->txn = NULL;
    timer_stop(transaction->shard, &transaction->timeout);
    if (transaction->committing && !transaction->failed)
        txn_commit(txn, committed, transaction);
    else
        txn_abort(txn, aborted, transaction);
}

void
transaction_query_over(struct transaction *transaction, struct query *query)
{
    list_remove(&query->link);
    transaction_end(transaction);
}

void
transaction_commit(struct transaction *transaction, transaction_done_fn *done, void *context)
{
    assert(!transaction->done && !transaction->committing && !transaction->rolling_back);
    transaction->done = done;
    transaction->context = context;
    transaction->committing = true;
    list_for_each (link, &transaction->queries)
        query_discard(list_entry(link, struct query, link));
    transaction_end(transaction);
}

void
transaction_rollback(struct transaction *transaction, transaction_done_fn *done, void *context)
{
    assert(!transaction->committing && !transaction->rolling_back);
    timer_stop(transaction->shard, &transaction->begun);
    transaction->done = done;
    transaction->context = context;
    transaction->rolling_back = true;
    list_for_each (link, &transaction->queries)
        query_cancel(list_entry(link, struct query, link), ERR(TERMINATED));
    transaction_end(transaction);
}
