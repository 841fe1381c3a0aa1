/* Runs spec files: opens a Lua state for each, loads lua/moongate/test.lua and the file into it,
 * and goes on behind a step that was stopped in a new one. What describe, it and assert do is in
 * test.lua. */
#include "hook/spec.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/field.h"
#include "base/text.h"
#include "hook/api.h"
#include "hook/explain.h"
#include "hook/guard.h"
#include "hook/spec_gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct gw_hook_limits gw_spec_limits = {
    .instructions = 100000000, .memory = 256 << 20, .timeout_ms = 10000};

enum { MAX_STOPS = 50, MAX_FRAMES = 12 };

static const char runner_name[] = "moongate/test.lua";
static const char ours[] = "moongate/test"; /* it and what is in the folder of that name */

/* One run of all files. */
struct running {
    struct gw_spec spec;
    struct gw_spec_report *report;
    int64_t end_ms; /* 0: none */
    /* of the file */
    lua_Integer step, stopped[MAX_STOPS]; /* the one under way; those that were stopped */
    int n_stopped, line;                  /* of the step */
    char name[GW_SPEC_NAME], text[GW_SPEC_TEXT];
};

static struct running *running_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* ---- results ---- */

static void tell(struct running *g, enum gw_spec_kind kind, int line, const char *name,
                 const char *text)
{
    struct gw_spec_report *r = g->report;
    struct gw_spec_result result = {kind, g->spec.file, line, name, text};
    unsigned *counts[] = {&r->successes, &r->failures, &r->errors, &r->pending};

    ++*counts[kind];
    if ((kind == GW_SPEC_FAILURE || kind == GW_SPEC_ERROR) && !r->first[0]) {
        snprintf(r->first, sizeof(r->first), "%s", text);
        for (char *p = r->first + strcspn(r->first, "\n"); *p; p += strcspn(p, "\n"))
            *p = kind == GW_SPEC_FAILURE ? ' ' : '\0'; /* both values, but no traceback */
    }
    if (g->spec.conf->each)
        g->spec.conf->each(g->spec.conf->ctx, &result);
}

/* report(kind, name, line, text) */
static int host_report(lua_State *L)
{
    static const char *const kinds[] = {"success", "failure", "error", "pending", NULL};
    int kind = luaL_checkoption(L, 1, NULL, kinds);
    struct running *g = running_of(L);
    struct gw_str text = gw_check_str(L, 4);
    size_t n = text.len < sizeof(g->text) ? text.len : sizeof(g->text) - 1;

    while (n < text.len && n > 0 && ((unsigned char)text.p[n] & 0xc0) == 0x80)
        n--;
    snprintf(g->text, sizeof(g->text), "%.*s", (int)n, text.p);
    snprintf(g->name, sizeof(g->name), "%s", luaL_checkstring(L, 2));
    tell(g, (enum gw_spec_kind)kind, (int)luaL_checkinteger(L, 3), g->name, g->text);
    return 0;
}

/* ---- places ---- */

static int is_runner(const lua_Debug *ar)
{
    return !strncmp(ar->source + 1, ours, sizeof(ours) - 1);
}

/* The nearest Lua frame of the spec's author; 0: there is none. */
static int author_frame(lua_State *L, lua_Debug *ar)
{
    for (int i = 0; lua_getstack(L, i, ar); i++) {
        lua_getinfo(L, "Sl", ar);
        if (ar->currentline >= 0 && !is_runner(ar))
            return 1;
    }
    return 0;
}

/* where(): "FILE:LINE" of who called into test.lua. */
static int host_where(lua_State *L)
{
    lua_Debug ar;

    if (author_frame(L, &ar))
        lua_pushfstring(L, "%s:%d", ar.short_src, ar.currentline);
    else
        lua_pushnil(L);
    return 1;
}

static int host_line(lua_State *L)
{
    lua_Debug ar;

    lua_pushinteger(L, author_frame(L, &ar) ? ar.currentline : 0);
    return 1;
}

/* frames(): the author's frames, a line each, and how many. */
static int host_frames(lua_State *L)
{
    char out[MAX_FRAMES * 120];
    size_t len = 0;
    int n = 0;
    lua_Debug ar;

    for (int i = 0; n < MAX_FRAMES && len < sizeof(out) && lua_getstack(L, i, &ar); i++) {
        lua_getinfo(L, "Sln", &ar);
        if (ar.currentline < 0 || is_runner(&ar))
            continue;
        len += (size_t)snprintf(out + len, sizeof(out) - len, "\n  %s:%d: in %s", ar.short_src,
                                ar.currentline, ar.name ? ar.name : "a function");
        n++;
    }
    lua_pushlstring(L, out, len < sizeof(out) ? len : sizeof(out) - 1);
    lua_pushinteger(L, n);
    return 2;
}

/* nearest(wanted, {name, …}): ` (did you mean "name"?)` or "". */
static int host_nearest(lua_State *L)
{
    struct gw_nearest near = {.wanted = gw_check_str(L, 1)};
    char hint[100];

    luaL_checktype(L, 2, LUA_TTABLE);
    for (lua_Integer i = 1; lua_rawgeti(L, 2, i) == LUA_TSTRING; i++) {
        gw_nearest_offer(&near, gw_check_str(L, -1));
        if (i % 100 == 0)
            gw_guard_charge(L, 100);
    }
    lua_pushstring(L, gw_nearest_hint(&near, hint, sizeof(hint)));
    return 1;
}

/* ---- steps ---- */

/* step(number, name, line): a budget of its own from here on. */
static int host_step(lua_State *L)
{
    struct running *g = running_of(L);
    struct gw_hook_run *r = gw_vm(L)->run;
    int64_t now;

    g->step = luaL_checkinteger(L, 1);
    snprintf(g->name, sizeof(g->name), "%s", luaL_checkstring(L, 2));
    g->line = (int)luaL_checkinteger(L, 3);
    r->left = g->spec.limits.instructions;
    r->deadline_ms = 0;
    gw_vm(L)->unpaid = 0;
    gw_watch_disarm(gw_vm(L));
    if (!g->end_ms)
        return 0;
    now = gw_hook_now_ms();
    r->deadline_ms = now + g->spec.limits.timeout_ms;
    if (r->deadline_ms > g->end_ms)
        r->deadline_ms = g->end_ms;
    gw_guard_spend(L, 0);
    return 0;
}

/* Copies the frames of a text that are not test.lua's into out; *first gets the first one's place.
 * Returns how many there are. */
static int author_frames(const char *frames, struct gw_buf *out, struct gw_str *first)
{
    enum { INDENT = sizeof("\n  ") - 1 };
    int n = 0;

    while (*frames) {
        size_t len = strcspn(frames + 1, "\n") + 1;
        const char *p = frames + INDENT, *end = len > INDENT ? strstr(p, ": ") : NULL;

        if (end && strncmp(p, ours, sizeof(ours) - 1) != 0) {
            if (!n++)
                *first = (struct gw_str){p, (size_t)(end - p)};
            gw_buf_put(out, frames, len);
        }
        frames += len;
    }
    return n;
}

/* What stopped a step, at a place of the author's: where it was, else where the step stands. */
static void explain_stop(struct running *g, const char *text)
{
    const char *end = text + strcspn(text, "\n");
    struct gw_str place = {0}, what = {text, (size_t)(end - text)};
    struct gw_buf frames, out;
    int n;

    gw_buf_init(&frames, sizeof(g->text), NULL);
    gw_buf_init(&out, sizeof(g->text) - 1, NULL);
    n = author_frames(end, &frames, &place);
    if (!strncmp(text, ours, sizeof(ours) - 1)) {
        what.p = strstr(text, ": ") + 2;
        what.len = (size_t)(end - what.p);
        if (n)
            gw_buf_printf(&out, "%.*s: ", (int)place.len, place.p);
        else
            gw_buf_printf(&out, "%s:%d: ", g->spec.file, g->line ? g->line : 1);
    }
    gw_buf_put_str(&out, what);
    if (n > 1)
        gw_buf_put_str(&out, gw_buf_str(&frames));
    snprintf(g->text, sizeof(g->text), "%.*s", (int)out.len, out.p);
    gw_buf_free(&frames);
    gw_buf_free(&out);
}

/* ---- one file ---- */

static void push_options(lua_State *L, const struct running *g)
{
    lua_createtable(L, 0, 4);
    if (g->spec.conf->filter) {
        lua_pushstring(L, g->spec.conf->filter);
        lua_setfield(L, -2, "filter");
    }
    lua_pushboolean(L, g->spec.conf->list);
    lua_setfield(L, -2, "list");
    lua_pushinteger(L, g->n_stopped ? g->stopped[g->n_stopped - 1] : 0);
    lua_setfield(L, -2, "done");
    lua_newtable(L);
    for (int i = 0; i < g->n_stopped; i++) {
        lua_pushboolean(L, 1);
        lua_rawseti(L, -2, g->stopped[i]);
    }
    lua_setfield(L, -2, "stopped");
}

static void push_host(lua_State *L, struct running *g)
{
    static const luaL_Reg fns[] = {{"report", host_report},
                                   {"where", host_where},
                                   {"line", host_line},
                                   {"frames", host_frames},
                                   {"step", host_step},
                                   {"nearest", host_nearest},
                                   {NULL, NULL}};

    luaL_newlibtable(L, fns);
    lua_pushlightuserdata(L, g);
    luaL_setfuncs(L, fns, 1);
    gw_spec_gate_open(L, &g->spec);
}

/* Leaves what test.lua returns at index 2. */
static void load_runner(lua_State *L, struct running *g)
{
    const char *path;

    gw_globals_push(L, &g->spec.runner);
    path = lua_pushfstring(L, "%s/%s", g->spec.conf->lua_path, runner_name);
    gw_globals_load(L, path, runner_name, -2);
    push_host(L, g);
    lua_call(L, 1, 1);
    lua_replace(L, 2);
    lua_settop(L, 2);
    lua_getfield(L, 2, "gate");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &gw_spec_gate_key);
    lua_getfield(L, 2, "answer");
    gw_spec_answer_with(L);
}

/* The file's globals at index 3: a script's, and describe, it … */
static void push_globals(lua_State *L, struct running *g)
{
    gw_globals_push(L, &g->spec.script);
    lua_getfield(L, 2, "env");
    for (lua_pushnil(L); lua_next(L, 4);) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_settable(L, 3);
    }
    lua_settop(L, 3);
}

static int run_entry(lua_State *L)
{
    struct running *g = lua_touserdata(L, 1);

    load_runner(L, g);
    push_globals(L, g);
    lua_getfield(L, 2, "run");
    gw_globals_load(L, g->spec.file, g->spec.file, 3);
    push_options(L, g);
    lua_call(L, 2, 0);
    return 0;
}

static int is_over(const struct running *g)
{
    const atomic_int *over = g->spec.conf->over;

    return over && atomic_load(over);
}

enum { DONE, AGAIN };

static int stopped(struct running *g, const struct gw_hook_run *r)
{
    explain_stop(g, r->text);
    tell(g, GW_SPEC_ERROR, g->line, g->name, g->text);
    if (is_over(g) || (g->end_ms && gw_hook_now_ms() > g->end_ms))
        return DONE;
    if (g->n_stopped < MAX_STOPS && g->step) {
        g->stopped[g->n_stopped++] = g->step;
        return AGAIN;
    }
    snprintf(g->text, sizeof(g->text), "%s: %d steps were stopped: the rest is not run",
             g->spec.file, g->n_stopped);
    tell(g, GW_SPEC_ERROR, 0, "", g->text);
    return DONE;
}

static int run_once(struct running *g)
{
    char text[GW_HOOK_TEXT];
    struct gw_hook_run r = {.text = text, .script = &g->spec.script};
    struct gw_hook_vm *vm;
    struct gw_err err;
    int status, rc = DONE;

    vm = gw_vm_open(&g->spec.hooks_conf, g->spec.conf->sources, &err);
    if (!vm) {
        tell(g, GW_SPEC_ERROR, 0, "", err.msg);
        return DONE;
    }
    vm->loaded = 0; /* specs may make globals as they go */
    g->step = 0;
    g->name[0] = '\0';
    g->line = 0;
    g->spec.calls = 0;
    r.mem = gw_arena_new();
    status = gw_vm_enter(&r, vm, run_entry, g);
    if (r.stop)
        rc = stopped(g, &r);
    else if (status != LUA_OK)
        tell(g, GW_SPEC_ERROR, 0, "", text);
    gw_vm_end(&r, status);
    gw_vm_release(vm);
    gw_arena_free(r.mem);
    gw_spec_gate_close(&g->spec);
    return rc;
}

static void run_file(struct running *g, const char *file)
{
    g->spec.file = file;
    g->spec.script = (struct gw_script){.path = file, .name = file};
    g->n_stopped = 0;
    if (g->end_ms && gw_hook_now_ms() > g->end_ms) {
        snprintf(g->text, sizeof(g->text), "%s: not run: all took more than %lld ms", file,
                 (long long)g->spec.conf->total_ms);
        tell(g, GW_SPEC_ERROR, 0, "", g->text);
        return;
    }
    while (run_once(g) == AGAIN)
        ;
}

int gw_spec_run(const struct gw_spec_conf *conf, struct gw_spec_report *report)
{
    struct running *g = calloc(1, sizeof(*g));

    if (!g)
        abort();
    *report = (struct gw_spec_report){0};
    g->report = report;
    g->spec.conf = conf;
    g->spec.runner = (struct gw_script){.name = runner_name};
    g->spec.limits = conf->limits.instructions ? conf->limits : gw_spec_limits;
    g->spec.hooks_conf = (struct gw_hooks_conf){.pipeline = "spec",
                                                .limits = g->spec.limits,
                                                .lua_path = conf->lua_path,
                                                .over = conf->over};
    if (conf->total_ms)
        g->end_ms = gw_hook_now_ms() + conf->total_ms;
    for (size_t i = 0; i < conf->files->n && (!i || !is_over(g)); i++)
        run_file(g, conf->files->items[i]);
    free(g);
    return report->failures || report->errors ? -1 : 0;
}
