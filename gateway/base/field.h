#ifndef GW_BASE_FIELD_H
#define GW_BASE_FIELD_H

#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct gw_arena;
struct gw_buf;
struct gw_problems;
struct gw_yaml;

/* One configuration key. Each room owns a plain struct and a table of these that ends with a zeroed
 * entry; the parser, the defaults, the errors of `check`, the JSON Schema and the reference page
 * are all made from the tables. Values belong to the arena of their configuration and never change
 * after load. */
enum gw_field_type {
    GW_F_STR = 1,  /* const char *; NULL when absent and without default */
    GW_F_BOOL,     /* int */
    GW_F_INT,      /* int64_t */
    GW_F_SIZE,     /* int64_t bytes: 64KiB, 1GiB, 10MB, 4096 */
    GW_F_DURATION, /* int64_t ms: 250ms, 30s, 5m, 24h */
    GW_F_CHOICE,   /* int: index into choices; without def one more, and 0 when absent */
    GW_F_STRS,     /* struct gw_strs; a scalar is a list of one (with .comma also "a,b") */
    GW_F_MAP,      /* struct gw_pairs: string to string, in the order of the file */
    GW_F_VALUE,    /* const struct gw_yaml *: free form, read by its room (match, set, params) */
    GW_F_TABLE,    /* nested: `fields` of a struct at offset, its defaults set when absent; with
                      .pointer a pointer to such a struct, NULL when the key is absent */
    GW_F_TABLES,   /* struct gw_list of structs of `size` bytes with `fields` */
    GW_F_UNION     /* struct gw_union: `variants` chosen by the key `type` */
};

struct gw_strs {
    const char **items;
    size_t n;
};

struct gw_pair {
    const char *key, *value;
};

struct gw_pairs {
    struct gw_pair *items;
    size_t n;
};

struct gw_list {
    void *items; /* an array of the table's struct */
    size_t n;
};

struct gw_variant {
    const char *name; /* of `type` */
    const struct gw_field *fields;
    size_t size; /* of its struct */
    const char *help;
};

struct gw_union {
    const char *type; /* the variant's name; NULL when the key is absent */
    void *conf;       /* its struct */
    int line, column;
};

struct gw_field {
    const char *name;
    enum gw_field_type type;
    size_t offset;                 /* in the room's own struct */
    const char *def;               /* as it would be written; NULL: zero, NULL, empty */
    const char *help;              /* meaning and unit, for the schema and the reference page */
    int64_t min, max;              /* numbers, sizes, durations (ms); both 0: no bounds */
    const char *const *choices;    /* GW_F_CHOICE: NULL-terminated */
    const struct gw_field *fields; /* GW_F_TABLE, GW_F_TABLES */
    size_t size;                   /* of the nested struct */
    const struct gw_variant *(*variant)(size_t i); /* GW_F_UNION: NULL past the last */
    const char *alias;                             /* another spelling, case-insensitive */
    /* GW_F_MAP: 1: the value of this key is the path of a file whose content counts, relative to
     * the working directory, as the library that it is for will open it; NULL: none is */
    int (*names_file)(struct gw_str key, struct gw_str value);
    const char *const *theirs; /* GW_F_TABLE: in the schema a mapping with one of these and none of
                                  its own keys may hold anything; NULL-terminated */
    unsigned required : 1;     /* GW_F_STRS: with an item at least, and none that is empty */
    unsigned secret : 1;       /* never shown; a twin NAME_file takes a path whose content it is */
    unsigned comma : 1;        /* GW_F_STRS: a scalar is split at commas */
    unsigned pointer : 1;      /* GW_F_TABLE: see above */
    unsigned weak : 1;  /* a scalar, or GW_F_STRS: as FlyteAdmin reads it (base/weak.h), "1" is true
                           and true is 1; a text is split at commas, white space stays */
    unsigned path : 1;  /* GW_F_STR, GW_F_STRS: relative to the file it stands in */
    unsigned input : 1; /* with path: its content counts, as that of a certificate */
};

/* Fills conf (zeroed by the caller) from a mapping, or with defaults when map is NULL. Every
 * problem is added to p with line and column; where names the place: "pipelines.orders.publisher".
 * Unknown keys, wrong types, values out of range, missing required ones: all reported, not only
 * the first. */
void gw_fields_read(const struct gw_field *fields, const struct gw_yaml *map, void *conf,
                    struct gw_problems *p, const char *where);
/* The files whose contents the values of a mapping are or need: the twins NAME_file, the fields
 * with `input`, and what names_file says (f is the map then). path is resolved and lives as long as
 * the call; at is where it is written. */
typedef void gw_field_file_fn(void *ctx, const struct gw_field *f, const struct gw_yaml *at,
                              const char *path);
void gw_fields_files(const struct gw_field *fields, const struct gw_yaml *map, gw_field_file_fn *fn,
                     void *ctx);
/* 1: two structs of the table have the same values. */
int gw_fields_same(const struct gw_field *fields, const void *a, const void *b);
/* The JSON Schema (2020-12) of a table, as an object. */
void gw_fields_schema(const struct gw_field *fields, struct gw_buf *out);
/* The reference page of a table and those below it, in Markdown. */
void gw_fields_reference(const struct gw_field *fields, struct gw_buf *out);

struct gw_nearest;
/* The variant that near->wanted names, or NULL. Every name is offered to near and put into all, for
 * a message. */
const struct gw_variant *gw_variant_find(const struct gw_variant *(*variant)(size_t i),
                                         struct gw_nearest *near, char *all, size_t size);

#endif
