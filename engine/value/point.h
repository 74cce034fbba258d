/* Points: two or three coordinates in a coordinate reference system, written by its EPSG number. */
#ifndef ENGINE_VALUE_POINT_H
#define ENGINE_VALUE_POINT_H

#include "base/arena.h"
#include "base/error.h"
#include "base/value.h"
#include "engine/value/builder.h"

enum { SRID_WGS_84 = 4326, SRID_WGS_84_3D = 4979, SRID_CARTESIAN = 7203, SRID_CARTESIAN_3D = 9157 };

/* point({x, y, [z], [crs], [srid]}) or point({longitude, latitude, [height], ...}); null when a coordinate is. */
err_t point_from_map(struct arena *arena, struct value map, struct value *out, struct text *reason);
void point_print(struct builder *builder, const struct value_point *point);
/* point.x, .latitude, .crs, ...; false when there is no such component. */
bool point_component(const struct value_point *point, struct text name, struct value *out);
/* Metres on the sphere for geographic points, else the straight distance; false: different systems. */
bool point_distance(const struct value_point *a, const struct value_point *b, double *distance);
/* Inside the box, edges included; geographic boxes may cross the 180th meridian. false in *known: different systems. */
bool point_within(
    const struct value_point *point,
    const struct value_point *low,
    const struct value_point *high,
    bool *known);

#endif
