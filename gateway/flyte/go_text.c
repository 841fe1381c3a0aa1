/* What recurses is bounded by the depth of what was decoded. */
#include "flyte/go_text.h"

#include "base/buf.h"
#include "base/text.h"
#include "base/varint.h"
#include "flyte/go_float.h"
#include "flyte/pbjson.h"
#include "flyte/reflect.h"
#include "flyte/schema.h"

#include <stdio.h>
#include <string.h>

enum { GROUP = 3, GROUP_END = 4 }; /* wire types that protobuf-c leaves out */

struct text {
    struct gw_buf *out;
    int spacing;
    int between; /* a value stands before: the next name wants space */
};

static void put_message(struct text *t, const ProtobufCMessage *m);

static void put_name(struct text *t, const char *name)
{
    if (t->between)
        gw_buf_put(t->out, "  ", t->spacing == 1 ? 1 : 2);
    gw_buf_puts(t->out, name);
    gw_buf_putc(t->out, ':');
    t->between = 0;
}

static void open(struct text *t)
{
    gw_buf_putc(t->out, '{');
    t->between = 0;
}

static void put_close(struct text *t)
{
    gw_buf_putc(t->out, '}');
    t->between = 1;
}

static int is_plain(char c)
{
    return (unsigned char)c >= 0x20 && (unsigned char)c < 0x7f && c != '"' && c != '\\';
}

static void put_byte(struct gw_buf *out, unsigned char c)
{
    static const char names[] = "\"\"\\\\\nn\rr\tt";

    for (const char *p = names; *p; p += 2) {
        if ((unsigned char)*p == c) {
            gw_buf_put(out, (const char[]){'\\', p[1]}, 2);
            return;
        }
    }
    gw_buf_printf(out, "\\x%02x", c);
}

/* A byte that is not plain, or a whole character; returns its length. */
static size_t put_odd(struct gw_buf *out, const char *p, size_t left)
{
    size_t n = gw_utf8_step(p, left);

    if (n < 2)
        put_byte(out, (unsigned char)*p);
    else if ((unsigned char)p[0] == 0xc2 && (unsigned char)p[1] < 0xa0)
        gw_buf_printf(out, "\\u%04x", (unsigned char)p[1]);
    else
        gw_buf_put(out, p, n);
    return n ? n : 1;
}

/* Strings and bytes alike; other UTF-8 stays as it is. */
static void put_string(struct gw_buf *out, struct gw_str s)
{
    gw_buf_putc(out, '"');
    for (size_t i = 0; i < s.len;) {
        size_t from = i;

        while (i < s.len && is_plain(s.p[i]))
            i++;
        gw_buf_put(out, s.p + from, i - from);
        if (i < s.len)
            i += put_odd(out, s.p + i, s.len - i);
    }
    gw_buf_putc(out, '"');
}

static void put_enum(struct gw_buf *out, const ProtobufCEnumDescriptor *d, int32_t value)
{
    const char *name = gw_pb_enum_name(d, value);

    if (name)
        gw_buf_puts(out, name);
    else
        gw_buf_put_i64(out, value);
}

static void put_nested(struct text *t, const ProtobufCMessage *m)
{
    open(t);
    if (m)
        put_message(t, m);
    put_close(t);
}

static void put_value(struct text *t, const ProtobufCFieldDescriptor *f, const void *at)
{
    const ProtobufCBinaryData *b = at;

    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        gw_buf_put_i64(t->out, *(const int32_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        gw_buf_put_u64(t->out, *(const uint32_t *)at);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        gw_buf_put_i64(t->out, *(const int64_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        gw_buf_put_u64(t->out, *(const uint64_t *)at);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        gw_go_text_float(t->out, (double)*(const float *)at, 32);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        gw_go_text_float(t->out, *(const double *)at, 64);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        gw_buf_puts(t->out, *(const protobuf_c_boolean *)at ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM:
        put_enum(t->out, f->descriptor, *(const int32_t *)at);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        put_nested(t, *(ProtobufCMessage *const *)at);
        break;
    default:
        put_string(t->out, (struct gw_str){b->len ? (const char *)b->data : "", b->len});
    }
    t->between = 1;
}

static void put_list(struct text *t, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    const char *at = *(char *const *)gw_pb_member(m, f);
    size_t n = gw_pb_count(m, f), size = gw_pb_size(f);

    for (size_t i = 0; i < n; i++, at += size) {
        put_name(t, f->name);
        put_value(t, f, at);
    }
}

static void put_entry(struct text *t, const ProtobufCFieldDescriptor *f,
                      const ProtobufCMessage *entry)
{
    put_name(t, f->name);
    open(t);
    for (int i = GW_PB_ENTRY_KEY; i <= GW_PB_ENTRY_VALUE; i++) {
        const ProtobufCFieldDescriptor *part = &entry->descriptor->fields[i];

        put_name(t, part->name);
        put_value(t, part, gw_pb_member(entry, part));
    }
    put_close(t);
}

static void put_map(struct text *t, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    struct gw_pb_map map;

    gw_pb_map_open(&map, m, f);
    for (size_t i = 0; i < map.n; i++)
        put_entry(t, f, map.entries[i]);
    gw_pb_map_close(&map);
}

static void put_fixed(struct text *t, const unsigned char *p, size_t len)
{
    uint64_t v = 0;

    while (len-- > 0)
        v = v << 8 | p[len];
    gw_buf_printf(t->out, "0x%llx", (unsigned long long)v);
}

static const unsigned char *put_unknown(struct text *t, const unsigned char *p,
                                        const unsigned char *end, uint64_t tag);

/* Fields up to the end of the group, or of the bytes. They were decoded, so each is whole. */
static const unsigned char *put_group(struct text *t, const unsigned char *p,
                                      const unsigned char *end)
{
    uint64_t tag;

    open(t);
    while (!gw_varint_read(&p, end, &tag) && (tag & 7) != GROUP_END)
        p = put_unknown(t, p, end, tag);
    put_close(t);
    return p;
}

/* The byte behind it. */
static const unsigned char *put_unknown(struct text *t, const unsigned char *p,
                                        const unsigned char *end, uint64_t tag)
{
    char name[12];
    uint64_t v = 0;

    snprintf(name, sizeof(name), "%u", (unsigned)(tag >> 3));
    put_name(t, name);
    t->between = 1;
    switch (tag & 7) {
    case GROUP:
        return put_group(t, p, end);
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        put_fixed(t, p, 8);
        return p + 8;
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        put_fixed(t, p, 4);
        return p + 4;
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        gw_varint_read(&p, end, &v);
        gw_buf_put_u64(t->out, v);
        return p;
    default:
        gw_varint_read(&p, end, &v);
        put_string(t->out, (struct gw_str){(const char *)p, (size_t)v});
        return p + v;
    }
}

static void put_field(struct text *t, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    if (!gw_pb_has(m, f))
        return;
    if (f->label != PROTOBUF_C_LABEL_REPEATED) {
        put_name(t, f->name);
        put_value(t, f, gw_pb_member(m, f));
    } else if (gw_pb_kind(m->descriptor, f) == GW_PB_MAP) {
        put_map(t, m, f);
    } else {
        put_list(t, m, f);
    }
}

static void put_message(struct text *t, const ProtobufCMessage *m)
{
    const ProtobufCMessageDescriptor *d = m->descriptor;
    const struct gw_schema_message *s = gw_schema_of(d);

    for (unsigned i = 0; i < d->n_fields; i++)
        put_field(t, m, &d->fields[gw_schema_declared(s, i)]);
    for (unsigned i = 0; i < m->n_unknown_fields; i++)
        put_unknown(t, m->unknown_fields[i].data,
                    m->unknown_fields[i].data + m->unknown_fields[i].len,
                    (uint64_t)m->unknown_fields[i].tag << 3 | m->unknown_fields[i].wire_type);
}

void gw_go_text_put(struct gw_buf *out, const ProtobufCMessage *m, int spacing)
{
    struct text t = {out, spacing, 0};

    if (m)
        put_message(&t, m);
    else
        gw_buf_puts(out, "<nil>");
}
