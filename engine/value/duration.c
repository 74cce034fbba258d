/* Durations: three numbers that do not convert into each other (months, days, seconds) and nanoseconds.
 *
 * Fractions trickle down: what is left of a month becomes days of an average month (30.436875), what is
 * left of a day becomes seconds. Nothing ever trickles up: 24 hours are not a day.
 *
 * Invariant: 0 <= nanoseconds < 10^9; a negative half second is seconds -1, nanoseconds 500,000,000. */
#include <math.h>

#include "engine/value/temporal.h"
#include "engine/value/value_ops.h"

static bool
fits_integer(__int128 number)
{
    return number >= INT64_MIN && number <= INT64_MAX;
}

err_t
duration_make(
    struct arena *arena,
    __int128 months,
    __int128 days,
    __int128 seconds,
    __int128 nanoseconds,
    struct value *out)
{
    __int128 carry = nanoseconds / NANOSECONDS_PER_SECOND -
                     (nanoseconds % NANOSECONDS_PER_SECOND < 0);
    seconds += carry;
    nanoseconds -= carry * NANOSECONDS_PER_SECOND;
    if (!fits_integer(months) || !fits_integer(days) || !fits_integer(seconds))
        return ERR(ARITHMETIC);
    struct value_duration *duration = arena_zeroed(arena, sizeof(*duration));
    if (!duration)
        return ERR(MEMORY_QUERY);
    *duration = (struct value_duration){
        (int64_t)months, (int64_t)days, (int64_t)seconds, (int64_t)nanoseconds};
    *out = (struct value){.type = VALUE_DURATION};
    out->duration = duration;
    return 0;
}

static bool
fits_real(long double number)
{
    const long double limit = 4611686018427387904.0L; /* 2^62 */
    return number > -limit && number < limit;
}

/* The arithmetic is done in long double, whose 64 bits hold every nanosecond of any plausible duration.
 * A tenth of a nanosecond is added before cutting, since decimal fractions are not exact in binary. */
static err_t
make_real(
    struct arena *arena,
    long double months,
    long double days,
    long double seconds,
    long double nanoseconds,
    struct value *out)
{
    if (!fits_real(months) || !fits_real(days) || !fits_real(seconds) || !fits_real(nanoseconds))
        return ERR(ARITHMETIC);
    long double whole_months = truncl(months);
    days += (months - whole_months) * ((long double)SECONDS_PER_MONTH_AVERAGE / SECONDS_PER_DAY);
    long double whole_days = truncl(days);
    seconds += (days - whole_days) * SECONDS_PER_DAY;
    if (!fits_real(days) || !fits_real(seconds))
        return ERR(ARITHMETIC);
    long double whole_seconds = truncl(seconds);
    nanoseconds += (seconds - whole_seconds) * NANOSECONDS_PER_SECOND;
    nanoseconds = truncl(nanoseconds + (nanoseconds < 0 ? -0.1L : 0.1L));
    return duration_make(
        arena, (__int128)whole_months, (__int128)whole_days, (__int128)whole_seconds,
        (__int128)nanoseconds, out);
}

err_t
duration_make_real(
    struct arena *arena,
    double months,
    double days,
    double seconds,
    double nanoseconds,
    struct value *out)
{
    return make_real(arena, months, days, seconds, nanoseconds, out);
}

/* --- maps and text --- */

enum duration_part { PART_MONTHS, PART_DAYS, PART_SECONDS, PART_NANOSECONDS, PART_COUNT };

static const struct {
    struct text name;
    enum duration_part part;
    double factor;
} duration_fields[] = {
    {{"years", 5}, PART_MONTHS, 12},
    {{"quarters", 8}, PART_MONTHS, 3},
    {{"months", 6}, PART_MONTHS, 1},
    {{"weeks", 5}, PART_DAYS, 7},
    {{"days", 4}, PART_DAYS, 1},
    {{"hours", 5}, PART_SECONDS, 3600},
    {{"minutes", 7}, PART_SECONDS, 60},
    {{"seconds", 7}, PART_SECONDS, 1},
    {{"milliseconds", 12}, PART_NANOSECONDS, 1000000},
    {{"microseconds", 12}, PART_NANOSECONDS, 1000},
    {{"nanoseconds", 11}, PART_NANOSECONDS, 1},
};

/* Whole numbers and fractions are summed apart, so that whole ones stay exact. */
struct duration_sum {
    __int128 whole[PART_COUNT];
    long double fraction[PART_COUNT];
};

static err_t
sum_finish(struct arena *arena, const struct duration_sum *sum, struct value *out)
{
    struct value rest = {0};
    err_t err = make_real(
        arena, sum->fraction[PART_MONTHS], sum->fraction[PART_DAYS], sum->fraction[PART_SECONDS],
        sum->fraction[PART_NANOSECONDS], &rest);
    if (err)
        return err;
    assert(rest.type == VALUE_DURATION);
    const struct value_duration *part = rest.duration;
    return duration_make(
        arena, sum->whole[PART_MONTHS] + part->months, sum->whole[PART_DAYS] + part->days,
        sum->whole[PART_SECONDS] + part->seconds, sum->whole[PART_NANOSECONDS] + part->nanoseconds,
        out);
}

err_t
duration_from_map(struct arena *arena, struct value map, struct value *out, struct text *reason)
{
    struct duration_sum sum = {0};
    enum { FIELD_COUNT = sizeof(duration_fields) / sizeof(duration_fields[0]) };
    for (uint32_t i = 0; i < map.size; i++) {
        struct value value = map.map[i].value;
        uint32_t field = 0;
        while (field < FIELD_COUNT && !text_equal_fold(duration_fields[field].name, map.map[i].key))
            field++;
        if (field == FIELD_COUNT) {
            *reason = arena_printf(
                arena, "a duration has no field `%.*s`", TEXT_ARGS(map.map[i].key));
            return reason->data ? ERR(ARGUMENT) : ERR(MEMORY_QUERY);
        }
        enum duration_part part = duration_fields[field].part;
        if (value.type == VALUE_INTEGER) {
            sum.whole[part] += (__int128)value.integer * (int64_t)duration_fields[field].factor;
        } else if (value.type == VALUE_FLOAT) {
            sum.fraction[part] += (long double)value.real *
                                  (long double)duration_fields[field].factor;
        } else {
            *reason = arena_printf(arena, "`%.*s` must be a number", TEXT_ARGS(map.map[i].key));
            return reason->data ? ERR(TYPE) : ERR(MEMORY_QUERY);
        }
    }
    return sum_finish(arena, &sum, out);
}

struct scanner {
    const char *at, *end;
};

static bool
scan_char(struct scanner *scanner, char character)
{
    if (scanner->at == scanner->end || (*scanner->at & ~0x20) != (character & ~0x20))
        return false;
    scanner->at++;
    return true;
}

/* [-]digits[.digits]; the fraction as a number below one and, when it has at most nine digits, exactly in
 * billionths. */
struct decimal {
    int64_t whole;
    long double fraction;
    int64_t billionths; /* -1: too many digits */
    bool negative;
};

static bool
scan_decimal(struct scanner *scanner, struct decimal *out)
{
    *out = (struct decimal){0};
    if (scanner->at < scanner->end && (*scanner->at == '-' || *scanner->at == '+'))
        out->negative = *scanner->at++ == '-';
    uint32_t digits = 0;
    for (; scanner->at < scanner->end && *scanner->at >= '0' && *scanner->at <= '9'; digits++)
        if (__builtin_mul_overflow(out->whole, 10, &out->whole) ||
            __builtin_add_overflow(out->whole, *scanner->at++ - '0', &out->whole))
            return false;
    if (scanner->at == scanner->end || (*scanner->at != '.' && *scanner->at != ','))
        return digits > 0;
    scanner->at++;
    int64_t scale = 1000000000;
    long double place = 0.1L;
    uint32_t fraction_digits = 0;
    for (; scanner->at < scanner->end && *scanner->at >= '0' && *scanner->at <= '9';
         fraction_digits++) {
        int digit = *scanner->at++ - '0';
        out->fraction += digit * place;
        place /= 10;
        scale /= 10;
        out->billionths = scale && out->billionths >= 0 ? out->billionths + digit * scale : -1;
    }
    return digits > 0 && fraction_digits > 0;
}

static void
sum_add(
    struct duration_sum *sum,
    const struct decimal *decimal,
    enum duration_part part,
    int64_t factor)
{
    int64_t sign = decimal->negative ? -1 : 1;
    sum->whole[part] += (__int128)decimal->whole * factor * sign;
    if (part == PART_SECONDS && decimal->billionths >= 0)
        sum->whole[PART_NANOSECONDS] += (__int128)decimal->billionths * factor * sign;
    else
        sum->fraction[part] += decimal->fraction * factor * sign;
}

/* P12Y5M14DT16H12M70S, each unit at most once and in this order. */
static bool
scan_units(struct scanner *scanner, struct duration_sum *sum, int sign)
{
    static const struct {
        char letter;
        bool time;
        enum duration_part part;
        int64_t factor;
    } units[] = {
        {'Y', false, PART_MONTHS, 12},   {'M', false, PART_MONTHS, 1},
        {'W', false, PART_DAYS, 7},      {'D', false, PART_DAYS, 1},
        {'H', true, PART_SECONDS, 3600}, {'M', true, PART_SECONDS, 60},
        {'S', true, PART_SECONDS, 1},
    };
    enum { UNIT_COUNT = sizeof(units) / sizeof(units[0]) };
    bool time = false, any = false;
    uint32_t next = 0;
    while (scanner->at < scanner->end) {
        if (!time && scan_char(scanner, 'T')) {
            time = true;
            any = false;
            continue;
        }
        struct decimal decimal;
        if (!scan_decimal(scanner, &decimal))
            return false;
        while (next < UNIT_COUNT &&
               (units[next].time != time || !scan_char(scanner, units[next].letter)))
            next++;
        if (next == UNIT_COUNT)
            return false;
        decimal.negative ^= sign < 0;
        sum_add(sum, &decimal, units[next].part, units[next].factor);
        next++;
        any = true;
    }
    return any;
}

/* P2012-02-02T14:37:21.545: the parts of a date and a time as lengths. */
static bool
scan_date_form(struct arena *arena, struct text text, struct duration_sum *sum)
{
    struct text reason;
    const char *split = memchr(text.data, 'T', text.size);
    size_t date_size = split ? (size_t)(split - text.data) : text.size;
    struct decimal numbers[3];
    struct scanner scanner = {text.data, text.data + date_size};
    for (int i = 0; i < 3; i++) {
        if (!scan_decimal(&scanner, &numbers[i]) || numbers[i].negative)
            return false;
        if (i < 2 && (scanner.at == scanner.end || *scanner.at++ != '-'))
            return false;
    }
    if (scanner.at != scanner.end || numbers[1].whole > 12 || numbers[2].whole > 31)
        return false;
    sum->whole[PART_MONTHS] = (__int128)numbers[0].whole * 12 + numbers[1].whole;
    sum->whole[PART_DAYS] = numbers[2].whole;
    if (!split)
        return true;
    struct value time;
    struct text rest = {split + 1, text.size - date_size - 1};
    if (temporal_parse(arena, NULL, VALUE_LOCAL_TIME, rest, &time, &reason))
        return false;
    sum->whole[PART_NANOSECONDS] = time.integer;
    return true;
}

err_t
duration_parse(struct arena *arena, struct text text, struct value *out, struct text *reason)
{
    struct scanner scanner = {text.data, text.data + text.size};
    struct duration_sum sum = {0};
    int sign = scan_char(&scanner, '-') ? -1 : 1;
    bool good = scan_char(&scanner, 'P');
    struct text rest = {scanner.at, (size_t)(scanner.end - scanner.at)};
    bool has_units = false;
    for (size_t i = 0; i < rest.size; i++)
        has_units |= (rest.data[i] >= 'A' && rest.data[i] <= 'Z' && rest.data[i] != 'T') ||
                     (rest.data[i] >= 'a' && rest.data[i] <= 'z');
    if (good)
        good = has_units ? scan_units(&scanner, &sum, sign)
                         : sign > 0 && scan_date_form(arena, rest, &sum);
    if (good)
        return sum_finish(arena, &sum, out);
    *reason = TEXT("the text is not a duration such as 'P1Y2M10DT2H30M'");
    return ERR(ARGUMENT);
}

void
duration_print(struct builder *builder, const struct value_duration *duration)
{
    __int128 total = (__int128)duration->seconds * NANOSECONDS_PER_SECOND + duration->nanoseconds;
    long long seconds = (long long)(total / NANOSECONDS_PER_SECOND);
    int rest = (int)(total % NANOSECONDS_PER_SECOND);
    const struct {
        long long count;
        char letter;
    } parts[] = {
        {duration->months / 12, 'Y'}, {duration->months % 12, 'M'}, {duration->days, 'D'},
        {seconds / 3600, 'H'},        {seconds / 60 % 60, 'M'},
    };
    size_t start = builder->size;
    builder_char(builder, 'P');
    for (int i = 0; i < 5; i++) {
        if (i == 3 && total != 0)
            builder_char(builder, 'T');
        if (parts[i].count)
            builder_printf(builder, "%lld%c", parts[i].count, parts[i].letter);
    }
    if (seconds % 60 || rest) {
        builder_printf(builder, "%s%lld", total < 0 && seconds % 60 == 0 ? "-" : "", seconds % 60);
        int digits = 9, fraction = rest < 0 ? -rest : rest;
        for (; fraction && fraction % 10 == 0; fraction /= 10)
            digits--;
        if (fraction)
            builder_printf(builder, ".%0*d", digits, fraction);
        builder_char(builder, 'S');
    }
    if (builder->size == start + 1)
        builder_add(builder, TEXT("T0S"));
}

/* --- components --- */

bool
duration_component(const struct value_duration *duration, struct text name, struct value *out)
{
    int64_t months = duration->months, days = duration->days, seconds = duration->seconds;
    int64_t rest = duration->nanoseconds;
    /* Wholes of seconds and below count the fraction in; they may not fit, then the answer is the lowest
     * 64 bits, as it is for every system that has these components. */
    const uint64_t whole = (uint64_t)seconds;
    const struct {
        struct text name;
        int64_t value;
    } components[] = {
        {TEXT("years"), months / 12},
        {TEXT("quarters"), months / 3},
        {TEXT("months"), months},
        {TEXT("weeks"), days / 7},
        {TEXT("days"), days},
        {TEXT("hours"), seconds / 3600},
        {TEXT("minutes"), seconds / 60},
        {TEXT("seconds"), seconds},
        {TEXT("milliseconds"), (int64_t)(whole * 1000 + (uint64_t)(rest / 1000000))},
        {TEXT("microseconds"), (int64_t)(whole * 1000000 + (uint64_t)(rest / 1000))},
        {TEXT("nanoseconds"), (int64_t)(whole * 1000000000 + (uint64_t)rest)},
        {TEXT("quartersOfYear"), months / 3 % 4},
        {TEXT("monthsOfYear"), months % 12},
        {TEXT("monthsOfQuarter"), months % 3},
        {TEXT("daysOfWeek"), days % 7},
        {TEXT("minutesOfHour"), seconds / 60 % 60},
        {TEXT("secondsOfMinute"), seconds % 60},
        {TEXT("millisecondsOfSecond"), rest / 1000000},
        {TEXT("microsecondsOfSecond"), rest / 1000},
        {TEXT("nanosecondsOfSecond"), rest},
    };
    for (size_t i = 0; i < sizeof(components) / sizeof(components[0]); i++) {
        if (text_equal(components[i].name, name)) {
            *out = value_integer(components[i].value);
            return true;
        }
    }
    return false;
}

/* --- arithmetic --- */

err_t
duration_add(
    struct arena *arena,
    const struct value_duration *a,
    const struct value_duration *b,
    int sign,
    struct value *out)
{
    assert(sign == 1 || sign == -1);
    return duration_make(
        arena, (__int128)a->months + (__int128)b->months * sign,
        (__int128)a->days + (__int128)b->days * sign,
        (__int128)a->seconds + (__int128)b->seconds * sign,
        (__int128)a->nanoseconds + (__int128)b->nanoseconds * sign, out);
}

err_t
duration_scale(
    struct arena *arena,
    const struct value_duration *duration,
    struct value factor,
    bool divide,
    struct value *out)
{
    assert(value_is_number(factor));
    if (factor.type == VALUE_INTEGER && !divide) {
        __int128 by = factor.integer;
        return duration_make(
            arena, duration->months * by, duration->days * by, duration->seconds * by,
            duration->nanoseconds * by, out);
    }
    if (divide && factor.type == VALUE_INTEGER && factor.integer == 0)
        return ERR(DIVISION_BY_ZERO);
    long double by = factor.type == VALUE_INTEGER ? (long double)factor.integer
                                                  : (long double)factor.real;
    if (divide)
        by = 1 / by;
    return make_real(
        arena, duration->months * by, duration->days * by, duration->seconds * by,
        duration->nanoseconds * by, out);
}

/* --- between --- */

/* Seconds since the epoch, given the zone of the parts. */
static err_t
parts_instant(
    struct arena *arena,
    struct zone_source *zones,
    const struct temporal_parts *parts,
    __int128 *nanoseconds,
    struct text *reason)
{
    struct value value;
    err_t err = temporal_join(arena, zones, VALUE_DATE_TIME, parts, &value, reason);
    if (!err)
        *nanoseconds = (__int128)value.date_time->seconds * NANOSECONDS_PER_SECOND +
                       value.date_time->nanoseconds;
    return err;
}

/* Puts both on one date and in one zone, where one of them lacks it. */
static err_t
align(
    struct arena *arena,
    struct zone_source *zones,
    struct temporal_parts *from,
    struct temporal_parts *to,
    struct text *reason)
{
    if (!from->has_date)
        from->days = to->days;
    if (!to->has_date)
        to->days = from->days;
    if (from->has_zone && to->has_zone) {
        /* The second on the wall clock of the first. */
        __int128 instant;
        err_t err = parts_instant(arena, zones, to, &instant, reason);
        if (err)
            return err;
        int64_t seconds =
            (int64_t)(instant / NANOSECONDS_PER_SECOND - (instant % NANOSECONDS_PER_SECOND < 0));
        struct value_date_time time = {
            .seconds = seconds,
            .nanoseconds = (uint32_t)(instant - (__int128)seconds * NANOSECONDS_PER_SECOND),
            .offset_seconds = from->offset_seconds,
            .zone = from->zone,
        };
        if (from->zone.size && zone_offset_at(zones, from->zone, seconds, &time.offset_seconds))
            return ERR(ARGUMENT);
        struct value value = {.type = VALUE_DATE_TIME};
        value.date_time = &time;
        *to = temporal_split(value);
    }
    struct temporal_parts *source = from->has_zone ? from : to,
                          *target = from->has_zone ? to : from;
    if (from->has_zone != to->has_zone) {
        target->has_zone = true;
        target->offset_seconds = source->offset_seconds;
        target->zone = source->zone;
    }
    return 0;
}

/* Whole months between two wall clocks, towards zero. */
static int64_t
months_between(const struct temporal_parts *from, const struct temporal_parts *to)
{
    struct civil_date a = civil_from_days(from->days), b = civil_from_days(to->days);
    int64_t months = (b.year - a.year) * 12 + b.month - a.month;
    bool earlier = b.day < a.day || (b.day == a.day && to->nanoseconds < from->nanoseconds);
    bool later = b.day > a.day || (b.day == a.day && to->nanoseconds > from->nanoseconds);
    if (months > 0 && earlier)
        months--;
    if (months < 0 && later)
        months++;
    return months;
}

err_t
duration_between(
    struct arena *arena,
    struct zone_source *zones,
    enum duration_unit unit,
    struct value from,
    struct value to,
    struct value *out,
    struct text *reason)
{
    *reason = (struct text){NULL, 0};
    struct temporal_parts a = temporal_split(from), b = temporal_split(to);
    bool has_date = a.has_date && b.has_date;
    err_t err = align(arena, zones, &a, &b, reason);
    if (err)
        return err;
    int64_t months = 0, days = 0;
    if (has_date && (unit == DURATION_BETWEEN || unit == DURATION_IN_MONTHS)) {
        months = months_between(&a, &b);
        if (!days_add_months(a.days, months, &a.days))
            return ERR(ARITHMETIC);
    }
    if (has_date && (unit == DURATION_BETWEEN || unit == DURATION_IN_DAYS)) {
        __int128 local = (__int128)(b.days - a.days) * NANOSECONDS_PER_DAY + b.nanoseconds -
                         a.nanoseconds;
        days = (int64_t)(local / NANOSECONDS_PER_DAY);
        a.days += days;
    }
    __int128 start = 0, end = 0;
    if (unit == DURATION_BETWEEN || unit == DURATION_IN_SECONDS) {
        err = parts_instant(arena, zones, &a, &start, reason);
        if (!err)
            err = parts_instant(arena, zones, &b, &end, reason);
    }
    return err ? err : duration_make(arena, months, days, 0, end - start, out);
}
