#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/value.h"

static void
error_keeps_code_and_birthplace(void **state)
{
    (void)state;
    err_t err = ERR(SYNTAX);
    char place[64];
    err_birthplace(err, place, sizeof(place));
    assert_int_equal(err_code(err), ERR_SYNTAX);
    assert_non_null(strstr(place, "test_base.c:"));
    assert_true(err_is_transient(ERR_CONFLICT));
    assert_false(err_is_transient(ERR_TERMINATED));
}

static void
arena_refuses_more_than_its_limit(void **state)
{
    (void)state;
    struct arena arena;
    arena_create(&arena, memory_heap(), 64 << 10);
    size_t got = 0;
    while (arena_allocate(&arena, 1000))
        got += 1000;
    assert_true(got >= 48000 && got <= 65536);
    arena_reset(&arena);
    assert_non_null(arena_allocate(&arena, 1000));
    arena_destroy(&arena);
    assert_int_equal(arena.held_size, 0);
}

static void
arena_mark_frees_what_came_after(void **state)
{
    (void)state;
    struct arena arena;
    arena_create(&arena, memory_heap(), 1 << 20);
    struct text kept = arena_printf(&arena, "%s-%d", "kept", 1);
    struct arena_mark mark = arena_mark(&arena);
    size_t held = arena.held_size;
    for (int i = 0; i < 100; i++)
        assert_non_null(arena_allocate(&arena, 2000));
    arena_rewind(&arena, mark);
    assert_int_equal(arena.held_size, held);
    assert_true(text_equal(kept, TEXT("kept-1")));
    arena_destroy(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_keeps_code_and_birthplace),
        cmocka_unit_test(arena_refuses_more_than_its_limit),
        cmocka_unit_test(arena_mark_frees_what_came_after),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
