/* ISO 8601 text of instants.
 *
 *      date   2015-07-21  20150721  2015-07  201507  2015  2015-W30-2  2015W302  2015-W30  2015-202  2015202
 *             2015-Q3-02  2015-Q3   +12345-07-21
 *      time   21:40:32.142  214032.142  21:40  2140  21
 *      zone   Z  +01:00  +0100  +01  +01:00:30  [Europe/Stockholm]
 *
 * A date-time is date T time zone; date alone means midnight. */
#include "engine/value/temporal.h"

struct scanner {
    const char *at, *end;
};

static bool
scan_char(struct scanner *scanner, char character)
{
    if (scanner->at == scanner->end || *scanner->at != character)
        return false;
    scanner->at++;
    return true;
}

static bool
is_digit(char character)
{
    return character >= '0' && character <= '9';
}

/* How many digits come next. */
static uint32_t
digit_count(const struct scanner *scanner)
{
    uint32_t count = 0;
    while (scanner->at + count < scanner->end && is_digit(scanner->at[count]))
        count++;
    return count;
}

/* Exactly `count` digits. */
static bool
scan_digits(struct scanner *scanner, uint32_t count, int64_t *out)
{
    if (count > 9 || (size_t)(scanner->end - scanner->at) < count)
        return false;
    *out = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_digit(*scanner->at))
            return false;
        *out = *out * 10 + (*scanner->at++ - '0');
    }
    return true;
}

/* Fraction digits behind a point or comma, as nanoseconds. */
static bool
scan_fraction(struct scanner *scanner, int64_t *out)
{
    *out = 0;
    if (!scan_char(scanner, '.') && !scan_char(scanner, ','))
        return true;
    uint32_t count = digit_count(scanner);
    if (count == 0 || count > 9 || !scan_digits(scanner, count, out))
        return false;
    for (; count < 9; count++)
        *out *= 10;
    return true;
}

static bool
date_of_week(int64_t year, int64_t week, int64_t weekday, int64_t *days)
{
    int64_t week_year;
    int32_t found;
    int64_t fourth = days_from_civil(year, 1, 4);
    int64_t monday = fourth - weekday_of(fourth) + 1 + (week - 1) * 7;
    if (week < 1 || weekday < 1 || weekday > 7)
        return false;
    week_of(monday, &week_year, &found);
    *days = monday + weekday - 1;
    return week_year == year;
}

static bool
date_of_month(int64_t year, int64_t month, int64_t day, int64_t *days)
{
    if (month < 1 || month > 12 || day < 1 || day > month_length(year, (int32_t)month))
        return false;
    *days = days_from_civil(year, (int32_t)month, (int32_t)day);
    return true;
}

static bool
date_of_ordinal(int64_t year, int64_t day, int64_t *days)
{
    *days = days_from_civil(year, 1, 1) + day - 1;
    return day >= 1 && day <= 365 + year_is_leap(year);
}

static bool
date_of_quarter(int64_t year, int64_t quarter, int64_t day, int64_t *days)
{
    if (quarter < 1 || quarter > 4 || day < 1)
        return false;
    int64_t start = days_from_civil(year, (int32_t)quarter * 3 - 2, 1);
    int64_t next = quarter == 4 ? days_from_civil(year + 1, 1, 1)
                                : days_from_civil(year, (int32_t)quarter * 3 + 1, 1);
    *days = start + day - 1;
    return *days < next;
}

/* W30, W30-2, W302, and Q3, Q3-02, Q302 behind the year. */
static bool
scan_week_or_quarter(struct scanner *scanner, int64_t year, bool dashes, int64_t *days)
{
    int64_t unit, day = 1;
    bool is_week = *scanner->at++ == 'W';
    if (!scan_digits(scanner, is_week ? 2 : 1, &unit))
        return false;
    bool has_day = dashes ? scan_char(scanner, '-') : digit_count(scanner) > 0;
    if (has_day && !scan_digits(scanner, is_week ? 1 : 2, &day))
        return false;
    return is_week ? date_of_week(year, unit, day, days) : date_of_quarter(year, unit, day, days);
}

static bool
scan_year(struct scanner *scanner, int64_t *year, bool *is_signed)
{
    bool negative = scan_char(scanner, '-');
    *is_signed = negative || scan_char(scanner, '+');
    uint32_t count = digit_count(scanner);
    if (!*is_signed)
        count = 4;
    if (count == 0 || count > 9 || !scan_digits(scanner, count, year))
        return false;
    if (negative)
        *year = -*year;
    return true;
}

static bool
scan_date(struct scanner *scanner, int64_t *days)
{
    int64_t year, unit, day = 1;
    bool is_signed;
    if (!scan_year(scanner, &year, &is_signed))
        return false;
    bool dashes = scan_char(scanner, '-');
    if (scanner->at == scanner->end || *scanner->at == 'T')
        return !dashes && date_of_month(year, 1, 1, days);
    if (*scanner->at == 'W' || *scanner->at == 'Q')
        return scan_week_or_quarter(scanner, year, dashes, days);
    uint32_t count = digit_count(scanner);
    if (count == 3)
        return scan_digits(scanner, 3, &unit) && date_of_ordinal(year, unit, days);
    if (!dashes && (is_signed || (count != 2 && count != 4)))
        return false;
    if (!scan_digits(scanner, 2, &unit))
        return false;
    bool has_day = dashes ? scan_char(scanner, '-') : count == 4;
    if (has_day && !scan_digits(scanner, 2, &day))
        return false;
    return date_of_month(year, unit, day, days);
}

static bool
scan_time(struct scanner *scanner, int64_t *nanoseconds)
{
    int64_t hour, minute = 0, second = 0, fraction = 0;
    if (!scan_digits(scanner, 2, &hour))
        return false;
    bool colons = scan_char(scanner, ':');
    if ((colons || digit_count(scanner) > 0) && !scan_digits(scanner, 2, &minute))
        return false;
    bool has_second = colons ? scan_char(scanner, ':') : digit_count(scanner) > 0;
    if (has_second && (!scan_digits(scanner, 2, &second) || !scan_fraction(scanner, &fraction)))
        return false;
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    *nanoseconds = (hour * 3600 + minute * 60 + second) * NANOSECONDS_PER_SECOND + fraction;
    return true;
}

/* Z, +01:00, +0100, +01, with seconds too. */
static bool
scan_offset(struct scanner *scanner, int32_t *offset)
{
    int64_t hour, minute = 0, second = 0;
    *offset = 0;
    if (scan_char(scanner, 'Z') || scan_char(scanner, 'z'))
        return true;
    bool negative = scan_char(scanner, '-');
    if (!negative && !scan_char(scanner, '+'))
        return false;
    if (!scan_digits(scanner, 2, &hour))
        return false;
    bool colons = scan_char(scanner, ':');
    if ((colons || digit_count(scanner) > 0) && !scan_digits(scanner, 2, &minute))
        return false;
    bool has_second = colons ? scan_char(scanner, ':') : digit_count(scanner) > 0;
    if (has_second && !scan_digits(scanner, 2, &second))
        return false;
    int64_t total = hour * 3600 + minute * 60 + second;
    if (total > 18 * 3600 || minute > 59 || second > 59)
        return false;
    *offset = (int32_t)(negative ? -total : total);
    return true;
}

/* Letters, digits, and / _ + - . : what names in the zone database consist of, without a `..`. */
static bool
zone_name_is_valid(struct text name)
{
    if (name.size == 0 || name.size > 64 || name.data[0] == '/')
        return false;
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c);
        if (!letter && c != '/' && c != '_' && c != '+' && c != '-')
            return false;
    }
    return true;
}

err_t
temporal_parse_zone(struct text text, int32_t *offset, struct text *name, struct text *reason)
{
    struct scanner scanner = {text.data, text.data + text.size};
    int32_t parsed;
    *name = (struct text){NULL, 0};
    if (scan_offset(&scanner, &parsed) && scanner.at == scanner.end) {
        *offset = parsed;
        return 0;
    }
    if (!zone_name_is_valid(text)) {
        *reason = TEXT("a time zone is an offset such as '+01:00', or 'Z', or a name such as "
                       "'Europe/Stockholm'");
        return ERR(ARGUMENT);
    }
    *name = text;
    return 0;
}

/* Offset, [name], or both. */
static bool
scan_zone(struct scanner *scanner, struct temporal_parts *parts)
{
    bool has_offset = scan_offset(scanner, &parts->offset_seconds);
    if (!scan_char(scanner, '['))
        return has_offset;
    const char *start = scanner->at;
    while (scanner->at < scanner->end && *scanner->at != ']')
        scanner->at++;
    parts->zone = (struct text){start, (size_t)(scanner->at - start)};
    return scan_char(scanner, ']') && zone_name_is_valid(parts->zone);
}

err_t
temporal_parse(
    struct arena *arena,
    struct zone_source *zones,
    enum value_type type,
    struct text text,
    struct value *out,
    struct text *reason)
{
    struct scanner scanner = {text.data, text.data + text.size};
    struct temporal_parts parts = {.has_date = true, .has_time = true};
    bool wants_date = type == VALUE_DATE || type == VALUE_LOCAL_DATE_TIME ||
                      type == VALUE_DATE_TIME;
    bool wants_time = type != VALUE_DATE,
         wants_zone = type == VALUE_TIME || type == VALUE_DATE_TIME;
    bool good = !wants_date || scan_date(&scanner, &parts.days);
    if (good && wants_date && wants_time && scanner.at < scanner.end)
        good = scan_char(&scanner, 'T') && scan_time(&scanner, &parts.nanoseconds);
    else if (good && wants_time && !wants_date)
        good = scan_time(&scanner, &parts.nanoseconds);
    if (good && wants_zone && scanner.at < scanner.end) {
        parts.has_zone = true;
        good = scan_zone(&scanner, &parts);
    }
    if (!good || scanner.at != scanner.end || (type == VALUE_TIME && parts.zone.size)) {
        static const char *const words[VALUE_TYPE_COUNT] = {
            [VALUE_DATE] = "the text is not a date such as '2015-07-21'",
            [VALUE_LOCAL_TIME] = "the text is not a local time such as '21:40:32.142'",
            [VALUE_TIME] = "the text is not a time such as '21:40:32.142+01:00'",
            [VALUE_LOCAL_DATE_TIME] =
                "the text is not a local date and time such as '2015-07-21T21:40:32.142'",
            [VALUE_DATE_TIME] =
                "the text is not a date and time such as '2015-07-21T21:40:32.142+01:00'",
        };
        *reason = text_of(words[type]);
        return ERR(ARGUMENT);
    }
    return temporal_join(arena, zones, type, &parts, out, reason);
}
