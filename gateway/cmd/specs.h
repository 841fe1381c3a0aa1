#ifndef GW_CMD_SPECS_H
#define GW_CMD_SPECS_H

#include "base/field.h"

struct gw_arena;
struct gw_err;

/* Finds spec files: each once, in the order of their names. All on mem. */
struct gw_specs {
    struct gw_arena *mem;
    struct gw_strs files;
    size_t cap;
};

/* A file, or a folder: all *_spec.lua in it, and with `below` in those below it, but for hidden
 * ones. */
int gw_specs_add(struct gw_specs *s, const char *path, int below, struct gw_err *err);
void gw_specs_sort(struct gw_specs *s);

#endif
