/* Instants: calendar, taking apart and putting together, printing, components, conversion, truncation
 * and adding durations.
 *
 * Everything goes through `struct temporal_parts`, so the five types share one code:
 *
 *      value --split--> parts --(change)--> --join--> value
 *
 * Invariants
 *  1. A joined value is in range (temporal_is_valid), whatever the parts were; else ERR(ARGUMENT).
 *  2. A date-time keeps the instant, its offset, and the zone's name if it had one; its local time is
 *     instant + offset. */
#include "engine/value/temporal.h"

#include "engine/value/value_ops.h"

/* --- calendar --- */

static int64_t
floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

bool
year_is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

int32_t
month_length(int64_t year, int32_t month)
{
    assert(month >= 1 && month <= 12);
    if (month == 2)
        return year_is_leap(year) ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/* Years are counted from March here, so that the leap day is a year's last: then the days before a month
 * are (153 m + 2) / 5, and before a year 365 y + y/4 - y/100 + y/400. */
enum { DAYS_PER_400_YEARS = 146097, DAYS_TO_EPOCH = 719468 };

int64_t
days_from_civil(int64_t year, int32_t month, int32_t day)
{
    int64_t shifted = month > 2 ? year : year - 1;
    int64_t era = floor_divide(shifted, 400);
    int64_t year_of_era = shifted - era * 400;
    int64_t month_of_year = month > 2 ? month - 3 : month + 9;
    int64_t day_of_year = (153 * month_of_year + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_400_YEARS + day_of_era - DAYS_TO_EPOCH;
}

struct civil_date
civil_from_days(int64_t days)
{
    int64_t shifted = days + DAYS_TO_EPOCH;
    int64_t era = floor_divide(shifted, DAYS_PER_400_YEARS);
    int64_t day_of_era = shifted - era * DAYS_PER_400_YEARS;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_of_year = (5 * day_of_year + 2) / 153;
    int32_t day = (int32_t)(day_of_year - (153 * month_of_year + 2) / 5 + 1);
    int32_t month = (int32_t)(month_of_year < 10 ? month_of_year + 3 : month_of_year - 9);
    return (struct civil_date){era * 400 + year_of_era + (month <= 2), month, day};
}

int32_t
weekday_of(int64_t days)
{
    /* 1970-01-01 was a Thursday. */
    int64_t rest = (days + 3) % 7;
    return (int32_t)(rest < 0 ? rest + 7 : rest) + 1;
}

void
week_of(int64_t days, int64_t *week_year, int32_t *week)
{
    /* The week belongs to the year of its Thursday. */
    int64_t thursday = days - weekday_of(days) + 4;
    *week_year = civil_from_days(thursday).year;
    *week = (int32_t)((thursday - days_from_civil(*week_year, 1, 1)) / 7) + 1;
}

bool
days_are_valid(int64_t days)
{
    return days >= days_from_civil(-YEAR_MAX, 1, 1) && days <= days_from_civil(YEAR_MAX, 12, 31);
}

bool
days_add_months(int64_t days, __int128 months, int64_t *out)
{
    struct civil_date date = civil_from_days(days);
    __int128 total = (__int128)date.year * 12 + date.month - 1 + months;
    __int128 year = total / 12 - (total % 12 < 0);
    if (year > YEAR_MAX || year < -YEAR_MAX)
        return false;
    int32_t month = (int32_t)(total - year * 12) + 1;
    int32_t length = month_length((int64_t)year, month);
    *out = days_from_civil((int64_t)year, month, date.day < length ? date.day : length);
    return true;
}

/* --- parts --- */

struct temporal_parts
temporal_split(struct value value)
{
    struct temporal_parts parts = {0};
    int64_t local = value.integer;
    uint32_t nanoseconds = value.size;
    switch ((uint32_t)value.type) {
    case VALUE_DATE:
        parts.has_date = true;
        parts.days = value.integer;
        return parts;
    case VALUE_TIME:
    case VALUE_LOCAL_TIME:
        parts.has_time = true;
        parts.has_zone = value.type == VALUE_TIME;
        parts.nanoseconds = value.integer;
        parts.offset_seconds = parts.has_zone ? value.offset : 0;
        return parts;
    case VALUE_DATE_TIME:
        parts.has_zone = true;
        parts.offset_seconds = value.date_time->offset_seconds;
        parts.zone = value.date_time->zone;
        local = value.date_time->seconds + parts.offset_seconds;
        nanoseconds = value.date_time->nanoseconds;
        break;
    default:
        assert(value.type == VALUE_LOCAL_DATE_TIME);
        break;
    }
    parts.has_date = parts.has_time = true;
    parts.days = floor_divide(local, SECONDS_PER_DAY);
    parts.nanoseconds = (local - parts.days * SECONDS_PER_DAY) * NANOSECONDS_PER_SECOND +
                        nanoseconds;
    return parts;
}

static err_t
fail(struct text *reason, struct text words)
{
    *reason = words;
    return ERR(ARGUMENT);
}

static err_t
join_date_time(
    struct arena *arena,
    struct zone_source *zones,
    const struct temporal_parts *parts,
    struct value *out,
    struct text *reason)
{
    int64_t local = parts->days * SECONDS_PER_DAY + parts->nanoseconds / NANOSECONDS_PER_SECOND;
    int32_t offset = parts->offset_seconds;
    if (parts->zone.size) {
        err_t err = zone_offset_local(zones, parts->zone, local, parts->offset_seconds, &offset);
        int64_t instant = local - offset;
        /* An hour that the clock skips: the instant is right, the offset is the one in force then. */
        if (!err)
            err = zone_offset_at(zones, parts->zone, instant, &offset);
        if (err)
            return fail(
                reason, TEXT("unknown time zone: use an offset such as '+01:00', or 'Z', or the "
                             "name of a zone this server knows"));
        local = instant + offset;
    }
    struct value_date_time *time = arena_zeroed(arena, sizeof(*time));
    struct text zone = parts->zone.size ? arena_text(arena, parts->zone) : (struct text){NULL, 0};
    if (!time || (parts->zone.size && !zone.data))
        return ERR(MEMORY_QUERY);
    *time = (struct value_date_time){
        local - offset, (uint32_t)(parts->nanoseconds % NANOSECONDS_PER_SECOND), offset, zone};
    *out = (struct value){.type = VALUE_DATE_TIME};
    out->date_time = time;
    return 0;
}

err_t
temporal_join(
    struct arena *arena,
    struct zone_source *zones,
    enum value_type type,
    const struct temporal_parts *parts,
    struct value *out,
    struct text *reason)
{
    if (!days_are_valid(parts->days))
        return fail(reason, TEXT("the year is out of range"));
    assert(parts->nanoseconds >= 0 && parts->nanoseconds < NANOSECONDS_PER_DAY);
    *out = (struct value){.type = (uint8_t)type};
    switch ((uint32_t)type) {
    case VALUE_DATE:
        out->integer = parts->days;
        return 0;
    case VALUE_LOCAL_TIME:
        out->integer = parts->nanoseconds;
        return 0;
    case VALUE_TIME:
        out->integer = parts->nanoseconds;
        out->offset = parts->offset_seconds;
        return 0;
    case VALUE_LOCAL_DATE_TIME:
        out->integer = parts->days * SECONDS_PER_DAY + parts->nanoseconds / NANOSECONDS_PER_SECOND;
        out->size = (uint32_t)(parts->nanoseconds % NANOSECONDS_PER_SECOND);
        return 0;
    default:
        assert(type == VALUE_DATE_TIME);
        return join_date_time(arena, zones, parts, out, reason);
    }
}

static bool
seconds_are_valid(int64_t seconds)
{
    return days_are_valid(floor_divide(seconds, SECONDS_PER_DAY));
}

bool
temporal_is_valid(struct value value)
{
    const int32_t offset_max = 26 * 3600;
    switch ((uint32_t)value.type) {
    case VALUE_DATE:
        return days_are_valid(value.integer);
    case VALUE_LOCAL_TIME:
    case VALUE_TIME:
        return value.integer >= 0 && value.integer < NANOSECONDS_PER_DAY &&
               (value.type == VALUE_LOCAL_TIME ||
                (value.offset >= -offset_max && value.offset <= offset_max));
    case VALUE_LOCAL_DATE_TIME:
        return seconds_are_valid(value.integer) && value.size < NANOSECONDS_PER_SECOND;
    case VALUE_DATE_TIME:
        return value.date_time->offset_seconds >= -offset_max &&
               value.date_time->offset_seconds <= offset_max &&
               value.date_time->nanoseconds < NANOSECONDS_PER_SECOND &&
               value.date_time->seconds < INT64_MAX / 2 &&
               value.date_time->seconds > INT64_MIN / 2 &&
               seconds_are_valid(value.date_time->seconds + value.date_time->offset_seconds);
    case VALUE_DURATION:
        return value.duration->nanoseconds >= 0 &&
               value.duration->nanoseconds < NANOSECONDS_PER_SECOND;
    default:
        return true;
    }
}

/* --- text --- */

static void
print_date(struct builder *builder, int64_t days)
{
    struct civil_date date = civil_from_days(days);
    const char *sign = date.year < 0 ? "-" : date.year > 9999 ? "+" : "";
    long long year = date.year < 0 ? -date.year : date.year;
    builder_printf(builder, "%s%04lld-%02d-%02d", sign, year, date.month, date.day);
}

static void
print_time(struct builder *builder, int64_t nanoseconds)
{
    int64_t seconds = nanoseconds / NANOSECONDS_PER_SECOND;
    int32_t rest = (int32_t)(nanoseconds % NANOSECONDS_PER_SECOND);
    builder_printf(builder, "%02d:%02d", (int)(seconds / 3600), (int)(seconds / 60 % 60));
    if (seconds % 60 == 0 && rest == 0)
        return;
    builder_printf(builder, ":%02d", (int)(seconds % 60));
    if (!rest)
        return;
    int digits = 9;
    for (; rest % 10 == 0; rest /= 10)
        digits--;
    builder_printf(builder, ".%0*d", digits, rest);
}

void
temporal_print_offset(struct builder *builder, int32_t offset_seconds)
{
    if (offset_seconds == 0) {
        builder_char(builder, 'Z');
        return;
    }
    int32_t size = offset_seconds < 0 ? -offset_seconds : offset_seconds;
    builder_printf(
        builder, "%c%02d:%02d", offset_seconds < 0 ? '-' : '+', size / 3600, size / 60 % 60);
    if (size % 60)
        builder_printf(builder, ":%02d", size % 60);
}

void
temporal_print(struct builder *builder, struct value value)
{
    if (value.type == VALUE_DURATION) {
        duration_print(builder, value.duration);
        return;
    }
    struct temporal_parts parts = temporal_split(value);
    if (parts.has_date)
        print_date(builder, parts.days);
    if (parts.has_date && parts.has_time)
        builder_char(builder, 'T');
    if (parts.has_time)
        print_time(builder, parts.nanoseconds);
    if (parts.has_zone)
        temporal_print_offset(builder, parts.offset_seconds);
    if (parts.zone.size) {
        builder_char(builder, '[');
        builder_add(builder, parts.zone);
        builder_char(builder, ']');
    }
}

/* --- components --- */

static bool
date_component(int64_t days, struct text name, int64_t *out)
{
    struct civil_date date = civil_from_days(days);
    int64_t week_year;
    int32_t week, quarter = (date.month - 1) / 3 + 1;
    week_of(days, &week_year, &week);
    const struct {
        struct text name;
        int64_t value;
    } components[] = {
        {TEXT("year"), date.year},
        {TEXT("quarter"), quarter},
        {TEXT("month"), date.month},
        {TEXT("week"), week},
        {TEXT("weekYear"), week_year},
        {TEXT("day"), date.day},
        {TEXT("ordinalDay"), days - days_from_civil(date.year, 1, 1) + 1},
        {TEXT("weekDay"), weekday_of(days)},
        {TEXT("dayOfWeek"), weekday_of(days)},
        {TEXT("dayOfQuarter"), days - days_from_civil(date.year, quarter * 3 - 2, 1) + 1},
    };
    for (size_t i = 0; i < sizeof(components) / sizeof(components[0]); i++) {
        if (text_equal(components[i].name, name)) {
            *out = components[i].value;
            return true;
        }
    }
    return false;
}

static bool
time_component(int64_t nanoseconds, struct text name, int64_t *out)
{
    int64_t seconds = nanoseconds / NANOSECONDS_PER_SECOND,
            rest = nanoseconds % NANOSECONDS_PER_SECOND;
    const struct {
        struct text name;
        int64_t value;
    } components[] = {
        {TEXT("hour"), seconds / 3600},     {TEXT("minute"), seconds / 60 % 60},
        {TEXT("second"), seconds % 60},     {TEXT("millisecond"), rest / 1000000},
        {TEXT("microsecond"), rest / 1000}, {TEXT("nanosecond"), rest},
    };
    for (size_t i = 0; i < sizeof(components) / sizeof(components[0]); i++) {
        if (text_equal(components[i].name, name)) {
            *out = components[i].value;
            return true;
        }
    }
    return false;
}

static bool
zone_component(
    struct arena *arena, const struct temporal_parts *parts, struct text name, struct value *out)
{
    bool is_zone = text_equal(name, TEXT("timezone"));
    if (text_equal(name, TEXT("offsetMinutes"))) {
        *out = value_integer(parts->offset_seconds / 60);
    } else if (text_equal(name, TEXT("offsetSeconds"))) {
        *out = value_integer(parts->offset_seconds);
    } else if (is_zone && parts->zone.size) {
        *out = value_string(parts->zone);
    } else if (is_zone || text_equal(name, TEXT("offset"))) {
        struct builder builder = builder_start(arena);
        temporal_print_offset(&builder, parts->offset_seconds);
        *out = value_string(builder_text(&builder));
    } else {
        return false;
    }
    return true;
}

bool
temporal_component(struct arena *arena, struct value value, struct text name, struct value *out)
{
    if (value.type == VALUE_DURATION)
        return duration_component(value.duration, name, out);
    struct temporal_parts parts = temporal_split(value);
    int64_t number = 0;
    bool found = (parts.has_date && date_component(parts.days, name, &number)) ||
                 (parts.has_time && time_component(parts.nanoseconds, name, &number));
    if (value.type == VALUE_DATE_TIME && !found) {
        const struct value_date_time *time = value.date_time;
        found = text_equal(name, TEXT("epochSeconds")) || text_equal(name, TEXT("epochMillis"));
        number = text_equal(name, TEXT("epochMillis"))
                     ? time->seconds * 1000 + time->nanoseconds / 1000000
                     : time->seconds;
    }
    *out = value_integer(number);
    return found || (parts.has_zone && zone_component(arena, &parts, name, out));
}

/* --- conversion, clocks --- */

err_t
temporal_convert(
    struct arena *arena,
    struct zone_source *zones,
    enum value_type type,
    struct value from,
    struct value *out,
    struct text *reason)
{
    struct temporal_parts parts = temporal_split(from);
    bool wants_date = type == VALUE_DATE || type == VALUE_LOCAL_DATE_TIME ||
                      type == VALUE_DATE_TIME;
    bool wants_time = type == VALUE_TIME || type == VALUE_LOCAL_TIME;
    if (wants_date && !parts.has_date)
        return fail(reason, TEXT("a time has no date"));
    if (wants_time && !parts.has_time)
        return fail(reason, TEXT("a date has no time"));
    return temporal_join(arena, zones, type, &parts, out, reason);
}

err_t
temporal_from_clock(
    struct arena *arena,
    struct zone_source *zones,
    enum value_type type,
    uint64_t wall_ns,
    struct text zone,
    struct value *out,
    struct text *reason)
{
    struct temporal_parts parts = {.has_date = true, .has_time = true, .has_zone = true};
    int64_t instant = (int64_t)(wall_ns / (uint64_t)NANOSECONDS_PER_SECOND);
    if (zone.size) {
        err_t err = temporal_parse_zone(zone, &parts.offset_seconds, &parts.zone, reason);
        if (!err && parts.zone.size &&
            zone_offset_at(zones, parts.zone, instant, &parts.offset_seconds))
            err = fail(
                reason, TEXT("unknown time zone: use an offset such as '+01:00', or 'Z', or the "
                             "name of a zone this server knows"));
        if (err)
            return err;
    }
    int64_t local = instant + parts.offset_seconds;
    parts.days = floor_divide(local, SECONDS_PER_DAY);
    parts.nanoseconds = (local - parts.days * SECONDS_PER_DAY) * NANOSECONDS_PER_SECOND +
                        (int64_t)(wall_ns % (uint64_t)NANOSECONDS_PER_SECOND);
    return temporal_join(arena, zones, type, &parts, out, reason);
}

/* --- truncation --- */

static bool
truncate_date(struct text unit, struct temporal_parts *parts)
{
    struct civil_date date = civil_from_days(parts->days);
    int64_t week_year;
    int32_t week;
    week_of(parts->days, &week_year, &week);
    if (text_equal_fold(unit, TEXT("millennium")))
        parts->days = days_from_civil(floor_divide(date.year, 1000) * 1000, 1, 1);
    else if (text_equal_fold(unit, TEXT("century")))
        parts->days = days_from_civil(floor_divide(date.year, 100) * 100, 1, 1);
    else if (text_equal_fold(unit, TEXT("decade")))
        parts->days = days_from_civil(floor_divide(date.year, 10) * 10, 1, 1);
    else if (text_equal_fold(unit, TEXT("year")))
        parts->days = days_from_civil(date.year, 1, 1);
    else if (text_equal_fold(unit, TEXT("weekYear")))
        parts->days -= weekday_of(parts->days) - 1 + (week - 1) * 7;
    else if (text_equal_fold(unit, TEXT("quarter")))
        parts->days = days_from_civil(date.year, (date.month - 1) / 3 * 3 + 1, 1);
    else if (text_equal_fold(unit, TEXT("month")))
        parts->days = days_from_civil(date.year, date.month, 1);
    else if (text_equal_fold(unit, TEXT("week")))
        parts->days -= weekday_of(parts->days) - 1;
    else
        return text_equal_fold(unit, TEXT("day"));
    return true;
}

/* The length in nanoseconds of a unit of the clock; 0 when it is none. */
static int64_t
clock_unit(struct text unit)
{
    static const struct {
        struct text name;
        int64_t nanoseconds;
    } units[] = {
        {{"day", 3}, NANOSECONDS_PER_DAY},
        {{"hour", 4}, 3600 * NANOSECONDS_PER_SECOND},
        {{"minute", 6}, 60 * NANOSECONDS_PER_SECOND},
        {{"second", 6}, NANOSECONDS_PER_SECOND},
        {{"millisecond", 11}, 1000000},
        {{"microsecond", 11}, 1000},
    };
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (text_equal_fold(unit, units[i].name))
            return units[i].nanoseconds;
    return 0;
}

err_t
temporal_truncate(
    struct arena *arena,
    struct zone_source *zones,
    enum value_type type,
    struct text unit,
    struct value value,
    struct value map,
    struct value *out,
    struct text *reason)
{
    if (!value_is_instant(value)) {
        *reason = TEXT("only a date or time can be truncated");
        return ERR(TYPE);
    }
    struct temporal_parts parts = temporal_split(value);
    bool wants_date = type == VALUE_DATE || type == VALUE_LOCAL_DATE_TIME ||
                      type == VALUE_DATE_TIME;
    int64_t length = clock_unit(unit);
    if (wants_date && !parts.has_date)
        return fail(reason, TEXT("a time has no date"));
    if (!wants_date && !parts.has_time && length != NANOSECONDS_PER_DAY)
        return fail(reason, TEXT("a date has no time"));
    if (length && (length == NANOSECONDS_PER_DAY || type != VALUE_DATE)) {
        if (!parts.has_time && length != NANOSECONDS_PER_DAY)
            return fail(reason, TEXT("a date has no unit below the day"));
        parts.nanoseconds -= parts.nanoseconds % length;
    } else if (wants_date && truncate_date(unit, &parts)) {
        parts.nanoseconds = 0;
    } else {
        return fail(reason, TEXT("unknown unit for truncation"));
    }
    parts.has_time = true;
    if (map.type == VALUE_NULL)
        return temporal_join(arena, zones, type, &parts, out, reason);
    /* A zone given here names what the truncated wall clock means; it does not move it. */
    if (map.type == VALUE_MAP && value_map_lookup(map.map, map.size, TEXT("timezone")))
        parts.has_zone = false;
    return temporal_from_map(arena, zones, type, map, &parts, out, reason);
}

/* --- arithmetic --- */

/* Moves the clock by nanoseconds, carrying whole days. */
static bool
parts_add_nanoseconds(struct temporal_parts *parts, __int128 nanoseconds)
{
    __int128 total = (__int128)parts->days * NANOSECONDS_PER_DAY + parts->nanoseconds + nanoseconds;
    __int128 days = total / NANOSECONDS_PER_DAY - (total % NANOSECONDS_PER_DAY < 0);
    if (days > INT64_MAX / 2 || days < INT64_MIN / 2)
        return false;
    parts->days = (int64_t)days;
    parts->nanoseconds = (int64_t)(total - days * NANOSECONDS_PER_DAY);
    return days_are_valid(parts->days);
}

static bool
parts_add_date(struct temporal_parts *parts, __int128 months, __int128 days)
{
    if (!days_add_months(parts->days, months, &parts->days))
        return false;
    days += parts->days;
    parts->days = (int64_t)days;
    return days <= INT64_MAX && days >= INT64_MIN && days_are_valid(parts->days);
}

/* Months and days move the wall clock; hours and less move the instant. */
static err_t
add_to_date_time(
    struct arena *arena,
    struct zone_source *zones,
    struct temporal_parts parts,
    __int128 nanoseconds,
    struct value *out)
{
    struct text reason;
    err_t err = join_date_time(arena, zones, &parts, out, &reason);
    if (err || nanoseconds == 0)
        return err;
    struct temporal_parts moved = temporal_split(*out);
    int32_t offset = moved.offset_seconds;
    /* In UTC, where no clock jumps. */
    __int128 to_utc = (__int128)offset * NANOSECONDS_PER_SECOND;
    if (!parts_add_nanoseconds(&moved, nanoseconds - to_utc))
        return ERR(ARITHMETIC);
    int64_t instant = moved.days * SECONDS_PER_DAY + moved.nanoseconds / NANOSECONDS_PER_SECOND;
    if (moved.zone.size)
        err = zone_offset_at(zones, moved.zone, instant, &offset);
    if (err)
        return ERR(ARGUMENT);
    moved.offset_seconds = offset;
    if (!parts_add_nanoseconds(&moved, (__int128)offset * NANOSECONDS_PER_SECOND))
        return ERR(ARITHMETIC);
    return join_date_time(arena, zones, &moved, out, &reason);
}

err_t
temporal_add(
    struct arena *arena,
    struct zone_source *zones,
    struct value instant,
    const struct value_duration *duration,
    int sign,
    struct value *out)
{
    assert(sign == 1 || sign == -1);
    struct temporal_parts parts = temporal_split(instant);
    struct text reason;
    __int128 nanoseconds =
        ((__int128)duration->seconds * NANOSECONDS_PER_SECOND + duration->nanoseconds) * sign;
    if (parts.has_date &&
        !parts_add_date(&parts, (__int128)duration->months * sign, (__int128)duration->days * sign))
        return ERR(ARITHMETIC);
    switch ((uint32_t)instant.type) {
    case VALUE_DATE:
        /* A date takes whole days only; what is less is dropped. */
        if (!parts_add_date(&parts, 0, nanoseconds / NANOSECONDS_PER_DAY))
            return ERR(ARITHMETIC);
        break;
    case VALUE_TIME:
    case VALUE_LOCAL_TIME:
        parts.days = 0;
        (void)parts_add_nanoseconds(&parts, nanoseconds % NANOSECONDS_PER_DAY);
        parts.days = 0;
        break;
    case VALUE_DATE_TIME:
        return add_to_date_time(arena, zones, parts, nanoseconds, out);
    default:
        if (!parts_add_nanoseconds(&parts, nanoseconds))
            return ERR(ARITHMETIC);
        break;
    }
    return temporal_join(arena, zones, (enum value_type)instant.type, &parts, out, &reason);
}
