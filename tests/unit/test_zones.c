/* The zone database of the machine, as the daemon reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "shards/boot/zones.h"

static void
write_file(const char *path, const char *content, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void
zones_are_found_by_their_path(void **state)
{
    (void)state;
    char directory[] = "/tmp/quiver-zones-XXXXXX", path[128], content[64] = "TZif2";
    assert_non_null(mkdtemp(directory));
    const char *const folders[] = {"Europe", "posix"};
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
        snprintf(path, sizeof(path), "%s/%s/Paris", directory, folders[i]);
        write_file(path, content, sizeof(content));
    }
    snprintf(path, sizeof(path), "%s/zone.tab", directory);
    write_file(path, "a table for people, which is longer than the header of a TZif file", 66);
    struct zones *zones;
    assert_int_equal(zones_load(directory, &zones), 0);
    assert_int_equal(zones_count(zones), 1);
    assert_int_equal(zones_lookup(zones, TEXT("Europe/Paris")).size, sizeof(content));
    assert_null(zones_lookup(zones, TEXT("Europe/Pari")).data);
    assert_null(zones_lookup(zones, TEXT("../Europe/Paris")).data);
    assert_null(zones_lookup(zones, TEXT("zone.tab")).data);
    assert_null(zones_lookup(zones, TEXT("")).data);
    zones_free(zones);
    const char *const files[] = {"Europe/Paris", "posix/Paris", "zone.tab"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
        assert_int_equal(unlink(path), 0);
    }
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, folders[i]);
        assert_int_equal(rmdir(path), 0);
    }
    assert_int_equal(rmdir(directory), 0);
}

static void
missing_directory_is_an_empty_set(void **state)
{
    (void)state;
    struct zones *zones;
    assert_int_equal(zones_load("/nowhere/at/all", &zones), 0);
    assert_int_equal(zones_count(zones), 0);
    assert_null(zones_lookup(zones, TEXT("Europe/Paris")).data);
    zones_free(zones);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zones_are_found_by_their_path),
        cmocka_unit_test(missing_directory_is_an_empty_set),
    };
    return cmocka_run_group_tests_name("zones", tests, NULL, NULL);
}
