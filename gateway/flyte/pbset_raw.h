#ifndef GW_FLYTE_PBSET_RAW_H
#define GW_FLYTE_PBSET_RAW_H

#include "flyte/pbset.h"

#include <stdint.h>

struct gw_arena;

/* Inside of pbset*.c: what a set says, before it is made into descriptors. Names are NUL-terminated
 * and live in `keep`, all else in `mem`. Numbers are as they came. */
enum { /* FieldDescriptorProto.Type and .Label */
       GW_PBRAW_GROUP = 10,
       GW_PBRAW_MESSAGE = 11,
       GW_PBRAW_ENUM = 14,
       GW_PBRAW_TYPES = 19,
       GW_PBRAW_REQUIRED = 2,
       GW_PBRAW_REPEATED = 3
};

struct gw_pbraw_field {
    struct gw_pbraw_field *next;
    struct gw_str name, json, type_name;
    uint64_t number, label, type;
    uint64_t oneof; /* from 1; 0: in none */
    int packed;     /* -1: not said */
    int optional3;  /* proto3's optional: its oneof is made up */
};

struct gw_pbraw_name {
    struct gw_pbraw_name *next;
    struct gw_str name;
    int32_t number; /* of an enum's value */
};

struct gw_pbraw_file {
    struct gw_pbraw_file *next;
    struct gw_str name, package;
    struct gw_pbraw_name *imports;
    size_t index;
    int proto3;
};

struct gw_pbraw_message {
    struct gw_pbraw_message *next;
    const struct gw_pbraw_file *file;
    struct gw_str name, last; /* full; its last part */
    struct gw_pbraw_field *fields;
    struct gw_pbraw_name *oneofs;
    size_t n_fields, n_oneofs;
    int map_entry;
    const ProtobufCMessageDescriptor *d;
};

struct gw_pbraw_enum {
    struct gw_pbraw_enum *next;
    const struct gw_pbraw_file *file;
    struct gw_str name, last;
    struct gw_pbraw_name *values;
    size_t n_values;
    const ProtobufCEnumDescriptor *d;
};

struct gw_pbraw {
    struct gw_arena *mem, *keep;
    struct gw_err *err;
    struct gw_pbraw_file *files;
    struct gw_pbraw_message *messages; /* in the order of the set, nested ones behind their own */
    struct gw_pbraw_enum *enums;
    size_t n_files, n_messages, n_enums, n_items;
    int demands; /* some field is required */
};

/* pbset_read.c: the bytes. -1: err. */
int gw_pbraw_read(struct gw_pbraw *raw, struct gw_str bytes);

/* pbset_build.c: descriptors, with everything by its name. */
struct gw_pbraw_symbol {
    struct gw_str name;
    struct gw_pbraw_message *message; /* or */
    struct gw_pbraw_enum *en;
};
struct gw_pbraw_table {
    struct gw_pbraw_symbol *all; /* sorted */
    size_t n;
};
int gw_pbraw_build(struct gw_pbraw *raw, struct gw_pbraw_table *table);

/* pbset_enum.c. */
int gw_pbraw_enum(struct gw_pbraw *raw, struct gw_pbraw_enum *e);
/* Of n sorted numbers: how many ranges; into out (n + 1 of them) if it is not NULL. */
unsigned gw_pbraw_ranges(const int *numbers, unsigned n, ProtobufCIntRange *out);

/* "FILE: WHAT: …"; -1. */
int gw_pbraw_fail(struct gw_pbraw *raw, const struct gw_pbraw_file *f, struct gw_str what,
                  const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
