#include "base/arena.h"
#include "event/event.h"
#include "event/format.h"
#include "event/parts.h"

#include <string.h>

/* The value borrows: attributes live as long as the event. */
static struct gw_header header(struct gw_arena *mem, const struct gw_attr *a)
{
    char *name = gw_arena_alloc(mem, a->name.len + 3);

    name[0] = 'c';
    name[1] = 'e';
    name[2] = '_';
    memcpy(name + 3, a->name.p, a->name.len);
    return (struct gw_header){{name, a->name.len + 3}, a->text};
}

struct gw_header *gw_event_kafka_headers(const struct gw_event *ev, struct gw_arena *mem, size_t *n)
{
    const struct gw_attr *known[GW_KNOWN_ATTRS + 1] = {0};
    struct gw_header *out;
    size_t count = 2; /* specversion, content-type */

    for (const struct gw_attr *a = ev->attrs; a; a = a->next, count++)
        known[gw_known_attr(a->name)] = a;
    out = gw_arena_alloc(mem, count * sizeof(*out));
    count = 0;
    if (known[GW_A_ID])
        out[count++] = (struct gw_header){GW_STR("ce_id"), known[GW_A_ID]->text};
    if (known[GW_A_SOURCE])
        out[count++] = (struct gw_header){GW_STR("ce_source"), known[GW_A_SOURCE]->text};
    out[count++] = (struct gw_header){GW_STR("ce_specversion"), GW_STR("1.0")};
    if (known[GW_A_TYPE])
        out[count++] = (struct gw_header){GW_STR("ce_type"), known[GW_A_TYPE]->text};
    if (known[GW_A_DATACONTENTTYPE])
        out[count++] =
            (struct gw_header){GW_STR("content-type"), known[GW_A_DATACONTENTTYPE]->text};
    else if (ev->data_kind == GW_DATA_JSON) /* what its absence means in JSON, said aloud */
        out[count++] = (struct gw_header){GW_STR("content-type"), GW_STR("application/json")};
    for (const struct gw_attr *a = ev->attrs; a; a = a->next) {
        enum gw_known_attr k = gw_known_attr(a->name);

        if (k > GW_A_TYPE && k != GW_A_DATACONTENTTYPE)
            out[count++] = header(mem, a);
    }
    *n = count;
    return out;
}
