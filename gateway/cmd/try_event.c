/* What `try` runs hooks on. */
#include "cmd/try.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "cmd/fields.h"
#include "cmd/send.h"
#include "event/format.h"

#include <string.h>

enum { MAX_ITEMS = 100000 };

/* Samples of all kinds that there are, or of one. */
static void add_samples(struct gw_arena *mem, enum gw_kind kind, struct gw_try_items *out)
{
    const uint64_t run = (uint64_t)gw_clock_wall_ns();

    out->items = gw_arena_zalloc(mem, GW_KINDS * sizeof(*out->items));
    for (int k = GW_WORKFLOW; k < GW_OTHER; k++)
        if (kind == (enum gw_kind)k || (kind == GW_KINDS && gw_flyte_descriptor((enum gw_kind)k)))
            out->items[out->n++] = (struct gw_try_item){
                .kind = (enum gw_kind)k, .json = gw_send_sample(mem, (enum gw_kind)k, run, k)};
}

/* A CloudEvent, {"kind":…,"request":…}, or a request of the kind that was said. */
static int read_object(struct gw_arena *mem, struct gw_str object, enum gw_kind kind,
                       struct gw_try_item *out, struct gw_err *err)
{
    struct gw_str name = gw_line_get(mem, object, "kind");
    struct gw_str request = gw_line_get(mem, object, "request");

    *out = (struct gw_try_item){.kind = kind, .json = object};
    if (gw_line_get(mem, object, "specversion").p) {
        out->kind = GW_OTHER;
        return 0;
    }
    if (name.p && request.p) {
        out->json = request;
        if (!gw_kind_parse(name, &out->kind) && gw_flyte_descriptor(out->kind))
            return 0;
        return gw_err_set(err, GW_ERR_FATAL,
                          "kind \"%.*s\" is none of workflow, node, task, action",
                          name.len < 40 ? (int)name.len : 40, name.p);
    }
    if (kind != GW_KINDS)
        return 0;
    return gw_err_set(
        err, GW_ERR_FATAL,
        "neither a CloudEvent nor {\"kind\":…,\"request\":…}: say with --kind what it "
        "is");
}

static int add_objects(struct gw_arena *mem, const char *path, struct gw_str text,
                       enum gw_kind kind, struct gw_try_items *out, struct gw_err *err)
{
    struct gw_str rest = text, object;
    size_t n = 0;

    while (gw_send_object(&rest).p)
        if (n++ == MAX_ITEMS)
            return gw_err_set(err, GW_ERR_FATAL, "%s: more than %d events", path, MAX_ITEMS);
    out->items = gw_arena_zalloc(mem, (n + 1) * sizeof(*out->items));
    while ((object = gw_send_object(&text)).p)
        if (read_object(mem, object, kind, &out->items[out->n++], err))
            return gw_err_wrap(err, "%s: event %zu", path, out->n);
    return 0;
}

int gw_try_read(struct gw_arena *mem, const char *path, enum gw_kind kind, struct gw_try_items *out,
                struct gw_err *err)
{
    struct gw_str text = {0}, rest, first;

    *out = (struct gw_try_items){0};
    if (!path) {
        add_samples(mem, kind, out);
        return 0;
    }
    if (gw_send_file(mem, path, &text, err))
        return -1;
    rest = text;
    first = gw_send_object(&rest);
    if (!first.p)
        return gw_err_set(err, GW_ERR_FATAL, "%s: there is no event in it", path);
    if (first.p[0] == '{' || kind == GW_KINDS)
        return add_objects(mem, path, text, kind, out, err);
    out->items = gw_arena_zalloc(mem, sizeof(*out->items));
    out->items[out->n++] = (struct gw_try_item){.kind = kind, .bytes = text};
    return 0;
}

int gw_try_make(struct gw_try_event *e, const struct gw_try_item *item,
                const struct gw_style_conf *style, struct gw_err *err)
{
    gw_event_init(&e->event, e->mem);
    if (item->kind == GW_OTHER) {
        if (gw_event_json_read(&e->event, item->json, err))
            return -1;
        e->is_flyte = gw_flyte_from_event(&e->event, &e->request);
    } else {
        if ((item->json.p ? gw_flyte_decode_json(e->mem, item->kind, item->json, &e->request, err)
                          : gw_flyte_decode(e->mem, item->kind, item->bytes, &e->request, err)) ||
            gw_style_make(style, &e->request, &e->event, err))
            return -1;
        e->is_flyte = 1;
    }
    if (e->is_flyte)
        gw_flyte_facts(e->mem, &e->request, &e->facts);
    return 0;
}
