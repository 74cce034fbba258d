/* A zone source over the machine's own zone database, for tests. */
#ifndef TESTS_LIB_ZONE_FILES_H
#define TESTS_LIB_ZONE_FILES_H

#include "engine/value/zone.h"

/* NULL when this machine has no /usr/share/zoneinfo. What it reads stays until the process ends. */
struct zone_source *zone_files(void);

#endif
