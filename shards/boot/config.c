#include "shards/boot/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"

struct option {
    const char *name, *argument, *initial, *text;
};

#define OPTION(name, argument, initial, text) {#name, argument, initial, text},
static const struct option options[] = {
#include "shards/boot/options.def"
};
#undef OPTION

enum { OPTION_COUNT = sizeof(options) / sizeof(*options) };

static int
option_find(const char *name, size_t size)
{
    for (int i = 0; i < OPTION_COUNT; i++)
        if (strlen(options[i].name) == size && memcmp(options[i].name, name, size) == 0)
            return i;
    return -1;
}

void
config_usage_print(void *file)
{
    FILE *out = file;
    fputs(
        "usage: quiverd --data DIR [options]\n\n"
        "  --config FILE             read settings from FILE first: lines of `key = value`, # "
        "begins a comment\n",
        out);
    for (int i = 0; i < OPTION_COUNT; i++) {
        char left[64];
        snprintf(left, sizeof(left), "--%s %s", options[i].name, options[i].argument);
        fprintf(out, "  %-25s %s", left, options[i].text);
        if (*options[i].initial)
            fprintf(out, " (%s)", options[i].initial);
        fputc('\n', out);
    }
    fputs("  --version                 print the version\n", out);
}

static bool
number_parse(const char *text, uint64_t max, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (end == text || *end || errno || *text == '-' || number > max)
        return false;
    *out = number;
    return true;
}

static bool
size_parse(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    static const char units[] = "KMGT";
    const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;
    if (end == text || errno || *text == '-' || (*end && (!unit || end[1])))
        return false;
    int shift = unit ? 10 * (int)(unit - units + 1) : 0;
    if (number > UINT64_MAX >> shift)
        return false;
    *out = (uint64_t)number << shift;
    return true;
}

/* "host:port", "[v6]:port", "host" or ":port". */
static bool
address_parse(const char *text, struct config *config)
{
    const char *colon = strrchr(text, ':');
    const char *bracket = strchr(text, ']');
    if (colon && bracket && colon < bracket)
        colon = NULL;
    size_t host_size = colon ? (size_t)(colon - text) : strlen(text);
    const char *host = text;
    if (*host == '[') {
        if (!bracket || host_size != (size_t)(bracket - text) + 1)
            return false;
        host++;
        host_size -= 2;
    }
    uint64_t port = 7687;
    if (host_size >= sizeof(config->host) || (colon && !number_parse(colon + 1, UINT16_MAX, &port)))
        return false;
    memcpy(config->host, host, host_size);
    config->host[host_size] = 0;
    if (host_size == 0)
        memcpy(config->host, "0.0.0.0", sizeof("0.0.0.0"));
    config->port = (uint16_t)port;
    return true;
}

static bool
word_parse(const char *value, const char *yes, const char *no, bool *out)
{
    *out = strcmp(value, yes) == 0;
    return *out || strcmp(value, no) == 0;
}

static bool
text_take(const char *value, char *out, size_t out_size)
{
    size_t size = strlen(value);
    if (size >= out_size)
        return false;
    memcpy(out, value, size + 1);
    return true;
}

static bool
setting_apply(struct config *config, const char *name, const char *value)
{
    uint64_t number;
    if (strcmp(name, "data") == 0)
        return text_take(value, config->data, sizeof(config->data));
    if (strcmp(name, "listen") == 0)
        return address_parse(value, config);
    if (strcmp(name, "shards") == 0) {
        bool good = number_parse(value, SHARD_COUNT_MAX, &number);
        config->shard_count = good ? (uint32_t)number : 0;
        return good;
    }
    if (strcmp(name, "cpus") == 0)
        return text_take(value, config->cpus, sizeof(config->cpus));
    if (strcmp(name, "auth") == 0)
        return word_parse(value, "basic", "none", &config->auth_basic);
    if (strcmp(name, "password") == 0)
        return text_take(value, config->password, sizeof(config->password));
    if (strcmp(name, "memory") == 0)
        return size_parse(value, &config->memory_size);
    if (strcmp(name, "query-memory") == 0)
        return size_parse(value, &config->query_memory_size);
    assert(strcmp(name, "sync") == 0);
    return word_parse(value, "full", "off", &config->sync_full);
}

static char *
blanks_trim(char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    size_t size = strlen(text);
    while (size && strchr(" \t\r\n", text[size - 1]))
        text[--size] = 0;
    return text;
}

static bool
file_line_apply(
    struct config *config,
    const char *path,
    unsigned number,
    char *line,
    char *message,
    size_t message_size)
{
    char *comment = strchr(line, '#');
    if (comment)
        *comment = 0;
    char *key = blanks_trim(line);
    if (!*key)
        return true;
    char *equals = strchr(key, '=');
    if (!equals) {
        snprintf(message, message_size, "%s:%u: expected `key = value`", path, number);
        return false;
    }
    *equals = 0;
    char *value = blanks_trim(equals + 1);
    key = blanks_trim(key);
    int index = option_find(key, strlen(key));
    if (index < 0) {
        snprintf(message, message_size, "%s:%u: unknown setting `%s`", path, number, key);
        return false;
    }
    if (!setting_apply(config, options[index].name, value)) {
        snprintf(
            message, message_size, "%s:%u: %s: `%s` is not %s", path, number, key, value,
            options[index].argument);
        return false;
    }
    return true;
}

static bool
file_apply(struct config *config, const char *path, char *message, size_t message_size)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        snprintf(message, message_size, "%s: %s", path, strerror(errno));
        return false;
    }
    char line[CONFIG_VALUE_SIZE_MAX + 256];
    bool good = true;
    for (unsigned number = 1; good && fgets(line, sizeof(line), file); number++)
        good = file_line_apply(config, path, number, line, message, message_size);
    fclose(file);
    return good;
}

/* One argument, as "--name value" or "--name=value". */
static enum config_result
argument_apply(
    struct config *config,
    int argc,
    char **argv,
    int *position,
    bool files,
    char *message,
    size_t message_size)
{
    const char *argument = argv[*position];
    if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0)
        return CONFIG_HELP;
    if (strcmp(argument, "--version") == 0)
        return CONFIG_VERSION;
    size_t size = strcspn(argument, "=");
    bool is_file = size == 8 && memcmp(argument, "--config", 8) == 0;
    int index = size > 2 && memcmp(argument, "--", 2) == 0 ? option_find(argument + 2, size - 2)
                                                           : -1;
    if (index < 0 && !is_file) {
        snprintf(message, message_size, "unknown option `%s`; --help lists them", argument);
        return CONFIG_ERROR;
    }
    const char *value = argument[size] == '=' ? argument + size + 1 : NULL;
    if (!value && *position + 1 < argc)
        value = argv[++*position];
    if (!value) {
        snprintf(message, message_size, "%s needs a value", argument);
        return CONFIG_ERROR;
    }
    if (is_file)
        return !files || file_apply(config, value, message, message_size) ? CONFIG_READY
                                                                          : CONFIG_ERROR;
    if (!files && !setting_apply(config, options[index].name, value)) {
        snprintf(
            message, message_size, "--%s: `%s` is not %s", options[index].name, value,
            options[index].argument);
        return CONFIG_ERROR;
    }
    return CONFIG_READY;
}

enum config_result
config_read(struct config *config, int argc, char **argv, char *message, size_t message_size)
{
    assert(message_size > 0);
    *config = (struct config){0};
    *message = 0;
    for (int i = 0; i < OPTION_COUNT; i++) {
        bool good = setting_apply(config, options[i].name, options[i].initial);
        assert(good);
    }
    /* Files first, wherever they stand, so that the command line wins. */
    for (int files = 1; files >= 0; files--) {
        for (int i = 1; i < argc; i++) {
            enum config_result result = argument_apply(
                config, argc, argv, &i, files == 1, message, message_size);
            if (result != CONFIG_READY)
                return result;
        }
    }
    if (!*config->data) {
        snprintf(message, message_size, "--data DIR is needed");
        return CONFIG_ERROR;
    }
    return CONFIG_READY;
}
