/* `quiver-bench store`: the store's hot reads beside a plain CSR and property array in the same process. */
#ifndef BENCH_MICRO_BENCH_STORE_H
#define BENCH_MICRO_BENCH_STORE_H

/* [--nodes N] [--degree D] [--json]. Returns the exit status. */
int bench_store(int argc, char **argv);

#endif
