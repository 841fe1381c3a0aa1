#include "event/parts.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/pbwire.h"
#include "base/text.h"

void gw_attr_list_init(struct gw_attr_list *l, struct gw_event *ev)
{
    *l = (struct gw_attr_list){.ev = ev, .end = &ev->attrs};
}

/* Those with known names, nearly all, need no look at the others. */
static int is_there(struct gw_attr_list *l, struct gw_str name)
{
    const unsigned bit = 1U << gw_known_attr(name);

    if (bit == 1U << GW_A_EXTENSION)
        return gw_event_get(l->ev, name) != NULL;
    if (l->known & bit)
        return 1;
    l->known |= bit;
    return 0;
}

struct gw_attr *gw_attr_list_add(struct gw_attr_list *l, struct gw_str name, struct gw_err *err)
{
    int len = (int)(name.len < 64 ? name.len : 64);
    struct gw_attr *a;

    if (is_there(l, name)) {
        gw_err_set(err, GW_ERR_REJECT, "%.*s: given twice", len, name.p);
        return NULL;
    }
    if (++l->n > GW_ATTRS_MAX) {
        gw_err_set(err, GW_ERR_REJECT, "%.*s: more than %d attributes", len, name.p, GW_ATTRS_MAX);
        return NULL;
    }
    a = gw_arena_alloc(l->ev->mem, sizeof(*a));
    *a = (struct gw_attr){.name = name, .type = GW_ATTR_STRING};
    *l->end = a;
    l->end = &a->next;
    return a;
}

static int scan_json(struct gw_str text, struct gw_err *err)
{
    struct gw_json j;
    struct gw_str all;

    gw_json_init(&j, text, GW_EVENT_JSON_DEPTH);
    if (gw_json_next(&j) <= GW_JSON_END || gw_json_value(&j, &all) ||
        gw_json_next(&j) != GW_JSON_END)
        return gw_json_error(&j, err);
    return 0;
}

int gw_event_take_text(struct gw_event *ev, struct gw_str text, struct gw_err *err)
{
    int absent = !gw_event_get(ev, GW_STR("datacontenttype"));
    size_t valid;

    ev->data = text;
    ev->data_kind = GW_DATA_JSON;
    if (gw_event_is_json(ev)) {
        if (!scan_json(text, err))
            return 0;
        if (!absent)
            return gw_err_wrap(err, "data");
    }
    ev->data_kind = GW_DATA_TEXT;
    valid = gw_utf8_valid(text);
    if (valid < text.len)
        return gw_err_set(err, GW_ERR_REJECT, "data: not UTF-8 at byte %zu", valid);
    return 0;
}

/* A google.protobuf.Any; what else is in it is passed over. -1: it is none. */
static int read_any(struct gw_str any, struct gw_str *type_url, struct gw_str *value)
{
    struct gw_pbwire w = {any.p, any.p + any.len};
    struct gw_pbwire_field f;
    int rc;

    *type_url = *value = GW_STR("");
    while ((rc = gw_pbwire_next(&w, &f)) == 1)
        if (f.type == GW_PBWIRE_BYTES && f.number <= 2)
            *(f.number == 1 ? type_url : value) = f.bytes;
    return rc;
}

int gw_event_take_any(struct gw_event *ev, struct gw_str any, struct gw_err *err)
{
    struct gw_str type_url, value;

    ev->data = any;
    ev->data_kind = GW_DATA_PROTO;
    if (read_any(any, &type_url, &value))
        return gw_err_set(err, GW_ERR_REJECT, "data: not a google.protobuf.Any");
    if (gw_utf8_valid(type_url) < type_url.len)
        return gw_err_set(err, GW_ERR_REJECT, "data: the type URL is not UTF-8");
    return 0;
}

struct gw_str gw_event_payload(const struct gw_event *ev)
{
    struct gw_str type_url, value;

    if (ev->data_kind != GW_DATA_PROTO)
        return ev->data;
    return read_any(ev->data, &type_url, &value) ? ev->data : value;
}

void gw_known_attrs(const struct gw_event *ev, const struct gw_attr *known[GW_KNOWN_ATTRS + 1],
                    struct gw_attr made[2])
{
    struct gw_str type_url, value;

    for (int i = 0; i <= GW_KNOWN_ATTRS; i++)
        known[i] = NULL;
    for (const struct gw_attr *a = ev->attrs; a; a = a->next)
        known[gw_known_attr(a->name)] = a;
    if (ev->data_kind != GW_DATA_PROTO || read_any(ev->data, &type_url, &value))
        return;
    made[0] =
        (struct gw_attr){.name = GW_STR("datacontenttype"), .text = GW_STR("application/protobuf")};
    made[1] = (struct gw_attr){.name = GW_STR("dataschema"), .text = type_url};
    if (!known[GW_A_DATACONTENTTYPE])
        known[GW_A_DATACONTENTTYPE] = &made[0];
    if (!known[GW_A_DATASCHEMA] && type_url.len && gw_uri_reference_ok(type_url))
        known[GW_A_DATASCHEMA] = &made[1];
}
