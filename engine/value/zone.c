/* Time zones: the TZif format of RFC 8536.
 *
 *      header  data block, 32-bit times (version 1, skipped)
 *      header  data block, 64-bit times
 *                  transition times | type index of each | types (offset, is summer, name) | ...
 *      \n rule \n  what holds after the last transition, as POSIX TZ text: CET-1CEST,M3.5.0,M10.5.0/3
 *
 * Invariants
 *  1. Nothing is read outside the text given, whatever it says.
 *  2. Offsets are less than a day and a bit: OFFSET_MAX. */
#include "engine/value/zone.h"

#include "base/assert.h"
#include "engine/value/temporal.h"

enum { TZIF_HEADER_SIZE = 44, OFFSET_MAX = 26 * 3600 };

struct tzif_counts {
    uint32_t is_utc, is_standard, leap, time, type, character;
};

static uint32_t
big_endian(const char *data)
{
    const unsigned char *bytes = (const unsigned char *)data;
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool
tzif_header(struct text data, size_t at, struct tzif_counts *counts, char *version)
{
    if (at > data.size || data.size - at < TZIF_HEADER_SIZE ||
        memcmp(data.data + at, "TZif", 4) != 0)
        return false;
    const char *header = data.data + at;
    *version = header[4];
    *counts = (struct tzif_counts){
        big_endian(header + 20), big_endian(header + 24), big_endian(header + 28),
        big_endian(header + 32), big_endian(header + 36), big_endian(header + 40),
    };
    return true;
}

static uint64_t
tzif_block_size(const struct tzif_counts *counts, uint32_t time_size)
{
    return (uint64_t)counts->time * (time_size + 1) + (uint64_t)counts->type * 6 +
           counts->character + (uint64_t)counts->leap * (time_size + 4) + counts->is_standard +
           counts->is_utc;
}

/* --- POSIX TZ rules --- */

struct rule_reader {
    const char *at, *end;
    bool failed;
};

/* The day and second of the year at which a rule begins. */
struct rule_date {
    char kind; /* 'M': month, week, day; 'J': day 1 .. 365 without 29 February; 'N': day 0 .. 365 */
    int32_t month, week, day;
    int32_t seconds; /* wall clock */
};

static bool
rule_accept(struct rule_reader *reader, char character)
{
    if (reader->at == reader->end || *reader->at != character)
        return false;
    reader->at++;
    return true;
}

static int32_t
rule_number(struct rule_reader *reader)
{
    int32_t number = 0, digits = 0;
    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9' && digits < 4) {
        number = number * 10 + (*reader->at++ - '0');
        digits++;
    }
    reader->failed |= digits == 0;
    return number;
}

static void
rule_name(struct rule_reader *reader)
{
    bool quoted = rule_accept(reader, '<');
    const char *start = reader->at;
    while (reader->at < reader->end) {
        char c = *reader->at;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (quoted ? c == '>' : !letter)
            break;
        reader->at++;
    }
    reader->failed |= reader->at == start || (quoted && !rule_accept(reader, '>'));
}

/* [+-]hh[:mm[:ss]] in seconds. */
static int32_t
rule_time(struct rule_reader *reader)
{
    int32_t sign = rule_accept(reader, '-') ? -1 : 1;
    if (sign > 0)
        rule_accept(reader, '+');
    int32_t seconds = rule_number(reader) * 3600;
    if (rule_accept(reader, ':')) {
        seconds += rule_number(reader) * 60;
        if (rule_accept(reader, ':'))
            seconds += rule_number(reader);
    }
    return sign * seconds;
}

static struct rule_date
rule_date(struct rule_reader *reader)
{
    struct rule_date date = {.kind = 'N', .seconds = 7200};
    if (rule_accept(reader, 'M')) {
        date.kind = 'M';
        date.month = rule_number(reader);
        reader->failed |= !rule_accept(reader, '.');
        date.week = rule_number(reader);
        reader->failed |= !rule_accept(reader, '.');
        date.day = rule_number(reader);
        reader->failed |= date.month < 1 || date.month > 12 || date.week < 1 || date.week > 5 ||
                          date.day > 6;
    } else {
        if (rule_accept(reader, 'J'))
            date.kind = 'J';
        date.day = rule_number(reader);
        reader->failed |= date.day > 366;
    }
    if (rule_accept(reader, '/'))
        date.seconds = rule_time(reader);
    return date;
}

/* Days since the epoch at which the rule falls in a year. */
static int64_t
rule_day(const struct rule_date *date, int64_t year)
{
    if (date->kind == 'N')
        return days_from_civil(year, 1, 1) + date->day;
    if (date->kind == 'J')
        return days_from_civil(year, 1, 1) + date->day - 1 + (year_is_leap(year) && date->day > 59);
    int64_t first = days_from_civil(year, date->month, 1);
    /* weekday_of: Monday 1 .. Sunday 7; rules: Sunday 0 .. Saturday 6. */
    int32_t shift = (date->day - weekday_of(first) % 7 + 7) % 7;
    int32_t day = shift + (date->week - 1) * 7;
    while (day >= month_length(year, date->month))
        day -= 7;
    return first + day;
}

static err_t
rule_offset_at(struct text rule, int64_t utc_seconds, int32_t *offset_seconds)
{
    struct rule_reader reader = {rule.data, rule.data + rule.size, false};
    rule_name(&reader);
    int32_t standard = -rule_time(&reader), summer = standard + 3600;
    *offset_seconds = standard;
    if (reader.failed || reader.at == reader.end)
        return reader.failed ? ERR(REQUEST_FORMAT) : 0;
    rule_name(&reader);
    if (reader.at < reader.end && *reader.at != ',')
        summer = -rule_time(&reader);
    reader.failed |= !rule_accept(&reader, ',');
    struct rule_date start = rule_date(&reader);
    reader.failed |= !rule_accept(&reader, ',');
    struct rule_date end = rule_date(&reader);
    if (reader.failed || reader.at != reader.end)
        return ERR(REQUEST_FORMAT);
    int64_t local = utc_seconds + standard;
    int64_t local_days = local / SECONDS_PER_DAY - (local % SECONDS_PER_DAY < 0);
    int64_t year = civil_from_days(local_days).year;
    int64_t starts = rule_day(&start, year) * SECONDS_PER_DAY + start.seconds - standard;
    int64_t ends = rule_day(&end, year) * SECONDS_PER_DAY + end.seconds - summer;
    bool is_summer = starts < ends ? utc_seconds >= starts && utc_seconds < ends
                                   : utc_seconds >= starts || utc_seconds < ends;
    if (is_summer)
        *offset_seconds = summer;
    return 0;
}

/* --- files --- */

static int64_t
tzif_time(const char *times, uint32_t index, uint32_t time_size)
{
    const char *at = times + (size_t)index * time_size;
    if (time_size == 4)
        return (int32_t)big_endian(at);
    return (int64_t)((uint64_t)big_endian(at) << 32 | big_endian(at + 4));
}

/* How many transitions are at or before the instant. */
static uint32_t
tzif_search(const char *times, uint32_t count, uint32_t time_size, int64_t utc_seconds)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (tzif_time(times, middle, time_size) <= utc_seconds)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

err_t
tzif_offset_at(struct text data, int64_t utc_seconds, int32_t *offset_seconds)
{
    struct tzif_counts counts;
    char version;
    size_t at = 0;
    uint32_t time_size = 4;
    if (!tzif_header(data, 0, &counts, &version))
        return ERR(REQUEST_FORMAT);
    if (version >= '2') {
        uint64_t skipped = TZIF_HEADER_SIZE + tzif_block_size(&counts, 4);
        if (skipped > data.size || !tzif_header(data, skipped, &counts, &version))
            return ERR(REQUEST_FORMAT);
        at = skipped;
        time_size = 8;
    }
    at += TZIF_HEADER_SIZE;
    uint64_t block_size = tzif_block_size(&counts, time_size);
    if (block_size > data.size - at || counts.type == 0)
        return ERR(REQUEST_FORMAT);
    const char *times = data.data + at;
    const unsigned char *indexes = (const unsigned char *)times + (size_t)counts.time * time_size;
    const char *types = (const char *)indexes + counts.time;
    uint32_t passed = tzif_search(times, counts.time, time_size, utc_seconds);
    struct text footer = {data.data + at + block_size, data.size - at - block_size};
    if (passed == counts.time && time_size == 8 && footer.size > 2) {
        if (footer.data[0] != '\n' || footer.data[footer.size - 1] != '\n')
            return ERR(REQUEST_FORMAT);
        err_t err = rule_offset_at(
            (struct text){footer.data + 1, footer.size - 2}, utc_seconds, offset_seconds);
        if (err)
            return err;
    } else {
        uint32_t type = passed ? indexes[passed - 1] : 0;
        if (type >= counts.type)
            return ERR(REQUEST_FORMAT);
        *offset_seconds = (int32_t)big_endian(types + (size_t)type * 6);
    }
    if (*offset_seconds > OFFSET_MAX || *offset_seconds < -OFFSET_MAX)
        return ERR(REQUEST_FORMAT);
    return 0;
}

bool
zone_is_utc(struct text name)
{
    static const char *const names[] = {"Z",       "UTC",     "GMT", "UT",  "Etc/UTC",
                                        "Etc/GMT", "Etc/UCT", "UCT", "Zulu"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (text_equal(name, text_of(names[i])))
            return true;
    return false;
}

err_t
zone_offset_at(
    struct zone_source *source, struct text name, int64_t utc_seconds, int32_t *offset_seconds)
{
    *offset_seconds = 0;
    if (zone_is_utc(name))
        return 0;
    struct text data = source ? source->lookup(source, name) : (struct text){NULL, 0};
    if (!data.data)
        return ERR(NOT_FOUND);
    return tzif_offset_at(data, utc_seconds, offset_seconds);
}

err_t
zone_offset_local(
    struct zone_source *source,
    struct text name,
    int64_t local_seconds,
    int32_t preferred,
    int32_t *offset_seconds)
{
    /* No zone changes its offset twice within two days around a moment, so the offset before and the one
     * after are the only candidates. */
    int32_t before, after, candidates[3];
    err_t err = zone_offset_at(source, name, local_seconds - SECONDS_PER_DAY, &before);
    if (!err)
        err = zone_offset_at(source, name, local_seconds + SECONDS_PER_DAY, &after);
    if (err)
        return err;
    candidates[0] = preferred == after ? after : before;
    candidates[1] = before;
    candidates[2] = after;
    for (int i = 0; i < 3; i++) {
        int32_t offset;
        err = zone_offset_at(source, name, local_seconds - candidates[i], &offset);
        if (err)
            return err;
        if (offset == candidates[i]) {
            *offset_seconds = offset;
            return 0;
        }
    }
    *offset_seconds = before;
    return 0;
}
