#ifndef GW_BASE_FIELD_VALUE_H
#define GW_BASE_FIELD_VALUE_H

#include "base/str.h"

struct gw_arena;
struct gw_field;
struct gw_nearest;
struct gw_problems;
struct gw_variant;
struct gw_yaml;

/* Inside the tables of fields: the values, one scalar, list or map at a time, and how keys are
 * found. */
enum { GW_FIELD_NAME = 256 };

struct gw_field_reader {
    struct gw_problems *p;
    const char *file; /* that relative paths are relative to; NULL: none */
};

/* One field in work: where its value stands and what it is called. */
struct gw_field_at {
    struct gw_field_reader *r;
    const struct gw_field *f;
    const struct gw_yaml *y;
    char name[GW_FIELD_NAME];
};

void gw_field_join(char out[GW_FIELD_NAME], const char *where, const char *name);
void gw_field_fail(const struct gw_field_at *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* "expected WANTED, not" and what stands there. */
void gw_field_fail_type(const struct gw_field_at *a, const char *wanted);
/* How much of a value a message shows, for %.*s. */
int gw_field_shown(struct gw_str s);
/* The field of a key and whether it is the twin NAME_file. NULL: none. */
const struct gw_field *gw_field_find(const struct gw_field *fields, const char *key, int *is_file,
                                     struct gw_nearest *near);
/* Of a key in any case. */
const struct gw_yaml *gw_field_get(const struct gw_yaml *map, const char *key);
/* A path that stands in file (NULL: none), from where the program runs. */
const char *gw_field_resolve(struct gw_arena *mem, const char *file, const char *path);
/* All types but the nested ones; to: the struct's member. */
void gw_field_read_value(const struct gw_field_at *a, void *to);
/* The twin NAME_file of a secret. */
void gw_field_read_secret_file(struct gw_field_at *a, const char **out);

#endif
