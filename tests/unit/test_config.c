#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "shards/boot/config.h"

static struct config config;
static char message[512];

static enum config_result
read_arguments(int argc, const char *const *arguments)
{
    char *argv[16];
    assert_true(argc < 16);
    for (int i = 0; i < argc; i++)
        argv[i] = (char *)(uintptr_t)arguments[i];
    return config_read(&config, argc, argv, message, sizeof(message));
}

#define READ(...)                                                                                  \
    read_arguments(                                                                                \
        (int)(sizeof((const char *[]){"quiverd", __VA_ARGS__}) / sizeof(char *)),                  \
        (const char *[]){"quiverd", __VA_ARGS__})

static void
defaults_are_those_of_the_list(void **state)
{
    (void)state;
    assert_int_equal(READ("--data", "d"), CONFIG_READY);
    assert_string_equal(config.host, "127.0.0.1");
    assert_int_equal(config.port, 7687);
    assert_true(config.sync_full);
    assert_false(config.auth_basic);
    assert_int_equal(config.query_memory_size, 1 << 30);
}

static void
bad_values_are_refused_by_name(void **state)
{
    (void)state;
    assert_int_equal(READ("--data", "d", "--shards", "65"), CONFIG_ERROR);
    assert_non_null(strstr(message, "--shards: `65`"));
    assert_int_equal(READ("--data", "d", "--auth=maybe"), CONFIG_ERROR);
    assert_int_equal(READ("--data", "d", "--bogus", "1"), CONFIG_ERROR);
    assert_non_null(strstr(message, "--bogus"));
    assert_int_equal(READ("--data"), CONFIG_ERROR);
    assert_int_equal(READ("--memory", "10Q", "--data", "d"), CONFIG_ERROR);
    assert_int_equal(READ("--shards", "2"), CONFIG_ERROR);
}

static void
addresses_take_all_forms(void **state)
{
    (void)state;
    assert_int_equal(READ("--data", "d", "--listen", "[::1]:99"), CONFIG_READY);
    assert_string_equal(config.host, "::1");
    assert_int_equal(config.port, 99);
    assert_int_equal(READ("--data", "d", "--listen", ":0"), CONFIG_READY);
    assert_string_equal(config.host, "0.0.0.0");
    assert_int_equal(config.port, 0);
    assert_int_equal(READ("--data", "d", "--listen", "x:70000"), CONFIG_ERROR);
}

static void
file_is_read_and_command_line_wins(void **state)
{
    (void)state;
    char path[] = "/tmp/quiver-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    static const char text[] = "# comment\n data = /srv/q  # here\n\nshards = 3\nmemory=2G\n";
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    assert_int_equal(READ("--shards", "2", "--config", path), CONFIG_READY);
    assert_string_equal(config.data, "/srv/q");
    assert_int_equal(config.shard_count, 2);
    assert_int_equal(config.memory_size, UINT64_C(2) << 30);
    assert_int_equal(write(fd, "colour = red\n", 13), 13);
    assert_int_equal(READ("--config", path), CONFIG_ERROR);
    assert_non_null(strstr(message, ":6: unknown setting `colour`"));
    close(fd);
    unlink(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_list),
        cmocka_unit_test(bad_values_are_refused_by_name),
        cmocka_unit_test(addresses_take_all_forms),
        cmocka_unit_test(file_is_read_and_command_line_wins),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
