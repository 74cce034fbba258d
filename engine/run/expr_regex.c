/* `=~`: the whole of a string against a pattern of PCRE2, which covers what users write for Java's.
 *
 * A pattern comes from the user and may be hostile, so matching is bounded in steps and memory; what
 * exceeds the bounds is ERR(LIMIT). Compiled patterns live in a small cache of the context, replaced in
 * turn. All memory comes from context->memory through PCRE2's hooks; a size is kept in front of each
 * block because memory_release wants it. */
#include "engine/run/expr_internal.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
    REGEX_CACHE_COUNT = 8,
    REGEX_MATCH_STEPS_MAX = 2000000,
    REGEX_DEPTH_MAX = 20000,
    REGEX_HEAP_KIB_MAX = 8192,
    REGEX_PATTERN_SIZE_MAX = 64 << 10,
    REGEX_BLOCK_HEADER_SIZE = 16,
};

struct regex {
    char *pattern;
    size_t pattern_size;
    pcre2_code *code;
};

struct regex_cache {
    struct memory *memory;
    pcre2_general_context *general;
    pcre2_match_context *match;
    pcre2_match_data *data;
    struct regex regexes[REGEX_CACHE_COUNT];
    uint32_t next; /* to be replaced */
};

static void *
regex_allocate(size_t size, void *argument)
{
    char *block = memory_allocate(argument, size + REGEX_BLOCK_HEADER_SIZE);
    if (!block)
        return NULL;
    memcpy(block, &size, sizeof(size));
    return block + REGEX_BLOCK_HEADER_SIZE;
}

static void
regex_release(void *pointer, void *argument)
{
    if (!pointer)
        return;
    char *block = (char *)pointer - REGEX_BLOCK_HEADER_SIZE;
    size_t size;
    memcpy(&size, block, sizeof(size));
    memory_release(argument, block, size + REGEX_BLOCK_HEADER_SIZE);
}

static void
regex_drop(struct regex_cache *cache, struct regex *regex)
{
    if (regex->code)
        pcre2_code_free(regex->code);
    memory_release(cache->memory, regex->pattern, regex->pattern_size + 1);
    *regex = (struct regex){0};
}

void
regex_cache_destroy(struct regex_cache *cache, struct memory *memory)
{
    for (int i = 0; i < REGEX_CACHE_COUNT; i++)
        if (cache->regexes[i].pattern)
            regex_drop(cache, &cache->regexes[i]);
    pcre2_match_data_free(cache->data);
    pcre2_match_context_free(cache->match);
    pcre2_general_context_free(cache->general);
    memory_release(memory, cache, sizeof(*cache));
}

static struct regex_cache *
regex_cache_new(struct memory *memory)
{
    struct regex_cache *cache = memory_allocate(memory, sizeof(*cache));
    if (!cache)
        return NULL;
    *cache = (struct regex_cache){.memory = memory};
    cache->general = pcre2_general_context_create(regex_allocate, regex_release, memory);
    if (cache->general) {
        cache->match = pcre2_match_context_create(cache->general);
        cache->data = pcre2_match_data_create(1, cache->general);
    }
    if (!cache->match || !cache->data) {
        regex_cache_destroy(cache, memory);
        return NULL;
    }
    pcre2_set_match_limit(cache->match, REGEX_MATCH_STEPS_MAX);
    pcre2_set_depth_limit(cache->match, REGEX_DEPTH_MAX);
    pcre2_set_heap_limit(cache->match, REGEX_HEAP_KIB_MAX);
    return cache;
}

static err_t
regex_compile(
    struct expr_context *context,
    const struct expr *at,
    struct regex_cache *cache,
    struct text pattern,
    struct regex *regex)
{
    int code = 0;
    PCRE2_SIZE position = 0;
    if (pattern.size > REGEX_PATTERN_SIZE_MAX)
        return expr_fail(
            context, at, ERR(LIMIT), "a regular expression of %zu bytes is too long", pattern.size);
    char *copy = memory_allocate(cache->memory, pattern.size + 1);
    pcre2_compile_context *compile = pcre2_compile_context_create(cache->general);
    if (!copy || !compile) {
        memory_release(cache->memory, copy, pattern.size + 1);
        pcre2_compile_context_free(compile);
        return expr_fail_memory(context, at);
    }
    memcpy(copy, pattern.data ? pattern.data : "", pattern.size);
    regex->code = pcre2_compile(
        (PCRE2_SPTR)copy, pattern.size, PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF | PCRE2_UCP,
        &code, &position, compile);
    pcre2_compile_context_free(compile);
    if (!regex->code) {
        memory_release(cache->memory, copy, pattern.size + 1);
        PCRE2_UCHAR words[200] = "";
        pcre2_get_error_message(code, words, sizeof(words));
        return expr_fail(
            context, at, ERR(ARGUMENT), "invalid regular expression, at byte %zu: %s",
            (size_t)position, (char *)words);
    }
    regex->pattern = copy;
    regex->pattern_size = pattern.size;
    return 0;
}

static err_t
regex_find(
    struct expr_context *context, const struct expr *at, struct text pattern, struct regex **out)
{
    if (!context->regexes)
        context->regexes = regex_cache_new(context->memory);
    struct regex_cache *cache = context->regexes;
    if (!cache)
        return expr_fail_memory(context, at);
    for (int i = 0; i < REGEX_CACHE_COUNT; i++) {
        struct regex *regex = &cache->regexes[i];
        if (regex->pattern &&
            text_equal((struct text){regex->pattern, regex->pattern_size}, pattern)) {
            *out = regex;
            return 0;
        }
    }
    struct regex *regex = &cache->regexes[cache->next];
    cache->next = (cache->next + 1) % REGEX_CACHE_COUNT;
    if (regex->pattern)
        regex_drop(cache, regex);
    *out = regex;
    return regex_compile(context, at, cache, pattern, regex);
}

err_t
regex_match(
    struct expr_context *context,
    const struct expr *at,
    struct text pattern,
    struct text text,
    bool *matches)
{
    struct regex *regex = NULL;
    err_t err = regex_find(context, at, pattern, &regex);
    if (err)
        return err;
    assert(regex);
    int result = pcre2_match(
        regex->code, (PCRE2_SPTR)(text.data ? text.data : ""), text.size, 0, 0,
        context->regexes->data, context->regexes->match);
    *matches = result >= 0;
    if (result >= 0 || result == PCRE2_ERROR_NOMATCH)
        return 0;
    if (result == PCRE2_ERROR_MATCHLIMIT || result == PCRE2_ERROR_DEPTHLIMIT ||
        result == PCRE2_ERROR_HEAPLIMIT)
        return expr_fail(
            context, at, ERR(LIMIT), "the regular expression takes too many steps on this string");
    if (result == PCRE2_ERROR_NOMEMORY)
        return expr_fail_memory(context, at);
    PCRE2_UCHAR words[200] = "";
    pcre2_get_error_message(result, words, sizeof(words));
    return expr_fail(context, at, ERR(ARGUMENT), "the string cannot be matched: %s", (char *)words);
}
