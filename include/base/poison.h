/* Telling AddressSanitizer which bytes nobody may touch: freed arena memory, free objects of a pool.
 * Nothing at all in builds without it. gcc and clang say differently that it is on. */
#ifndef BASE_POISON_H
#define BASE_POISON_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BASE_POISON_ON
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define BASE_POISON_ON
#endif

#ifdef BASE_POISON_ON
#include <sanitizer/asan_interface.h>
#define poison(pointer, size) ASAN_POISON_MEMORY_REGION(pointer, size)
#define unpoison(pointer, size) ASAN_UNPOISON_MEMORY_REGION(pointer, size)
#else
#define poison(pointer, size) ((void)(pointer), (void)(size))
#define unpoison(pointer, size) ((void)(pointer), (void)(size))
#endif

#endif
