#include "zone_files.h"

#include <stdio.h>
#include <string.h>

enum { ZONE_COUNT_MAX = 8, ZONE_SIZE_MAX = 8192 };

struct zone_file {
    char name[64];
    char data[ZONE_SIZE_MAX];
    size_t size;
};

static struct zone_file files[ZONE_COUNT_MAX];
static unsigned file_count;

static struct text
lookup(struct zone_source *source, struct text name)
{
    (void)source;
    char path[128];
    for (unsigned i = 0; i < file_count; i++)
        if (text_equal(text_of(files[i].name), name))
            return (struct text){files[i].data, files[i].size};
    if (file_count == ZONE_COUNT_MAX || name.size >= sizeof(files[0].name))
        return (struct text){NULL, 0};
    snprintf(path, sizeof(path), "/usr/share/zoneinfo/%.*s", TEXT_ARGS(name));
    FILE *stream = fopen(path, "rb");
    if (!stream)
        return (struct text){NULL, 0};
    struct zone_file *file = &files[file_count++];
    memcpy(file->name, name.data, name.size);
    file->name[name.size] = 0;
    file->size = fread(file->data, 1, sizeof(file->data), stream);
    fclose(stream);
    return (struct text){file->data, file->size};
}

struct zone_source *
zone_files(void)
{
    static struct zone_source source = {lookup};
    FILE *stream = fopen("/usr/share/zoneinfo/Europe/Stockholm", "rb");
    if (!stream)
        return NULL;
    fclose(stream);
    return &source;
}
