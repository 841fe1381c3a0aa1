/* proto3 JSON to messages, strictly: FlyteAdmin's REST paths take it. Both spellings of names; null
 * leaves a field unset; a field, a map's key or a oneof given twice, and what the schema does not
 * have, are errors that name the place. Depth is the JSON reader's. */
#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "base/time.h"
#include "flyte/pbjson.h"
#include "flyte/reflect.h"
#include "flyte/schema.h"
#include "google/protobuf/struct.pb-c.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JSON_DEPTH = 100, FIELDS_MAX = 64 };

struct reader {
    struct gw_arena *mem;
    struct gw_err *err;
    struct gw_json j;
    size_t max_memory;
    int known_only; /* what the schema does not have is passed over */
};

/* Where we are: the chain upwards is the path for errors. */
struct place {
    const struct place *up;
    const ProtobufCMessageDescriptor *d;
    const ProtobufCFieldDescriptor *f; /* NULL: the message itself */
};

static int read_message(struct reader *r, const struct place *up, ProtobufCMessage *m);
static int read_value(struct reader *r, const struct place *p, void *slot);

static size_t put_path(const struct place *p, char *out, size_t size)
{
    size_t n = p->up ? put_path(p->up, out, size) : 0;

    /* What JSON does not spell out (entries of maps, members of Values) is no part of the path. */
    if (!p->f || gw_schema_of(p->d)->map_entry || gw_schema_of(p->d)->known || n >= size)
        return n;
    return n +
           (size_t)snprintf(out + n, size - n, "%s%s", n ? "." : "", gw_pb_json_name(p->d, p->f));
}

/* The text of the current token is shown, cut. */
static int fail(struct reader *r, const struct place *p, const char *why)
{
    char path[110];

    if (r->j.token == GW_JSON_ERROR)
        return gw_json_error(&r->j, r->err);
    if (!put_path(p, path, sizeof(path)))
        snprintf(path, sizeof(path), "%s", p->d->short_name);
    if (r->j.token < GW_JSON_KEY)
        return gw_err_set(r->err, GW_ERR_REJECT, "%s: %s", path, why);
    return gw_err_set(r->err, GW_ERR_REJECT, "%s: %s: %.*s", path, why,
                      (int)(r->j.raw.len < 40 ? r->j.raw.len : 40), r->j.raw.p);
}

/* The token's text as a number has it: bare or in quotes. */
static int number_text(struct reader *r, struct gw_str *out)
{
    if (r->j.token == GW_JSON_NUMBER)
        *out = r->j.raw;
    else if (r->j.token == GW_JSON_STRING || r->j.token == GW_JSON_KEY)
        *out = gw_json_string(&r->j, r->mem);
    else
        return -1;
    return 0;
}

static int read_signed(struct reader *r, const struct place *p, void *slot, int wide)
{
    struct gw_str text;
    int64_t v;

    if (number_text(r, &text) || gw_number_i64(r->mem, text, &v) ||
        (!wide && (v < INT32_MIN || v > INT32_MAX)))
        return fail(r, p, wide ? "not an integer of 64 bits" : "not an integer of 32 bits");
    if (wide)
        *(int64_t *)slot = v;
    else
        *(int32_t *)slot = (int32_t)v;
    return 0;
}

static int read_unsigned(struct reader *r, const struct place *p, void *slot, int wide)
{
    struct gw_str text;
    uint64_t v;

    if (number_text(r, &text) || gw_number_u64(r->mem, text, &v) || (!wide && v > UINT32_MAX))
        return fail(r, p,
                    wide ? "not a natural number of 64 bits" : "not a natural number of 32 bits");
    if (wide)
        *(uint64_t *)slot = v;
    else
        *(uint32_t *)slot = (uint32_t)v;
    return 0;
}

static int read_double(struct reader *r, const struct place *p, double *out)
{
    struct gw_str text;

    if (!number_text(r, &text)) {
        if (!gw_number_double(r->mem, text, out))
            return 0;
        if (r->j.token == GW_JSON_STRING) {
            *out = gw_str_is(text, "NaN")         ? (double)NAN
                   : gw_str_is(text, "Infinity")  ? (double)INFINITY
                   : gw_str_is(text, "-Infinity") ? (double)-INFINITY
                                                  : 0;
            if (*out != 0)
                return 0;
        }
    }
    return fail(r, p, "not a number in range");
}

static int read_float(struct reader *r, const struct place *p, float *out)
{
    double d = 0;

    if (read_double(r, p, &d))
        return -1;
    *out = (float)d;
    return isfinite(d) && !isfinite(*out) ? fail(r, p, "not a number in range") : 0;
}

static int read_bool(struct reader *r, const struct place *p, protobuf_c_boolean *out)
{
    if (r->j.token == GW_JSON_TRUE || (r->j.token == GW_JSON_KEY && gw_json_is(&r->j, "true")))
        *out = 1;
    else if (r->j.token == GW_JSON_FALSE ||
             (r->j.token == GW_JSON_KEY && gw_json_is(&r->j, "false")))
        *out = 0;
    else
        return fail(r, p, "neither true nor false");
    return 0;
}

static int unknown_name(struct reader *r, const struct place *p, const ProtobufCEnumDescriptor *d,
                        struct gw_str name)
{
    struct gw_nearest nearest = {.wanted = name};
    char hint[100], why[180];

    for (unsigned i = 0; i < d->n_values; i++)
        gw_nearest_offer(&nearest, gw_str_of(d->values[i].name));
    gw_nearest_hint(&nearest, hint, sizeof(hint));
    snprintf(why, sizeof(why), "no %s%s", d->short_name, hint);
    return fail(r, p, why);
}

static int read_enum(struct reader *r, const struct place *p, int32_t *out)
{
    const ProtobufCEnumDescriptor *d = p->f->descriptor;
    struct gw_str name;

    if (r->j.token == GW_JSON_NULL && d == &google__protobuf__null_value__descriptor) {
        *out = 0;
        return 0;
    }
    if (r->j.token == GW_JSON_NUMBER)
        return read_signed(r, p, out, 0);
    if (r->j.token != GW_JSON_STRING)
        return fail(r, p, "neither a name nor a number");
    name = gw_json_string(&r->j, r->mem);
    for (unsigned i = 0; i < d->n_values; i++)
        if (gw_str_is(name, d->values[i].name)) {
            *out = d->values[i].value;
            return 0;
        }
    return unknown_name(r, p, d, name);
}

static int fail_utf8(struct reader *r, const struct place *p, const char *half)
{
    char why[80];
    int line, column;

    gw_json_place(&r->j, half, &line, &column);
    snprintf(why, sizeof(why), "not UTF-8 (half a surrogate pair at line %d, column %d)", line,
             column);
    return fail(r, p, why);
}

static int read_bytes(struct reader *r, const struct place *p, ProtobufCBinaryData *out)
{
    const char *half;
    struct gw_str s;

    if (r->j.token != GW_JSON_STRING && r->j.token != GW_JSON_KEY)
        return fail(r, p, "not a string");
    if ((half = gw_json_lone_surrogate(&r->j)))
        return fail_utf8(r, p, half);
    s = gw_json_string(&r->j, r->mem);
    if (gw_pb_kind(p->d, p->f) != GW_PB_STRING) {
        s = gw_base64_decode(r->mem, s);
        if (!s.p)
            return fail(r, p, "not base64");
    }
    out->data = (uint8_t *)s.p;
    out->len = s.len;
    return 0;
}

/* The value at the current token. */
static int read_value(struct reader *r, const struct place *p, void *slot)
{
    ProtobufCMessage **m = slot;

    switch (p->f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return read_signed(r, p, slot, 0);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return read_signed(r, p, slot, 1);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return read_unsigned(r, p, slot, 0);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return read_unsigned(r, p, slot, 1);
    case PROTOBUF_C_TYPE_FLOAT:
        return read_float(r, p, slot);
    case PROTOBUF_C_TYPE_DOUBLE:
        return read_double(r, p, slot);
    case PROTOBUF_C_TYPE_BOOL:
        return read_bool(r, p, slot);
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(r, p, slot);
    case PROTOBUF_C_TYPE_MESSAGE:
        *m = gw_pb_new(r->mem, p->f->descriptor);
        return read_message(r, p, *m);
    default:
        return read_bytes(r, p, slot);
    }
}

static int is_value(const ProtobufCMessageDescriptor *d)
{
    return d && gw_schema_of(d)->known == GW_KNOWN_VALUE;
}

/* One item of a list, or a map's value: null is none of them, but of Values. */
static int read_item(struct reader *r, const struct place *p, void *slot)
{
    int takes_null = p->f->type == PROTOBUF_C_TYPE_MESSAGE && is_value(p->f->descriptor);

    if (r->j.token == GW_JSON_NULL && !takes_null)
        return fail(r, p, "null in a list or a map");
    return read_value(r, p, slot);
}

static int read_list(struct reader *r, const struct place *p, ProtobufCMessage *m)
{
    if (r->j.token != GW_JSON_ARRAY)
        return fail(r, p, "not an array");
    while (gw_json_next(&r->j) > GW_JSON_END && r->j.token != GW_JSON_ARRAY_END)
        if (read_item(r, p, gw_pb_add(r->mem, m, p->f)))
            return -1;
    return r->j.token == GW_JSON_ARRAY_END ? 0 : fail(r, p, "");
}

static int read_entry(struct reader *r, const struct place *map, ProtobufCMessage *entry)
{
    const ProtobufCMessageDescriptor *d = entry->descriptor;
    struct place key = {map, d, &d->fields[GW_PB_ENTRY_KEY]};
    struct place value = {map, d, &d->fields[GW_PB_ENTRY_VALUE]};

    if (read_value(r, &key, gw_pb_member(entry, key.f)))
        return -1;
    gw_json_next(&r->j);
    return read_item(r, &value, gw_pb_member(entry, value.f));
}

static int check_keys(struct reader *r, const struct place *p, ProtobufCMessage *const *entries,
                      size_t n)
{
    ProtobufCMessage **sorted = n > 1 ? gw_pb_map_sorted(entries, n) : NULL;
    int twice = 0;

    for (size_t i = 1; i < n && !twice; i++)
        twice = gw_pb_same_key(sorted[i - 1], sorted[i]);
    free(sorted);
    return twice ? fail(r, p, "a key given twice") : 0;
}

static int read_map(struct reader *r, const struct place *p, ProtobufCMessage *m)
{
    ProtobufCMessage **entry;

    if (r->j.token != GW_JSON_OBJECT)
        return fail(r, p, "not an object");
    while (gw_json_next(&r->j) == GW_JSON_KEY) {
        entry = gw_pb_add(r->mem, m, p->f);
        *entry = gw_pb_new(r->mem, p->f->descriptor);
        if (read_entry(r, p, *entry))
            return -1;
    }
    if (r->j.token != GW_JSON_OBJECT_END)
        return fail(r, p, "");
    return check_keys(r, p, *(ProtobufCMessage ***)gw_pb_member(m, p->f), gw_pb_count(m, p->f));
}

static int read_field(struct reader *r, const struct place *p, ProtobufCMessage *m)
{
    if (p->f->label != PROTOBUF_C_LABEL_REPEATED) {
        gw_pb_choose(m, p->f);
        return read_value(r, p, gw_pb_member(m, p->f));
    }
    return gw_pb_kind(p->d, p->f) == GW_PB_MAP ? read_map(r, p, m) : read_list(r, p, m);
}

static int unknown_field(struct reader *r, const struct place *p, struct gw_str name)
{
    struct gw_nearest nearest = {.wanted = name};
    char hint[100], why[170];

    for (unsigned i = 0; i < p->d->n_fields; i++) {
        gw_nearest_offer(&nearest, gw_str_of(gw_schema_of(p->d)->fields[i].json));
        gw_nearest_offer(&nearest, gw_str_of(p->d->fields[i].name));
    }
    gw_nearest_hint(&nearest, hint, sizeof(hint));
    snprintf(why, sizeof(why), "no such field in %s%s", p->d->short_name, hint);
    return fail(r, p, why);
}

/* null leaves a field unset, but where null is a value. */
static int takes_null(const ProtobufCFieldDescriptor *f)
{
    return (f->type == PROTOBUF_C_TYPE_MESSAGE && is_value(f->descriptor) &&
            f->label != PROTOBUF_C_LABEL_REPEATED) ||
           (f->type == PROTOBUF_C_TYPE_ENUM &&
            f->descriptor == &google__protobuf__null_value__descriptor);
}

static int pass_over(struct reader *r)
{
    struct gw_str value;

    return gw_json_value(&r->j, &value) ? gw_json_error(&r->j, r->err) : 0;
}

static int read_member(struct reader *r, struct place *p, ProtobufCMessage *m, uint64_t *seen)
{
    struct gw_str name = gw_json_string(&r->j, r->mem);
    const ProtobufCFieldDescriptor *f = gw_pb_field_json(p->d, name);
    const uint32_t *chosen;
    uint64_t bit;

    if (!f && r->known_only)
        return pass_over(r);
    if (!f)
        return unknown_field(r, p, name);
    bit = 1ULL << (f - p->d->fields);
    p->f = f;
    if (*seen & bit)
        return fail(r, p, "given twice");
    *seen |= bit;
    gw_json_next(&r->j);
    if (r->j.token == GW_JSON_NULL && !takes_null(f))
        return 0;
    chosen = (const uint32_t *)((const char *)m + f->quantifier_offset);
    if (gw_pb_oneof(p->d, f) && *chosen)
        return fail(r, p, "another member of its oneof is given too");
    return read_field(r, p, m);
}

static int read_object(struct reader *r, const struct place *up, ProtobufCMessage *m)
{
    struct place p = {up, m->descriptor, NULL};
    uint64_t seen = 0;

    assert(m->descriptor->n_fields <= FIELDS_MAX);
    if (r->j.token != GW_JSON_OBJECT)
        return fail(r, up ? up : &p, "not an object");
    while (gw_json_next(&r->j) == GW_JSON_KEY) {
        if (read_member(r, &p, m, &seen))
            return -1;
        p.f = NULL;
    }
    return r->j.token == GW_JSON_OBJECT_END ? 0 : fail(r, &p, "");
}

/* Timestamp and Duration: two fields, seconds and nanos, from one string. */
static int read_time(struct reader *r, const struct place *up, ProtobufCMessage *m, int duration)
{
    const ProtobufCMessageDescriptor *d = m->descriptor;
    struct gw_time t;
    struct gw_str s;
    int bad = 1;

    if (r->j.token == GW_JSON_STRING) {
        s = gw_json_string(&r->j, r->mem);
        bad = duration ? gw_duration_parse(s, &t.sec, &t.nanos) : gw_time_parse(s, &t);
    }
    if (bad)
        return fail(r, up, duration ? "not a duration as \"1.5s\"" : "not an RFC 3339 time");
    *(int64_t *)gw_pb_member(m, &d->fields[0]) = t.sec;
    *(int32_t *)gw_pb_member(m, &d->fields[1]) = t.nanos;
    return 0;
}

/* google.protobuf.Value: the member that the token calls for. */
static int read_bare(struct reader *r, const struct place *up, ProtobufCMessage *m)
{
    static const char *const members[] = {
        [GW_JSON_OBJECT] = "struct_value", [GW_JSON_ARRAY] = "list_value",
        [GW_JSON_STRING] = "string_value", [GW_JSON_NUMBER] = "number_value",
        [GW_JSON_TRUE] = "bool_value",     [GW_JSON_FALSE] = "bool_value",
        [GW_JSON_NULL] = "null_value"};
    struct place p = {up, m->descriptor, NULL};

    if (r->j.token <= GW_JSON_END || !members[r->j.token])
        return fail(r, up, "not a JSON value");
    p.f = gw_pb_field(p.d, gw_str_of(members[r->j.token]));
    gw_pb_choose(m, p.f);
    /* Its name is not in the text, so it is not in the path. */
    return read_value(r, &p, gw_pb_member(m, p.f));
}

static int read_message(struct reader *r, const struct place *up, ProtobufCMessage *m)
{
    struct place p = {up, m->descriptor, m->descriptor->fields};
    const struct place *at = up ? up : &p;

    if (gw_arena_size(r->mem) > r->max_memory)
        return gw_err_set(r->err, GW_ERR_TOO_LARGE, "message too large: more than %d MiB decoded",
                          GW_PB_MAX_MEMORY >> 20);
    switch (gw_schema_of(m->descriptor)->known) {
    case GW_KNOWN_TIMESTAMP:
        return read_time(r, at, m, 0);
    case GW_KNOWN_DURATION:
        return read_time(r, at, m, 1);
    case GW_KNOWN_VALUE:
        return read_bare(r, at, m);
    case GW_KNOWN_STRUCT:
        return read_map(r, &p, m);
    case GW_KNOWN_LIST:
        return read_list(r, &p, m);
    case GW_KNOWN_WRAPPER:
        return read_value(r, &p, gw_pb_member(m, p.f));
    case GW_KNOWN_ANY:
        return fail(r, at, "an Any, whose type is not known here");
    default:
        return read_object(r, up, m);
    }
}

static ProtobufCMessage *read_all(struct reader *r, const ProtobufCMessageDescriptor *d,
                                  struct gw_str json)
{
    ProtobufCMessage *m = gw_pb_new(r->mem, d);

    r->max_memory = gw_arena_size(r->mem) + GW_PB_MAX_MEMORY;
    gw_json_init(&r->j, json, JSON_DEPTH);
    if (gw_json_next(&r->j) <= GW_JSON_END) {
        gw_json_error(&r->j, r->err);
        return NULL;
    }
    if (read_message(r, NULL, m))
        return NULL;
    if (gw_json_next(&r->j) != GW_JSON_END) {
        gw_json_error(&r->j, r->err);
        return NULL;
    }
    return m;
}

ProtobufCMessage *gw_pb_json_read(struct gw_arena *mem, const ProtobufCMessageDescriptor *d,
                                  struct gw_str json, struct gw_err *err)
{
    struct reader r = {.mem = mem, .err = err};

    return read_all(&r, d, json);
}

ProtobufCMessage *gw_pb_json_read_known(struct gw_arena *mem, const ProtobufCMessageDescriptor *d,
                                        struct gw_str json, struct gw_err *err)
{
    struct reader r = {.mem = mem, .err = err, .known_only = 1};

    return read_all(&r, d, json);
}
