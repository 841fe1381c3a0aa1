/* JSON data under random edits of a hook (view.lua): a view and a table that get the same edits
 * stay equal, the data stays JSON, and not a byte around the edited part changes. The input is a
 * line that says which edits, then the JSON text. */
#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/field.h"
#include "base/json.h"
#include "event/event.h"
#include "flyte/flyte.h"
#include "hook/hook.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEFORE "[ 1.50 , "
#define BEHIND " ,{\"\\u00e9\" : \"x\"} ]"

static struct gw_hooks *hooks;

static void log_nowhere(const char *text, size_t len)
{
    (void)text;
    (void)len;
}

static void on_done(struct gw_hook_call *c)
{
    (void)c;
}

static int64_t now_0(void)
{
    return 0;
}

static void prepare(void)
{
    static const char *const path = "spec/fuzz/view.lua";
    static const struct gw_strs scripts = {(const char **)&path, 1};
    static const struct gw_style_conf style = {.source = GW_STR("/fuzz")};
    static const struct gw_hooks_conf conf = {
        .pipeline = "fuzz",
        .scripts = &scripts,
        .limits = {.instructions = 300000, .memory = 8 << 20, .timeout_ms = 60000},
        .style = &style,
        .lua_path = "lua"};
    struct gw_err err;

    gw_diag_sink = log_nowhere;
    gw_hook_now_ms = now_0;
    hooks = gw_hooks_open(&conf, &err);
    if (!hooks)
        fprintf(stderr, "%s\n", err.msg);
    assert(hooks);
}

static int is_json(struct gw_str text)
{
    struct gw_json j;
    struct gw_str all;

    gw_json_init(&j, text, 100);
    return gw_json_next(&j) > GW_JSON_END && !gw_json_value(&j, &all) &&
           gw_json_next(&j) == GW_JSON_END;
}

/* Printable, as the value of an attribute is. */
static void set_ops(struct gw_event *ev, struct gw_str ops)
{
    char *p = gw_arena_strndup(ev->mem, ops.p, ops.len);

    for (size_t i = 0; i < ops.len; i++)
        p[i] = (char)(' ' + (unsigned char)p[i] % 90);
    gw_event_set(ev, GW_STR("ops"), (struct gw_str){p, ops.len});
}

static void check(const struct gw_hook_call *c)
{
    struct gw_str data = c->event->data;

    if (c->verdict == GW_HOOK_FAILED && !strstr(c->text, "nest more than 100") &&
        !strcmp(c->reason, "hook_error"))
        fprintf(stderr, "%s\n", c->text);
    assert(c->verdict != GW_HOOK_FAILED || strcmp(c->reason, "hook_error") != 0 ||
           strstr(c->text, "nest more than 100"));
    assert(is_json(data));
    assert(data.len > strlen(BEFORE BEHIND) && !memcmp(data.p, BEFORE, strlen(BEFORE)));
    assert(!memcmp(data.p + data.len - strlen(BEHIND), BEHIND, strlen(BEHIND)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct gw_str in = {(const char *)bytes, size}, ops = in;
    const char *line = size ? memchr(in.p, '\n', size) : NULL;
    struct gw_arena *mem;
    struct gw_event ev;
    struct gw_hook_call c = {.event = &ev, .seed = 7, .kind = GW_OTHER, .done = on_done};

    if (!hooks)
        prepare();
    if (!line || size > 4096)
        return 0;
    ops.len = (size_t)(line - in.p);
    in = (struct gw_str){line + 1, size - ops.len - 1};
    mem = gw_arena_new();
    gw_event_init(&ev, mem);
    gw_event_set(&ev, GW_STR("id"), GW_STR("e"));
    gw_event_set(&ev, GW_STR("source"), GW_STR("/f"));
    gw_event_set(&ev, GW_STR("type"), GW_STR("t"));
    set_ops(&ev, ops);
    ev.data = gw_arena_printf(mem, BEFORE "%.*s" BEHIND, (int)in.len, in.p);
    ev.data_kind = GW_DATA_JSON;
    c.mem = mem;
    if (is_json(in) && is_json(ev.data)) {
        gw_hooks_start(hooks, &c);
        check(&c);
    }
    gw_arena_free(mem);
    return 0;
}
