/* How `try` shows what became of an event: what was, what is, and what the run took. */
#include "cmd/try.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/sums.h"
#include "cmd/fields.h"
#include "cmd/linediff.h"
#include "cmd/plain.h"
#include "event/format.h"
#include "event/route.h"
#include "flyte/reflect.h"
#include "hook/counters.h"
#include "hook/shared.h"

#include <stdio.h>
#include <string.h>

enum { MAX_SHOWN = 1 << 20 };

struct printing {
    const struct gw_try_result *r;
    struct gw_arena *mem;
    int colours;
};

/* ---- lines ---- */

static void put_line(void *ctx, char mark, struct gw_str text)
{
    const struct printing *p = ctx;
    const char *colour = mark == '-' ? "31" : mark == '+' ? "32" : mark == '@' ? "36" : NULL;

    if (p->colours && colour)
        printf("\033[%sm", colour);
    printf("%c ", mark == '@' ? ' ' : mark);
    gw_print_plain(text, 0);
    fputs(p->colours && colour ? "\033[0m\n" : "\n", stdout);
}

static void put_indented(struct gw_str text)
{
    while (text.len) {
        const char *end = memchr(text.p, '\n', text.len);
        size_t n = end ? (size_t)(end - text.p) : text.len;

        fputs("  ", stdout);
        gw_print_plain((struct gw_str){text.p, n}, 0);
        putchar('\n');
        n += end != NULL;
        text.p += n;
        text.len -= n;
    }
}

/* ---- attributes ---- */

static struct gw_str attribute(struct gw_arena *mem, const struct gw_attr *a)
{
    struct gw_buf b;

    gw_buf_init(&b, MAX_SHOWN, mem);
    gw_buf_put_str(&b, a->name);
    gw_buf_puts(&b, ": ");
    if (a->type == GW_ATTR_BOOL || a->type == GW_ATTR_INT)
        gw_buf_put_str(&b, a->text);
    else
        gw_json_put_string(&b, a->text);
    return gw_buf_str(&b);
}

static void put_attributes(struct printing *p, const struct gw_event *before,
                           const struct gw_event *after)
{
    for (const struct gw_attr *a = before->attrs; a; a = a->next) {
        const struct gw_attr *now = gw_event_get(after, a->name);
        int same = now && now->type == a->type && gw_str_eq(now->text, a->text);

        put_line(p, same ? ' ' : '-', attribute(p->mem, a));
        if (now && !same)
            put_line(p, '+', attribute(p->mem, now));
    }
    for (const struct gw_attr *a = after->attrs; a; a = a->next)
        if (!gw_event_get(before, a->name))
            put_line(p, '+', attribute(p->mem, a));
}

/* What moongate.route said. */
static void put_route(struct printing *p, const struct gw_route *r)
{
    struct gw_buf b;

    if (!r)
        return;
    gw_buf_init(&b, MAX_SHOWN, p->mem);
    gw_buf_puts(&b, "route:");
    if (r->topic.p)
        gw_buf_printf(&b, " topic=%s", r->topic.p);
    if (r->key.p)
        gw_buf_printf(&b, " key=%.*s", (int)r->key.len, r->key.p);
    for (size_t i = 0; i < r->n_headers; i++)
        gw_buf_printf(&b, " %.*s: %.*s", (int)r->headers[i].name.len, r->headers[i].name.p,
                      (int)r->headers[i].value.len, r->headers[i].value.p);
    put_line(p, '+', gw_buf_str(&b));
}

/* ---- data ---- */

static struct gw_str pretty(struct gw_arena *mem, struct gw_str json)
{
    struct gw_buf b;

    gw_buf_init(&b, (size_t)4 * MAX_SHOWN, mem);
    gw_json_put_pretty(&b, json, 0);
    return b.failed ? json : gw_buf_str(&b);
}

/* A request's protobuf bytes as JSON; p NULL: they are none. */
static struct gw_str request_text(struct printing *p, const struct gw_event *ev)
{
    const ProtobufCMessageDescriptor *d = gw_flyte_descriptor(p->r->kind);
    ProtobufCMessage *m;
    struct gw_err err;
    struct gw_buf b;

    if (!d || ev->data_kind != GW_DATA_BYTES || !(m = gw_pb_decode(p->mem, d, ev->data, &err)))
        return (struct gw_str){0};
    gw_buf_init(&b, MAX_SHOWN, p->mem);
    return gw_pb_json_put(&b, m, &err) ? (struct gw_str){0} : pretty(p->mem, gw_buf_str(&b));
}

/* As lines to compare; p NULL: only its size can be told. */
static struct gw_str data_text(struct printing *p, const struct gw_event *ev)
{
    if (ev->data_kind == GW_DATA_NONE)
        return GW_STR("");
    if (gw_event_data_is_json(ev))
        return pretty(p->mem, ev->data);
    if (ev->data_kind == GW_DATA_TEXT)
        return ev->data;
    return request_text(p, ev);
}

static struct gw_str data_title(struct printing *p, const struct gw_event *ev, const char *what)
{
    const struct gw_str none = GW_STR("data: none");

    if (ev->data_kind == GW_DATA_NONE)
        return none;
    return gw_arena_printf(p->mem, "data: %zu bytes%s", ev->data.len, what);
}

static void put_data(struct printing *p, const struct gw_event *before,
                     const struct gw_event *after)
{
    struct gw_str was, is;

    if (before->data_kind == after->data_kind && gw_str_eq(before->data, after->data)) {
        put_line(p, ' ', data_title(p, after, ", unchanged"));
        return;
    }
    was = data_text(p, before);
    is = data_text(p, after);
    put_line(p, '-', data_title(p, before, ""));
    put_line(p, '+', data_title(p, after, ""));
    if (was.p && is.p)
        gw_linediff(p->mem, was, is, put_line, p);
}

/* ---- what it did besides ---- */

struct gw_str gw_try_line_text(struct gw_arena *mem, enum gw_level level, const struct gw_kv *kv)
{
    static const char *const levels[] = {"debug", "info ", "warn ", "error"};
    struct gw_buf b;

    gw_buf_init(&b, MAX_SHOWN, mem);
    gw_buf_puts(&b, levels[level]);
    for (; kv->type != GW_KV_END; kv++) {
        if (!strcmp(kv->key, "pipeline") || !strcmp(kv->key, "event") ||
            (kv->type == GW_KV_STR && !kv->s.p))
            continue;
        gw_buf_putc(&b, ' ');
        if (strcmp(kv->key, "at") != 0 && strcmp(kv->key, "msg") != 0)
            gw_buf_printf(&b, "%s=", kv->key);
        if (kv->type == GW_KV_INT)
            gw_buf_put_i64(&b, kv->i);
        else if (kv->type == GW_KV_DOUBLE)
            gw_json_put_double(&b, kv->d);
        else
            gw_buf_put_str(&b, kv->s);
    }
    return gw_buf_str(&b);
}

static void put_log(const struct gw_try_result *r)
{
    if (!r->lines)
        return;
    puts("log:");
    for (const struct gw_try_line *l = r->lines; l; l = l->next)
        put_indented(l->text);
    if (r->lost_lines)
        printf("  (%u more)\n", r->lost_lines);
}

static void on_counter(void *ctx, const char *metric, struct gw_str labels, double value)
{
    struct gw_buf *out = ctx;

    gw_buf_printf(out, "%s{%.*s} ", metric, (int)labels.len, labels.p);
    gw_json_put_double(out, value);
    gw_buf_putc(out, '\n');
}

static void put_counters(struct printing *p)
{
    struct gw_buf out;

    if (!p->r->shared)
        return;
    gw_buf_init(&out, MAX_SHOWN, p->mem);
    gw_counters_each(gw_hook_shared_counters(p->r->shared), on_counter, &out);
    if (!out.len)
        return;
    puts("counters:");
    put_indented(gw_buf_str(&out));
}

static const char *size_text(struct gw_arena *mem, int64_t bytes)
{
    if (bytes < 10 << 10)
        return gw_arena_printf(mem, "%lld bytes", (long long)bytes).p;
    if (bytes < 10 << 20)
        return gw_arena_printf(mem, "%lld KiB", (long long)(bytes >> 10)).p;
    return gw_arena_printf(mem, "%lld MiB", (long long)(bytes >> 20)).p;
}

static void put_budget(struct printing *p)
{
    const struct gw_try_result *r = p->r;
    const int64_t us = (r->took_ns + 500) / 1000;

    printf("budget: %lld of %lld instructions%s, %s of %s, ", (long long)r->call->instructions,
           (long long)r->limits->instructions, r->n_scripts > 1 ? " for each script" : "",
           size_text(p->mem, r->memory), size_text(p->mem, r->limits->memory));
    if (us < 100000)
        printf("%lld µs of %lld ms\n", (long long)us, (long long)r->limits->timeout_ms);
    else
        printf("%lld ms of %lld ms\n", (long long)us / 1000, (long long)r->limits->timeout_ms);
}

/* ---- how it ended ---- */

static void put_published(struct printing *p)
{
    const struct gw_hook_call *c = p->r->call;

    printf("published: %zu event%s\n", c->n_events, c->n_events == 1 ? "" : "s");
    for (size_t i = 0; i < c->n_events; i++) {
        if (c->n_events > 1)
            printf("event %zu of %zu:\n", i + 1, c->n_events);
        put_attributes(p, p->r->before, c->events[i]);
        put_data(p, p->r->before, c->events[i]);
        put_route(p, c->events[i]->route);
    }
}

static void put_verdict(struct printing *p)
{
    const struct gw_hook_call *c = p->r->call;

    switch (c->verdict) {
    case GW_HOOK_PUBLISH:
        put_published(p);
        break;
    case GW_HOOK_FILTER:
        fputs("filtered: ", stdout);
        gw_print_plain(gw_str_of(*c->label ? c->label : c->reason), 0);
        putchar('\n');
        break;
    case GW_HOOK_RETRY:
        fputs("retry: ", stdout);
        gw_print_plain(gw_str_of(c->text), 0);
        putchar('\n');
        break;
    default:
        printf("failed: %s\n", c->reason);
        put_indented(gw_str_of(c->text));
    }
}

static void put_head(enum gw_kind kind, const struct gw_event *ev)
{
    printf("%s ", gw_kind_names[kind]);
    gw_print_plain(gw_event_text(ev, "id"), 0);
    putchar('\n');
}

void gw_try_print_passed_over(enum gw_kind kind, const struct gw_event *ev)
{
    put_head(kind, ev);
    puts("filtered: event_types");
}

void gw_try_print(const struct gw_try_result *r, struct gw_arena *mem, int colours)
{
    struct printing p = {r, mem, colours};

    put_head(r->kind, r->before);
    put_verdict(&p);
    put_log(r);
    put_counters(&p);
    put_budget(&p);
}
