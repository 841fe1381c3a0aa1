/* Binary modes read: attributes from headers, the body as data. HTTP's headers are percent-encoded
 * (event_http.c takes that off); those of brokers are raw. */
#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "event/event.h"
#include "event/format.h"
#include "event/parts.h"

#include <string.h>
#include <strings.h>

void gw_binary_init(struct gw_binary *b, struct gw_event *ev)
{
    *b = (struct gw_binary){.ev = ev};
    gw_attr_list_init(&b->attrs, ev);
}

static int read_specversion(struct gw_binary *b, struct gw_str value, struct gw_err *err)
{
    if (b->has_specversion++)
        return gw_err_set(err, GW_ERR_REJECT, "specversion: given twice");
    if (!gw_str_is(value, "1.0"))
        return gw_err_set(err, GW_ERR_REJECT, "specversion: not \"1.0\"");
    return 0;
}

int gw_binary_attr(struct gw_binary *b, struct gw_str header, struct gw_str value,
                   struct gw_err *err)
{
    struct gw_str name = {header.p + 3, header.len - 3};
    struct gw_attr *a;

    if (gw_str_is(name, "specversion"))
        return read_specversion(b, value, err);
    if (gw_str_is(name, "datacontenttype"))
        return gw_err_set(err, GW_ERR_REJECT, "%.*s: not in binary mode, it is the Content-Type",
                          (int)header.len, header.p);
    a = gw_attr_list_add(&b->attrs, name, err);
    if (!a)
        return -1;
    a->text = value;
    return 0;
}

int gw_binary_content_type(struct gw_binary *b, struct gw_str value, struct gw_err *err)
{
    struct gw_attr *a;

    if (!value.len)
        return 0;
    a = gw_attr_list_add(&b->attrs, GW_STR("datacontenttype"), err);
    if (!a)
        return gw_err_set(err, GW_ERR_REJECT, "content-type: given twice");
    a->text = value;
    return 0;
}

/* text/…, in UTF-8 as far as one can tell. */
static int is_text(const struct gw_event *ev, struct gw_str body)
{
    struct gw_str type = gw_event_text(ev, "datacontenttype");

    return type.len >= 5 && !strncasecmp(type.p, "text/", 5) && gw_media_type_is_utf8(type) &&
           gw_utf8_valid(body) == body.len;
}

int gw_binary_end(struct gw_binary *b, const char *specversion, gw_event_mend_fn *mend,
                  struct gw_str body, struct gw_err *err)
{
    struct gw_event *ev = b->ev;

    if (!b->has_specversion)
        return gw_err_set(err, GW_ERR_REJECT, "specversion: missing (no %s header)", specversion);
    if (mend)
        mend(ev);
    if (gw_event_check(ev, err))
        return -1;
    if (!body.len)
        return 0;
    ev->data = body;
    ev->data_kind = GW_DATA_BYTES;
    if (!gw_event_get(ev, GW_STR("datacontenttype")))
        return 0; /* nothing says that it is text */
    if (gw_event_is_json(ev) || is_text(ev, body))
        return gw_event_take_text(ev, body, err);
    return 0;
}

int gw_event_is_ce_header(struct gw_str name)
{
    return name.len >= 3 && (!memcmp(name.p, "ce_", 3) || !memcmp(name.p, "ce-", 3));
}

static int name_is(struct gw_str name, const char *lower)
{
    return name.len == strlen(lower) && !strncasecmp(name.p, lower, name.len);
}

static int is_ce_content_type(struct gw_str name)
{
    return gw_event_is_ce_header(name) &&
           gw_str_is((struct gw_str){name.p + 3, name.len - 3}, "datacontenttype");
}

/* Google's Pub/Sub and NATS have the content type as an attribute as well; the SDK for JavaScript
 * writes both to Kafka, which is fine as long as they say the same. */
static int read_content_type(struct gw_binary *b, const struct gw_header *h, struct gw_err *err)
{
    unsigned seen = is_ce_content_type(h->name) ? 2 : 1;
    int other = b->types_seen == (3 ^ seen);

    b->types_seen |= seen;
    if (other && gw_str_eq(gw_event_text(b->ev, "datacontenttype"), h->value))
        return 0;
    return gw_binary_content_type(b, h->value, err);
}

static int read_header(struct gw_binary *b, const struct gw_header *h, struct gw_err *err)
{
    if (!h->value.p)
        return 0;
    if (name_is(h->name, "content-type") || is_ce_content_type(h->name))
        return read_content_type(b, h, err);
    return gw_event_is_ce_header(h->name) ? gw_binary_attr(b, h->name, h->value, err) : 0;
}

int gw_event_headers_read(struct gw_event *ev, const struct gw_header *headers, size_t n,
                          struct gw_str body, gw_event_mend_fn *mend, struct gw_err *err)
{
    struct gw_binary b;

    gw_binary_init(&b, ev);
    for (size_t i = 0; i < n; i++)
        if (read_header(&b, &headers[i], err))
            return -1;
    return gw_binary_end(&b, "ce_specversion", mend, body, err);
}
