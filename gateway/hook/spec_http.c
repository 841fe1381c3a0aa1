/* moongate.http of a hook, answered by its spec: from inside the hook's run, a function of the spec
 * is called in the spec's own Lua state. */
#include "base/arena.h"
#include "hook/api.h"
#include "hook/guard.h"
#include "hook/spec_gate.h"

#include <stdio.h>
#include <string.h>

static const char answer_key;

void gw_spec_answer_with(lua_State *L)
{
    lua_rawsetp(L, LUA_REGISTRYINDEX, &answer_key);
}

struct asking {
    struct gw_spec_outside *world;
    const struct gw_hook_request *rq;
    struct gw_hook_answer *a;
    int answered;
};

static void push_field(lua_State *L, const char *name, struct gw_str s)
{
    if (!s.p)
        return;
    lua_pushlstring(L, s.p, s.len);
    lua_setfield(L, -2, name);
}

static void push_request(lua_State *L, const struct gw_hook_request *rq)
{
    lua_createtable(L, 0, 5);
    push_field(L, "method", rq->method);
    push_field(L, "url", rq->url);
    push_field(L, "body", rq->body);
    lua_createtable(L, 0, (int)rq->n_headers);
    for (size_t i = 0; i < rq->n_headers; i++) {
        lua_pushlstring(L, rq->headers[i].name.p, rq->headers[i].name.len);
        lua_pushlstring(L, rq->headers[i].value.p, rq->headers[i].value.len);
        lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "headers");
}

static struct gw_str copy(lua_State *L, int idx, struct gw_arena *mem)
{
    struct gw_str s = gw_check_str(L, idx);

    gw_guard_charge(L, s.len / 16);
    return gw_arena_str(mem, s);
}

/* {{name, value}, …} at idx. */
static void read_headers(lua_State *L, int idx, struct asking *q)
{
    struct gw_hook_header *headers;
    size_t n = lua_rawlen(L, idx);

    headers = gw_arena_alloc(q->world->mem, (n + 1) * sizeof(*headers));
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, idx, (lua_Integer)i + 1);
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        headers[i].name = copy(L, -2, q->world->mem);
        headers[i].value = copy(L, -1, q->world->mem);
        lua_pop(L, 3);
    }
    q->a->headers = headers;
    q->a->n_headers = n;
}

static int ask(lua_State *L)
{
    struct asking *q = lua_touserdata(L, 1);

    lua_rawgetp(L, LUA_REGISTRYINDEX, &answer_key);
    push_request(L, q->rq);
    lua_call(L, 1, 3);
    if (lua_isnil(L, 2))
        return 0;
    q->a->status = (int)gw_check_integer(L, 2);
    q->a->body = copy(L, 3, q->world->mem);
    read_headers(L, 4, q);
    if (!q->a->status)
        snprintf(q->a->why, sizeof(q->a->why), "%s", lua_tostring(L, 3));
    q->answered = 1;
    return 0;
}

/* A stop of the spec comes out of the pcall, too: it is sticky, and host_call looks at it. test.lua
 * keeps what a function of the spec raised; an error here is out of memory. */
int gw_spec_http(void *ctx, const struct gw_hook_request *rq, struct gw_hook_answer *a)
{
    struct gw_spec_outside *world = ctx;
    struct asking q = {world, rq, a, 0};
    lua_State *L = world->L;
    struct gw_hook_vm *hook;

    if (!lua_checkstack(L, 4))
        return 0;
    hook = gw_watch_turn(NULL);
    lua_pushcfunction(L, ask);
    lua_pushlightuserdata(L, &q);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        lua_pop(L, 1);
    gw_watch_turn(hook);
    return q.answered;
}
