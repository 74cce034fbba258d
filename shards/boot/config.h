/* The settings of quiverd: defaults, then the file named by --config, then the command line. Unknown keys
 * are refused, never ignored. The settings are one list, options.def. */
#ifndef SHARDS_BOOT_CONFIG_H
#define SHARDS_BOOT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONFIG_VALUE_SIZE_MAX = 4096 };

struct config {
    char data[CONFIG_VALUE_SIZE_MAX];
    char host[256];
    uint16_t port;
    uint32_t shard_count; /* 0 = by the machine */
    char cpus[256];
    bool auth_basic;
    char password[256];
    uint64_t memory_size; /* 0 = by the machine */
    uint64_t query_memory_size;
    bool sync_full;
};

enum config_result { CONFIG_READY, CONFIG_HELP, CONFIG_VERSION, CONFIG_ERROR };

/* `message` says what is wrong, with file and line where there is one. */
enum config_result
config_read(struct config *config, int argc, char **argv, char *message, size_t message_size);
void config_usage_print(void *file);

#endif
