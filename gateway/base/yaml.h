#ifndef GW_BASE_YAML_H
#define GW_BASE_YAML_H

#include "base/str.h"

#include <stddef.h>

struct gw_arena;
struct gw_problems;
struct gw_strs;

/* A YAML document as a tree in an arena; the only user of libyaml. Anchors and aliases work
 * (bounded, so no bomb grows), several documents, tags and merge keys are errors. ${NAME},
 * ${NAME:-default} and $${ are expanded in values, not in keys; a quoted scalar stays a string. A
 * block scalar whose key ends in `.yaml` is a file of its own: it is expanded when it is parsed. */
enum gw_yaml_type { GW_YAML_SCALAR = 1, GW_YAML_SEQ, GW_YAML_MAP };

struct gw_yaml {
    enum gw_yaml_type type;
    const char *file;
    int line, column;       /* from 1 */
    struct gw_str text;     /* scalar; NUL-terminated */
    int block_column;       /* of a block scalar's lines in the file; 0: written otherwise */
    int quoted;             /* scalar written with quotes or as a block: never a number or null */
    int broken;             /* a problem was told of it; what it says is not to be trusted */
    struct gw_yaml *keys;   /* map: n keys (scalars, no duplicates) and n values */
    struct gw_yaml *values; /* map and seq */
    size_t n;
};

/* NULL: no tree, problems were added. A key that stands twice and a variable that is not set are
 * problems too, but the tree is there, so that the rest can be checked. An empty file is an empty
 * map. */
struct gw_yaml *gw_yaml_read(const char *path, struct gw_problems *p);
/* Text that stands inside a file, as a block scalar does: its lines start at line, column. */
struct gw_yaml *gw_yaml_parse(const char *file, struct gw_str text, int line, int column,
                              struct gw_problems *p);
/* What a file holds that somebody else wrote: a regular one of up to 1 MiB. -1: why says. */
int gw_yaml_guest_text(const char *path, struct gw_arena *mem, struct gw_str *text, char *why,
                       size_t size);
/* Parses it; it may read the variables that the globs of env name (NULL: any). */
struct gw_yaml *gw_yaml_parse_guest(const char *file, struct gw_str text, const struct gw_strs *env,
                                    struct gw_problems *p);
/* Data that is nobody's configuration: ${NAME} stands for itself. */
struct gw_yaml *gw_yaml_parse_data(const char *file, struct gw_str text, struct gw_problems *p);
const struct gw_yaml *gw_yaml_get(const struct gw_yaml *map, const char *key);
/* For places of problems: the value of a key, or the mapping where it has none (or is none). */
const struct gw_yaml *gw_yaml_place(const struct gw_yaml *map, const char *key);
/* null, ~ or nothing, unquoted. */
int gw_yaml_is_null(const struct gw_yaml *y);
/* YAML 1.2 core schema: true, false / a decimal integer. 0, or -1 if it is none (or quoted). */
int gw_yaml_bool(const struct gw_yaml *y, int *out);
int gw_yaml_int(const struct gw_yaml *y, long long *out);
int gw_yaml_double(const struct gw_yaml *y, double *out); /* a whole number too */

/* 1: the same values in the same order; where they stand does not count. NULL is like NULL. */
int gw_yaml_same(const struct gw_yaml *a, const struct gw_yaml *b);

#endif
