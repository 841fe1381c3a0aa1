/* The headers of the binary modes: Kafka's, Pub/Sub's and HTTP's. */
#include "base/arena.h"
#include "event/event.h"
#include "event/format.h"
#include "event/parts.h"

#include <string.h>

/* The headers of a binary mode. Values borrow where they can: attributes live as long as the event.
 */
struct form {
    struct gw_arena *mem;
    char separator;                                                    /* ce_id, ce-id */
    struct gw_str (*encode)(struct gw_arena *mem, struct gw_str text); /* NULL: as it is */
};

struct gw_str gw_event_header_name(struct gw_arena *mem, char separator, struct gw_str attr)
{
    char *name = gw_arena_alloc(mem, attr.len + 3);

    name[0] = 'c';
    name[1] = 'e';
    name[2] = separator;
    memcpy(name + 3, attr.p, attr.len);
    return (struct gw_str){name, attr.len + 3};
}

static struct gw_header header(const struct form *f, struct gw_str attr, struct gw_str text)
{
    return (struct gw_header){gw_event_header_name(f->mem, f->separator, attr),
                              f->encode ? f->encode(f->mem, text) : text};
}

static struct gw_header *headers(const struct gw_event *ev, const struct form *f, size_t *n)
{
    const struct gw_attr *known[GW_KNOWN_ATTRS + 1];
    struct gw_attr made[2];
    struct gw_header *out;
    size_t count = 3; /* specversion, content-type, dataschema of an Any */

    gw_known_attrs(ev, known, made);
    for (const struct gw_attr *a = ev->attrs; a; a = a->next)
        count++;
    out = gw_arena_alloc(f->mem, count * sizeof(*out));
    count = 0;
    if (known[GW_A_ID])
        out[count++] = header(f, GW_STR("id"), known[GW_A_ID]->text);
    if (known[GW_A_SOURCE])
        out[count++] = header(f, GW_STR("source"), known[GW_A_SOURCE]->text);
    out[count++] = header(f, GW_STR("specversion"), GW_STR("1.0"));
    if (known[GW_A_TYPE])
        out[count++] = header(f, GW_STR("type"), known[GW_A_TYPE]->text);
    if (known[GW_A_DATACONTENTTYPE])
        out[count++] =
            (struct gw_header){GW_STR("content-type"), known[GW_A_DATACONTENTTYPE]->text};
    else if (ev->data_kind == GW_DATA_JSON) /* what its absence means in JSON, said aloud */
        out[count++] = (struct gw_header){GW_STR("content-type"), GW_STR("application/json")};
    for (const struct gw_attr *a = ev->attrs; a; a = a->next) {
        enum gw_known_attr k = gw_known_attr(a->name);

        if (k > GW_A_TYPE && k != GW_A_DATACONTENTTYPE)
            out[count++] = header(f, a->name, a->text);
    }
    if (known[GW_A_DATASCHEMA] == &made[1])
        out[count++] = header(f, made[1].name, made[1].text);
    *n = count;
    return out;
}

struct gw_header *gw_event_kafka_headers(const struct gw_event *ev, struct gw_arena *mem, size_t *n)
{
    return headers(ev, &(struct form){mem, '_', NULL}, n);
}

struct gw_header *gw_event_pubsub_headers(const struct gw_event *ev, struct gw_arena *mem,
                                          size_t *n)
{
    return headers(ev, &(struct form){mem, '-', NULL}, n);
}

struct gw_header *gw_event_http_headers(const struct gw_event *ev, struct gw_arena *mem, size_t *n)
{
    return headers(ev, &(struct form){mem, '-', gw_event_http_encode}, n);
}
