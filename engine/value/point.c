#include "engine/value/point.h"

#include <math.h>

#include "engine/value/value_ops.h"

static const struct {
    struct text name;
    uint32_t srid, dimensions;
} systems[] = {
    {{"wgs-84", 6}, SRID_WGS_84, 2},
    {{"wgs-84-3d", 9}, SRID_WGS_84_3D, 3},
    {{"cartesian", 9}, SRID_CARTESIAN, 2},
    {{"cartesian-3d", 12}, SRID_CARTESIAN_3D, 3},
};
enum { SYSTEM_COUNT = sizeof(systems) / sizeof(systems[0]) };

static bool
point_is_geographic(const struct value_point *point)
{
    return point->srid == SRID_WGS_84 || point->srid == SRID_WGS_84_3D;
}

static struct text
point_system_name(const struct value_point *point)
{
    for (int i = 0; i < SYSTEM_COUNT; i++)
        if (systems[i].srid == point->srid)
            return systems[i].name;
    return TEXT("unknown");
}

static err_t
system_of_map(struct value map, uint32_t *srid, struct text *reason)
{
    const struct value *crs = value_map_lookup(map.map, map.size, TEXT("crs"));
    const struct value *number = value_map_lookup(map.map, map.size, TEXT("srid"));
    *srid = 0;
    if (crs && number) {
        *reason = TEXT("a point takes either crs or srid, not both");
        return ERR(ARGUMENT);
    }
    for (int i = 0; i < SYSTEM_COUNT; i++) {
        if (crs && crs->type == VALUE_STRING && text_equal_fold(value_text(*crs), systems[i].name))
            *srid = systems[i].srid;
        if (number && number->type == VALUE_INTEGER && number->integer == systems[i].srid)
            *srid = systems[i].srid;
    }
    if ((crs || number) && !*srid) {
        *reason = TEXT("unknown coordinate reference system: use cartesian, cartesian-3d, wgs-84 "
                       "or wgs-84-3d");
        return ERR(ARGUMENT);
    }
    return 0;
}

/* The coordinate under either name: 1 found, 0 not there, -1 null, -2 no number. */
static int
coordinate(struct value map, struct text name, double *out)
{
    const struct value *value = value_map_lookup(map.map, map.size, name);
    if (!value)
        return 0;
    if (value->type == VALUE_NULL)
        return -1;
    if (!value_is_number(*value))
        return -2;
    *out = value_real(*value);
    return 1;
}

static err_t
point_check(struct value_point *point, uint32_t srid, bool geographic_names, struct text *reason)
{
    bool is_3d = point->dimensions == 3;
    if (!srid)
        srid = geographic_names ? (is_3d ? SRID_WGS_84_3D : SRID_WGS_84)
                                : (is_3d ? SRID_CARTESIAN_3D : SRID_CARTESIAN);
    point->srid = srid;
    bool srid_is_3d = srid == SRID_WGS_84_3D || srid == SRID_CARTESIAN_3D;
    if (srid_is_3d != is_3d) {
        *reason = TEXT("the number of coordinates does not fit the coordinate reference system");
        return ERR(ARGUMENT);
    }
    if (geographic_names && !point_is_geographic(point)) {
        *reason = TEXT("longitude and latitude need a geographic coordinate reference system");
        return ERR(ARGUMENT);
    }
    if (point_is_geographic(point) && !(point->y >= -90 && point->y <= 90)) {
        *reason = TEXT("a latitude is between -90 and 90 degrees");
        return ERR(ARGUMENT);
    }
    if (point_is_geographic(point) && !(point->x >= -180 && point->x <= 180)) {
        /* Longitudes wrap around. */
        point->x = remainder(point->x, 360.0);
        if (isnan(point->x)) {
            *reason = TEXT("a longitude must be finite");
            return ERR(ARGUMENT);
        }
    }
    return 0;
}

err_t
point_from_map(struct arena *arena, struct value map, struct value *out, struct text *reason)
{
    *out = value_null();
    uint32_t srid;
    err_t err = system_of_map(map, &srid, reason);
    if (err)
        return err;
    struct value_point *point = arena_zeroed(arena, sizeof(*point));
    if (!point)
        return ERR(MEMORY_QUERY);
    const struct text names[2][3] = {
        {TEXT("x"), TEXT("y"), TEXT("z")}, {TEXT("longitude"), TEXT("latitude"), TEXT("height")}};
    bool geographic = value_map_lookup(map.map, map.size, names[1][0]) ||
                      value_map_lookup(map.map, map.size, names[1][1]);
    double *const targets[3] = {&point->x, &point->y, &point->z};
    bool is_null = false;
    point->dimensions = 2;
    for (int i = 0; i < 3; i++) {
        int found = coordinate(map, names[geographic][i], targets[i]);
        if (!found && i == 2)
            found = coordinate(map, names[!geographic][i], targets[i]);
        if (found == -2 || (!found && i < 2)) {
            *reason = found ? TEXT("the coordinates of a point must be numbers")
                            : TEXT("a point needs x and y, or longitude and latitude");
            return found ? ERR(TYPE) : ERR(ARGUMENT);
        }
        is_null |= found == -1;
        point->dimensions += i == 2 && found == 1;
    }
    if (is_null)
        return 0;
    err = point_check(point, srid, geographic, reason);
    if (err)
        return err;
    *out = (struct value){.type = VALUE_POINT};
    out->point = point;
    return 0;
}

void
point_print(struct builder *builder, const struct value_point *point)
{
    const char *const names[2][3] = {{"x", "y", "z"}, {"longitude", "latitude", "height"}};
    const double coordinates[3] = {point->x, point->y, point->z};
    char number[32];
    builder_add(builder, TEXT("point({"));
    for (uint32_t i = 0; i < point->dimensions && i < 3; i++) {
        builder_printf(builder, "%s: ", names[point_is_geographic(point)][i]);
        uint32_t size = value_print_float(coordinates[i], number);
        builder_add(builder, (struct text){number, size});
        builder_add(builder, TEXT(", "));
    }
    builder_printf(builder, "crs: '%.*s'})", TEXT_ARGS(point_system_name(point)));
}

bool
point_component(const struct value_point *point, struct text name, struct value *out)
{
    bool geographic = point_is_geographic(point);
    *out = value_null();
    if (text_equal(name, TEXT("x")) || (geographic && text_equal(name, TEXT("longitude"))))
        *out = value_float(point->x);
    else if (text_equal(name, TEXT("y")) || (geographic && text_equal(name, TEXT("latitude"))))
        *out = value_float(point->y);
    else if (
        point->dimensions == 3 &&
        (text_equal(name, TEXT("z")) || (geographic && text_equal(name, TEXT("height")))))
        *out = value_float(point->z);
    else if (text_equal(name, TEXT("crs")))
        *out = value_string(point_system_name(point));
    else if (text_equal(name, TEXT("srid")))
        *out = value_integer(point->srid);
    return out->type != VALUE_NULL;
}

/* The haversine formula on a sphere of the Earth's mean radius, raised by the mean height for 3D. */
static double
distance_geographic(const struct value_point *a, const struct value_point *b)
{
    const double radian = 0.017453292519943295, earth_radius = 6378140.0;
    double latitude_a = a->y * radian, latitude_b = b->y * radian;
    double half_latitude = (latitude_b - latitude_a) / 2,
           half_longitude = (b->x - a->x) * radian / 2;
    double sin_latitude = sin(half_latitude), sin_longitude = sin(half_longitude);
    double chord = sin_latitude * sin_latitude +
                   cos(latitude_a) * cos(latitude_b) * sin_longitude * sin_longitude;
    double angle = 2 * atan2(sqrt(chord), sqrt(fmax(0.0, 1 - chord)));
    if (a->dimensions < 3)
        return earth_radius * angle;
    double along = (earth_radius + (a->z + b->z) / 2) * angle;
    return hypot(along, a->z - b->z);
}

bool
point_distance(const struct value_point *a, const struct value_point *b, double *distance)
{
    if (a->srid != b->srid)
        return false;
    if (point_is_geographic(a)) {
        *distance = distance_geographic(a, b);
        return true;
    }
    double x = a->x - b->x, y = a->y - b->y, z = a->dimensions == 3 ? a->z - b->z : 0;
    *distance = sqrt(x * x + y * y + z * z);
    return true;
}

bool
point_within(
    const struct value_point *point,
    const struct value_point *low,
    const struct value_point *high,
    bool *known)
{
    *known = point->srid == low->srid && point->srid == high->srid;
    if (!*known)
        return false;
    bool inside = point->y >= low->y && point->y <= high->y;
    if (point->dimensions == 3)
        inside &= point->z >= low->z && point->z <= high->z;
    if (point_is_geographic(point) && low->x > high->x)
        return inside && (point->x >= low->x || point->x <= high->x);
    return inside && point->x >= low->x && point->x <= high->x;
}
