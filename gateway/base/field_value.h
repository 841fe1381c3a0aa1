#ifndef GW_BASE_FIELD_VALUE_H
#define GW_BASE_FIELD_VALUE_H

#include "base/str.h"

struct gw_field;
struct gw_problems;
struct gw_yaml;

/* The values of field tables, for field.c alone: one scalar, list or map at a time. */
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
/* All types but the nested ones; to: the struct's member. */
void gw_field_read_value(const struct gw_field_at *a, void *to);
/* The twin NAME_file of a secret. */
void gw_field_read_secret_file(struct gw_field_at *a, const char **out);

#endif
