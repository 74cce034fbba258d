#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../lib/expression.h"
#include "../lib/zone_files.h"
#include "engine/value/temporal.h"
#include "engine/value/value_ops.h"

static struct expression_fixture fixture;
static struct expression_fixture *const f = &fixture;

/* A zone of two offsets, as its file would be: no transitions, only the rule behind them. */
static char rule_file[44 + 44 + 6 + 64];
static size_t rule_file_size;

static void
make_rule_file(const char *rule)
{
    char *at = rule_file;
    memset(rule_file, 0, sizeof(rule_file));
    for (int block = 0; block < 2; block++) {
        memcpy(at, "TZif2", 5);
        at[39] = (char)block; /* one type in the second block */
        at += 44;
    }
    at[2] = 0x0e, at[3] = 0x10; /* offset 3600 */
    at += 6;
    *at++ = '\n';
    memcpy(at, rule, strlen(rule));
    at += strlen(rule);
    *at++ = '\n';
    rule_file_size = (size_t)(at - rule_file);
}

static struct text
lookup(struct zone_source *source, struct text name)
{
    (void)source;
    if (!text_equal(name, TEXT("Europe/Stockholm")))
        return (struct text){NULL, 0};
    return (struct text){rule_file, rule_file_size};
}
static struct zone_source zones = {lookup};

static int
setup(void **state)
{
    (void)state;
    expression_fixture_create(&fixture);
    make_rule_file("CET-1CEST,M3.5.0,M10.5.0/3");
    f->context.zones = &zones;
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    expression_fixture_destroy(&fixture);
    return 0;
}

/* The value as toString has it. */
#define assert_temporal(text, expected) assert_expression(f, "toString(" text ")", "'" expected "'")

static void
calendar_counts_every_day(void **state)
{
    (void)state;
    int64_t days = days_from_civil(-401, 1, 1);
    for (int64_t year = -401; year <= 2401; year++) {
        for (int32_t month = 1; month <= 12; month++) {
            for (int32_t day = 1; day <= month_length(year, month); day++, days++) {
                assert_int_equal(days_from_civil(year, month, day), days);
                struct civil_date date = civil_from_days(days);
                assert_true(date.year == year && date.month == month && date.day == day);
            }
        }
    }
    assert_int_equal(days_from_civil(1970, 1, 1), 0);
    assert_int_equal(weekday_of(0), 4);
}

static void
dates_read_every_form(void **state)
{
    (void)state;
    static const char *const forms[][2] = {
        {"2015-07-21", "2015-07-21"},   {"20150721", "2015-07-21"},
        {"2015-07", "2015-07-01"},      {"201507", "2015-07-01"},
        {"2015", "2015-01-01"},         {"2015-W30-2", "2015-07-21"},
        {"2015W302", "2015-07-21"},     {"2015-W30", "2015-07-20"},
        {"2015W30", "2015-07-20"},      {"2015-202", "2015-07-21"},
        {"2015202", "2015-07-21"},      {"2015-Q3-02", "2015-07-02"},
        {"2015-Q3", "2015-07-01"},      {"+12345-07-21", "+12345-07-21"},
        {"-0001-12-31", "-0001-12-31"}, {"+999999999-12-31", "+999999999-12-31"},
        {"2020-02-29", "2020-02-29"},   {"2020-366", "2020-12-31"},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct text text = arena_printf(&f->arena, "toString(date('%s'))", forms[i][0]);
        struct text expected = arena_printf(&f->arena, "'%s'", forms[i][1]);
        assert_expression(f, text.data, expected.data);
    }
}

static void
bad_dates_are_refused(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "",         "x",        "2015-13-01",        "2015-02-30", "2019-02-29", "2019-366",
        "2015-W54", "2015-W00", "2015-Q5",           "15-01-01",   "2015-1-1",   "2015-07-21x",
        "2015-07-", "20150",    "+1234567890-01-01", "2015-W30-8", "2015-000",   "2015-07-21T10",
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        assert_expression(
            f, arena_printf(&f->arena, "date('%s')", forms[i]).data, "ERROR ARGUMENT");
}

static void
times_read_every_form(void **state)
{
    (void)state;
    assert_temporal("localtime('21:40:32.142')", "21:40:32.142");
    assert_temporal("localtime('214032.142')", "21:40:32.142");
    assert_temporal("localtime('21:40')", "21:40");
    assert_temporal("localtime('2140')", "21:40");
    assert_temporal("localtime('21')", "21:00");
    assert_temporal("time('21:40:32.142+0100')", "21:40:32.142+01:00");
    assert_temporal("time('214032.142Z')", "21:40:32.142Z");
    assert_temporal("time('21:40:32+01:00')", "21:40:32+01:00");
    assert_temporal("time('2140-00:00')", "21:40Z");
    assert_temporal("time('22+18:00')", "22:00+18:00");
    assert_temporal("time('12:34:56-02:05:07')", "12:34:56-02:05:07");
    assert_expression(f, "localtime('24:00')", "ERROR ARGUMENT");
    assert_expression(f, "localtime('12:60')", "ERROR ARGUMENT");
    assert_expression(f, "localtime('12:00Z')", "ERROR ARGUMENT");
    assert_expression(f, "time('12:00+19:00')", "ERROR ARGUMENT");
    assert_expression(f, "localtime('12:00:00.1234567891')", "ERROR ARGUMENT");
}

static void
date_times_read_every_form(void **state)
{
    (void)state;
    assert_temporal("localdatetime('2015-07-21T21:40:32.142')", "2015-07-21T21:40:32.142");
    assert_temporal("localdatetime('2015W302T2140')", "2015-07-21T21:40");
    assert_temporal("localdatetime('2015T214032')", "2015-01-01T21:40:32");
    assert_temporal("localdatetime('2015-07-21')", "2015-07-21T00:00");
    assert_temporal("datetime('2015-07-21T21:40:32.142+0100')", "2015-07-21T21:40:32.142+01:00");
    assert_temporal("datetime('2015-W30-2T214032.142Z')", "2015-07-21T21:40:32.142Z");
    assert_temporal("datetime('20150721T21:40-01:30')", "2015-07-21T21:40-01:30");
    assert_temporal(
        "datetime('2015-07-21T21:40:32+02:00[Europe/Stockholm]')",
        "2015-07-21T21:40:32+02:00[Europe/Stockholm]");
    assert_temporal(
        "datetime('2015-01-21T21:40:32[Europe/Stockholm]')",
        "2015-01-21T21:40:32+01:00[Europe/Stockholm]");
    assert_temporal("datetime('2015-07-21T21:40')", "2015-07-21T21:40Z");
    assert_expression(f, "datetime('2015-07-21T21:40[Mars/North]')", "ERROR ARGUMENT");
    assert_expression(f, "datetime('2015-07-21T')", "ERROR ARGUMENT");
}

static void
zones_follow_their_rules(void **state)
{
    (void)state;
    /* Summer began on 29 March 2015 at 01:00 UTC and ended on 25 October at 01:00 UTC. */
    assert_temporal(
        "datetime('2015-03-29T01:59:59[Europe/Stockholm]')",
        "2015-03-29T01:59:59+01:00[Europe/Stockholm]");
    assert_temporal(
        "datetime('2015-03-29T03:00[Europe/Stockholm]')",
        "2015-03-29T03:00+02:00[Europe/Stockholm]");
    /* An hour that the clock skips, and one that comes twice. */
    assert_temporal(
        "datetime('2015-03-29T02:30[Europe/Stockholm]')",
        "2015-03-29T03:30+02:00[Europe/Stockholm]");
    assert_temporal(
        "datetime('2015-10-25T02:30[Europe/Stockholm]')",
        "2015-10-25T02:30+02:00[Europe/Stockholm]");
    assert_temporal(
        "datetime('2015-10-25T02:30+01:00[Europe/Stockholm]')",
        "2015-10-25T02:30+01:00[Europe/Stockholm]");
}

static void
zones_without_a_source_are_refused(void **state)
{
    (void)state;
    f->context.zones = NULL;
    assert_expression(f, "datetime('2015-07-21T21:40[Europe/Stockholm]')", "ERROR ARGUMENT");
    assert_non_null(strstr(f->failure.message.data, "unknown time zone"));
    assert_temporal("datetime('2015-07-21T21:40[UTC]')", "2015-07-21T21:40Z[UTC]");
    assert_temporal("datetime({year: 2015, timezone: '-03:00'})", "2015-01-01T00:00-03:00");
    f->context.zones = &zones;
}

static void
zone_files_are_checked(void **state)
{
    (void)state;
    int32_t offset;
    struct text whole = {rule_file, rule_file_size};
    assert_int_equal(tzif_offset_at(whole, 1437507632, &offset), 0);
    assert_int_equal(offset, 7200);
    for (size_t cut = 0; cut < 44 + 44 + 6; cut++) {
        char *copy = malloc(cut + 1);
        assert_non_null(copy);
        memcpy(copy, rule_file, cut);
        assert_int_equal(
            err_code(tzif_offset_at((struct text){copy, cut}, 0, &offset)), ERR_REQUEST_FORMAT);
        free(copy);
    }
    static const char *const bad[] = {
        "", "X", "CET-1CEST", "CET-1CEST,M13.1.0,M1.1.0", "CET-99", "CET-1CEST,M3.5.0"};
    for (size_t i = 1; i < sizeof(bad) / sizeof(bad[0]); i++) {
        make_rule_file(bad[i]);
        assert_true(tzif_offset_at((struct text){rule_file, rule_file_size}, 0, &offset) != 0);
    }
    make_rule_file("<-03>3");
    assert_int_equal(tzif_offset_at((struct text){rule_file, rule_file_size}, 0, &offset), 0);
    assert_int_equal(offset, -10800);
    make_rule_file("CET-1CEST,M3.5.0,M10.5.0/3");
}

/* Against the machine's own database, where it has one. */
static void
real_zones_have_history(void **state)
{
    (void)state;
    struct zone_source *source = zone_files();
    if (!source)
        skip();
    f->context.zones = source;
    assert_temporal(
        "datetime('1984-10-11T12:00[Europe/Stockholm]')",
        "1984-10-11T12:00+01:00[Europe/Stockholm]");
    assert_temporal(
        "datetime('1984-07-20T12:00[Europe/Stockholm]')",
        "1984-07-20T12:00+02:00[Europe/Stockholm]");
    assert_temporal(
        "datetime('2050-07-20T12:00[Europe/Stockholm]')",
        "2050-07-20T12:00+02:00[Europe/Stockholm]");
    assert_temporal(
        "datetime('2017-01-01T12:00[Pacific/Honolulu]')",
        "2017-01-01T12:00-10:00[Pacific/Honolulu]");
    f->context.zones = &zones;
}

static void
maps_make_instants(void **state)
{
    (void)state;
    assert_temporal("date({year: 1984, month: 10, day: 11})", "1984-10-11");
    assert_temporal("date({year: 1984, week: 10, dayOfWeek: 3})", "1984-03-07");
    assert_temporal("date({year: 1984, ordinalDay: 202})", "1984-07-20");
    assert_temporal("date({year: 1984, quarter: 3, dayOfQuarter: 45})", "1984-08-14");
    assert_temporal("date({date: date('1816-12-31'), week: 2})", "1817-01-07");
    assert_temporal("date({date: date('1984-11-11'), quarter: 3})", "1984-08-11");
    assert_temporal("date({date: date('2020-02-29'), year: 2019})", "2019-02-28");
    assert_temporal(
        "localtime({hour: 12, minute: 31, second: 14, millisecond: 123, microsecond: 456, "
        "nanosecond: 789})",
        "12:31:14.123456789");
    assert_temporal(
        "time({time: time('12:31:14.645876+01:00'), second: 42, timezone: '+05:00'})",
        "16:31:42.645876+05:00");
    assert_temporal(
        "localdatetime({date: date('1984-10-11'), hour: 10, minute: 10, second: 10})",
        "1984-10-11T10:10:10");
    assert_temporal(
        "datetime({date: date('1984-03-07'), time: datetime('1984-10-11T12:00[Europe/Stockholm]'), "
        "day: 28, "
        "second: 42})",
        "1984-03-28T12:00:42+02:00[Europe/Stockholm]");
    assert_temporal(
        "datetime({datetime: datetime('1984-10-11T12:00[Europe/Stockholm]'), timezone: '+05:00'})",
        "1984-10-11T15:00+05:00");
    assert_temporal(
        "datetime({epochSeconds: 416779, nanosecond: 999999999})",
        "1970-01-05T19:46:19.999999999Z");
    assert_temporal("datetime.fromEpochMillis(-1)", "1969-12-31T23:59:59.999Z");
}

static void
bad_maps_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "date({month: 1})",
        "date({year: 2015, day: 3})",
        "date({year: 2015, month: 13})",
        "date({year: 2015, month: 2, day: 29})",
        "date({year: 2015, week: 1, month: 1})",
        "date({year: 2015, hour: 1})",
        "date({yeer: 2015})",
        "date({})",
        "localtime({minute: 3})",
        "localtime({hour: 24})",
        "date({year: 2019, ordinalDay: 366})",
        "date({year: 2015, week: 54})",
        "localtime({hour: 1, minute: 1, second: 1, millisecond: 1, microsecond: 1000})",
        "date({date: localtime('12:00')})",
        "localdatetime({year: 2015, timezone: 'Z'})",
        "time({hour: 12, timezone: 'Europe/Stockholm'})",
        "date({year: 1000000000})",
        "date({year: 2015, quarter: 1, dayOfQuarter: 91})",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (strncmp(expression_result(f, bad[i]), "ERROR ARGUMENT", 14) != 0)
            fail_msg("%s gives %s", bad[i], expression_result(f, bad[i]));
    assert_expression(f, "date({year: 'x'})", "ERROR TYPE");
    assert_string_equal(f->failure.message.data, "date(): `year` must be an INTEGER");
    assert_expression(f, "date(1)", "ERROR TYPE");
}

static void
components(void **state)
{
    (void)state;
    assert_expression(
        f,
        "[x IN [date('1984-10-11')] | [x.year, x.quarter, x.month, x.week, x.weekYear, x.day, "
        "x.ordinalDay, x.weekDay, x.dayOfQuarter]]",
        "[[1984, 4, 10, 41, 1984, 11, 285, 4, 11]]");
    assert_expression(
        f,
        "[x IN [datetime('1984-11-11T12:31:14.645876123+01:00')] | [x.hour, x.minute, x.second, "
        "x.millisecond, x.microsecond, x.nanosecond, x.timezone, x.offset, x.offsetMinutes, "
        "x.offsetSeconds, x.epochSeconds, x.epochMillis]]",
        "[[12, 31, 14, 645, 645876, 645876123, '+01:00', '+01:00', 60, 3600, 469020674, "
        "469020674645]]");
    assert_expression(
        f, "datetime('2020-01-01T00:00[Europe/Stockholm]').timezone", "'Europe/Stockholm'");
    assert_expression(
        f,
        "[x IN [duration('P1Y4M10DT1H1M1.111111111S')] | [x.years, x.quarters, x.months, x.weeks, "
        "x.days, "
        "x.hours, x.minutes, x.seconds, x.milliseconds, x.monthsOfYear, x.daysOfWeek, "
        "x.minutesOfHour, "
        "x.secondsOfMinute, x.nanosecondsOfSecond]]",
        "[[1, 5, 16, 1, 10, 1, 61, 3661, 3661111, 4, 3, 1, 1, 111111111]]");
    assert_expression(f, "date('2020-01-01').hour", "ERROR ARGUMENT");
    assert_expression(f, "localtime('12:00').year", "ERROR ARGUMENT");
}

static void
truncation(void **state)
{
    (void)state;
    assert_temporal("date.truncate('millennium', date('2017-10-11'), {day: 2})", "2000-01-02");
    assert_temporal("date.truncate('weekYear', date('1984-01-01'), {day: 5})", "1983-01-05");
    assert_temporal(
        "date.truncate('week', datetime('1984-10-11T12:31Z'), {dayOfWeek: 2})", "1984-10-09");
    assert_temporal("date.truncate('quarter', date('1984-11-11'))", "1984-10-01");
    assert_temporal(
        "datetime.truncate('day', datetime('1984-10-11T12:31:14-01:00'), {timezone: "
        "'Europe/Stockholm'})",
        "1984-10-11T00:00+02:00[Europe/Stockholm]");
    assert_temporal(
        "datetime.truncate('millisecond', datetime('1984-10-11T12:31:14.645876123+01:00'), "
        "{nanosecond: 2})",
        "1984-10-11T12:31:14.645000002+01:00");
    assert_temporal("localtime.truncate('hour', time('12:31:14.6+01:00'), {minute: 5})", "12:05");
    assert_temporal(
        "time.truncate('hour', time('12:31-01:00'), {timezone: '+01:00'})", "12:00+01:00");
    assert_expression(f, "date.truncate('hour', date('2020-01-01'))", "ERROR ARGUMENT");
    assert_expression(f, "date.truncate('eon', date('2020-01-01'))", "ERROR ARGUMENT");
    assert_expression(f, "date.truncate('day', 1)", "ERROR TYPE");
    assert_expression(f, "date.truncate(null, date('2020-01-01'))", "null");
}

static void
clocks_come_from_the_context(void **state)
{
    (void)state;
    f->context.statement_wall_ns = UINT64_C(1437507632142000000);
    f->context.transaction_wall_ns = 0;
    assert_temporal("datetime()", "2015-07-21T19:40:32.142Z");
    assert_temporal("date()", "2015-07-21");
    assert_temporal("localtime({timezone: 'Europe/Stockholm'})", "21:40:32.142");
    assert_temporal(
        "datetime.statement('Europe/Stockholm')",
        "2015-07-21T21:40:32.142+02:00[Europe/Stockholm]");
    assert_temporal("date.transaction()", "1970-01-01");
    assert_expression(f, "timestamp()", "1437507632142");
    f->context.statement_wall_ns = 0;
}

static void
durations_read_and_print(void **state)
{
    (void)state;
    static const char *const forms[][2] = {
        {"P14DT16H12M", "P14DT16H12M"},
        {"P5M1.5D", "P5M1DT12H"},
        {"P0.75M", "P22DT19H51M49.5S"},
        {"PT0.75M", "PT45S"},
        {"P2.5W", "P17DT12H"},
        {"P12Y5M14DT16H12M70S", "P12Y5M14DT16H13M10S"},
        {"P2012-02-02T14:37:21.545", "P2012Y2M2DT14H37M21.545S"},
        {"PT-0.5S", "PT-0.5S"},
        {"-P1D", "P-1D"},
        {"PT0S", "PT0S"},
        {"P0D", "PT0S"},
        {"PT0.000000001S", "PT0.000000001S"},
        {"PT1.123456789S", "PT1.123456789S"},
        {"PT90M", "PT1H30M"},
        {"P-1Y-14M", "P-2Y-2M"},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct text text = arena_printf(&f->arena, "toString(duration('%s'))", forms[i][0]);
        struct text expected = arena_printf(&f->arena, "'%s'", forms[i][1]);
        assert_expression(f, text.data, expected.data);
    }
    static const char *const bad[] = {"",     "P",    "PT",   "1D",
                                      "P1",   "P1H",  "PT1D", "P1D1Y",
                                      "P1.D", "P1DT", "PxD",  "P99999999999999999999D"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_expression(
            f, arena_printf(&f->arena, "duration('%s')", bad[i]).data, "ERROR ARGUMENT");
    assert_expression(f, "duration({days: 9223372036854775807, weeks: 1})", "ERROR ARITHMETIC");
    assert_expression(f, "duration({years: 'x'})", "ERROR TYPE");
    assert_expression(f, "duration({parsecs: 1})", "ERROR ARGUMENT");
}

static void
arithmetic(void **state)
{
    (void)state;
    assert_temporal("date('1984-10-11') + duration('P12Y5M14DT16H13M10S')", "1997-03-25");
    assert_temporal("date('1984-10-11') - duration('P12Y5M14DT16H13M10S')", "1972-04-27");
    assert_temporal("date('2020-01-31') + duration('P1M')", "2020-02-29");
    assert_temporal("localtime('12:31:14.000000001') + duration('PT30H')", "18:31:14.000000001");
    assert_temporal("time('12:31+01:00') - duration('P1DT13H')", "23:31+01:00");
    assert_temporal(
        "localdatetime('1984-10-11T12:31:14') - duration('PT0.5S')", "1984-10-11T12:31:13.5");
    assert_temporal("duration('P1D') + date('2020-01-01')", "2020-01-02");
    /* Days move the wall clock, hours the instant: the night of 24 to 25 October 2015 has 25 hours. */
    assert_temporal(
        "datetime('2015-10-24T12:00[Europe/Stockholm]') + duration('P1D')",
        "2015-10-25T12:00+01:00[Europe/Stockholm]");
    assert_temporal(
        "datetime('2015-10-24T12:00[Europe/Stockholm]') + duration('PT24H')",
        "2015-10-25T11:00+01:00[Europe/Stockholm]");
    assert_temporal("duration('P12Y5M14DT16H13M10.000000001S') / 2", "P6Y2M22DT13H21M8S");
    assert_temporal("duration('P12Y5M14DT16H13M10.000000001S') * 0.5", "P6Y2M22DT13H21M8S");
    assert_temporal("duration('PT1H') * -2", "PT-2H");
    assert_temporal("-duration('P1D')", "P-1D");
    assert_expression(f, "date('+999999999-12-31') + duration('P1D')", "ERROR ARITHMETIC");
    assert_expression(f, "date('2020-01-01') + 1", "ERROR TYPE");
    assert_expression(f, "date('2020-01-01') - date('2020-01-01')", "ERROR TYPE");
    assert_expression(f, "duration('P1D') / 0", "ERROR DIVISION_BY_ZERO");
}

static void
between(void **state)
{
    (void)state;
    assert_temporal("duration.between(date('1984-10-11'), date('2015-06-24'))", "P30Y8M13D");
    assert_temporal(
        "duration.between(date('1984-10-11'), localdatetime('2016-07-21T21:45:22.142'))",
        "P31Y9M10DT21H45M22.142S");
    assert_temporal("duration.between(date('1984-10-11'), localtime('16:30'))", "PT16H30M");
    assert_temporal("duration.between(localtime('14:30'), date('2015-06-24'))", "PT-14H-30M");
    assert_temporal("duration.between(localtime('14:30'), time('16:30+0100'))", "PT2H");
    assert_temporal("duration.between(time('14:30'), time('16:30+0100'))", "PT1H");
    assert_temporal("duration.between(date('2015-06-24'), date('1984-10-11'))", "P-30Y-8M-13D");
    assert_temporal(
        "duration.between(localdatetime('2018-01-01T12:00'), localdatetime('2018-01-02T10:00'))",
        "PT22H");
    assert_temporal("duration.inMonths(date('1984-10-11'), date('2015-06-24'))", "P30Y8M");
    assert_temporal("duration.inDays(date('1984-10-11'), date('2015-06-24'))", "P11213D");
    assert_temporal(
        "duration.inSeconds(date('2015-06-24'), localdatetime('2015-06-25T00:00:00.5'))",
        "PT24H0.5S");
    assert_temporal(
        "duration.inSeconds(datetime('2015-10-25T00:00[Europe/Stockholm]'), "
        "localdatetime('2015-10-25T04:00'))",
        "PT5H");
    assert_temporal(
        "duration.inSeconds(datetime('2015-10-25T00:00[Europe/Stockholm]'), date('2015-10-26'))",
        "PT25H");
    assert_temporal(
        "duration.between(date('-999999999-01-01'), date('+999999999-12-31'))",
        "P1999999998Y11M30D");
    assert_expression(f, "duration.between(date('2020-01-01'), null)", "null");
    assert_expression(f, "duration.between(date('2020-01-01'), 'x')", "ERROR TYPE");
}

static void
outside_values_are_judged(void **state)
{
    (void)state;
    struct value date = {.type = VALUE_DATE}, time = {.type = VALUE_LOCAL_TIME},
                 moment = {.type = VALUE_LOCAL_DATE_TIME};
    assert_true(temporal_is_valid(date));
    date.integer = INT64_MAX;
    assert_false(temporal_is_valid(date));
    time.integer = NANOSECONDS_PER_DAY;
    assert_false(temporal_is_valid(time));
    moment.size = 1000000000;
    assert_false(temporal_is_valid(moment));
    struct value_date_time instant = {.seconds = 0, .offset_seconds = 100000};
    struct value zoned = {.type = VALUE_DATE_TIME};
    zoned.date_time = &instant;
    assert_false(temporal_is_valid(zoned));
    assert_true(temporal_is_valid(value_string(TEXT("x"))));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calendar_counts_every_day),
        cmocka_unit_test(dates_read_every_form),
        cmocka_unit_test(bad_dates_are_refused),
        cmocka_unit_test(times_read_every_form),
        cmocka_unit_test(date_times_read_every_form),
        cmocka_unit_test(zones_follow_their_rules),
        cmocka_unit_test(zones_without_a_source_are_refused),
        cmocka_unit_test(zone_files_are_checked),
        cmocka_unit_test(real_zones_have_history),
        cmocka_unit_test(maps_make_instants),
        cmocka_unit_test(bad_maps_are_refused),
        cmocka_unit_test(components),
        cmocka_unit_test(truncation),
        cmocka_unit_test(clocks_come_from_the_context),
        cmocka_unit_test(durations_read_and_print),
        cmocka_unit_test(arithmetic),
        cmocka_unit_test(between),
        cmocka_unit_test(outside_values_are_judged),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
