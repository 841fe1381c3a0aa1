/* What records would become under one configuration and under another. Both chains of hooks run on
 * each record; entries of what differs go to a file without a name, so that the report may be of
 * any size. The caller's thread. */
#include "pipeline/diff.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/tmp.h"
#include "event/event.h"
#include "event/format.h"
#include "event/route.h"
#include "flyte/flyte.h"
#include "flyte/reflect.h"
#include "log/record.h"
#include "pipeline/diff_inside.h"
#include "pipeline/diff_side.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const char *const gw_diff_names[GW_DIFF_KINDS] = {
    "same",          "changed",           "newly_filtered", "no_longer_filtered",
    "newly_failing", "no_longer_failing", "only_here",      "filtered_here",
    "failing_here",  "repeated_here",     "neither",        "only_there",
    "repeated_there"};

/* ---- counting ---- */

static struct gw_diff_name *count_of(struct gw_diff *d, struct gw_str name)
{
    struct gw_diff_counts *c = &d->counts;
    struct gw_diff_name *n;

    if (name.len >= sizeof(n->name))
        name.len = sizeof(n->name) - 1;
    for (size_t i = 0; i < c->n_names; i++)
        if (gw_str_is(name, c->names[i].name))
            return &c->names[i];
    n = &c->names[c->n_names < GW_DIFF_NAMES ? c->n_names++ : GW_DIFF_NAMES];
    snprintf(n->name, sizeof(n->name), "%.*s", (int)name.len, name.p);
    if (n == &c->names[GW_DIFF_NAMES])
        snprintf(n->name, sizeof(n->name), "other");
    return n;
}

/* ---- entries ---- */

void gw_diff_op(struct gw_diff_ops *ops, enum gw_diff_op op, struct gw_str name,
                struct gw_str before, struct gw_str after)
{
    if (ops->n == GW_DIFF_OPS) {
        ops->more++;
        return;
    }
    ops->n++;
    gw_diff_put_number(ops->out, op);
    gw_diff_put_text(ops->out, name);
    gw_diff_put_text(ops->out, before);
    gw_diff_put_text(ops->out, after);
}

int gw_diff_write_entry(struct gw_diff *d, const struct gw_diff_entry *e, struct gw_diff_ops *ops,
                        struct gw_err *err)
{
    struct gw_buf *b = &d->entry;

    gw_buf_clear(b);
    gw_diff_put_number(b, (uint64_t)e->change);
    gw_diff_put_number(b, (uint64_t)(e->extra + 1L));
    gw_diff_put_number(b, (uint64_t)e->kind);
    gw_diff_put_number(b, e->seq);
    gw_diff_put_text(b, e->id);
    gw_diff_put_text(b, e->before);
    gw_diff_put_text(b, e->after);
    gw_diff_put_number(b, ops ? ops->n : 0);
    gw_diff_put_number(b, ops ? ops->more : 0);
    if (ops)
        gw_buf_put_str(b, gw_buf_str(ops->out));
    assert(!b->failed);
    if (fwrite(b->p, 1, b->len, d->details) != b->len)
        return gw_err_errno(err, GW_ERR_RETRY, "the differences cannot be kept");
    return 0;
}

/* ---- two events ---- */

static int same_text(const struct gw_diff *d, const struct gw_attr *x, const struct gw_attr *y)
{
    return gw_str_eq(x->text, y->text) ||
           (d->counts.against && gw_str_is(x->name, "time") && gw_diff_times_eq(x->text, y->text));
}

static void compare_attributes(struct gw_diff *d, const struct gw_event *a,
                               const struct gw_event *b, struct gw_diff_ops *ops)
{
    for (const struct gw_attr *x = a->attrs; x; x = x->next) {
        const struct gw_attr *y = gw_event_get(b, x->name);

        if (y && same_text(d, x, y))
            continue;
        (*(y ? &count_of(d, x->name)->changed : &count_of(d, x->name)->removed))++;
        gw_diff_op(ops, GW_OP_ATTRIBUTE, x->name, x->text, y ? y->text : (struct gw_str){0});
    }
    for (const struct gw_attr *y = b->attrs; y; y = y->next) {
        if (gw_event_get(a, y->name))
            continue;
        count_of(d, y->name)->added++;
        gw_diff_op(ops, GW_OP_ATTRIBUTE, y->name, (struct gw_str){0}, y->text);
    }
}

static void compare_text(struct gw_diff *d, struct gw_str name, struct gw_str a, struct gw_str b,
                         struct gw_diff_ops *ops)
{
    if (!a.p == !b.p && gw_str_eq(a, b))
        return;
    (*(!a.p   ? &count_of(d, name)->added
       : !b.p ? &count_of(d, name)->removed
              : &count_of(d, name)->changed))++;
    gw_diff_op(ops, GW_OP_ATTRIBUTE, name, a, b);
}

/* As one text; absent: there are none. */
static struct gw_str headers_of(struct gw_arena *mem, const struct gw_route *r)
{
    struct gw_buf b;

    if (!r->n_headers)
        return (struct gw_str){0};
    gw_buf_init(&b, SIZE_MAX / 2, mem);
    for (size_t i = 0; i < r->n_headers; i++) {
        gw_buf_puts(&b, i ? ", " : "");
        gw_buf_put_str(&b, r->headers[i].name);
        gw_buf_puts(&b, ": ");
        gw_buf_put_str(&b, r->headers[i].value);
    }
    return gw_buf_str(&b);
}

/* Where they go, told like attributes: no attribute has a dot in its name. */
static void compare_routes(struct gw_diff *d, const struct gw_event *a, const struct gw_event *b,
                           struct gw_diff_ops *ops)
{
    static const struct gw_route none = {0};
    const struct gw_route *x = a->route ? a->route : &none, *y = b->route ? b->route : &none;

    if (x == y)
        return;
    compare_text(d, GW_STR("route.topic"), x->topic, y->topic, ops);
    compare_text(d, GW_STR("route.key"), x->key, y->key, ops);
    compare_text(d, GW_STR("route.headers"), headers_of(d->mem, x), headers_of(d->mem, y), ops);
}

/* Data as JSON, if it is that or a request of Flyte's; absent: neither. */
static struct gw_str json_of(struct gw_arena *mem, const struct gw_event *ev, int kind)
{
    struct gw_flyte_request r;
    struct gw_buf out;
    struct gw_err err;

    if (gw_event_data_is_json(ev))
        return ev->data;
    if (ev->data_kind != GW_DATA_BYTES || kind == GW_OTHER ||
        gw_flyte_decode(mem, (enum gw_kind)kind, ev->data, &r, &err))
        return (struct gw_str){0};
    gw_buf_init(&out, SIZE_MAX / 2, mem);
    return gw_pb_json_put(&out, r.msg, &err) ? (struct gw_str){0} : gw_buf_str(&out);
}

static void say_bytes(struct gw_arena *mem, const struct gw_event *a, const struct gw_event *b,
                      struct gw_diff_ops *ops)
{
    static const char *const names[] = {[GW_DATA_BYTES] = "bytes",
                                        [GW_DATA_TEXT] = "bytes of text",
                                        [GW_DATA_JSON] = "bytes of JSON",
                                        [GW_DATA_PROTO] = "bytes of a protobuf message"};
    size_t at = 0;

    while (at < a->data.len && at < b->data.len && a->data.p[at] == b->data.p[at])
        at++;
    gw_diff_op(ops, GW_OP_BYTES, gw_arena_printf(mem, "%zu", at),
               gw_arena_printf(mem, "%zu %s", a->data.len, names[a->data_kind]),
               gw_arena_printf(mem, "%zu %s", b->data.len, names[b->data_kind]));
}

static int same_data(const struct gw_diff *d, const struct gw_event *a, const struct gw_event *b)
{
    return (a->data_kind == b->data_kind || (d->counts.against && a->data.p && b->data.p)) &&
           gw_str_eq(a->data, b->data);
}

/* One of them has none. */
static void data_came_or_went(struct gw_diff *d, const struct gw_event *a, const struct gw_event *b,
                              struct gw_diff_ops *ops)
{
    const int added = a->data_kind == GW_DATA_NONE;
    const struct gw_str none = {0};
    const struct gw_str size =
        gw_arena_printf(d->mem, "%zu bytes", added ? b->data.len : a->data.len);

    (*(added ? &count_of(d, GW_STR("data"))->added : &count_of(d, GW_STR("data"))->removed))++;
    gw_diff_op(ops, GW_OP_ATTRIBUTE, GW_STR("data"), added ? none : size, added ? size : none);
}

/* 0: they cannot both be told as JSON. */
static int both_json(struct gw_diff *d, const struct gw_event *a, const struct gw_event *b,
                     int kind, struct gw_str *x, struct gw_str *y)
{
    if (d->counts.against)
        return gw_diff_both_json(d, a, b, x, y);
    *x = json_of(d->mem, a, kind);
    *y = json_of(d->mem, b, kind);
    return x->p && y->p;
}

static void compare_data(struct gw_diff *d, const struct gw_event *a, const struct gw_event *b,
                         int kind, struct gw_diff_ops *ops)
{
    const unsigned was = ops->n;
    struct gw_str x, y;
    int json;

    if (same_data(d, a, b))
        return;
    if (a->data_kind == GW_DATA_NONE || b->data_kind == GW_DATA_NONE) {
        data_came_or_went(d, a, b, ops);
        return;
    }
    json = both_json(d, a, b, kind, &x, &y) && !gw_diff_json(d->mem, x, y, ops);
    if (ops->n == was && !ops->more) {
        if (json && d->counts.against)
            return; /* spelt otherwise */
        say_bytes(d->mem, a, b, ops);
    }
    count_of(d, GW_STR("data"))->changed++;
}

/* 1: they differ, and it is written; 0: they do not. */
static int compare_events(struct gw_diff *d, const struct gw_event *a, const struct gw_event *b,
                          const struct gw_record *rec, struct gw_err *err)
{
    struct gw_diff_ops ops = {.out = &d->ops};

    gw_buf_clear(&d->ops);
    compare_attributes(d, a, b, &ops);
    compare_routes(d, a, b, &ops);
    compare_data(d, a, b, rec->kind, &ops);
    gw_arena_reset(d->mem);
    if (!ops.n)
        return 0;
    return gw_diff_write_entry(d,
                               &(struct gw_diff_entry){.change = GW_DIFF_CHANGED,
                                                       .kind = rec->kind,
                                                       .seq = rec->at.offset,
                                                       .id = gw_event_text(a, "id")},
                               &ops, err)
               ? -1
               : 1;
}

/* ---- two lists of events ---- */

/* The event of the other list with this id that has no partner yet. */
static size_t find(const struct gw_diff_side *s, const struct gw_event **partners, size_t hint,
                   struct gw_str id)
{
    if (hint < s->n && !partners[hint] && gw_str_eq(gw_event_text(s->events[hint], "id"), id))
        return hint;
    for (size_t i = 0; i < s->n; i++)
        if (!partners[i] && gw_str_eq(gw_event_text(s->events[i], "id"), id))
            return i;
    return s->n;
}

/* partners[i]: the event before that events[i] of after is compared with. By id, and what is left
 * by place; used[i]: events[i] of before has a partner. */
static void pair(const struct gw_diff_side *before, const struct gw_diff_side *after,
                 const struct gw_event **partners, unsigned char *used)
{
    size_t k = 0;

    for (size_t i = 0; i < before->n; i++) {
        const size_t at = find(after, partners, i, gw_event_text(before->events[i], "id"));

        if (at == after->n)
            continue;
        partners[at] = before->events[i];
        used[i] = 1;
    }
    for (size_t i = 0; i < after->n; i++) {
        if (partners[i])
            continue;
        while (k < before->n && used[k])
            k++;
        if (k == before->n)
            return;
        partners[i] = before->events[k];
        used[k] = 1;
    }
}

static int extra(struct gw_diff *d, const struct gw_event *ev, int sign,
                 const struct gw_record *rec, struct gw_err *err)
{
    (*(sign > 0 ? &d->counts.events_added : &d->counts.events_removed))++;
    return gw_diff_write_entry(d,
                               &(struct gw_diff_entry){.change = GW_DIFF_CHANGED,
                                                       .extra = sign,
                                                       .kind = rec->kind,
                                                       .seq = rec->at.offset,
                                                       .id = gw_event_text(ev, "id")},
                               NULL, err);
}

int gw_diff_compare_lists(struct gw_diff *d, const struct gw_record *rec, struct gw_err *err)
{
    const struct gw_diff_side *a = &d->before, *b = &d->after;
    const struct gw_event **partners =
        gw_arena_zalloc(d->after.mem, (b->n + 1) * sizeof(struct gw_event *));
    unsigned char *used = gw_arena_zalloc(d->after.mem, a->n + 1);
    int differ = 0, got;

    pair(a, b, partners, used);
    for (size_t i = 0; i < a->n; i++) {
        if (!used[i] && extra(d, a->events[i], -1, rec, err))
            return -1;
        differ |= !used[i];
    }
    for (size_t i = 0; i < b->n; i++) {
        got = partners[i] ? compare_events(d, partners[i], b->events[i], rec, err)
                          : extra(d, b->events[i], 1, rec, err);
        if (got < 0)
            return -1;
        differ |= got || !partners[i];
    }
    return differ;
}

/* ---- a record ---- */

static enum gw_diff_kind kind_of(const struct gw_diff *d)
{
    const enum gw_diff_end a = d->before.end, b = d->after.end;

    if (a == b)
        return GW_DIFF_SAME;
    if (b != GW_DIFF_SIDE_PUBLISHED)
        return b == GW_DIFF_SIDE_FILTERED ? GW_DIFF_FILTERED : GW_DIFF_FAILING;
    return a == GW_DIFF_SIDE_FILTERED ? GW_DIFF_UNFILTERED : GW_DIFF_UNFAILING;
}

static struct gw_str describe(struct gw_diff *d, const struct gw_diff_side *s)
{
    if (s->end == GW_DIFF_SIDE_PUBLISHED)
        return GW_STR("published");
    if (s->end == GW_DIFF_SIDE_ABSENT)
        return GW_STR("not there");
    if (s->end == GW_DIFF_SIDE_FILTERED)
        return gw_arena_printf(d->mem, "filtered: %s", s->why);
    return gw_arena_printf(d->mem, "failed: %s: %s", s->why, s->error);
}

static struct gw_str id_of(const struct gw_diff_side *s)
{
    return s->end == GW_DIFF_SIDE_PUBLISHED && s->n ? gw_event_text(s->events[0], "id") : s->id;
}

int gw_diff_other_end(struct gw_diff *d, const struct gw_record *rec, enum gw_diff_kind change,
                      struct gw_err *err)
{
    const struct gw_str id = id_of(&d->before);
    const struct gw_diff_entry e = {.change = (int)change,
                                    .kind = rec->kind,
                                    .seq = rec->at.offset,
                                    .id = id.p ? id : id_of(&d->after),
                                    .before = describe(d, &d->before),
                                    .after = describe(d, &d->after)};
    const int rc = gw_diff_write_entry(d, &e, NULL, err);

    gw_arena_reset(d->mem);
    return rc;
}

int gw_diff_record(struct gw_diff *d, const struct gw_record *rec, struct gw_err *err)
{
    const int64_t now_ns = gw_clock_wall_ns(); /* the same for both */
    enum gw_diff_kind change;
    int differ;

    if (gw_diff_run(&d->before, rec, now_ns, err) || gw_diff_run(&d->after, rec, now_ns, err))
        return -1;
    change = kind_of(d);
    if (change != GW_DIFF_SAME) {
        if (gw_diff_other_end(d, rec, change, err))
            return -1;
    } else if (d->before.end == GW_DIFF_SIDE_PUBLISHED) {
        differ = gw_diff_compare_lists(d, rec, err);
        if (differ < 0)
            return -1;
        change = differ ? GW_DIFF_CHANGED : GW_DIFF_SAME;
    }
    d->counts.records++;
    d->counts.of[change]++;
    d->counts.same_failing += change == GW_DIFF_SAME && d->before.end == GW_DIFF_SIDE_FAILED;
    return 0;
}

/* ---- life ---- */

struct gw_diff *gw_diff_open(const struct gw_pipeline_conf *before,
                             const struct gw_pipeline_conf *after, const char *folder,
                             struct gw_err *err)
{
    struct gw_diff *d = calloc(1, sizeof(*d));

    if (!d)
        abort();
    d->mem = gw_arena_new();
    gw_buf_init(&d->entry, SIZE_MAX / 2, NULL);
    gw_buf_init(&d->ops, SIZE_MAX / 2, NULL);
    d->details = gw_tmp_open(folder, err);
    if (!d->details)
        gw_err_wrap(err, "the differences cannot be kept");
    if (!d->details || (before && gw_diff_side_open(&d->before, before, err)) ||
        gw_diff_side_open(&d->after, after, err)) {
        gw_diff_close(d);
        return NULL;
    }
    return d;
}

int gw_diff_report(struct gw_diff *d, int json, int (*put)(void *ctx, struct gw_str text),
                   void *ctx, struct gw_err *err)
{
    if (fflush(d->details) || fseek(d->details, 0, SEEK_SET))
        return gw_err_errno(err, GW_ERR_RETRY, "the differences cannot be kept");
    return gw_diff_write_report(&d->counts, d->details, json, put, ctx, err);
}

void gw_diff_close(struct gw_diff *d)
{
    if (!d)
        return;
    gw_diff_side_close(&d->before);
    gw_diff_side_close(&d->after);
    if (d->details)
        fclose(d->details);
    gw_buf_free(&d->entry);
    gw_buf_free(&d->ops);
    gw_arena_free(d->mem);
    free(d);
}
