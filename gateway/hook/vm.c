/* One Lua state: loads the scripts and calls them. The only file that calls lua_resume on the
 * host's behalf. A call is a coroutine whose first frame is `entry`; a thread that ended well is
 * kept for the next call. Each thread is in the registry under its own address, or Lua would
 * collect it. */
#include "hook/vm.h"
#include "hook/api.h"
#include "hook/explain.h"
#include "hook/guard.h"
#include "hook/shared.h"
#include "hook/sources.h"
#include "hook/uses.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/field.h"
#include "base/text.h"
#include "flyte/flyte.h"
#include "hook/rules.h"
#include "hook/style.h"
#include "hook/wait.h"

#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int gw_vm_take(struct gw_hook_vm *vm, size_t bytes)
{
    if (!gw_heap_has_room(vm, bytes))
        return -1;
    vm->memory += bytes;
    return 0;
}

void gw_vm_give(struct gw_hook_vm *vm, size_t bytes)
{
    vm->memory -= bytes;
}

static void run_begin(struct gw_hook_run *r, struct gw_hook_vm *vm)
{
    r->vm = vm;
    r->stop = GW_STOP_NONE;
    r->limits =
        r->script && r->script->role == GW_ROLE_STYLE ? &vm->style_limits : &vm->conf->limits;
    r->left = r->limits->instructions;
    r->deadline_ms = r->until_ms = 0;
    r->closing = r->requiring = 0;
    vm->unpaid = 0;
    r->serial = ++vm->serial;
    r->text[0] = '\0';
}

/* ---- loading ------------------------------------------------------------------------------- */

static int set_up(lua_State *L)
{
    gw_globals_libraries(L);
    return 0;
}

static unsigned kind_bit(lua_State *L, int idx)
{
    struct gw_nearest near = {0};
    struct gw_str name;
    char hint[64], shown[GW_SHOWN];
    enum gw_kind kind;

    if (lua_type(L, idx) != LUA_TSTRING)
        luaL_error(L, "event_types is a list of names, not of %s", gw_show(L, idx, shown));
    name.p = lua_tolstring(L, idx, &name.len);
    if (gw_str_is(name, "all") || gw_str_is(name, "*"))
        return ~0U;
    if (!gw_kind_parse(name, &kind))
        return 1U << kind;
    near.wanted = name;
    for (int i = 0; i < GW_KINDS; i++)
        gw_nearest_offer(&near, gw_str_of(gw_kind_names[i]));
    luaL_error(L, "event_types: no type %s%s", gw_show(L, idx, shown),
               gw_nearest_hint(&near, hint, sizeof(hint)));
    return 0;
}

/* The table a script returned is on top. */
static unsigned read_kinds(lua_State *L)
{
    unsigned kinds = 0;
    int type = lua_getfield(L, -1, "event_types");

    if (type == LUA_TNIL)
        kinds = ~0U;
    else if (type != LUA_TTABLE)
        kinds = kind_bit(L, -1);
    else
        for (lua_Integer i = 1; lua_geti(L, -1, i) != LUA_TNIL; lua_pop(L, 1), i++)
            kinds |= kind_bit(L, -1);
    if (!kinds)
        luaL_error(L, "event_types is a list of one name or more, as in {\"task\"}");
    lua_settop(L, 1);
    return kinds;
}

static void check_member(lua_State *L, const char *name, int type, int required)
{
    int t = lua_getfield(L, 1, name);
    char shown[GW_SHOWN];

    if (t != type && (required || t != LUA_TNIL))
        luaL_error(L, "%s is a %s, not %s", name, lua_typename(L, type), gw_show(L, -1, shown));
    lua_pop(L, 1);
}

/* A member that is nearly one we know is a slip; others are the script's own. */
static void check_names(lua_State *L)
{
    static const char *const names[] = {"on_event", "on_load", "event_types", "description"};
    enum { NAMES = sizeof(names) / sizeof(names[0]) };
    char hint[64], shown[GW_SHOWN];

    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
        struct gw_nearest near = {0};
        int known = 0;

        if (lua_type(L, -2) != LUA_TSTRING)
            continue;
        near.wanted.p = lua_tolstring(L, -2, &near.wanted.len);
        for (int i = 0; i < NAMES; i++) {
            known |= gw_str_is(near.wanted, names[i]);
            gw_nearest_offer(&near, gw_str_of(names[i]));
        }
        if (!known && *gw_nearest_hint(&near, hint, sizeof(hint)))
            luaL_error(L, "a script's table has no member %s%s", gw_show(L, -2, shown), hint);
    }
}

/* What the script returned is at 1: keeps its function, leaves on_load or nil on top. */
static void keep_function(lua_State *L, struct gw_script *s)
{
    char shown[GW_SHOWN];
    lua_Debug ar;

    s->kinds = ~0U;
    if (lua_istable(L, 1)) {
        check_names(L);
        check_member(L, "on_event", LUA_TFUNCTION, 1);
        check_member(L, "on_load", LUA_TFUNCTION, 0);
        check_member(L, "description", LUA_TSTRING, 0);
        s->kinds = read_kinds(L);
        lua_getfield(L, 1, "on_load");
        lua_getfield(L, 1, "on_event");
    } else if (lua_isfunction(L, 1)) {
        lua_pushnil(L);
        lua_pushvalue(L, 1);
    } else {
        luaL_error(L, "%s:1: a hook script returns a function or a table with on_event, not %s",
                   s->name, gw_show(L, 1, shown));
    }
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, s);
    s->line = lua_getinfo(L, ">S", &ar) ? ar.linedefined : 1;
    if (s->line < 1)
        s->line = 1;
}

/* Below the result lies the script. */
static int loaded(lua_State *L, int status, lua_KContext ctx)
{
    struct gw_script *s = lua_touserdata(L, 1);

    (void)status;
    (void)ctx;
    lua_settop(L, 2);
    lua_remove(L, 1);
    keep_function(L, s);
    return lua_isnil(L, -1) ? 0 : 1; /* on_load: the host calls it with a budget of its own */
}

/* The first frame of a load. Stack: script. */
static int load_entry(lua_State *L)
{
    struct gw_script *s = lua_touserdata(L, 1);

    gw_globals_push(L, s);
    if (s->role == GW_ROLE_STYLE)
        gw_style_push(L, gw_vm(L)->conf, 2);
    else if (gw_role_is_rules(s->role))
        gw_rules_push(L, gw_vm(L)->conf, s->role, 2);
    else
        gw_globals_load(L, s->path, s->name, 2);
    lua_remove(L, 2);
    lua_callk(L, s->role != GW_ROLE_HOOK, 1, 0, loaded);
    return loaded(L, LUA_OK, 0);
}

static int call_on_load(lua_State *L)
{
    lua_settop(L, 1);
    lua_callk(L, 0, 0, 0, NULL);
    return 0;
}

/* Stack of the state: what the new thread shall start with. */
static int new_thread(lua_State *L)
{
    lua_State **out = lua_touserdata(L, 1);

    *out = lua_newthread(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, *out);
    return 0;
}

static lua_State *thread_open(struct gw_hook_vm *vm)
{
    lua_State *co = NULL;

    lua_pushcfunction(vm->L, new_thread);
    lua_pushlightuserdata(vm->L, &co);
    if (lua_pcall(vm->L, 1, 0, 0) == LUA_OK)
        return co;
    lua_settop(vm->L, 0);
    return NULL;
}

/* It is done for: Lua may collect it. A key that is there is set without an allocation. */
static void thread_drop(struct gw_hook_vm *vm, lua_State *co)
{
    if (co == vm->L || vm->broken)
        return;
    lua_pushnil(vm->L);
    lua_rawsetp(vm->L, LUA_REGISTRYINDEX, co);
}

static void thread_keep(struct gw_hook_vm *vm, lua_State *co)
{
    lua_settop(co, 0);
    if (vm->n_idle < sizeof(vm->idle) / sizeof(vm->idle[0]))
        vm->idle[vm->n_idle++] = co;
    else
        thread_drop(vm, co);
}

static int resume(struct gw_hook_run *r, int nargs, int *n)
{
    struct gw_hook_vm *vm = r->vm;
    char shown[2 * GW_SHOWN];
    int status;

    vm->run = r;
    vm->running = r->co;
    gw_guard_arm(r->co);
    status = gw_watch_resume(r, nargs, n);
    vm->running = NULL;
    if (status == LUA_YIELD && !r->stop) {
        vm->run = NULL;
        return LUA_YIELD;
    }
    if (status == LUA_YIELD) /* that is how a stop leaves */
        status = LUA_ERRRUN;
    if (status != LUA_OK && !r->stop && status == LUA_ERRMEM)
        gw_guard_stop(r, r->co, GW_STOP_MEMORY);
    else if (status != LUA_OK && !r->stop)
        gw_explain(r, r->co, gw_error_text(r->co, -1, shown, sizeof(shown)));
    return status;
}

static int load_failed(struct gw_hook_run *r, struct gw_err *err)
{
    const struct gw_script *s = r->script;
    size_t name = strlen(s->name);
    const char *text = r->text, *end;

    /* The first line, with the path people know the script by. */
    end = strchr(text, '\n');
    if (!end)
        end = text + strlen(text);
    if (!strncmp(text, s->name, name) && text[name] == ':' && s->path)
        return gw_err_set(err, GW_ERR_REJECT, "%s%.*s", s->path, (int)(end - text - (long)name),
                          text + name);
    return gw_err_set(err, GW_ERR_REJECT, "%s%s%.*s", s->path ? s->path : s->name, ": ",
                      (int)(end - text), text);
}

static int load_run(struct gw_hook_vm *vm, struct gw_hook_run *r, struct gw_err *err)
{
    struct gw_script *s = (struct gw_script *)r->script;
    int n = 0, status;

    s->line = 1;
    run_begin(r, vm);
    r->co = thread_open(vm);
    if (!r->co) {
        gw_guard_stop(r, vm->L, GW_STOP_MEMORY);
        return load_failed(r, err);
    }
    lua_pushcfunction(r->co, load_entry);
    lua_pushlightuserdata(r->co, s);
    status = resume(r, 1, &n);
    if (status == LUA_OK && n == 1) {
        run_begin(r, vm);
        lua_settop(r->co, 1);
        lua_pushcfunction(r->co, call_on_load);
        lua_insert(r->co, 1);
        status = resume(r, 1, &n);
    }
    vm->run = NULL;
    if (status != LUA_OK)
        return load_failed(r, err);
    thread_keep(vm, r->co);
    return 0;
}

static int load_script(struct gw_hook_vm *vm, struct gw_script *s, struct gw_err *err)
{
    char text[GW_HOOK_TEXT];
    struct gw_hook_run r = {.text = text, .script = s};
    int failed = load_run(vm, &r, err);

    gw_uses_end_run(&r);
    return failed;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void list(struct gw_hook_vm *vm, enum gw_role role, const char *path)
{
    vm->scripts[vm->n_scripts++] =
        (struct gw_script){.role = role, .path = path, .name = path ? base_name(path) : "rules"};
}

static void list_rules(struct gw_hook_vm *vm, enum gw_role role)
{
    if (gw_rules_has(vm->conf, role))
        list(vm, role, NULL);
}

static void list_scripts(struct gw_hook_vm *vm)
{
    enum { BEFORE = 3 }; /* at most, of the pipeline's own */
    const struct gw_hooks_conf *conf = vm->conf;
    size_t files = conf->scripts ? conf->scripts->n : 0;

    vm->scripts = calloc(files + BEFORE, sizeof(*vm->scripts));
    if (!vm->scripts)
        abort();
    if (gw_style_has_script(conf)) {
        list_rules(vm, GW_ROLE_MATCH);
        vm->style_path = gw_style_path(conf);
        list(vm, GW_ROLE_STYLE, vm->style_path);
        list_rules(vm, GW_ROLE_RULES_REST);
    } else {
        list_rules(vm, GW_ROLE_RULES);
    }
    for (size_t i = 0; i < files; i++)
        list(vm, GW_ROLE_HOOK, conf->scripts->items[i]);
}

static int load_all(struct gw_hook_vm *vm, struct gw_err *err)
{
    char text[GW_HOOK_TEXT], shown[2 * GW_SHOWN];
    struct gw_hook_run r = {.text = text};

    vm->L = lua_newstate(gw_heap_alloc, vm);
    if (!vm->L)
        return gw_err_set(err, GW_ERR_FATAL, "no memory for a Lua state");
    *(struct gw_hook_vm **)lua_getextraspace(vm->L) = vm;
    run_begin(&r, vm);
    vm->run = &r;
    lua_pushcfunction(vm->L, set_up);
    if (lua_pcall(vm->L, 0, 0, 0) != LUA_OK)
        return gw_err_set(err, GW_ERR_REJECT, "hook_limits: %.200s",
                          gw_error_text(vm->L, -1, shown, sizeof(shown)));
    for (size_t i = 0; i < vm->n_scripts; i++)
        if (load_script(vm, &vm->scripts[i], err))
            return -1;
    vm->loaded = 1;
    vm->run = NULL;
    return 0;
}

void gw_vm_release(struct gw_hook_vm *vm)
{
    if (!vm || --vm->refs > 0)
        return;
    if (vm->L && !vm->broken)
        lua_close(vm->L);
    gw_heap_close(vm);
    gw_watch_close(vm);
    gw_uses_end(vm);
    gw_sources_drop(vm->sources);
    gw_hook_shared_drop(vm->shared);
    gw_arena_free(vm->scratch);
    free(vm->style_path);
    free(vm->scripts);
    free(vm);
}

struct gw_hook_vm *gw_vm_open(const struct gw_hooks_conf *conf, struct gw_sources *sources,
                              struct gw_err *err)
{
    struct gw_hook_vm *vm = calloc(1, sizeof(*vm));

    if (!vm)
        abort();
    *vm = (struct gw_hook_vm){.conf = conf, .refs = 1, .scratch = gw_arena_new()};
    vm->sources = sources ? gw_sources_hold(sources) : gw_sources_new();
    vm->shared = conf->shared ? gw_hook_shared_hold(conf->shared)
                              : gw_hook_shared_new(conf->pipeline, conf->metrics);
    vm->style_limits = gw_style_limits(conf);
    gw_heap_open(vm);
    gw_watch_open(vm);
    list_scripts(vm);
    if (!load_all(vm, err))
        return vm;
    vm->run = NULL;
    vm->running = NULL;
    gw_vm_release(vm);
    return NULL;
}

/* Runs first(arg) as the first frame of a thread; NULL: there was no memory for one. */
static int start(struct gw_hook_run *r, lua_State *co, lua_CFunction first, void *arg, int *n)
{
    r->co = co ? co : r->vm->L;
    if (!co) {
        gw_guard_stop(r, r->co, GW_STOP_MEMORY);
        return LUA_ERRMEM;
    }
    lua_pushcfunction(co, first);
    lua_pushlightuserdata(co, arg);
    return resume(r, 1, n);
}

static int collect(lua_State *L)
{
    lua_gc(L, LUA_GCCOLLECT);
    return 0;
}

void gw_vm_collect(struct gw_hook_vm *vm)
{
    gw_arena_reset(vm->scratch);
    if (vm->broken || vm->memory < (size_t)vm->conf->limits.memory / 2)
        return;
    lua_pushcfunction(vm->L, collect);
    if (lua_pcall(vm->L, 0, 0, 0) != LUA_OK)
        lua_settop(vm->L, 0);
}

int gw_vm_enter(struct gw_hook_run *r, struct gw_hook_vm *vm, lua_CFunction entry, void *arg)
{
    int n;

    run_begin(r, vm);
    return start(r, thread_open(vm), entry, arg, &n);
}

/* ---- calling ------------------------------------------------------------------------------- */

static int returned(lua_State *L, int status, lua_KContext under)
{
    (void)status;
    return lua_gettop(L) - (int)under;
}

/* The first frame of a call. Stack: run. */
static int entry(lua_State *L)
{
    struct gw_hook_run *r = lua_touserdata(L, 1);

    lua_rawgetp(L, LUA_REGISTRYINDEX, r->script);
    gw_handle_push(L, GW_H_EVENT, r->item);
    if (r->call->request)
        gw_handle_push(L, GW_H_MESSAGE, r->call->request->msg);
    else
        lua_pushnil(L);
    if (r->call->flyte)
        gw_handle_push(L, GW_H_FLYTE, (void *)r->call->flyte);
    else
        lua_pushnil(L);
    lua_callk(L, 3, LUA_MULTRET, 1, returned);
    return returned(L, LUA_OK, 1);
}

int gw_vm_call(struct gw_hook_run *r, int *n)
{
    struct gw_hook_vm *vm = r->vm;

    *n = 0;
    r->script = &vm->scripts[r->index];
    run_begin(r, vm);
    return start(r, vm->n_idle ? vm->idle[--vm->n_idle] : thread_open(vm), entry, r, n);
}

int gw_vm_go_on(struct gw_hook_run *r, int *n)
{
    *n = 0;
    return resume(r, 0, n);
}

/* It runs its __close handlers, on what is left of the budget. */
static void close_thread(struct gw_hook_run *r)
{
    char text[GW_HOOK_TEXT];

    memcpy(text, r->text, sizeof(text));
    r->vm->running = r->co;
    gw_watch_reset(r);
    r->vm->running = NULL;
    if (!r->stop)
        memcpy(r->text, text, sizeof(text));
}

void gw_vm_end(struct gw_hook_run *r, int status)
{
    struct gw_hook_vm *vm = r->vm;

    if (!r->stop && status != LUA_OK)
        close_thread(r);
    if (!r->stop && status == LUA_OK)
        thread_keep(vm, r->co);
    else
        thread_drop(vm, r->co);
    if (r->wait)
        gw_wait_end(r);
    if (!r->call)
        gw_uses_end_run(r);
    if (r->call)
        r->call->instructions += r->limits->instructions - r->left + (int64_t)vm->unpaid;
    vm->run = NULL;
    r->serial = 0;
}

void gw_vm_expire(struct gw_hook_run *r)
{
    char what[96];

    snprintf(what, sizeof(what), "no answer within %lld ms (hook_limits.timeout)",
             (long long)r->limits->timeout_ms);
    gw_explain(r, r->co, what);
    gw_wait_end(r); /* what it points to stands on the stack that is closed now */
    r->vm->run = r;
    r->vm->unpaid = r->unpaid;
    r->deadline_ms = gw_hook_now_ms() + GW_GRACE_MS;
    gw_guard_arm(r->co);
    gw_vm_end(r, LUA_ERRRUN);
}
