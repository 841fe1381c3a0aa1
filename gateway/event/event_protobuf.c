/* io.cloudevents.v1.CloudEvent by hand: it is the form in the log, so every CloudEvent passes here
 * twice, and reading borrows. The test holds it to protobuf-c's. A field that comes twice is
 * refused, as a member given twice is in the other forms; unknown fields are skipped. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "base/time.h"
#include "base/varint.h"
#include "event/event.h"
#include "event/format.h"
#include "event/parts.h"

#include <string.h>

enum { F_ID = 1, F_SOURCE, F_SPEC_VERSION, F_TYPE, F_ATTRIBUTES };
enum { V_BOOL = 1, V_INT, V_STRING, V_BYTES, V_URI, V_URI_REF, V_TIME };
enum { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };

/* Writing. */

static size_t varint_size(uint64_t v)
{
    size_t n = 1;

    for (; v >= 0x80; v >>= 7)
        n++;
    return n;
}

/* The byte behind it; bytes_size has been asked for. */
static char *put_bytes(char *p, unsigned field, struct gw_str s)
{
    *p++ = (char)(field << 3 | LENGTH);
    p = gw_varint_put(p, s.len);
    if (s.len)
        memcpy(p, s.p, s.len);
    return p + s.len;
}

static size_t bytes_size(size_t len)
{
    return 1 + varint_size(len) + len;
}

void gw_event_protobuf_put_bytes(struct gw_buf *out, unsigned field, struct gw_str s)
{
    char *room = gw_buf_room(out, bytes_size(s.len));

    if (room)
        gw_buf_added(out, (size_t)(put_bytes(room, field, s) - room));
}

/* An attribute's value as it goes on the wire. */
struct value {
    unsigned field;
    uint64_t number;    /* V_BOOL, V_INT */
    struct gw_str text; /* the others */
    char time[24];      /* V_TIME: text points here */
};

static void encode_time(struct value *v, struct gw_time t)
{
    char *p = v->time;

    if (t.sec) {
        *p++ = 1 << 3 | VARINT;
        p = gw_varint_put(p, (uint64_t)t.sec);
    }
    if (t.nanos) {
        *p++ = 2 << 3 | VARINT;
        p = gw_varint_put(p, (uint32_t)t.nanos);
    }
    v->field = V_TIME;
    v->text = (struct gw_str){v->time, (size_t)(p - v->time)};
}

/* t, which is what text says, is written as text is. Of whole seconds in UTC, which most are, only
 * small letters and the 60th second have another spelling. */
static int is_spelt(struct gw_time t, struct gw_str text)
{
    enum { LETTER_T = 10, SECONDS = 17, LETTER_Z = 19 };
    char again[GW_TIME_TEXT];
    size_t len;

    if (text.len == LETTER_Z + 1)
        return text.p[LETTER_T] == 'T' && text.p[LETTER_Z] == 'Z' && text.p[SECONDS] != '6';
    len = gw_time_format(t, again);
    return gw_str_eq(text, (struct gw_str){again, len});
}

/* As a Timestamp if that gives the same text again, or may be spelt anew; else a time with an
 * offset stays text. */
static int try_time(struct value *v, struct gw_str text, int anew)
{
    struct gw_time t;

    if (gw_time_parse(text, &t) || (!anew && !is_spelt(t, text)))
        return 0;
    encode_time(v, t);
    return 1;
}

static void encode_value(struct value *v, const struct gw_attr *a, struct gw_arena *mem, int anew)
{
    enum gw_known_attr known = gw_known_attr(a->name);

    v->text = a->text;
    v->number = (uint64_t)(int64_t)a->number;
    switch (a->type) {
    case GW_ATTR_BOOL:
        v->field = V_BOOL;
        return;
    case GW_ATTR_INT:
        v->field = V_INT;
        return;
    case GW_ATTR_BYTES:
        v->field = V_BYTES;
        v->text = gw_base64_decode(mem, a->text);
        return;
    case GW_ATTR_URI:
        v->field = V_URI;
        return;
    case GW_ATTR_URI_REF:
        v->field = V_URI_REF;
        return;
    default:
        v->field = known == GW_A_DATASCHEMA ? V_URI : V_STRING;
        if (a->type == GW_ATTR_TIME || known == GW_A_TIME)
            try_time(v, a->text, anew);
    }
}

static void put_entry(struct gw_buf *out, struct gw_str name, const struct value *v)
{
    const size_t value_size =
        v->field <= V_INT ? 1 + varint_size(v->number) : bytes_size(v->text.len);
    const size_t size = bytes_size(name.len) + bytes_size(value_size);
    char *room = gw_buf_room(out, bytes_size(size)), *p = room;

    if (!room)
        return;
    *p++ = F_ATTRIBUTES << 3 | LENGTH;
    p = gw_varint_put(p, size);
    p = put_bytes(p, 1, name);
    *p++ = 2 << 3 | LENGTH;
    p = gw_varint_put(p, value_size);
    if (v->field <= V_INT) {
        *p++ = (char)(v->field << 3 | VARINT);
        p = gw_varint_put(p, v->number);
    } else {
        p = put_bytes(p, v->field, v->text);
    }
    gw_buf_added(out, (size_t)(p - room));
}

static void put_attr(struct gw_buf *out, struct gw_arena *mem, const struct gw_attr *a, int anew)
{
    struct value v;

    encode_value(&v, a, mem, anew);
    put_entry(out, a->name, &v);
}

void gw_event_protobuf_put_attr(struct gw_buf *out, struct gw_arena *mem, const struct gw_attr *a)
{
    put_attr(out, mem, a, 0);
}

void gw_event_protobuf_put_text(struct gw_buf *out, struct gw_str name, struct gw_str text)
{
    put_entry(out, name, &(struct value){.field = V_STRING, .text = text});
}

void gw_event_protobuf_put_time(struct gw_buf *out, struct gw_str name, struct gw_time t)
{
    struct value v = {.field = V_TIME};

    encode_time(&v, t);
    put_entry(out, name, &v);
}

static void put_required(struct gw_buf *out, unsigned field, struct gw_str text)
{
    if (text.len)
        gw_event_protobuf_put_bytes(out, field, text);
}

void gw_event_protobuf_put_head(struct gw_buf *out, struct gw_str id, struct gw_str source,
                                struct gw_str type)
{
    put_required(out, F_ID, id);
    put_required(out, F_SOURCE, source);
    put_required(out, F_SPEC_VERSION, GW_STR("1.0"));
    put_required(out, F_TYPE, type);
}

/* Room for all of it at once, if it is surely no more than there may be. */
static void make_room(struct gw_buf *out, const struct gw_event *ev)
{
    enum { AROUND = 32 }; /* tags and lengths */
    size_t n = AROUND + ev->data.len;

    for (const struct gw_attr *a = ev->attrs; a; a = a->next)
        n += AROUND + a->name.len + a->text.len;
    if (n <= out->max - out->len)
        (void)gw_buf_room(out, n);
}

static void put_event(struct gw_buf *out, const struct gw_event *ev, int anew)
{
    struct gw_str head[GW_A_TYPE + 1] = {{0}};

    make_room(out, ev);
    for (const struct gw_attr *a = ev->attrs; a; a = a->next)
        if (gw_known_attr(a->name) <= GW_A_TYPE)
            head[gw_known_attr(a->name)] = a->text;
    gw_event_protobuf_put_head(out, head[GW_A_ID], head[GW_A_SOURCE], head[GW_A_TYPE]);
    for (const struct gw_attr *a = ev->attrs; a; a = a->next)
        if (gw_known_attr(a->name) > GW_A_TYPE)
            put_attr(out, ev->mem, a, anew);
    if (ev->data_kind == GW_DATA_BYTES)
        gw_event_protobuf_put_bytes(out, GW_EVENT_BINARY_DATA, ev->data);
    else if (ev->data_kind == GW_DATA_PROTO)
        gw_event_protobuf_put_bytes(out, GW_EVENT_PROTO_DATA, ev->data);
    else if (ev->data_kind != GW_DATA_NONE)
        gw_event_protobuf_put_bytes(out, GW_EVENT_TEXT_DATA, ev->data);
}

void gw_event_protobuf_put(struct gw_buf *out, const struct gw_event *ev)
{
    put_event(out, ev, 0);
}

void gw_event_protobuf_send(struct gw_buf *out, const struct gw_event *ev)
{
    put_event(out, ev, 1);
}

/* Reading. */

struct input {
    const unsigned char *start, *at, *end;
    /* the current field */
    uint64_t tag, number;
    struct gw_str bytes; /* not for VARINT */
};

static int cut(const struct input *in, struct gw_err *err)
{
    return gw_err_set(err, GW_ERR_REJECT, "CloudEvent: malformed protobuf at byte %zu",
                      (size_t)(in->at - in->start));
}

static struct input inside(const struct input *outer)
{
    const unsigned char *p = (const unsigned char *)outer->bytes.p;

    return (struct input){.start = outer->start, .at = p, .end = p + outer->bytes.len};
}

static int read_varint(struct input *in, uint64_t *out, struct gw_err *err)
{
    return gw_varint_read(&in->at, in->end, out) ? cut(in, err) : 0;
}

/* Nearly every field of an event: a tag and a length of one byte each. */
static int next_short(struct input *in)
{
    const unsigned char *p = in->at;

    if (in->end - p < 2 || p[0] >= 0x80 || p[1] >= 0x80 || (p[0] & 7) != LENGTH || p[0] >> 3 == 0 ||
        p[1] > in->end - p - 2)
        return 0;
    in->tag = p[0];
    in->number = p[1];
    in->bytes = (struct gw_str){(const char *)p + 2, p[1]};
    in->at = p + 2 + p[1];
    return 1;
}

static int next_long(struct input *in, struct gw_err *err)
{
    if (read_varint(in, &in->tag, err))
        return -1;
    if (in->tag >> 3 == 0)
        return cut(in, err);
    switch (in->tag & 7) {
    case VARINT:
        return read_varint(in, &in->number, err);
    case LENGTH:
        if (read_varint(in, &in->number, err))
            return -1;
        break;
    case FIXED64:
        in->number = 8;
        break;
    case FIXED32:
        in->number = 4;
        break;
    default:
        return cut(in, err);
    }
    if (in->number > (size_t)(in->end - in->at))
        return cut(in, err);
    in->bytes = (struct gw_str){(const char *)in->at, (size_t)in->number};
    in->at += in->number;
    return 0;
}

static int next_field(struct input *in, struct gw_err *err)
{
    return next_short(in) ? 0 : next_long(in, err);
}

static int bad_attr(const struct gw_attr *a, const char *why, struct gw_err *err)
{
    return gw_err_set(err, GW_ERR_REJECT, "%.*s: %s", (int)(a->name.len < 64 ? a->name.len : 64),
                      a->name.p, why);
}

static int read_time(const struct input *value, struct gw_attr *a, struct gw_arena *mem,
                     struct gw_err *err)
{
    struct input in = inside(value);
    char text[GW_TIME_TEXT];
    struct gw_time t = {0};

    while (in.at < in.end) {
        if (next_field(&in, err))
            return -1;
        if (in.tag == (1 << 3 | VARINT))
            t.sec = (int64_t)in.number;
        else if (in.tag == (2 << 3 | VARINT))
            t.nanos = (int32_t)in.number;
    }
    a->type = GW_ATTR_TIME;
    a->text.len = gw_time_format(t, text);
    a->text.p = gw_arena_strndup(mem, text, a->text.len);
    a->checked = gw_known_attr(a->name) == GW_A_TIME && a->text.len;
    return a->text.len ? 0 : bad_attr(a, "a time that RFC 3339 cannot tell", err);
}

static void set_bytes(struct gw_attr *a, struct gw_str bytes, struct gw_arena *mem)
{
    struct gw_buf text;

    gw_buf_init(&text, bytes.len * 2 + 8, mem);
    gw_base64_put(&text, bytes);
    a->type = GW_ATTR_BYTES;
    a->text = gw_buf_str(&text);
}

/* The member of the oneof that in's field is. */
static int set_value(const struct input *in, struct gw_attr *a, struct gw_arena *mem,
                     struct gw_err *err)
{
    a->checked = 0; /* the last one counts */
    switch (in->tag) {
    case V_BOOL << 3 | VARINT:
        a->type = GW_ATTR_BOOL;
        a->number = in->number != 0;
        a->text = a->number ? GW_STR("true") : GW_STR("false");
        return 0;
    case V_INT << 3 | VARINT:
        a->type = GW_ATTR_INT;
        a->number = (int32_t)in->number;
        a->text = gw_arena_printf(mem, "%d", (int)a->number);
        return 0;
    case V_STRING << 3 | LENGTH:
        a->type = GW_ATTR_STRING;
        a->text = in->bytes;
        return 0;
    case V_BYTES << 3 | LENGTH:
        set_bytes(a, in->bytes, mem);
        return 0;
    case V_URI << 3 | LENGTH:
        a->type = GW_ATTR_URI;
        a->text = in->bytes;
        return 0;
    case V_URI_REF << 3 | LENGTH:
        a->type = GW_ATTR_URI_REF;
        a->text = in->bytes;
        return 0;
    case V_TIME << 3 | LENGTH:
        return read_time(in, a, mem, err);
    default:
        return in->tag >> 3 <= V_TIME ? cut(in, err) : 0;
    }
}

static int read_value(const struct input *entry, struct gw_attr *a, struct gw_arena *mem,
                      struct gw_err *err)
{
    struct input in = inside(entry);

    while (in.at < in.end)
        if (next_field(&in, err) || set_value(&in, a, mem, err))
            return -1;
    return 0;
}

/* One entry of the map. */
static int read_attr(const struct input *outer, struct gw_attr_list *attrs, struct gw_err *err)
{
    struct input in = inside(outer), value = {0};
    struct gw_str name = GW_STR("");
    struct gw_attr *a;

    while (in.at < in.end) {
        if (next_field(&in, err))
            return -1;
        if (in.tag == (1 << 3 | LENGTH))
            name = in.bytes;
        else if (in.tag == (2 << 3 | LENGTH))
            value = in;
    }
    a = gw_attr_list_add(attrs, name, err);
    if (!a)
        return -1;
    if (gw_str_is(name, "specversion"))
        return bad_attr(a, "given twice", err);
    if (value.bytes.p && read_value(&value, a, attrs->ev->mem, err))
        return -1;
    return a->text.p ? 0 : bad_attr(a, "has no value", err);
}

/* id, source, type. */
static int read_required(const struct input *in, struct gw_attr_list *attrs, struct gw_err *err)
{
    static const struct gw_str names[] = {
        [F_ID] = GW_STR("id"), [F_SOURCE] = GW_STR("source"), [F_TYPE] = GW_STR("type")};
    struct gw_attr *a = gw_attr_list_add(attrs, names[in->tag >> 3], err);

    if (!a)
        return -1;
    a->text = in->bytes;
    return 0;
}

struct reader {
    struct input in;
    struct gw_attr_list attrs;
    int has_specversion;
};

static int read_data(struct reader *r, enum gw_data_kind kind, struct gw_err *err)
{
    struct gw_event *ev = r->attrs.ev;

    if (ev->data_kind != GW_DATA_NONE)
        return gw_err_set(err, GW_ERR_REJECT, "data: given twice");
    ev->data_kind = kind;
    ev->data = r->in.bytes;
    return 0;
}

static int read_one(struct reader *r, struct gw_err *err)
{
    switch (r->in.tag) {
    case F_ID << 3 | LENGTH:
    case F_SOURCE << 3 | LENGTH:
    case F_TYPE << 3 | LENGTH:
        return read_required(&r->in, &r->attrs, err);
    case F_SPEC_VERSION << 3 | LENGTH:
        if (r->has_specversion++)
            return gw_err_set(err, GW_ERR_REJECT, "specversion: given twice");
        if (!gw_str_is(r->in.bytes, "1.0"))
            return gw_err_set(err, GW_ERR_REJECT, "specversion: not \"1.0\"");
        return 0;
    case F_ATTRIBUTES << 3 | LENGTH:
        return read_attr(&r->in, &r->attrs, err);
    case GW_EVENT_BINARY_DATA << 3 | LENGTH:
        return read_data(r, GW_DATA_BYTES, err);
    case GW_EVENT_TEXT_DATA << 3 | LENGTH:
        return read_data(r, GW_DATA_TEXT, err);
    case GW_EVENT_PROTO_DATA << 3 | LENGTH:
        return read_data(r, GW_DATA_PROTO, err);
    default:
        return r->in.tag >> 3 <= GW_EVENT_PROTO_DATA ? cut(&r->in, err) : 0;
    }
}

/* All but what text data is. */
static int read_event(struct gw_event *ev, struct gw_str bytes, gw_event_mend_fn *mend,
                      struct gw_err *err)
{
    struct reader r = {0};

    r.in.start = r.in.at = (const unsigned char *)(bytes.p ? bytes.p : "");
    r.in.end = r.in.at + bytes.len;
    gw_attr_list_init(&r.attrs, ev);
    while (r.in.at < r.in.end)
        if (next_field(&r.in, err) || read_one(&r, err))
            return -1;
    if (!r.has_specversion)
        return gw_err_set(err, GW_ERR_REJECT, "specversion: missing");
    if (mend)
        mend(ev);
    return gw_event_check(ev, err);
}

int gw_event_protobuf_read(struct gw_event *ev, struct gw_str bytes, struct gw_err *err)
{
    return gw_event_protobuf_read_as(ev, bytes, NULL, err);
}

int gw_event_protobuf_read_as(struct gw_event *ev, struct gw_str bytes, gw_event_mend_fn *mend,
                              struct gw_err *err)
{
    if (read_event(ev, bytes, mend, err))
        return -1;
    if (ev->data_kind == GW_DATA_PROTO)
        return gw_event_take_any(ev, ev->data, err);
    return ev->data_kind == GW_DATA_TEXT ? gw_event_take_text(ev, ev->data, err) : 0;
}

int gw_event_protobuf_read_kept(struct gw_event *ev, struct gw_str bytes, struct gw_err *err)
{
    if (read_event(ev, bytes, NULL, err))
        return -1;
    if (ev->data_kind != GW_DATA_TEXT)
        return 0;
    if (!gw_event_get(ev, GW_STR("datacontenttype")))
        return gw_event_take_text(ev, ev->data, err);
    if (gw_event_is_json(ev))
        ev->data_kind = GW_DATA_JSON;
    return 0;
}
