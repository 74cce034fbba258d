#include "base/error.h"

#include <errno.h>
#include <stdio.h>

#include "base/assert.h"

/* File names are string literals of this program, so they fit in 32 bits as an offset from one. */
static const char anchor[] = "";

struct err_info {
    const char *name, *neo_code, *gql_status, *text;
};

static const struct err_info infos[ERR_CODE_COUNT] = {
    [ERR_NONE] = {"NONE", "", "00000", "success"},
#define ERROR(name, neo_code, gql_status, text) [ERR_##name] = {#name, neo_code, gql_status, text},
#include "base/errors.def"
#undef ERROR
};

err_t
err_make(enum err_code code, const char *file, unsigned line)
{
    assert(code > ERR_NONE && code < ERR_CODE_COUNT);
    int64_t offset = (int64_t)((intptr_t)file - (intptr_t)anchor);
    uint32_t packed = (offset >= INT32_MIN && offset <= INT32_MAX) ? (uint32_t)(int32_t)offset : 0;
    return (uint64_t)packed << 32 | (uint64_t)(line & 0xffff) << 16 | (uint64_t)code;
}

err_t
err_from_errno(int64_t negative_errno, const char *file, unsigned line)
{
    assert(negative_errno < 0);
    enum err_code code = ERR_IO;
    switch (-negative_errno) {
    case ENOSPC:
    case EDQUOT:
        code = ERR_DISK_FULL;
        break;
    case ENOENT:
        code = ERR_NOT_FOUND;
        break;
    case ENOMEM:
        code = ERR_MEMORY_POOL;
        break;
    default:
        break;
    }
    return err_make(code, file, line);
}

static const struct err_info *
info_of(enum err_code code)
{
    assert(code < ERR_CODE_COUNT);
    return &infos[code];
}

const char *
err_neo_code(enum err_code code)
{
    return info_of(code)->neo_code;
}

const char *
err_gql_status(enum err_code code)
{
    return info_of(code)->gql_status;
}

const char *
err_text(enum err_code code)
{
    return info_of(code)->text;
}

const char *
err_name(enum err_code code)
{
    return info_of(code)->name;
}

int
err_is_transient(enum err_code code)
{
    return strncmp(err_neo_code(code), "Neo.TransientError.", 19) == 0;
}

void
err_birthplace(err_t err, char *out, unsigned out_size)
{
    assert(out_size > 0);
    uint32_t packed = (uint32_t)(err >> 32);
    const char *file = packed ? (const char *)((intptr_t)anchor + (int32_t)packed) : "?";
    const char *slash = strrchr(file, '/');
    snprintf(out, out_size, "%s:%u", slash ? slash + 1 : file, (unsigned)(err >> 16 & 0xffff));
}
