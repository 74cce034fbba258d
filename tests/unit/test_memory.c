/* The allocator of a shard: classes, slabs, spans, exhaustion, coalescing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "shards/core/seam_memory.h"

enum { RANGE_SIZE = 32 << 20, SLOTS = 4000 };

static struct range *
range_of(size_t size, struct memory *memory)
{
    struct range *range;
    assert_int_equal(range_create(&range, size), 0);
    *memory = range_memory(range);
    return range;
}

static void
every_size_is_aligned_and_separate(void **state)
{
    (void)state;
    struct memory memory;
    struct range *range = range_of(RANGE_SIZE, &memory);
    static unsigned char *at[SLOTS];
    for (size_t size = 0; size < SLOTS; size++) {
        at[size] = memory_allocate(&memory, size);
        assert_non_null(at[size]);
        assert_int_equal((uintptr_t)at[size] % 16, 0);
        memset(at[size], (int)size & 0xff, size);
    }
    for (size_t size = 0; size < SLOTS; size++)
        for (size_t i = 0; i < size; i++)
            assert_true(at[size][i] == (size & 0xff));
    range_check(range);
    for (size_t size = 0; size < SLOTS; size++)
        memory_release(&memory, at[size], size);
    assert_int_equal(memory.used_size, 0);
    range_check(range);
    range_destroy(range);
}

/* A random mix of sizes; the contents say whether two ever overlapped. */
static void
random_churn_keeps_contents_and_structure(void **state)
{
    (void)state;
    struct memory memory;
    struct range *range = range_of(RANGE_SIZE, &memory);
    static struct {
        unsigned char *data;
        size_t size;
        unsigned char mark;
    } slots[SLOTS];
    memset(slots, 0, sizeof(slots));
    uint64_t refused_count = 0;
    for (uint64_t step = 0; step < 100000; step++) {
        uint64_t draw = hash_word(step + 1);
        size_t i = draw % SLOTS;
        if (slots[i].data) {
            size_t size = slots[i].size;
            assert_true(
                slots[i].data[0] == slots[i].mark && slots[i].data[size - 1] == slots[i].mark);
            memory_release(&memory, slots[i].data, size);
            slots[i].data = NULL;
            continue;
        }
        size_t size = 1 + (draw >> 16) % (draw >> 60 == 0 ? 300000 : draw >> 62 == 1 ? 20000 : 200);
        slots[i].data = memory_allocate(&memory, size);
        slots[i].size = size;
        slots[i].mark = (unsigned char)draw;
        if (slots[i].data) {
            slots[i].data[0] = slots[i].mark;
            slots[i].data[size - 1] = slots[i].mark;
        } else {
            refused_count++;
        }
        if (step % 20000 == 0)
            range_check(range);
    }
    assert_true(refused_count > 0);
    for (size_t i = 0; i < SLOTS; i++)
        if (slots[i].data)
            memory_release(&memory, slots[i].data, slots[i].size);
    assert_int_equal(memory.used_size, 0);
    range_check(range);
    range_destroy(range);
}

static void
exhausted_range_refuses_and_recovers_wholly(void **state)
{
    (void)state;
    struct memory memory;
    struct range *range = range_of(RANGE_SIZE, &memory);
    static void *at[RANGE_SIZE / 1024 + 1];
    for (uint32_t round = 0; round < 3; round++) {
        size_t count = 0;
        while ((at[count] = memory_allocate(&memory, 1024)))
            count++;
        assert_true(count > RANGE_SIZE / 1024 * 9 / 10);
        assert_null(memory_allocate(&memory, 100000));
        for (size_t i = 0; i < count; i++)
            memory_release(&memory, at[(i * 7919) % count], 1024);
        assert_int_equal(memory.used_size, 0);
        range_check(range);
        /* All small pieces came together again, but for the one slab that is kept, maybe in the middle. */
        void *large = memory_allocate(&memory, RANGE_SIZE * 7 / 16);
        assert_non_null(large);
        memory_release(&memory, large, RANGE_SIZE * 7 / 16);
    }
    range_destroy(range);
}

static void
released_neighbours_merge(void **state)
{
    (void)state;
    struct memory memory;
    struct range *range = range_of(RANGE_SIZE, &memory);
    void *parts[8];
    for (uint32_t i = 0; i < 8; i++)
        assert_non_null(parts[i] = memory_allocate(&memory, RANGE_SIZE / 8));
    assert_null(memory_allocate(&memory, 65536));
    for (uint32_t i = 0; i < 8; i += 2)
        memory_release(&memory, parts[i], RANGE_SIZE / 8);
    assert_null(memory_allocate(&memory, RANGE_SIZE / 4));
    memory_release(&memory, parts[1], RANGE_SIZE / 8);
    parts[1] = memory_allocate(&memory, RANGE_SIZE / 8 * 3);
    assert_non_null(parts[1]);
    range_check(range);
    range_destroy(range);
}

static void
growing_arrays_reuse_what_they_left(void **state)
{
    (void)state;
    struct memory memory;
    struct range *range = range_of(RANGE_SIZE, &memory);
    enum { ARRAYS = 2000 };
    static void *arrays[ARRAYS];
    for (size_t size = 16; size <= 4096; size *= 2)
        for (uint32_t i = 0; i < ARRAYS; i++) {
            void *grown = size == 16 ? memory_allocate(&memory, size)
                                     : memory_resize(&memory, arrays[i], size / 2, size);
            assert_non_null(grown);
            arrays[i] = grown;
        }
    assert_int_equal(memory.used_size, ARRAYS * 4096);
    range_check(range);
    range_destroy(range);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_is_aligned_and_separate),
        cmocka_unit_test(random_churn_keeps_contents_and_structure),
        cmocka_unit_test(exhausted_range_refuses_and_recovers_wholly),
        cmocka_unit_test(released_neighbours_merge),
        cmocka_unit_test(growing_arrays_reuse_what_they_left),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
