/* Writer and reader of application/cloudevents+json and its batches. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "event/event.h"
#include "event/format.h"
#include "event/parts.h"

static void put_value(struct gw_buf *out, const struct gw_attr *a)
{
    if (a->type == GW_ATTR_BOOL || a->type == GW_ATTR_INT)
        gw_buf_put_str(out, a->text);
    else
        gw_json_put_string(out, a->text);
}

static int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* What stands around the value is not part of it. */
static struct gw_str trimmed(struct gw_str s)
{
    while (s.len && is_space(s.p[s.len - 1]))
        s.len--;
    while (s.len && is_space(*s.p))
        s = (struct gw_str){s.p + 1, s.len - 1};
    return s;
}

static void put_data(struct gw_buf *out, const struct gw_event *ev)
{
    switch (ev->data_kind) {
    case GW_DATA_NONE:
        break;
    case GW_DATA_BYTES:
    case GW_DATA_PROTO:
        gw_buf_puts(out, ",\"data_base64\":\"");
        gw_base64_put(out, gw_event_payload(ev));
        gw_buf_putc(out, '"');
        break;
    case GW_DATA_TEXT:
        gw_buf_puts(out, ",\"data\":");
        gw_json_put_string(out, ev->data);
        break;
    case GW_DATA_JSON:
        gw_buf_puts(out, ",\"data\":");
        if (gw_event_is_json(ev))
            gw_buf_put_str(out, trimmed(ev->data));
        else /* a hook gave it another type: then data is a string */
            gw_json_put_string(out, ev->data);
        break;
    }
}

void gw_event_json_put(struct gw_buf *out, const struct gw_event *ev)
{
    static const struct gw_str keys[GW_KNOWN_ATTRS] = {
        [GW_A_ID] = GW_STR(",\"id\":"),
        [GW_A_SOURCE] = GW_STR(",\"source\":"),
        [GW_A_TYPE] = GW_STR(",\"type\":"),
        [GW_A_SUBJECT] = GW_STR(",\"subject\":"),
        [GW_A_TIME] = GW_STR(",\"time\":"),
        [GW_A_DATACONTENTTYPE] = GW_STR(",\"datacontenttype\":"),
        [GW_A_DATASCHEMA] = GW_STR(",\"dataschema\":"),
    };
    const struct gw_attr *known[GW_KNOWN_ATTRS + 1];
    struct gw_attr made[2];

    gw_known_attrs(ev, known, made);
    gw_buf_puts(out, "{\"specversion\":\"1.0\"");
    for (int i = 0; i < GW_KNOWN_ATTRS; i++)
        if (known[i]) {
            gw_buf_put_str(out, keys[i]);
            put_value(out, known[i]);
        }
    for (const struct gw_attr *a = known[GW_A_EXTENSION] ? ev->attrs : NULL; a; a = a->next)
        if (gw_known_attr(a->name) == GW_A_EXTENSION) {
            gw_json_put_key(out, 0, a->name);
            put_value(out, a);
        }
    put_data(out, ev);
    gw_buf_putc(out, '}');
}

/* One event under way. Data is looked at last, when its type is known. */
struct reader {
    struct gw_json *j;
    struct gw_event *ev;
    struct gw_attr_list attrs;
    struct gw_str data, base64; /* the JSON text of the member; p NULL: absent */
    unsigned seen;              /* of members that are no attributes, and of null ones */
    struct gw_str nulls[GW_ATTRS_MAX];
    unsigned n_nulls;
};

enum { SAW_SPECVERSION = 1, SAW_DATA = 2, SAW_BASE64 = 4 };

static int see(struct reader *r, unsigned member, const char *name, struct gw_err *err)
{
    if (r->seen & member)
        return gw_err_set(err, GW_ERR_REJECT, "%s: given twice", name);
    r->seen |= member;
    return 0;
}

/* The whole value behind the current key. */
static int take_raw(struct reader *r, struct gw_str *raw, struct gw_err *err)
{
    return gw_json_value(r->j, raw) ? gw_json_error(r->j, err) : 0;
}

static int read_specversion(struct reader *r, struct gw_err *err)
{
    if (see(r, SAW_SPECVERSION, "specversion", err))
        return -1;
    if (gw_json_next(r->j) == GW_JSON_ERROR)
        return gw_json_error(r->j, err);
    if (r->j->token != GW_JSON_STRING || !gw_json_is(r->j, "1.0"))
        return gw_err_set(err, GW_ERR_REJECT, "specversion: not \"1.0\"");
    return 0;
}

static int read_int(struct gw_str text, int32_t *out)
{
    int64_t v = 0;
    size_t i = text.len && text.p[0] == '-';

    if (text.len - i > 10)
        return -1;
    for (size_t at = i; at < text.len; at++) {
        if (text.p[at] < '0' || text.p[at] > '9')
            return -1; /* a fraction or an exponent */
        v = v * 10 + (text.p[at] - '0');
    }
    if (i)
        v = -v;
    if (v < INT32_MIN || v > INT32_MAX)
        return -1;
    *out = (int32_t)v;
    return 0;
}

/* null is absent, but a member all the same: it may not come again. */
static int note_null(struct reader *r, struct gw_str name, struct gw_err *err)
{
    int len = (int)(name.len < 64 ? name.len : 64);

    if (!gw_attr_name_ok(name))
        return gw_err_set(err, GW_ERR_REJECT, "%.*s: not an attribute name", len, name.p);
    if (r->n_nulls == GW_ATTRS_MAX)
        return gw_err_set(err, GW_ERR_REJECT, "%.*s: more than %d attributes", len, name.p,
                          GW_ATTRS_MAX);
    if (gw_event_get(r->ev, name))
        return gw_err_set(err, GW_ERR_REJECT, "%.*s: given twice", len, name.p);
    r->nulls[r->n_nulls++] = name;
    return 0;
}

/* half: where it stands in the text of the whole event. */
static int fail_utf8(const struct gw_json *j, struct gw_str name, const char *half,
                     struct gw_err *err)
{
    int line, column;

    gw_json_place(j, half, &line, &column);
    return gw_err_set(err, GW_ERR_REJECT,
                      "%.*s: not UTF-8 (half a surrogate pair at line %d, column %d)",
                      (int)(name.len < 64 ? name.len : 64), name.p, line, column);
}

static int set_value(struct reader *r, struct gw_attr *a, struct gw_err *err)
{
    const char *half;

    switch (r->j->token) {
    case GW_JSON_STRING:
        a->text = gw_json_string(r->j, r->ev->mem);
        if (r->j->escaped && (half = gw_json_lone_surrogate(r->j)))
            return fail_utf8(r->j, a->name, half, err);
        return 0;
    case GW_JSON_TRUE:
    case GW_JSON_FALSE:
        a->type = GW_ATTR_BOOL;
        a->number = r->j->token == GW_JSON_TRUE;
        a->text = a->number ? GW_STR("true") : GW_STR("false");
        return 0;
    case GW_JSON_NUMBER:
        a->type = GW_ATTR_INT;
        if (read_int(r->j->raw, &a->number))
            break;
        a->text = a->number ? r->j->raw : GW_STR("0"); /* not -0 */
        return 0;
    default:
        break;
    }
    return gw_err_set(err, GW_ERR_REJECT,
                      "%.*s: neither a string, a boolean nor an integer of 32 bits",
                      (int)(a->name.len < 64 ? a->name.len : 64), a->name.p);
}

static int read_attr(struct reader *r, struct gw_err *err)
{
    struct gw_str name = gw_json_string(r->j, r->ev->mem);
    struct gw_attr *a;

    for (unsigned i = 0; i < r->n_nulls; i++)
        if (gw_str_eq(r->nulls[i], name))
            return gw_err_set(err, GW_ERR_REJECT, "%.*s: given twice",
                              (int)(name.len < 64 ? name.len : 64), name.p);
    if (gw_json_next(r->j) == GW_JSON_ERROR)
        return gw_json_error(r->j, err);
    if (r->j->token == GW_JSON_NULL)
        return note_null(r, name, err);
    a = gw_attr_list_add(&r->attrs, name, err);
    return a ? set_value(r, a, err) : -1;
}

static int read_member(struct reader *r, struct gw_err *err)
{
    if (gw_json_is(r->j, "data"))
        return see(r, SAW_DATA, "data", err) ? -1 : take_raw(r, &r->data, err);
    if (gw_json_is(r->j, "data_base64"))
        return see(r, SAW_BASE64, "data_base64", err) ? -1 : take_raw(r, &r->base64, err);
    if (gw_json_is(r->j, "specversion"))
        return read_specversion(r, err);
    return read_attr(r, err);
}

/* The text that a member's JSON string means. */
static int read_string(const struct reader *r, struct gw_str raw, struct gw_str name,
                       const char *other, struct gw_str *out, struct gw_err *err)
{
    struct gw_json j;
    const char *half;

    gw_json_init(&j, raw, 1);
    if (gw_json_next(&j) != GW_JSON_STRING)
        return gw_err_set(err, GW_ERR_REJECT, "%s: %s", name.p, other);
    if ((half = gw_json_lone_surrogate(&j)))
        return fail_utf8(r->j, name, half, err);
    *out = gw_json_string(&j, r->ev->mem);
    return 0;
}

static int read_base64(struct reader *r, struct gw_err *err)
{
    static const char none[] = "not a base64 string";
    struct gw_str text = {0};

    if (read_string(r, r->base64, GW_STR("data_base64"), none, &text, err))
        return -1;
    r->ev->data = gw_base64_decode(r->ev->mem, text);
    if (!r->ev->data.p)
        return gw_err_set(err, GW_ERR_REJECT, "data_base64: %s", none);
    r->ev->data_kind = GW_DATA_BYTES;
    return 0;
}

static int read_data(struct reader *r, struct gw_err *err)
{
    if (r->base64.p && gw_str_is(r->base64, "null"))
        r->base64.p = NULL;
    if (r->base64.p && r->data.p)
        return gw_err_set(err, GW_ERR_REJECT, "data: given beside data_base64");
    if (r->base64.p)
        return read_base64(r, err);
    if (!r->data.p)
        return 0;
    r->ev->data = r->data;
    r->ev->data_kind = GW_DATA_JSON;
    if (gw_event_is_json(r->ev))
        return 0;
    if (gw_str_is(r->data, "null")) {
        r->ev->data_kind = GW_DATA_NONE;
        return 0;
    }
    r->ev->data_kind = GW_DATA_TEXT;
    return read_string(r, r->data, GW_STR("data"), "not a string, and datacontenttype is not JSON",
                       &r->ev->data, err);
}

/* From the OBJECT token to its end. */
static int read_object(struct gw_json *j, struct gw_event *ev, gw_event_mend_fn *mend,
                       struct gw_err *err)
{
    struct reader r;

    if (j->token == GW_JSON_ERROR)
        return gw_json_error(j, err);
    if (j->token != GW_JSON_OBJECT)
        return gw_err_set(err, GW_ERR_REJECT, "not a JSON object");
    r.j = j;
    r.ev = ev;
    r.data = r.base64 = (struct gw_str){0};
    r.seen = r.n_nulls = 0; /* nulls stay as they are: 4 KiB that are hardly ever used */
    gw_attr_list_init(&r.attrs, ev);
    while (gw_json_next(j) == GW_JSON_KEY)
        if (read_member(&r, err))
            return -1;
    if (j->token != GW_JSON_OBJECT_END)
        return gw_json_error(j, err);
    if (!(r.seen & SAW_SPECVERSION))
        return gw_err_set(err, GW_ERR_REJECT, "specversion: missing");
    if (mend)
        mend(ev);
    return gw_event_check(ev, err) ? -1 : read_data(&r, err);
}

int gw_event_json_read(struct gw_event *ev, struct gw_str text, struct gw_err *err)
{
    return gw_event_json_read_as(ev, text, NULL, err);
}

int gw_event_json_read_as(struct gw_event *ev, struct gw_str text, gw_event_mend_fn *mend,
                          struct gw_err *err)
{
    struct gw_json j;

    gw_json_init(&j, text, GW_EVENT_JSON_DEPTH + 1);
    gw_json_next(&j);
    if (read_object(&j, ev, mend, err))
        return -1;
    return gw_json_next(&j) == GW_JSON_END ? 0 : gw_json_error(&j, err);
}

int gw_event_batch_error(struct gw_err *err, size_t i)
{
    const struct gw_err inner = *err;
    size_t name =
        strspn(inner.msg, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.[]");
    int is_member =
        name > 0 && !strncmp(inner.msg + name, ": ", 2) && strncmp(inner.msg, "JSON:", 5) != 0 &&
        strncmp(inner.msg, "CloudEvent:", 11) != 0 && strncmp(inner.msg, "ActionEvent:", 12) != 0;

    return gw_err_set(err, inner.kind, "events[%zu]%s%s", i, is_member ? "." : ": ", inner.msg);
}

int gw_event_batch_read(struct gw_arena *mem, struct gw_str text,
                        int (*each)(void *ctx, struct gw_event *ev, struct gw_err *err), void *ctx,
                        struct gw_err *err)
{
    struct gw_json j;
    size_t i = 0;

    gw_json_init(&j, text, GW_EVENT_JSON_DEPTH + 2);
    if (gw_json_next(&j) == GW_JSON_ERROR)
        return gw_json_error(&j, err);
    if (j.token != GW_JSON_ARRAY)
        return gw_err_set(err, GW_ERR_REJECT, "a batch is a JSON array");
    for (; gw_json_next(&j) > GW_JSON_END && j.token != GW_JSON_ARRAY_END; i++) {
        struct gw_event *ev = gw_arena_alloc(mem, sizeof(*ev));

        gw_event_init(ev, mem);
        if (read_object(&j, ev, NULL, err) || each(ctx, ev, err))
            return gw_event_batch_error(err, i);
    }
    if (j.token != GW_JSON_ARRAY_END || gw_json_next(&j) != GW_JSON_END)
        return gw_json_error(&j, err);
    return 0;
}
