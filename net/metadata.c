/* What requests say beside their statement. Unknown keys are passed over, as the protocol wants; null means
 * the same as a key that is not there.
 *
 *      bookmark    QV:<database id>:<commit timestamp in decimal>
 */
#include "net/metadata.h"

#include <stdio.h>

#include "net/accept.h"

/* ---- HELLO and LOGON ---- */

/* A string, or null for none. Anything else is passed over and counts as none. */
static err_t
read_optional_text(struct pack_reader *reader, struct text *text)
{
    size_t start = reader->offset;
    struct pack_item item;
    *text = (struct text){NULL, 0};
    err_t err = pack_read(reader, &item);
    if (err)
        return err;
    if (item.type == PACK_STRING) {
        *text = (struct text){item.string, item.size};
        return 0;
    }
    reader->offset = start;
    return pack_skip(reader);
}

/* Whether a list of strings holds this one. */
static err_t
read_list_contains(struct pack_reader *reader, struct text wanted, bool *found)
{
    struct pack_item list;
    struct text text;
    err_t err = pack_read(reader, &list);
    if (err || list.type == PACK_NULL)
        return err;
    if (list.type != PACK_LIST)
        return ERR(TYPE);
    for (uint32_t i = 0; i < list.size && !err; i++) {
        err = read_optional_text(reader, &text);
        *found |= text_equal(text, wanted);
    }
    return err;
}

err_t
metadata_read_credentials(struct pack_reader *reader, struct credentials *credentials)
{
    struct pack_item map = {.size = 0};
    err_t err = pack_read_typed(reader, PACK_MAP, &map);
    for (uint32_t i = 0; i < map.size && !err; i++) {
        struct text key;
        err = pack_read_key(reader, &key);
        if (err)
            break;
        if (text_equal(key, TEXT("scheme")))
            err = read_optional_text(reader, &credentials->scheme);
        else if (text_equal(key, TEXT("principal")))
            err = read_optional_text(reader, &credentials->principal);
        else if (text_equal(key, TEXT("credentials")))
            err = read_optional_text(reader, &credentials->secret);
        else if (text_equal(key, TEXT("patch_bolt")))
            err = read_list_contains(reader, TEXT("utc"), &credentials->utc_patch);
        else
            err = pack_skip(reader);
    }
    return err;
}

/* ---- RUN, BEGIN, ROUTE ---- */

static err_t
bookmark_parse(const struct net *net, struct text text, uint64_t *timestamp)
{
    size_t prefix_size = net->bookmark_prefix_size;
    if (text.size <= prefix_size || text.size > prefix_size + 19 ||
        memcmp(text.data, net->bookmark_prefix, prefix_size) != 0)
        return ERR(BOOKMARK);
    uint64_t result = 0;
    for (size_t i = prefix_size; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return ERR(BOOKMARK);
        result = result * 10 + (uint64_t)(text.data[i] - '0');
    }
    *timestamp = result;
    return 0;
}

/* A list of strings: the latest counts. */
err_t
metadata_read_bookmarks(const struct net *net, struct pack_reader *reader, struct extra *extra)
{
    struct pack_item list;
    err_t err = pack_read(reader, &list);
    if (err || list.type == PACK_NULL)
        return err;
    extra->reason = TEXT("bookmarks must be a list of strings");
    if (list.type != PACK_LIST)
        return ERR(TYPE);
    for (uint32_t i = 0; i < list.size; i++) {
        struct text text;
        uint64_t timestamp = 0;
        err = pack_read_text(reader, &text);
        if (err)
            return err;
        err = bookmark_parse(net, text, &timestamp);
        if (err) {
            extra->reason = TEXT("a bookmark was not given out by this database");
            return err;
        }
        if (timestamp > extra->bookmark)
            extra->bookmark = timestamp;
    }
    return 0;
}

static err_t
read_timeout(struct pack_reader *reader, struct extra *extra)
{
    struct pack_item item;
    err_t err = pack_read(reader, &item);
    if (err || item.type == PACK_NULL)
        return err;
    extra->reason = TEXT("tx_timeout must be a number of milliseconds, 0 for none");
    if (item.type != PACK_INTEGER)
        return ERR(TYPE);
    if (item.integer < 0)
        return ERR(ARGUMENT);
    uint64_t milliseconds = (uint64_t)item.integer;
    extra->timeout_ns = milliseconds < UINT64_MAX / 1000000 ? milliseconds * 1000000 : 0;
    return 0;
}

static err_t
read_mode(struct pack_reader *reader, struct extra *extra)
{
    struct text mode;
    err_t err = read_optional_text(reader, &mode);
    if (err)
        return err;
    extra->read_only = text_equal(mode, TEXT("r"));
    if (mode.size == 0 || extra->read_only || text_equal(mode, TEXT("w")))
        return 0;
    extra->reason = TEXT("mode must be \"r\" or \"w\"");
    return ERR(ARGUMENT);
}

static err_t
read_database(struct pack_reader *reader, struct extra *extra)
{
    struct text name;
    err_t err = read_optional_text(reader, &name);
    if (err || name.size == 0)
        return err;
    extra->names_database = true;
    extra->is_system = text_equal_fold(name, TEXT("system"));
    if (extra->is_system || text_equal_fold(name, TEXT("neo4j")))
        return 0;
    extra->reason = TEXT("there is no database of this name; there are \"neo4j\" and \"system\"");
    return ERR(DATABASE_NOT_FOUND);
}

static err_t
read_impersonation(struct pack_reader *reader, struct extra *extra)
{
    struct text user;
    err_t err = read_optional_text(reader, &user);
    if (err || user.size == 0)
        return err;
    extra->reason = TEXT("impersonation is not supported");
    return ERR(FORBIDDEN);
}

err_t
metadata_read_extra(const struct net *net, struct pack_reader *reader, struct extra *extra)
{
    struct pack_item map = {.size = 0};
    extra->reason = TEXT("malformed metadata");
    err_t err = pack_read_typed(reader, PACK_MAP, &map);
    for (uint32_t i = 0; i < map.size && !err; i++) {
        struct text key;
        err = pack_read_key(reader, &key);
        if (err)
            break;
        if (text_equal(key, TEXT("bookmarks")))
            err = metadata_read_bookmarks(net, reader, extra);
        else if (text_equal(key, TEXT("tx_timeout")))
            err = read_timeout(reader, extra);
        else if (text_equal(key, TEXT("mode")))
            err = read_mode(reader, extra);
        else if (text_equal(key, TEXT("db")))
            err = read_database(reader, extra);
        else if (text_equal(key, TEXT("imp_user")))
            err = read_impersonation(reader, extra);
        else
            err = pack_skip(reader);
    }
    return err;
}

struct text
metadata_bookmark_print(const struct net *net, uint64_t timestamp, char *out, size_t out_size)
{
    int size = snprintf(
        out, out_size, "%.*s%llu", (int)net->bookmark_prefix_size, net->bookmark_prefix,
        (unsigned long long)timestamp);
    assert(size > 0 && (size_t)size < out_size);
    return (struct text){out, (size_t)size};
}

/* ---- PULL and DISCARD ---- */

err_t
metadata_read_demand(struct pack_reader *reader, struct demand *demand)
{
    struct pack_item map = {.size = 0};
    *demand = (struct demand){0, -1};
    err_t err = pack_read_typed(reader, PACK_MAP, &map);
    for (uint32_t i = 0; i < map.size && !err; i++) {
        struct text key;
        err = pack_read_key(reader, &key);
        if (err)
            break;
        if (text_equal(key, TEXT("n")))
            err = pack_read_integer(reader, &demand->row_count);
        else if (text_equal(key, TEXT("qid")))
            err = pack_read_integer(reader, &demand->qid);
        else
            err = pack_skip(reader);
    }
    if (!err && (demand->row_count < -1 || demand->row_count == 0 || demand->qid < -1))
        err = ERR(ARGUMENT);
    return err;
}

/* ---- ROUTE ---- */

bool
metadata_address_is_sane(struct text address, bool *has_port)
{
    size_t colon = SIZE_MAX;
    bool in_brackets = false;
    *has_port = false;
    if (address.size == 0 || address.size > 255)
        return false;
    for (size_t i = 0; i < address.size; i++) {
        char c = address.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '.' || c == '-' || c == '_';
        if (c == '[' && i == 0)
            in_brackets = true;
        else if (c == ']' && in_brackets)
            in_brackets = false;
        else if (c == ':' && !in_brackets && colon == SIZE_MAX)
            colon = i;
        else if (!plain && !(in_brackets && (c == ':' || c == '%')))
            return false;
        else if (colon != SIZE_MAX && (c < '0' || c > '9'))
            return false;
    }
    *has_port = colon != SIZE_MAX;
    return !in_brackets && colon != 0 && colon + 1 != address.size;
}

err_t
metadata_read_routing_address(struct pack_reader *reader, struct text *address)
{
    struct pack_item map = {.size = 0};
    *address = (struct text){NULL, 0};
    err_t err = pack_read_typed(reader, PACK_MAP, &map);
    for (uint32_t i = 0; i < map.size && !err; i++) {
        struct text key;
        err = pack_read_key(reader, &key);
        if (!err)
            err = text_equal(key, TEXT("address")) ? read_optional_text(reader, address)
                                                   : pack_skip(reader);
    }
    return err;
}
