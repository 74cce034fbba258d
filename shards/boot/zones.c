/* The time zone database. It is some 600 small files, 400 KiB without the copies in posix/ and right/,
 * which are left out: the first are the same again, the second count leap seconds, as Cypher does not. */
#include "shards/boot/zones.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    ZONE_NAME_SIZE_MAX = 128,
    ZONE_FILE_SIZE_MAX = 64 << 10,
    ZONE_COUNT_MAX = 4096,
    PATH_SIZE_MAX = 512,
    DEPTH_MAX = 4, /* America/Argentina/Ushuaia is two deep */
};

struct zone_file {
    char *name;
    size_t name_size;
    char *data;
    size_t size;
};

struct zones {
    struct zone_file *files; /* by name */
    uint32_t count, capacity;
};

static bool
zone_add(struct zones *zones, const char *name, char *data, size_t size)
{
    if (zones->count == zones->capacity) {
        uint32_t capacity = zones->capacity ? zones->capacity * 2 : 256;
        struct zone_file *files = realloc(zones->files, capacity * sizeof(*files));
        if (!files)
            return false;
        zones->files = files;
        zones->capacity = capacity;
    }
    char *copy = strdup(name);
    if (!copy)
        return false;
    zones->files[zones->count++] = (struct zone_file){copy, strlen(copy), data, size};
    return true;
}

/* What is no TZif file is passed over: the directory also holds tables for people. */
static err_t
file_load(struct zones *zones, const char *path, const char *name, size_t size)
{
    if (size < 44 || size > ZONE_FILE_SIZE_MAX || zones->count == ZONE_COUNT_MAX)
        return 0;
    FILE *file = fopen(path, "rb");
    char *data = file ? malloc(size) : NULL;
    bool whole = data && fread(data, 1, size, file) == size && memcmp(data, "TZif", 4) == 0;
    bool no_memory = (file && !data) || (whole && !zone_add(zones, name, data, size));
    if (!whole || no_memory)
        free(data);
    if (file)
        fclose(file);
    return no_memory ? ERR(MEMORY_POOL) : 0;
}

static err_t
directory_load(struct zones *zones, const char *directory, const char *prefix, unsigned depth)
{
    DIR *open = opendir(directory);
    err_t err = 0;
    if (!open)
        return 0;
    for (struct dirent *entry; !err && (entry = readdir(open));) {
        char path[PATH_SIZE_MAX], name[ZONE_NAME_SIZE_MAX];
        struct stat about;
        bool skipped = entry->d_name[0] == '.' || (depth == 0 && (!strcmp(entry->d_name, "posix") ||
                                                                  !strcmp(entry->d_name, "right")));
        int path_size = snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
        int name_size = snprintf(
            name, sizeof(name), "%s%s%s", prefix, *prefix ? "/" : "", entry->d_name);
        bool fits = path_size > 0 && (size_t)path_size < sizeof(path) && name_size > 0 &&
                    (size_t)name_size < sizeof(name);
        if (skipped || !fits || stat(path, &about) != 0)
            continue;
        if (S_ISDIR(about.st_mode) && depth < DEPTH_MAX)
            err = directory_load(zones, path, name, depth + 1);
        else if (S_ISREG(about.st_mode))
            err = file_load(zones, path, name, (size_t)about.st_size);
    }
    closedir(open);
    return err;
}

static int
zone_order(const void *a, const void *b)
{
    const struct zone_file *first = a, *second = b;
    return text_compare(
        (struct text){first->name, first->name_size},
        (struct text){second->name, second->name_size});
}

err_t
zones_load(const char *directory, struct zones **out)
{
    struct zones *zones = calloc(1, sizeof(*zones));
    if (!zones)
        return ERR(MEMORY_POOL);
    err_t err = directory_load(zones, directory, "", 0);
    if (err) {
        zones_free(zones);
        return err;
    }
    if (zones->count)
        qsort(zones->files, zones->count, sizeof(*zones->files), zone_order);
    *out = zones;
    return 0;
}

void
zones_free(struct zones *zones)
{
    if (!zones)
        return;
    for (uint32_t i = 0; i < zones->count; i++) {
        free(zones->files[i].name);
        free(zones->files[i].data);
    }
    free(zones->files);
    free(zones);
}

struct text
zones_lookup(const struct zones *zones, struct text name)
{
    uint32_t low = 0, high = zones->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct zone_file *file = &zones->files[middle];
        int order = text_compare((struct text){file->name, file->name_size}, name);
        if (order == 0)
            return (struct text){file->data, file->size};
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return (struct text){NULL, 0};
}

uint32_t
zones_count(const struct zones *zones)
{
    return zones->count;
}
