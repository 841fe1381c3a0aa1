/* The forms of an event as the CloudEvents SDK for Go writes them, down to the byte: its JSON goes
 * through an encoder that escapes for HTML, its times have no trailing zeros. Readers do not care;
 * who compares bytes, or keeps them, does. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/text.h"
#include "base/time.h"
#include "event/event.h"
#include "event/format.h"
#include "event/parts.h"

#include <string.h>

/* Attributes by name; the last: whether there are extensions. */
struct sorted {
    const struct gw_attr *known[GW_KNOWN_ATTRS + 1];
    struct gw_str time; /* in the SDK's text; p NULL: there is none */
    int is_time;        /* at has it */
    struct gw_time at;
    char text[GW_TIME_TEXT];
    struct gw_attr made[2];
};

/* UTC, no trailing zeros in the fraction, any year. What is no time stays as it is. */
static void read_time(struct sorted *s, struct gw_str text)
{
    s->is_time = !gw_time_parse(text, &s->at) || !gw_time_parse_go(text, &s->at);
    s->time = s->is_time ? (struct gw_str){s->text, gw_time_format_go(s->at, 1, s->text)} : text;
}

static void sort(struct sorted *s, const struct gw_event *ev)
{
    gw_known_attrs(ev, s->known, s->made);
    s->time = (struct gw_str){0};
    s->is_time = 0;
    if (s->known[GW_A_TIME])
        read_time(s, s->known[GW_A_TIME]->text);
}

static struct gw_str text_of(const struct sorted *s, enum gw_known_attr known)
{
    if (known == GW_A_TIME)
        return s->time;
    return s->known[known] ? s->known[known]->text : (struct gw_str){0};
}

static const struct gw_attr *next_extension(const struct gw_attr *a)
{
    while (a && gw_known_attr(a->name) != GW_A_EXTENSION)
        a = a->next;
    return a;
}

/* ---- JSON ---- */

static int is_plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' && c != 0xe2;
}

static int is_separator(struct gw_str s) /* U+2028, U+2029 */
{
    return s.len >= 3 && !memcmp(s.p, "\xe2\x80", 2) && ((unsigned char)s.p[2] | 1) == 0xa9;
}

static void put_escape(struct gw_buf *out, char c)
{
    static const char names[] = "\"\"\\\\\nn\rr\tt";

    for (const char *p = names; *p; p += 2)
        if (*p == c) {
            gw_buf_put(out, (const char[]){'\\', p[1]}, 2);
            return;
        }
    gw_buf_printf(out, "\\u%04x", (unsigned)(unsigned char)c);
}

static void put_string(struct gw_buf *out, struct gw_str s)
{
    gw_buf_putc(out, '"');
    while (s.len) {
        size_t n = 0;

        while (n < s.len && is_plain((unsigned char)s.p[n]))
            n++;
        gw_buf_put(out, s.p, n);
        s = (struct gw_str){s.p + n, s.len - n};
        if (!s.len)
            break;
        n = 1;
        if (is_separator(s)) {
            gw_buf_puts(out, (unsigned char)s.p[2] == 0xa8 ? "\\u2028" : "\\u2029");
            n = 3;
        } else if ((unsigned char)*s.p == 0xe2) {
            gw_buf_putc(out, *s.p);
        } else {
            put_escape(out, *s.p);
        }
        s = (struct gw_str){s.p + n, s.len - n};
    }
    gw_buf_putc(out, '"');
}

static void put_extension(struct gw_buf *out, const struct gw_attr *a)
{
    gw_buf_puts(out, ",\"");
    gw_buf_put_str(out, a->name);
    gw_buf_puts(out, "\":");
    if (a->type == GW_ATTR_BOOL || a->type == GW_ATTR_INT)
        gw_buf_put_str(out, a->text);
    else
        put_string(out, a->text);
}

void gw_event_sdk_json_put(struct gw_buf *out, const struct gw_event *ev)
{
    static const struct {
        enum gw_known_attr known;
        const char *key;
    } members[] = {{GW_A_ID, ",\"id\":"},
                   {GW_A_SOURCE, ",\"source\":"},
                   {GW_A_TYPE, ",\"type\":"},
                   {GW_A_SUBJECT, ",\"subject\":"},
                   {GW_A_DATACONTENTTYPE, ",\"datacontenttype\":"},
                   {GW_A_DATASCHEMA, ",\"dataschema\":"},
                   {GW_A_TIME, ",\"time\":"}};
    struct sorted s;

    sort(&s, ev);
    gw_buf_puts(out, "{\"specversion\":\"1.0\"");
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        const struct gw_str text = text_of(&s, members[i].known);

        if (!text.p)
            continue;
        gw_buf_puts(out, members[i].key);
        put_string(out, text);
    }
    if (ev->data_kind != GW_DATA_NONE) {
        gw_buf_puts(out, ",\"data_base64\":\"");
        gw_base64_put(out, gw_event_payload(ev));
        gw_buf_putc(out, '"');
    }
    for (const struct gw_attr *a = ev->attrs; (a = next_extension(a)); a = a->next)
        put_extension(out, a);
    gw_buf_putc(out, '}');
}

/* ---- protobuf ---- */

static void put_text(struct gw_buf *out, const struct sorted *s, enum gw_known_attr known,
                     struct gw_str name)
{
    const struct gw_str text = text_of(s, known);

    if (text.p)
        gw_event_protobuf_put_text(out, name, text);
}

static void put_any(struct gw_buf *out, struct gw_arena *mem, struct gw_str type_url,
                    struct gw_str value)
{
    enum { TYPE_URL = 1, VALUE };
    struct gw_buf any;

    gw_buf_init(&any, out->max, mem);
    if (type_url.len)
        gw_event_protobuf_put_bytes(&any, TYPE_URL, type_url);
    if (value.len)
        gw_event_protobuf_put_bytes(&any, VALUE, value);
    out->failed |= any.failed;
    gw_event_protobuf_put_bytes(out, GW_EVENT_PROTO_DATA, gw_buf_str(&any));
}

/* There is always some, be it empty. */
static void put_data(struct gw_buf *out, const struct gw_event *ev, const struct sorted *s)
{
    struct gw_str data = gw_event_payload(ev);

    if (!data.p)
        data = GW_STR("");
    if (gw_str_is(text_of(s, GW_A_DATACONTENTTYPE), "application/protobuf"))
        put_any(out, ev->mem, text_of(s, GW_A_DATASCHEMA), data);
    else
        gw_event_protobuf_put_bytes(out, GW_EVENT_BINARY_DATA, data);
}

void gw_event_sdk_protobuf_put(struct gw_buf *out, const struct gw_event *ev)
{
    struct sorted s;

    sort(&s, ev);
    gw_event_protobuf_put_head(out, text_of(&s, GW_A_ID), text_of(&s, GW_A_SOURCE),
                               text_of(&s, GW_A_TYPE));
    put_text(out, &s, GW_A_DATACONTENTTYPE, GW_STR("datacontenttype"));
    put_text(out, &s, GW_A_DATASCHEMA, GW_STR("dataschema"));
    put_text(out, &s, GW_A_SUBJECT, GW_STR("subject"));
    if (s.is_time)
        gw_event_protobuf_put_time(out, GW_STR("time"), s.at);
    else
        put_text(out, &s, GW_A_TIME, GW_STR("time"));
    for (const struct gw_attr *a = ev->attrs; (a = next_extension(a)); a = a->next)
        gw_event_protobuf_put_attr(out, ev->mem, a);
    put_data(out, ev, &s);
}

/* ---- Kafka ---- */

struct gw_header *gw_event_sdk_kafka_headers(const struct gw_event *ev, struct gw_arena *mem,
                                             size_t *n)
{
    static const struct {
        enum gw_known_attr known;
        struct gw_str name;
    } order[] = {{GW_A_ID, GW_STR("ce_id")},
                 {GW_A_SOURCE, GW_STR("ce_source")},
                 {GW_KNOWN_ATTRS, GW_STR("ce_specversion")},
                 {GW_A_TYPE, GW_STR("ce_type")},
                 {GW_A_DATACONTENTTYPE, GW_STR("content-type")},
                 {GW_A_DATASCHEMA, GW_STR("ce_dataschema")},
                 {GW_A_SUBJECT, GW_STR("ce_subject")},
                 {GW_A_TIME, GW_STR("ce_time")}};
    struct gw_header *out;
    struct sorted s;
    size_t count = 3; /* specversion, and what an Any says of itself */

    sort(&s, ev);
    for (const struct gw_attr *a = ev->attrs; a; a = a->next)
        count++;
    out = gw_arena_alloc(mem, count * sizeof(*out));
    count = 0;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        struct gw_str text =
            order[i].known == GW_KNOWN_ATTRS ? GW_STR("1.0") : text_of(&s, order[i].known);

        if (text.p == s.text)
            text = gw_arena_str(mem, text);
        if (text.p)
            out[count++] = (struct gw_header){order[i].name, text};
    }
    for (const struct gw_attr *a = ev->attrs; (a = next_extension(a)); a = a->next)
        out[count++] = (struct gw_header){gw_event_header_name(mem, '_', a->name), a->text};
    *n = count;
    return out;
}
