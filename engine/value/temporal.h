/* Dates, times and durations: calendar, text, maps, components, truncation and arithmetic.
 *
 * The calendar is the proleptic Gregorian one of ISO 8601, years -999,999,999 to 999,999,999. There are
 * no leap seconds. A month and a day have no fixed length, so a duration keeps months, days and seconds
 * apart; its nanoseconds are 0 .. 999,999,999 and its sign is that of each part on its own.
 *
 * Functions that may fail on what a user wrote take `struct text *reason`: on ERR(ARGUMENT), ERR(TYPE)
 * and ERR(LIMIT) it is set to a sentence in static memory or the arena. */
#ifndef ENGINE_VALUE_TEMPORAL_H
#define ENGINE_VALUE_TEMPORAL_H

#include "base/arena.h"
#include "base/error.h"
#include "base/value.h"
#include "engine/value/builder.h"
#include "engine/value/zone.h"

#define NANOSECONDS_PER_SECOND INT64_C(1000000000)
#define NANOSECONDS_PER_DAY (NANOSECONDS_PER_SECOND * 86400)
enum { SECONDS_PER_DAY = 86400, SECONDS_PER_MONTH_AVERAGE = 2629746, YEAR_MAX = 999999999 };

struct civil_date {
    int64_t year;
    int32_t month, day; /* from 1 */
};

int64_t days_from_civil(int64_t year, int32_t month, int32_t day);
struct civil_date civil_from_days(int64_t days);
int32_t month_length(int64_t year, int32_t month);
bool year_is_leap(int64_t year);
/* ISO weekday 1 = Monday .. 7, week 1 .. 53 and the year the week belongs to. */
int32_t weekday_of(int64_t days);
void week_of(int64_t days, int64_t *week_year, int32_t *week);

/* The parts of any temporal instant: a date, a time of day, and an offset or zone. What the type lacks
 * is zero and its flag is off. */
struct temporal_parts {
    bool has_date, has_time, has_zone;
    int64_t days;           /* local date */
    int64_t nanoseconds;    /* local time of day */
    int32_t offset_seconds; /* east of UTC */
    struct text zone;       /* name, or size 0 */
};

struct temporal_parts temporal_split(struct value value);
/* The value of `type` with these parts. When there is a zone name, the offset is looked up for the local
 * time and the one given is only a preference where the clock is set back. */
err_t temporal_join(
    struct arena *arena,
    struct zone_source *zones,
    enum value_type type,
    const struct temporal_parts *parts,
    struct value *out,
    struct text *reason);

/* In range and normalised? What comes from outside (the wire, a file) is asked before it is used. True
 * for values that are not temporal. */
bool temporal_is_valid(struct value value);

static inline bool
value_is_instant(struct value value)
{
    return value.type >= VALUE_DATE && value.type <= VALUE_DATE_TIME;
}

/* ISO 8601 text of an instant or a duration. */
err_t temporal_parse(
    struct arena *arena,
    struct zone_source *zones,
    enum value_type type,
    struct text text,
    struct value *out,
    struct text *reason);
/* "+01:00", "-02", "Z" or a zone's name; a name leaves *offset as it is. */
err_t
temporal_parse_zone(struct text text, int32_t *offset, struct text *name, struct text *reason);
void temporal_print(struct builder *builder, struct value value);
void duration_print(struct builder *builder, const struct value_duration *duration);
void temporal_print_offset(struct builder *builder, int32_t offset_seconds);

/* date({year: ..}), datetime({date: .., time: ..}), ...; `base` supplies what the map does not (NULL:
 * 1 January, midnight, UTC). */
err_t temporal_from_map(
    struct arena *arena,
    struct zone_source *zones,
    enum value_type type,
    struct value map,
    const struct temporal_parts *base,
    struct value *out,
    struct text *reason);
/* date(x) of another instant. */
err_t temporal_convert(
    struct arena *arena,
    struct zone_source *zones,
    enum value_type type,
    struct value from,
    struct value *out,
    struct text *reason);
/* From nanoseconds since the epoch, in UTC or in a zone (size 0: UTC). */
err_t temporal_from_clock(
    struct arena *arena,
    struct zone_source *zones,
    enum value_type type,
    uint64_t wall_ns,
    struct text zone,
    struct value *out,
    struct text *reason);
/* date.truncate('month', value, {day: 2}); map null = none. */
err_t temporal_truncate(
    struct arena *arena,
    struct zone_source *zones,
    enum value_type type,
    struct text unit,
    struct value value,
    struct value map,
    struct value *out,
    struct text *reason);

bool duration_component(const struct value_duration *duration, struct text name, struct value *out);
/* value.year, duration.days, ...; false when the type has no such component. */
bool
temporal_component(struct arena *arena, struct value value, struct text name, struct value *out);

/* Instant plus (sign 1) or minus (sign -1) a duration. */
err_t temporal_add(
    struct arena *arena,
    struct zone_source *zones,
    struct value instant,
    const struct value_duration *duration,
    int sign,
    struct value *out);

/* `days` moved by whole months; the day of the month is cut to the month's length. False: out of range. */
bool days_add_months(int64_t days, __int128 months, int64_t *out);
bool days_are_valid(int64_t days);

/* --- durations --- */

/* A duration of these parts, normalised. ERR(ARITHMETIC) when a part overflows. */
err_t duration_make(
    struct arena *arena,
    __int128 months,
    __int128 days,
    __int128 seconds,
    __int128 nanoseconds,
    struct value *out);
/* Of parts with fractions: what is left of a month becomes days of its average length, and so on down. */
err_t duration_make_real(
    struct arena *arena,
    double months,
    double days,
    double seconds,
    double nanoseconds,
    struct value *out);
err_t
duration_from_map(struct arena *arena, struct value map, struct value *out, struct text *reason);
err_t duration_parse(struct arena *arena, struct text text, struct value *out, struct text *reason);
err_t duration_add(
    struct arena *arena,
    const struct value_duration *a,
    const struct value_duration *b,
    int sign,
    struct value *out);
/* Times `factor`; divided by it when `divide`. */
err_t duration_scale(
    struct arena *arena,
    const struct value_duration *duration,
    struct value factor,
    bool divide,
    struct value *out);

enum duration_unit { DURATION_BETWEEN, DURATION_IN_MONTHS, DURATION_IN_DAYS, DURATION_IN_SECONDS };
/* From `from` to `to`. Instants without a date are taken to be on the other's date. */
err_t duration_between(
    struct arena *arena,
    struct zone_source *zones,
    enum duration_unit unit,
    struct value from,
    struct value to,
    struct value *out,
    struct text *reason);

#endif
