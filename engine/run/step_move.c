/* MOVE: by the time a row is here it has moved; engine/route does that between segments. */
#include "engine/run/step.h"

const struct step_class step_class_MOVE = {0};
