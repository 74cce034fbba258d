/* Instants from maps: date({year: 2015, week: 30}), datetime({date: d, time: t, timezone: '+01:00'}).
 *
 * The map names fields of one of four calendars (month, week, quarter, ordinal) and of the clock. What it
 * does not name comes from the values under `date`, `time` and `datetime`, or from `base` (truncation), or
 * else is the smallest there is; but without any of these a field may be left out only when all smaller
 * ones are too. A time zone moves the wall clock when the time came with a zone of its own. */
#include "engine/value/temporal.h"
#include "engine/value/utf8.h"
#include "engine/value/value_ops.h"

enum field {
    FIELD_YEAR,
    FIELD_MONTH,
    FIELD_DAY,
    FIELD_WEEK,
    FIELD_DAY_OF_WEEK,
    FIELD_QUARTER,
    FIELD_DAY_OF_QUARTER,
    FIELD_ORDINAL_DAY,
    FIELD_HOUR,
    FIELD_MINUTE,
    FIELD_SECOND,
    FIELD_MILLISECOND,
    FIELD_MICROSECOND,
    FIELD_NANOSECOND,
    FIELD_EPOCH_SECONDS,
    FIELD_EPOCH_MILLIS,
    FIELD_COUNT
};

static const struct {
    struct text name;
    int64_t low, high;
} fields[FIELD_COUNT] = {
    [FIELD_YEAR] = {{"year", 4}, -YEAR_MAX, YEAR_MAX},
    [FIELD_MONTH] = {{"month", 5}, 1, 12},
    [FIELD_DAY] = {{"day", 3}, 1, 31},
    [FIELD_WEEK] = {{"week", 4}, 1, 53},
    [FIELD_DAY_OF_WEEK] = {{"dayOfWeek", 9}, 1, 7},
    [FIELD_QUARTER] = {{"quarter", 7}, 1, 4},
    [FIELD_DAY_OF_QUARTER] = {{"dayOfQuarter", 12}, 1, 92},
    [FIELD_ORDINAL_DAY] = {{"ordinalDay", 10}, 1, 366},
    [FIELD_HOUR] = {{"hour", 4}, 0, 23},
    [FIELD_MINUTE] = {{"minute", 6}, 0, 59},
    [FIELD_SECOND] = {{"second", 6}, 0, 59},
    [FIELD_MILLISECOND] = {{"millisecond", 11}, 0, 999},
    [FIELD_MICROSECOND] = {{"microsecond", 11}, 0, 999999},
    [FIELD_NANOSECOND] = {{"nanosecond", 10}, 0, 999999999},
    [FIELD_EPOCH_SECONDS] = {{"epochSeconds", 12}, -31556889864403199, 31556889864403199},
    [FIELD_EPOCH_MILLIS] = {{"epochMillis", 11}, INT64_MIN, INT64_MAX},
};

struct map_reader {
    uint32_t given; /* 1 << enum field */
    int64_t values[FIELD_COUNT];
    bool has_zone;
    int32_t offset_seconds;
    struct text zone;
    const struct value *date, *time, *date_time;
};

static bool
has(const struct map_reader *reader, enum field field)
{
    return (reader->given >> field & 1) != 0;
}

static bool
has_any(const struct map_reader *reader, enum field first, enum field last)
{
    for (enum field field = first; field <= last; field++)
        if (has(reader, field))
            return true;
    return false;
}

static err_t
fail(struct arena *arena, struct text *reason, const char *format, struct text name)
{
    char words[160];
    name.size = utf8_cut(name, 60);
    int size = snprintf(words, sizeof(words), format, TEXT_ARGS(name));
    assert(size > 0 && (size_t)size < sizeof(words));
    *reason = arena_text(arena, (struct text){words, (size_t)size});
    return reason->data ? ERR(ARGUMENT) : ERR(MEMORY_QUERY);
}

static err_t
read_number(
    struct arena *arena,
    struct map_reader *reader,
    const struct map_entry *entry,
    enum field field,
    struct text *reason)
{
    if (entry->value.type != VALUE_INTEGER) {
        err_t err = fail(arena, reason, "`%.*s` must be an INTEGER", entry->key);
        return err_code(err) == ERR_ARGUMENT ? ERR(TYPE) : err;
    }
    if (entry->value.integer < fields[field].low || entry->value.integer > fields[field].high)
        return fail(arena, reason, "`%.*s` is out of range", entry->key);
    reader->values[field] = entry->value.integer;
    reader->given |= 1u << field;
    return 0;
}

static err_t
read_entry(
    struct arena *arena,
    struct map_reader *reader,
    const struct map_entry *entry,
    struct text *reason)
{
    for (enum field field = 0; field < FIELD_COUNT; field++)
        if (text_equal_fold(fields[field].name, entry->key))
            return read_number(arena, reader, entry, field, reason);
    if (text_equal_fold(entry->key, TEXT("timezone"))) {
        if (entry->value.type != VALUE_STRING)
            return fail(arena, reason, "`%.*s` must be a STRING", entry->key);
        reader->has_zone = true;
        return temporal_parse_zone(
            value_text(entry->value), &reader->offset_seconds, &reader->zone, reason);
    }
    const struct value **target = text_equal_fold(entry->key, TEXT("date"))   ? &reader->date
                                  : text_equal_fold(entry->key, TEXT("time")) ? &reader->time
                                  : text_equal_fold(entry->key, TEXT("datetime"))
                                      ? &reader->date_time
                                      : NULL;
    if (!target)
        return fail(arena, reason, "a date or time has no field `%.*s`", entry->key);
    struct temporal_parts parts = value_is_instant(entry->value) ? temporal_split(entry->value)
                                                                 : (struct temporal_parts){0};
    bool fits = target == &reader->date   ? parts.has_date
                : target == &reader->time ? parts.has_time
                                          : parts.has_date && parts.has_time;
    if (!fits)
        return fail(arena, reason, "the value of `%.*s` does not have that part", entry->key);
    *target = &entry->value;
    return 0;
}

/* --- the date --- */

static err_t
date_by_week(
    struct arena *arena,
    const struct map_reader *reader,
    const int64_t *base,
    int64_t *days,
    struct text *reason)
{
    int64_t week_year = 0;
    int32_t week = 1;
    if (base)
        week_of(*base, &week_year, &week);
    int64_t year = has(reader, FIELD_YEAR) ? reader->values[FIELD_YEAR] : week_year;
    int64_t number = has(reader, FIELD_WEEK) ? reader->values[FIELD_WEEK] : week;
    int64_t weekday = has(reader, FIELD_DAY_OF_WEEK) ? reader->values[FIELD_DAY_OF_WEEK]
                      : base                         ? weekday_of(*base)
                                                     : 1;
    int64_t fourth = days_from_civil(year, 1, 4);
    int64_t monday = fourth - weekday_of(fourth) + 1 + (number - 1) * 7;
    week_of(monday, &week_year, &week);
    if (week_year != year)
        return fail(arena, reason, "that year has no `%.*s` of this number", TEXT("week"));
    *days = monday + weekday - 1;
    return 0;
}

static err_t
date_by_quarter(
    struct arena *arena,
    const struct map_reader *reader,
    const int64_t *base,
    int64_t *days,
    struct text *reason)
{
    struct civil_date date = base ? civil_from_days(*base) : (struct civil_date){0, 1, 1};
    int64_t year = has(reader, FIELD_YEAR) ? reader->values[FIELD_YEAR] : date.year;
    int32_t quarter = has(reader, FIELD_QUARTER) ? (int32_t)reader->values[FIELD_QUARTER]
                                                 : (date.month - 1) / 3 + 1;
    int64_t start = days_from_civil(year, quarter * 3 - 2, 1);
    int64_t next = quarter == 4 ? days_from_civil(year + 1, 1, 1)
                                : days_from_civil(year, quarter * 3 + 1, 1);
    if (has(reader, FIELD_DAY_OF_QUARTER)) {
        *days = start + reader->values[FIELD_DAY_OF_QUARTER] - 1;
        if (*days >= next)
            return fail(
                arena, reason, "that quarter is shorter than `%.*s`",
                fields[FIELD_DAY_OF_QUARTER].name);
        return 0;
    }
    /* The month of the quarter and the day of the month stay. */
    return days_add_months(start, (date.month - 1) % 3, days) &&
                   days_add_months(*days + date.day - 1, 0, days)
               ? 0
               : fail(arena, reason, "`%.*s` is out of range", fields[FIELD_YEAR].name);
}

static err_t
date_by_month(
    struct arena *arena,
    const struct map_reader *reader,
    const int64_t *base,
    int64_t *days,
    struct text *reason)
{
    struct civil_date date = base ? civil_from_days(*base) : (struct civil_date){0, 1, 1};
    if (has(reader, FIELD_YEAR))
        date.year = reader->values[FIELD_YEAR];
    if (has(reader, FIELD_MONTH))
        date.month = (int32_t)reader->values[FIELD_MONTH];
    int32_t length = month_length(date.year, date.month);
    if (has(reader, FIELD_DAY)) {
        date.day = (int32_t)reader->values[FIELD_DAY];
        if (date.day > length)
            return fail(arena, reason, "that month has no such `%.*s`", fields[FIELD_DAY].name);
    }
    *days = days_from_civil(date.year, date.month, date.day < length ? date.day : length);
    return 0;
}

static err_t
date_by_ordinal(
    struct arena *arena,
    const struct map_reader *reader,
    const int64_t *base,
    int64_t *days,
    struct text *reason)
{
    int64_t year = has(reader, FIELD_YEAR) ? reader->values[FIELD_YEAR]
                   : base                  ? civil_from_days(*base).year
                                           : 0;
    if (reader->values[FIELD_ORDINAL_DAY] > 365 + year_is_leap(year))
        return fail(
            arena, reason, "that year is shorter than `%.*s`", fields[FIELD_ORDINAL_DAY].name);
    *days = days_from_civil(year, 1, 1) + reader->values[FIELD_ORDINAL_DAY] - 1;
    return 0;
}

static err_t
make_date(
    struct arena *arena,
    const struct map_reader *reader,
    const int64_t *base,
    int64_t *days,
    struct text *reason)
{
    bool by_month = has(reader, FIELD_MONTH) || has(reader, FIELD_DAY);
    bool by_week = has_any(reader, FIELD_WEEK, FIELD_DAY_OF_WEEK);
    bool by_quarter = has_any(reader, FIELD_QUARTER, FIELD_DAY_OF_QUARTER);
    bool by_ordinal = has(reader, FIELD_ORDINAL_DAY);
    if (by_month + by_week + by_quarter + by_ordinal > 1)
        return fail(arena, reason, "fields of different calendars cannot be mixed%.*s", TEXT(""));
    if (!base && !has(reader, FIELD_YEAR))
        return fail(arena, reason, "`%.*s` must be given", fields[FIELD_YEAR].name);
    bool gap = (has(reader, FIELD_DAY) && !has(reader, FIELD_MONTH)) ||
               (has(reader, FIELD_DAY_OF_WEEK) && !has(reader, FIELD_WEEK)) ||
               (has(reader, FIELD_DAY_OF_QUARTER) && !has(reader, FIELD_QUARTER));
    if (!base && gap)
        return fail(
            arena, reason, "a smaller field is given without the larger one: `%.*s` needs it",
            TEXT("day"));
    if (by_week)
        return date_by_week(arena, reader, base, days, reason);
    if (by_quarter)
        return date_by_quarter(arena, reader, base, days, reason);
    if (by_ordinal)
        return date_by_ordinal(arena, reader, base, days, reason);
    return date_by_month(arena, reader, base, days, reason);
}

/* --- the time --- */

/* Each field below a second counts in its own unit, below the next larger one that is given. What the
 * larger ones of `rest` are worth stays when truncation left them. */
static err_t
make_fraction(
    struct arena *arena,
    const struct map_reader *reader,
    int64_t rest,
    bool keep_rest,
    int64_t *out,
    struct text *reason)
{
    if (!has_any(reader, FIELD_MILLISECOND, FIELD_NANOSECOND)) {
        *out = rest;
        return 0;
    }
    int64_t milli = reader->values[FIELD_MILLISECOND], micro = reader->values[FIELD_MICROSECOND];
    int64_t nano = reader->values[FIELD_NANOSECOND];
    if (has(reader, FIELD_MILLISECOND) && micro > 999)
        return fail(
            arena, reason, "`%.*s` must be below 1000 beside milliseconds",
            fields[FIELD_MICROSECOND].name);
    if (has(reader, FIELD_MICROSECOND) && nano > 999)
        return fail(
            arena, reason, "`%.*s` must be below 1000 beside microseconds",
            fields[FIELD_NANOSECOND].name);
    if (has(reader, FIELD_MILLISECOND) && nano > 999999)
        return fail(
            arena, reason, "`%.*s` must be below 1000000 beside milliseconds",
            fields[FIELD_NANOSECOND].name);
    *out = milli * 1000000 + micro * 1000 + nano;
    if (keep_rest && !has(reader, FIELD_MILLISECOND))
        *out += rest;
    if (*out >= NANOSECONDS_PER_SECOND)
        return fail(arena, reason, "`%.*s` is out of range", fields[FIELD_NANOSECOND].name);
    return 0;
}

static err_t
make_time(
    struct arena *arena,
    const struct map_reader *reader,
    const int64_t *base,
    bool keep_rest,
    int64_t *out,
    struct text *reason)
{
    int64_t seconds = base ? *base / NANOSECONDS_PER_SECOND : 0,
            rest = base ? *base % NANOSECONDS_PER_SECOND : 0;
    int64_t hour = has(reader, FIELD_HOUR) ? reader->values[FIELD_HOUR] : seconds / 3600;
    int64_t minute = has(reader, FIELD_MINUTE) ? reader->values[FIELD_MINUTE] : seconds / 60 % 60;
    int64_t second = has(reader, FIELD_SECOND) ? reader->values[FIELD_SECOND] : seconds % 60;
    bool fraction_given = has_any(reader, FIELD_MILLISECOND, FIELD_NANOSECOND);
    bool gap = (has(reader, FIELD_MINUTE) && !has(reader, FIELD_HOUR)) ||
               (has(reader, FIELD_SECOND) && !has(reader, FIELD_MINUTE)) ||
               (fraction_given && !has(reader, FIELD_SECOND));
    if (!base && gap)
        return fail(
            arena, reason, "a smaller field of the time is given without the larger one: `%.*s`",
            TEXT("hour"));
    err_t err = make_fraction(arena, reader, rest, keep_rest, out, reason);
    *out = err ? 0 : *out + (hour * 3600 + minute * 60 + second) * NANOSECONDS_PER_SECOND;
    return err;
}

/* --- zones, epochs --- */

/* Gives the parts the zone of the map. A wall clock that had a zone is moved, one that had none is not. */
static err_t
set_zone(
    struct arena *arena,
    struct zone_source *zones,
    enum value_type type,
    const struct map_reader *reader,
    struct temporal_parts *parts,
    struct text *reason)
{
    int32_t target = reader->offset_seconds;
    struct value instant;
    if (type == VALUE_TIME && reader->zone.size)
        return fail(
            arena, reason, "a time takes an offset such as '+01:00', not the name of a zone%.*s",
            TEXT(""));
    if (!parts->has_zone) {
        parts->has_zone = true;
        parts->offset_seconds = target;
        parts->zone = reader->zone;
        return 0;
    }
    if (type == VALUE_TIME) {
        int64_t moved = parts->nanoseconds +
                        (int64_t)(target - parts->offset_seconds) * NANOSECONDS_PER_SECOND;
        parts->nanoseconds = ((moved % NANOSECONDS_PER_DAY) + NANOSECONDS_PER_DAY) %
                             NANOSECONDS_PER_DAY;
        parts->offset_seconds = target;
        return 0;
    }
    err_t err = temporal_join(arena, zones, VALUE_DATE_TIME, parts, &instant, reason);
    if (err)
        return err;
    struct value_date_time moved = *instant.date_time;
    if (reader->zone.size && zone_offset_at(zones, reader->zone, moved.seconds, &target))
        return fail(arena, reason, "unknown time zone `%.*s`", reader->zone);
    moved.offset_seconds = target;
    moved.zone = reader->zone;
    instant.date_time = &moved;
    *parts = temporal_split(instant);
    return 0;
}

static struct temporal_parts
from_epoch(const struct map_reader *reader)
{
    int64_t seconds = reader->values[FIELD_EPOCH_SECONDS], rest = 0;
    if (has(reader, FIELD_EPOCH_MILLIS)) {
        int64_t millis = reader->values[FIELD_EPOCH_MILLIS];
        seconds = millis / 1000 - (millis % 1000 < 0);
        rest = (millis - seconds * 1000) * 1000000;
    }
    rest += reader->values[FIELD_NANOSECOND];
    seconds += rest / NANOSECONDS_PER_SECOND;
    rest %= NANOSECONDS_PER_SECOND;
    struct value_date_time time = {.seconds = seconds, .nanoseconds = (uint32_t)rest};
    struct value instant = {.type = VALUE_DATE_TIME};
    instant.date_time = &time;
    return temporal_split(instant);
}

/* Where each part comes from when the map does not name it. */
static void
take_bases(
    const struct map_reader *reader,
    const struct temporal_parts *base,
    struct temporal_parts *date,
    struct temporal_parts *time)
{
    *date = *time = base ? *base : (struct temporal_parts){0};
    if (reader->date_time)
        *date = *time = temporal_split(*reader->date_time);
    if (reader->date)
        *date = temporal_split(*reader->date);
    if (reader->time)
        *time = temporal_split(*reader->time);
}

err_t
temporal_from_map(
    struct arena *arena,
    struct zone_source *zones,
    enum value_type type,
    struct value map,
    const struct temporal_parts *base,
    struct value *out,
    struct text *reason)
{
    struct map_reader reader = {0};
    struct temporal_parts parts = {0}, date, time;
    bool wants_date = type == VALUE_DATE || type == VALUE_LOCAL_DATE_TIME ||
                      type == VALUE_DATE_TIME;
    bool wants_time = type != VALUE_DATE,
         wants_zone = type == VALUE_TIME || type == VALUE_DATE_TIME;
    err_t err = 0;
    if (map.type != VALUE_MAP) {
        *reason = TEXT("expected a MAP of fields");
        return ERR(TYPE);
    }
    for (uint32_t i = 0; !err && i < map.size; i++)
        err = read_entry(arena, &reader, &map.map[i], reason);
    if (err)
        return err;
    if (!wants_zone && reader.has_zone)
        return fail(arena, reason, "this type has no `%.*s`", TEXT("timezone"));
    if ((!wants_date && (has_any(&reader, FIELD_YEAR, FIELD_ORDINAL_DAY) || reader.date)) ||
        (!wants_time && (has_any(&reader, FIELD_HOUR, FIELD_NANOSECOND) || reader.time)))
        return fail(
            arena, reason, "the map has a field that this type does not have%.*s", TEXT(""));
    if (has_any(&reader, FIELD_EPOCH_SECONDS, FIELD_EPOCH_MILLIS) && type == VALUE_DATE_TIME) {
        parts = from_epoch(&reader);
    } else {
        /* date.truncate and its kin pass a base that has been truncated already. */
        bool date_given = base || reader.date || reader.date_time;
        bool time_given = base || reader.time || reader.date_time;
        take_bases(&reader, base, &date, &time);
        if (wants_date)
            err = make_date(arena, &reader, date_given ? &date.days : NULL, &parts.days, reason);
        if (!err && wants_time)
            err = make_time(
                arena, &reader, time_given ? &time.nanoseconds : NULL, base != NULL,
                &parts.nanoseconds, reason);
        parts.has_zone = time.has_zone;
        parts.offset_seconds = time.has_zone ? time.offset_seconds : 0;
        parts.zone = time.has_zone && wants_date ? time.zone : (struct text){NULL, 0};
    }
    parts.has_date = parts.has_time = true;
    if (!err && reader.has_zone)
        err = set_zone(arena, zones, type, &reader, &parts, reason);
    return err ? err : temporal_join(arena, zones, type, &parts, out, reason);
}
