/* Messages as proto3 JSON, without white space, maps by key; in either of two dialects: that of
 * Google's library (protojson), fields by number, and that of Go's older one (jsonpb), which is in
 * what FlyteAdmin sends. What recurses is bounded by the depth of what was decoded. */
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "base/time.h"
#include "flyte/go_float.h"
#include "flyte/pbjson.h"
#include "flyte/reflect.h"
#include "flyte/schema.h"
#include "google/protobuf/struct.pb-c.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    struct gw_buf *out;
    struct gw_err *err;
    int go;                            /* jsonpb */
    const ProtobufCFieldDescriptor *f; /* for errors */
};

static int put_message(struct writer *w, const ProtobufCMessage *m);

static int fail(const struct writer *w, const char *why)
{
    return gw_err_set(w->err, GW_ERR_REJECT, "%s: %s", w->f ? w->f->name : "message", why);
}

static int put_enum(struct gw_buf *out, const ProtobufCEnumDescriptor *d, int32_t value)
{
    const char *name = gw_pb_enum_name(d, value);

    if (d == &google__protobuf__null_value__descriptor) {
        gw_buf_puts(out, "null");
    } else if (name) {
        gw_buf_putc(out, '"');
        gw_buf_puts(out, name);
        gw_buf_putc(out, '"');
    } else {
        gw_buf_put_i64(out, value);
    }
    return 0;
}

static void put_i64(struct gw_buf *out, int64_t v)
{
    gw_buf_putc(out, '"');
    gw_buf_put_i64(out, v);
    gw_buf_putc(out, '"');
}

static void put_u64(struct gw_buf *out, uint64_t v)
{
    gw_buf_putc(out, '"');
    gw_buf_put_u64(out, v);
    gw_buf_putc(out, '"');
}

static void put_bytes(const struct writer *w, const ProtobufCBinaryData *b, int is_string)
{
    struct gw_str s = {b->len ? (const char *)b->data : "", b->len};

    if (is_string && w->go) {
        gw_json_put_string_go(w->out, s);
    } else if (is_string) {
        gw_json_put_string(w->out, s);
    } else {
        gw_buf_putc(w->out, '"');
        gw_base64_put(w->out, s);
        gw_buf_putc(w->out, '"');
    }
}

static void put_double(const struct writer *w, double d)
{
    if (w->go)
        gw_go_json_float(w->out, d, 64);
    else
        gw_json_put_double(w->out, d);
}

static void put_float(const struct writer *w, float f)
{
    if (w->go)
        gw_go_json_float(w->out, (double)f, 32);
    else
        gw_json_put_float(w->out, f);
}

/* An entry without a value has a default one. */
static int put_default(struct writer *w, const ProtobufCMessageDescriptor *d)
{
    ProtobufCMessage *empty = calloc(1, d->sizeof_message);
    int failed;

    if (!empty)
        abort();
    empty->descriptor = d;
    failed = put_message(w, empty);
    free(empty);
    return failed;
}

static int put_value(struct writer *w, const ProtobufCMessageDescriptor *d,
                     const ProtobufCFieldDescriptor *f, const void *at)
{
    const ProtobufCMessage *m;

    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        gw_buf_put_i64(w->out, *(const int32_t *)at);
        return 0;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        gw_buf_put_u64(w->out, *(const uint32_t *)at);
        return 0;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        put_i64(w->out, *(const int64_t *)at);
        return 0;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        put_u64(w->out, *(const uint64_t *)at);
        return 0;
    case PROTOBUF_C_TYPE_FLOAT:
        put_float(w, *(const float *)at);
        return 0;
    case PROTOBUF_C_TYPE_DOUBLE:
        put_double(w, *(const double *)at);
        return 0;
    case PROTOBUF_C_TYPE_BOOL:
        gw_buf_puts(w->out, *(const protobuf_c_boolean *)at ? "true" : "false");
        return 0;
    case PROTOBUF_C_TYPE_ENUM:
        return put_enum(w->out, f->descriptor, *(const int32_t *)at);
    case PROTOBUF_C_TYPE_MESSAGE:
        m = *(ProtobufCMessage *const *)at;
        return m ? put_message(w, m) : put_default(w, f->descriptor);
    default:
        put_bytes(w, at, gw_pb_kind(d, f) == GW_PB_STRING);
        return 0;
    }
}

static int put_list(struct writer *w, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    const char *at = *(char *const *)gw_pb_member(m, f);
    size_t n = gw_pb_count(m, f), size = gw_pb_size(f);

    gw_buf_putc(w->out, '[');
    for (size_t i = 0; i < n; i++, at += size) {
        if (i)
            gw_buf_putc(w->out, ',');
        if (put_value(w, m->descriptor, f, at))
            return -1;
    }
    gw_buf_putc(w->out, ']');
    return 0;
}

static int put_entry(struct writer *w, const ProtobufCMessage *entry)
{
    const ProtobufCMessageDescriptor *d = entry->descriptor;
    const ProtobufCFieldDescriptor *key = &d->fields[GW_PB_ENTRY_KEY];
    const ProtobufCFieldDescriptor *value = &d->fields[GW_PB_ENTRY_VALUE];
    /* Strings and 64-bit numbers bring their quotes. */
    int quote = key->type != PROTOBUF_C_TYPE_BYTES && gw_pb_size(key) != 8;
    if (quote)
        gw_buf_putc(w->out, '"');
    put_value(w, d, key, gw_pb_member(entry, key));
    gw_buf_puts(w->out, quote ? "\":" : ":");
    return put_value(w, d, value, gw_pb_member(entry, value));
}

static int put_map(struct writer *w, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    struct gw_pb_map map;
    int failed = 0;

    gw_pb_map_open(&map, m, f);
    gw_buf_putc(w->out, '{');
    for (size_t i = 0; i < map.n && !failed; i++) {
        if (i)
            gw_buf_putc(w->out, ',');
        failed = put_entry(w, map.entries[i]);
    }
    gw_buf_putc(w->out, '}');
    gw_pb_map_close(&map);
    return failed;
}

static int put_field_value(struct writer *w, const ProtobufCMessage *m,
                           const ProtobufCFieldDescriptor *f)
{
    w->f = f;
    if (f->label != PROTOBUF_C_LABEL_REPEATED)
        return put_value(w, m->descriptor, f, gw_pb_member(m, f));
    return gw_pb_kind(m->descriptor, f) == GW_PB_MAP ? put_map(w, m, f) : put_list(w, m, f);
}

/* ,"name": */
static void put_key(struct gw_buf *out, int first, const struct gw_schema_field *f)
{
    char *to = gw_buf_room(out, f->json_len + 4U), *p = to;

    if (!to)
        return;
    if (!first)
        *p++ = ',';
    *p++ = '"';
    memcpy(p, f->json, f->json_len);
    p += f->json_len;
    *p++ = '"';
    *p++ = ':';
    gw_buf_added(out, (size_t)(p - to));
}

static int put_object(struct writer *w, const ProtobufCMessage *m)
{
    const ProtobufCMessageDescriptor *d = m->descriptor;
    const struct gw_schema_message *s = gw_schema_of(d);
    int first = 1;

    gw_buf_putc(w->out, '{');
    for (unsigned i = 0; i < d->n_fields; i++) {
        unsigned at = w->go ? gw_schema_declared(s, i) : i;

        if (!gw_pb_has(m, &d->fields[at]))
            continue;
        put_key(w->out, first, &s->fields[at]);
        first = 0;
        if (put_field_value(w, m, &d->fields[at]))
            return -1;
    }
    gw_buf_putc(w->out, '}');
    return 0;
}

static int put_time(struct writer *w, const ProtobufCMessage *m)
{
    char text[GW_TIME_TEXT];
    struct gw_time t = gw_pb_time(m);
    size_t len = w->go ? gw_time_format_go(t, 0, text) : gw_time_format(t, text);

    if (!len)
        return fail(w, "a Timestamp out of range");
    gw_json_put_string(w->out, (struct gw_str){text, len});
    return 0;
}

static int put_duration(struct writer *w, const ProtobufCMessage *m)
{
    struct gw_time d = gw_pb_time(m); /* the same two fields */
    char text[GW_DURATION_TEXT];
    size_t len = gw_duration_format(d.sec, d.nanos, text);

    if (!len)
        return fail(w, "a Duration out of range");
    gw_json_put_string(w->out, (struct gw_str){text, len});
    return 0;
}

/* protojson gives up where a Value is NaN or infinite: as a text it would be read as one. jsonpb
 * writes the text. */
static int is_untold(const struct writer *w, const ProtobufCFieldDescriptor *f, const void *at)
{
    return !w->go && f->type == PROTOBUF_C_TYPE_DOUBLE && !isfinite(*(const double *)at);
}

/* google.protobuf.Value: its one member, bare. Without one Go's library gives up. */
static int put_bare(struct writer *w, const ProtobufCMessage *m)
{
    const ProtobufCMessageDescriptor *d = m->descriptor;

    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        const void *at = gw_pb_member(m, f);

        if (!gw_pb_has(m, f))
            continue;
        return is_untold(w, f, at) ? fail(w, "a Value that is not a finite number")
                                   : put_value(w, d, f, at);
    }
    if (w->go)
        return fail(w, "a Value of no kind");
    gw_buf_puts(w->out, "null");
    return 0;
}

static int put_message(struct writer *w, const ProtobufCMessage *m)
{
    const ProtobufCFieldDescriptor *first = m->descriptor->fields;

    switch (gw_schema_of(m->descriptor)->known) {
    case GW_KNOWN_TIMESTAMP:
        return put_time(w, m);
    case GW_KNOWN_DURATION:
        return put_duration(w, m);
    case GW_KNOWN_STRUCT:
        return put_map(w, m, first);
    case GW_KNOWN_LIST:
        return put_list(w, m, first);
    case GW_KNOWN_VALUE:
        return put_bare(w, m);
    case GW_KNOWN_WRAPPER:
        return put_value(w, m->descriptor, first, gw_pb_member(m, first));
    case GW_KNOWN_ANY:
        return fail(w, "an Any, whose type is not known here");
    default:
        return put_object(w, m);
    }
}

int gw_pb_json_put(struct gw_buf *out, const ProtobufCMessage *m, struct gw_err *err)
{
    struct writer w = {out, err, 0, NULL};

    return put_message(&w, m);
}

int gw_pb_jsonpb_put(struct gw_buf *out, const ProtobufCMessage *m, struct gw_err *err)
{
    struct writer w = {out, err, 1, NULL};

    return put_message(&w, m);
}
