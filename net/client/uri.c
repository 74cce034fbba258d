#include "net/client/client.h"

#include <stdio.h>
#include <stdlib.h>

static char *
copy_range(const char *start, const char *end)
{
    return client_copy_text((struct qv_text){start, (size_t)(end - start)});
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %xx in place; a user name or password may contain any character this way. */
static bool
percent_decode(char *text)
{
    char *out = text;
    for (char *in = text; *in; in++) {
        if (*in != '%') {
            *out++ = *in;
            continue;
        }
        int high = hex_digit(in[1]);
        int low = high < 0 ? -1 : hex_digit(in[2]);
        if (low < 0 || (high == 0 && low == 0))
            return false;
        *out++ = (char)(high * 16 + low);
        in += 2;
    }
    *out = 0;
    return true;
}

static const char *
parse_scheme(const char *text, const char **rest)
{
    static const char *const plain[] = {"bolt://", "neo4j://"};
    static const char *const encrypted[] = {
        "bolt+s://", "bolt+ssc://", "neo4j+s://", "neo4j+ssc://"};
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        if (strncmp(text, plain[i], strlen(plain[i])) == 0) {
            *rest = text + strlen(plain[i]);
            return NULL;
        }
    }
    for (size_t i = 0; i < sizeof(encrypted) / sizeof(encrypted[0]); i++) {
        if (strncmp(text, encrypted[i], strlen(encrypted[i])) == 0)
            return "encrypted connections (+s, +ssc) are not supported by this client; use bolt://";
    }
    if (strstr(text, "://"))
        return "the scheme must be bolt://";
    *rest = text; /* a bare host:port */
    return NULL;
}

static const char *
parse_credentials(const char *start, const char *at, struct client_uri *uri)
{
    const char *colon = memchr(start, ':', (size_t)(at - start));
    uri->user = copy_range(start, colon ? colon : at);
    uri->password = colon ? copy_range(colon + 1, at) : NULL;
    if (!uri->user || (colon && !uri->password))
        return "no memory";
    if (!percent_decode(uri->user) || (uri->password && !percent_decode(uri->password)))
        return "a % in the credentials of the URI must be followed by two hexadecimal digits";
    return NULL;
}

static const char *
parse_port(const char *start, const char *end, struct client_uri *uri)
{
    unsigned port = 0;
    if (start == end)
        return "the port is missing after the colon";
    for (; start < end; start++) {
        if (*start < '0' || *start > '9')
            return "the port must be a number";
        port = port * 10 + (unsigned)(*start - '0');
        if (port > 65535)
            return "the port must be at most 65535";
    }
    if (port == 0)
        return "the port must not be 0";
    snprintf(uri->port, sizeof(uri->port), "%u", port);
    return NULL;
}

const char *
client_uri_parse(const char *text, struct client_uri *uri)
{
    *uri = (struct client_uri){0};
    snprintf(uri->port, sizeof(uri->port), "%d", CLIENT_PORT_DEFAULT);
    const char *start = text;
    const char *problem = parse_scheme(text, &start);
    if (problem)
        return problem;
    size_t authority_size = strcspn(start, "/?#");
    const char *end = start + authority_size;
    for (const char *at = end; at > start; at--) {
        if (at[-1] != '@')
            continue;
        problem = parse_credentials(start, at - 1, uri);
        if (problem)
            return problem;
        start = at;
        break;
    }
    const char *host_end = end;
    if (*start == '[') {
        const char *bracket = memchr(start, ']', (size_t)(end - start));
        if (!bracket || (bracket + 1 != end && bracket[1] != ':'))
            return "an IPv6 address must stand in brackets: bolt://[::1]:7687";
        start++;
        host_end = bracket;
        problem = bracket + 1 == end ? NULL : parse_port(bracket + 2, end, uri);
    } else {
        const char *colon = memchr(start, ':', (size_t)(end - start));
        host_end = colon ? colon : end;
        problem = colon ? parse_port(colon + 1, end, uri) : NULL;
    }
    if (problem)
        return problem;
    if (host_end == start)
        return "the host is missing";
    uri->host = copy_range(start, host_end);
    if (!uri->host)
        return "no memory";
    if (*end == '/' && end[1] != 0 && end[1] != '?') {
        uri->database = copy_range(end + 1, end + 1 + strcspn(end + 1, "?#"));
        if (!uri->database)
            return "no memory";
    }
    return NULL;
}

void
client_uri_destroy(struct client_uri *uri)
{
    free(uri->user);
    free(uri->password);
    free(uri->host);
    free(uri->database);
    *uri = (struct client_uri){0};
}
