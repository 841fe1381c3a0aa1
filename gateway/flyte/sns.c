/* SNS's envelopes: one pass over the members finds out what an object is, the second reads them. */
#include "flyte/sns.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "event/format.h"
#include "flyte/incoming.h"

enum { JSON_DEPTH = 100, ATTRIBUTES_MAX = 256 };

int gw_sns_look(struct gw_str body, struct gw_sns *out, struct gw_err *err)
{
    struct gw_str other;
    struct gw_json j;

    *out = (struct gw_sns){0};
    gw_json_init(&j, body, JSON_DEPTH);
    if (gw_json_next(&j) != GW_JSON_OBJECT)
        return j.token == GW_JSON_ERROR ? gw_json_error(&j, err)
                                        : gw_err_set(err, GW_ERR_REJECT, "JSON: not an object");
    while (gw_json_next(&j) == GW_JSON_KEY) {
        const struct {
            const char *name;
            struct gw_str *to;
        } members[] = {{"Type", &out->type},
                       {"TopicArn", &out->topic_arn},
                       {"Message", &out->message},
                       {"Subject", &out->subject},
                       {"MessageAttributes", &out->attributes}};
        struct gw_str *to = &other;

        for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
            if (gw_json_is(&j, members[i].name))
                to = members[i].to;
        out->has_specversion |= gw_json_is(&j, "specversion");
        if (to != &other && to->p)
            return gw_err_set(err, GW_ERR_REJECT, "%.*s: given twice", (int)j.raw.len, j.raw.p);
        if (gw_json_value(&j, to))
            return gw_json_error(&j, err);
    }
    if (j.token != GW_JSON_OBJECT_END || gw_json_next(&j) != GW_JSON_END)
        return gw_json_error(&j, err);
    return 0;
}

/* One of the others may be in any object, together they are SNS's. */
int gw_sns_is_envelope(const struct gw_sns *s)
{
    return !s->has_specversion && s->type.p && s->topic_arn.p && s->message.p;
}

/* The string that a member's text is. -1: it is another thing, or not UTF-8. */
static int text_of(struct gw_arena *mem, struct gw_str raw, struct gw_str *out)
{
    struct gw_json j;

    gw_json_init(&j, raw, 1);
    if (gw_json_next(&j) != GW_JSON_STRING || gw_json_lone_surrogate(&j))
        return -1;
    *out = gw_json_string(&j, mem);
    return 0;
}

static int read_text(struct gw_arena *mem, struct gw_str raw, const char *name, struct gw_str *out,
                     struct gw_err *err)
{
    return text_of(mem, raw, out)
               ? gw_err_set(err, GW_ERR_REJECT, "an SNS envelope: %s: not a string of UTF-8", name)
               : 0;
}

/* {"Type": "String", "Value": "…"}; a Binary one is base64. */
static int read_attribute(struct gw_arena *mem, struct gw_json *j, struct gw_header *h)
{
    struct gw_str raw, type = {0};

    h->value = (struct gw_str){0};
    if (gw_json_next(j) != GW_JSON_OBJECT)
        return -1;
    while (gw_json_next(j) == GW_JSON_KEY) {
        struct gw_str *to = gw_json_is(j, "Type")    ? &type
                            : gw_json_is(j, "Value") ? &h->value
                                                     : NULL;

        if (gw_json_value(j, &raw) || (to && (to->p || text_of(mem, raw, to))))
            return -1;
    }
    if (gw_str_is(type, "Binary") && h->value.p)
        h->value = gw_base64_decode(mem, h->value);
    return type.p && h->value.p ? 0 : -1;
}

static int read_attributes(struct gw_arena *mem, struct gw_str raw, struct gw_incoming *out,
                           struct gw_err *err)
{
    struct gw_header *headers = gw_arena_alloc(mem, ATTRIBUTES_MAX * sizeof(*headers));
    struct gw_json j;

    out->headers = headers;
    gw_json_init(&j, raw, JSON_DEPTH);
    if (gw_json_next(&j) == GW_JSON_NULL)
        return 0;
    if (j.token != GW_JSON_OBJECT)
        return gw_err_set(err, GW_ERR_REJECT, "an SNS envelope: MessageAttributes: not an object");
    while (gw_json_next(&j) == GW_JSON_KEY) {
        struct gw_header *h = &headers[out->n_headers];

        if (out->n_headers == ATTRIBUTES_MAX)
            return gw_err_set(err, GW_ERR_REJECT,
                              "an SNS envelope: MessageAttributes: more than %d", ATTRIBUTES_MAX);
        h->name = gw_json_string(&j, mem);
        out->n_headers++;
        if (read_attribute(mem, &j, h))
            return gw_err_set(err, GW_ERR_REJECT,
                              "an SNS envelope: MessageAttributes.%.*s: not a Type and a Value",
                              (int)(h->name.len < 64 ? h->name.len : 64), h->name.p);
    }
    return 0;
}

int gw_sns_open(struct gw_arena *mem, const struct gw_sns *s, struct gw_incoming *out,
                struct gw_err *err)
{
    struct gw_str type = {0};

    *out = (struct gw_incoming){0};
    if (read_text(mem, s->type, "Type", &type, err) ||
        read_text(mem, s->message, "Message", &out->body, err))
        return -1;
    if (!gw_str_is(type, "Notification"))
        return gw_err_set(err, GW_ERR_REJECT, "an SNS envelope of Type %.*s: it holds no event",
                          (int)(type.len < 64 ? type.len : 64), type.p);
    if (s->subject.p && !gw_str_is(s->subject, "null") &&
        read_text(mem, s->subject, "Subject", &out->subject, err))
        return -1;
    return s->attributes.p ? read_attributes(mem, s->attributes, out, err) : 0;
}
