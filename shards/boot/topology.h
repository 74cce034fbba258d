/* The processors this process may use, and how much of the machine is ours. Asked once, at start. */
#ifndef SHARDS_BOOT_TOPOLOGY_H
#define SHARDS_BOOT_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { TOPOLOGY_CPU_COUNT_MAX = 1024 };

struct topology {
    uint32_t cpu_count;  /* usable processors */
    uint32_t core_count; /* of them on different physical cores */
    /* Their numbers; first one of each physical core, then the siblings. */
    uint16_t cpus[TOPOLOGY_CPU_COUNT_MAX];
    uint16_t nodes[TOPOLOGY_CPU_COUNT_MAX]; /* NUMA node of each; UINT16_MAX = unknown */
    uint32_t node_count;
    double cpu_quota;             /* processors' worth of time a cgroup allows; 0 = no limit */
    uint64_t memory_size;         /* of the machine or of the tightest cgroup around us */
    struct hwloc_topology *hwloc; /* NULL when hwloc sees nothing here */
};

/* `cpus` restricts to a list like "0-3,8"; NULL = all allowed. On error `why` names what is wrong. */
err_t topology_load(struct topology *topology, const char *cpus, char *why, size_t why_size);
void topology_free(struct topology *topology);
/* Binds the calling thread to one processor. 0 or -errno. */
int topology_pin(uint16_t cpu);
/* Asks for the memory to come from that node; false when the system does not do it. */
bool topology_bind_memory(const struct topology *topology, void *base, size_t size, uint16_t node);

#endif
