/* How changes of the catalog travel; see catalog_flow.c. */
#ifndef SHARDS_STORE_CATALOG_FLOW_H
#define SHARDS_STORE_CATALOG_FLOW_H

#include "shards/store/catalog.h"

struct catalog_flow;

void catalog_flow_destroy(struct catalog_flow *flow);

#endif
