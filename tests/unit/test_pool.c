#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "shards/store/table.h"

/* The heap, counted; fails from allocation `fail_at` on. */
struct source {
    struct memory memory;
    uint32_t allocation_count, fail_at;
};

static void *
source_allocate(struct memory *memory, size_t size)
{
    struct source *source = (struct source *)(void *)memory;
    if (source->fail_at && ++source->allocation_count >= source->fail_at)
        return NULL;
    memory->used_size += size;
    return memory_allocate(memory_heap(), size);
}

static void
source_release(struct memory *memory, void *pointer, size_t size)
{
    memory->used_size -= size;
    memory_release(memory_heap(), pointer, size);
}

static struct source
source_make(void)
{
    return (struct source){.memory = {.allocate = source_allocate, .release = source_release}};
}

static void
a_class_holds_its_sizes_and_wastes_little(void **state)
{
    (void)state;
    for (size_t size = 1; size <= POOL_SMALL_SIZE_MAX; size++) {
        size_t class = pool_class_size(size);
        assert_true(class >= size && class % 16 == 0);
        assert_true(class - size < 16 || class - size <= size / 4);
        assert_true(pool_class_size(class) == class);
    }
    assert_int_equal(pool_class_size(POOL_SMALL_SIZE_MAX + 1), POOL_SMALL_SIZE_MAX + 1);
}

enum { OBJECTS = 500, ROUNDS = 20000 };

/* Objects of random sizes come and go; none may overlap another. */
static void
objects_never_overlap(void **state)
{
    (void)state;
    struct source source = source_make();
    struct pool pool;
    static unsigned char *objects[OBJECTS];
    static size_t sizes[OBJECTS];
    uint64_t random = 88172645463325252u;
    memset(objects, 0, sizeof(objects));
    pool_create(&pool, &source.memory, 4096);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        uint32_t i = (uint32_t)(random % OBJECTS);
        if (objects[i]) {
            for (size_t at = 0; at < sizes[i]; at++)
                assert_int_equal(objects[i][at], (unsigned char)(i * 7 + at));
            pool_release(&pool, objects[i], sizes[i]);
            objects[i] = NULL;
            continue;
        }
        sizes[i] = 1 + (size_t)(random >> 20) % (round % 50 == 0 ? 50000 : 700);
        objects[i] = pool_allocate(&pool, sizes[i]);
        assert_non_null(objects[i]);
        assert_int_equal((uintptr_t)objects[i] % 16, 0);
        for (size_t at = 0; at < sizes[i]; at++)
            objects[i][at] = (unsigned char)(i * 7 + at);
    }
    for (uint32_t i = 0; i < OBJECTS; i++)
        if (objects[i])
            pool_release(&pool, objects[i], sizes[i]);
    assert_int_equal(pool.used_size, 0);
    pool_destroy(&pool);
    assert_int_equal(source.memory.used_size, 0);
}

static void
freed_objects_are_used_again(void **state)
{
    (void)state;
    struct source source = source_make();
    struct pool pool;
    pool_create(&pool, &source.memory, 4096);
    void *first = pool_allocate(&pool, 100);
    size_t used = source.memory.used_size;
    for (int i = 0; i < 1000; i++) {
        pool_release(&pool, first, 100);
        assert_ptr_equal(pool_allocate(&pool, 97), first); /* the same class */
    }
    assert_int_equal(source.memory.used_size, used);
    pool_release(&pool, first, 97);
    pool_destroy(&pool);
}

static void
a_pool_without_memory_says_so(void **state)
{
    (void)state;
    struct source source = source_make();
    struct pool pool;
    pool_create(&pool, &source.memory, 4096);
    void *object = pool_allocate(&pool, 64);
    source.fail_at = 1;
    void *large = pool_allocate(&pool, 100000);
    assert_null(large);
    uint32_t count = 0;
    static void *objects[100];
    while (count < 100 && (objects[count] = pool_allocate(&pool, 64)))
        count++;
    assert_true(count > 40 && count < 100); /* the rest of the slab */
    source.fail_at = 0;
    assert_non_null(object);
    pool_release(&pool, object, 64);
    for (uint32_t i = 0; i < count; i++)
        pool_release(&pool, objects[i], 64);
    pool_destroy(&pool);
    assert_int_equal(source.memory.used_size, 0);
}

struct item {
    struct table_link link;
    uint64_t key;
};

static struct item *
item_lookup(const struct table *table, uint64_t key, uint64_t hash)
{
    for (struct table_link *link = table_chain(table, hash); link; link = link->next)
        if (table_entry(link, struct item, link)->key == key)
            return table_entry(link, struct item, link);
    return NULL;
}

/* Also when growing finds no memory from some insert on: only slower. */
static void
a_table_finds_what_was_put_in(void **state)
{
    (void)state;
    enum { ITEMS = 5000 };
    static struct item items[ITEMS];
    for (uint32_t fail_at = 0; fail_at < 4; fail_at++) {
        struct source source = source_make();
        struct pool pool;
        struct table table;
        source.fail_at = fail_at;
        pool_create(&pool, &source.memory, 0);
        table_create(&table, &pool);
        for (uint64_t i = 0; i < ITEMS; i++) {
            items[i].key = i;
            table_insert(&table, &items[i].link, i * UINT64_C(0x9e3779b97f4a7c15));
        }
        for (uint64_t i = 0; i < ITEMS; i += 3)
            table_remove(&table, &items[i].link);
        uint64_t walked = 0;
        for (uint64_t bucket = 0; bucket < table.bucket_count; bucket++)
            for (struct table_link *link = table_bucket(&table, bucket); link; link = link->next)
                walked++;
        assert_int_equal(walked, table.count);
        for (uint64_t i = 0; i < ITEMS; i++) {
            const struct item *found = item_lookup(&table, i, i * UINT64_C(0x9e3779b97f4a7c15));
            assert_ptr_equal(found, i % 3 ? &items[i] : NULL);
        }
        assert_true(fail_at || table.bucket_count > ITEMS / 2);
        table_destroy(&table);
        pool_destroy(&pool);
        assert_int_equal(source.memory.used_size, 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_class_holds_its_sizes_and_wastes_little),
        cmocka_unit_test(objects_never_overlap),
        cmocka_unit_test(freed_objects_are_used_again),
        cmocka_unit_test(a_pool_without_memory_says_so),
        cmocka_unit_test(a_table_finds_what_was_put_in),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
