#include "shards/boot/topology.h"

#include <errno.h>
#include <hwloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

/* ---- the list given by the user ---- */

static bool
number_parse(const char **at, unsigned long *out)
{
    char *end;
    if (**at < '0' || **at > '9')
        return false;
    errno = 0;
    *out = strtoul(*at, &end, 10);
    *at = end;
    return errno == 0;
}

/* "0-3,8" into `set`; false when it is not such a list. */
static bool
cpu_list_parse(const char *list, bool set[TOPOLOGY_CPU_COUNT_MAX])
{
    memset(set, 0, TOPOLOGY_CPU_COUNT_MAX * sizeof(*set));
    for (;;) {
        unsigned long first, last;
        if (!number_parse(&list, &first))
            return false;
        last = first;
        if (*list == '-') {
            list++;
            if (!number_parse(&list, &last))
                return false;
        }
        if (first > last || last >= TOPOLOGY_CPU_COUNT_MAX)
            return false;
        for (unsigned long cpu = first; cpu <= last; cpu++)
            set[cpu] = true;
        if (*list == 0)
            return true;
        if (*list++ != ',')
            return false;
    }
}

/* ---- what hwloc and the kernel say ---- */

static void
cpu_add(struct topology *topology, uint32_t cpu, uint32_t node)
{
    if (topology->cpu_count == TOPOLOGY_CPU_COUNT_MAX)
        return;
    topology->cpus[topology->cpu_count] = (uint16_t)cpu;
    topology->nodes[topology->cpu_count++] = (uint16_t)(node < UINT16_MAX ? node : UINT16_MAX);
}

static bool
cpu_is_wanted(const bool *wanted, uint32_t cpu)
{
    return cpu < TOPOLOGY_CPU_COUNT_MAX && (!wanted || wanted[cpu]);
}

/* Adds the rank-th wanted processor of each core. False when no core has that many. */
static bool
cores_add(struct topology *topology, hwloc_topology_t hwloc, const bool *wanted, int rank)
{
    bool any = false;
    int core_count = hwloc_get_nbobjs_by_type(hwloc, HWLOC_OBJ_CORE);
    for (int i = 0; i < core_count; i++) {
        hwloc_obj_t core = hwloc_get_obj_by_type(hwloc, HWLOC_OBJ_CORE, (unsigned)i);
        int seen = 0, node = hwloc_bitmap_first(core->nodeset);
        for (int cpu = hwloc_bitmap_first(core->cpuset); cpu >= 0;
             cpu = hwloc_bitmap_next(core->cpuset, cpu)) {
            if (!cpu_is_wanted(wanted, (uint32_t)cpu) || seen++ != rank)
                continue;
            cpu_add(topology, (uint32_t)cpu, node < 0 ? UINT16_MAX : (uint32_t)node);
            any = true;
        }
    }
    return any;
}

static bool
topology_from_hwloc(struct topology *topology, const bool *wanted)
{
    hwloc_topology_t hwloc;
    if (hwloc_topology_init(&hwloc) != 0)
        return false;
    if (hwloc_topology_set_io_types_filter(hwloc, HWLOC_TYPE_FILTER_KEEP_NONE) != 0 ||
        hwloc_topology_load(hwloc) != 0) {
        hwloc_topology_destroy(hwloc);
        return false;
    }
    topology->hwloc = hwloc;
    for (int rank = 0; cores_add(topology, hwloc, wanted, rank); rank++)
        if (rank == 0)
            topology->core_count = topology->cpu_count;
    int node_count = hwloc_get_nbobjs_by_type(hwloc, HWLOC_OBJ_NUMANODE);
    topology->node_count = node_count > 0 ? (uint32_t)node_count : 1;
    return topology->cpu_count > 0;
}

/* Where hwloc sees nothing, as in some containers: each allowed processor counts as a core. */
static void
topology_from_affinity(struct topology *topology, const bool *wanted)
{
    cpu_set_t set;
    topology->node_count = 1;
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        for (uint32_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
            if (CPU_ISSET(cpu, &set) && cpu_is_wanted(wanted, cpu))
                cpu_add(topology, cpu, UINT16_MAX);
    topology->core_count = topology->cpu_count;
}

/* ---- cgroups ---- */

static bool
file_read_line(const char *path, char *out, size_t out_size)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool got = fgets(out, (int)out_size, file);
    fclose(file);
    return got;
}

static void
cgroup_limits_apply(struct topology *topology, const char *directory)
{
    char path[600], line[128];
    unsigned long long quota, period, size;
    snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cpu.max", directory);
    if (file_read_line(path, line, sizeof(line)) &&
        sscanf(line, "%llu %llu", &quota, &period) == 2 && period) {
        double cpus = (double)quota / (double)period;
        if (topology->cpu_quota == 0 || cpus < topology->cpu_quota)
            topology->cpu_quota = cpus;
    }
    snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", directory);
    if (file_read_line(path, line, sizeof(line)) && sscanf(line, "%llu", &size) == 1 &&
        size < topology->memory_size)
        topology->memory_size = size;
}

/* Ours and those around it: the tightest counts. */
static void
cgroups_read(struct topology *topology)
{
    char line[512];
    if (!file_read_line("/proc/self/cgroup", line, sizeof(line)) || strncmp(line, "0::/", 4) != 0)
        return;
    line[strcspn(line, "\n")] = 0;
    char *directory = line + 3;
    for (;;) {
        char *slash = strrchr(directory, '/');
        cgroup_limits_apply(topology, directory[1] ? directory : "");
        if (!slash || !directory[1])
            return;
        *(slash == directory ? slash + 1 : slash) = 0;
    }
}

err_t
topology_load(struct topology *topology, const char *cpus, char *why, size_t why_size)
{
    bool wanted[TOPOLOGY_CPU_COUNT_MAX];
    memset(topology, 0, sizeof(*topology));
    if (cpus && !cpu_list_parse(cpus, wanted)) {
        snprintf(why, why_size, "'%s' is not a list of processors such as 0-3,8", cpus);
        return ERR(CONFIGURATION);
    }
    if (!topology_from_hwloc(topology, cpus ? wanted : NULL))
        topology_from_affinity(topology, cpus ? wanted : NULL);
    if (topology->cpu_count == 0) {
        topology_free(topology);
        snprintf(
            why, why_size, "none of the processors '%s' may be used by this process",
            cpus ? cpus : "");
        return ERR(CONFIGURATION);
    }
    topology->memory_size = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    cgroups_read(topology);
    assert(topology->core_count > 0 && topology->core_count <= topology->cpu_count);
    return 0;
}

int
topology_pin(uint16_t cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof(set), &set) == 0 ? 0 : -errno;
}

void
topology_free(struct topology *topology)
{
    if (topology->hwloc)
        hwloc_topology_destroy(topology->hwloc);
    topology->hwloc = NULL;
}

bool
topology_bind_memory(const struct topology *topology, void *base, size_t size, uint16_t node)
{
    if (node == UINT16_MAX || !topology->hwloc)
        return false;
    hwloc_nodeset_t nodes = hwloc_bitmap_alloc();
    if (!nodes)
        return false;
    hwloc_bitmap_only(nodes, node);
    int result = hwloc_set_area_membind(
        topology->hwloc, base, size, nodes, HWLOC_MEMBIND_BIND, HWLOC_MEMBIND_BYNODESET);
    hwloc_bitmap_free(nodes);
    return result == 0;
}
