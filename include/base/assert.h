/* Assertions.
 *
 * `assert` is on in every build, release included: it guards arguments, results and whatever crosses
 * a boundary between files. `assert_hot` is for walks over a whole structure and for checks inside
 * per-row loops; it is compiled only when QUIVER_ASSERT_HOT is set (presets dev, tsan and fuzz).
 * Neither may have a side effect. */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#ifdef NDEBUG
#error "Quiver is built with assertions on; do not define NDEBUG"
#endif

#include <assert.h>

#ifdef QUIVER_ASSERT_HOT
#define assert_hot(condition) assert(condition)
#else
#define assert_hot(condition) ((void)sizeof(condition))
#endif

#endif
