#ifndef GW_BASE_ENV_H
#define GW_BASE_ENV_H

#include "base/str.h"

struct gw_arena;
struct gw_strs;

/* Environment variables in text: ${NAME}, ${NAME:-default} (also when NAME is empty; a default
 * holds no other variable), $${ for ${. */
struct gw_env_error {
    struct gw_str name; /* of the variable, or what stands in its place */
    char text[160];
};

/* allowed: globs of the variables it may name, set or not; NULL: any. 0: *text is expanded, on mem
 * if it changed, with a NUL behind it. -1: *text is left alone. */
int gw_env_expand(struct gw_arena *mem, const struct gw_strs *allowed, struct gw_str *text,
                  struct gw_env_error *e);

#endif
