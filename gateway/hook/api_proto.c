/* moongate.proto: messages of what is compiled in (`known`) and of message formats that are not,
 * from a descriptor set (`load`). What is made of them are messages as `request` is, in the
 * record's arena. */
#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "flyte/pbset.h"
#include "flyte/reflect.h"
#include "hook/api.h"
#include "hook/explain.h"
#include "hook/guard.h"
#include "hook/lookups.h"
#include "hook/request.h"
#include "hook/sources.h"
#include "hook/vm.h"

#include <string.h>

static const char loaded_key; /* registry: what was loaded, by path */

/* It is valid in every call, other than what is of an event. */
static const struct gw_handle *check_set(lua_State *L)
{
    const struct gw_handle *h = lua_type(L, 1) == LUA_TUSERDATA ? lua_touserdata(L, 1) : NULL;

    if (!h || h->type != GW_H_PROTO)
        gw_arg_error(L, 1, "a loaded descriptor set (pb:new, with a colon)");
    return h;
}

/* The file, as errors call it. */
static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* The type named at 2. */
static const ProtobufCMessageDescriptor *check_type(lua_State *L, const struct gw_handle *h)
{
    struct gw_nearest near = {.wanted = gw_check_str(L, 2)};
    const ProtobufCMessageDescriptor *d = gw_pbset_message(h->p, near.wanted);
    char hint[120], shown[GW_SHOWN];

    if (d)
        return d;
    gw_guard_charge(L, gw_pbset_count(h->p));
    gw_pbset_offer(h->p, &near);
    luaL_error(L, "%s has no message %s%s", base_name(h->field), gw_show(L, 2, shown),
               gw_nearest_hint(&near, hint, sizeof(hint)));
    return NULL;
}

static int push_made(lua_State *L, ProtobufCMessage *m)
{
    gw_handle_push(L, GW_H_MESSAGE, m)->made = 1;
    return 1;
}

/* pb:new(type [, table]) */
static int set_new(lua_State *L)
{
    const struct gw_handle *h = check_set(L);
    const ProtobufCMessageDescriptor *d = check_type(L, h);

    (void)gw_mem_check(L, "pb:new");
    if (lua_isnoneornil(L, 3)) {
        lua_settop(L, 2);
        lua_newtable(L);
    }
    return push_made(L, gw_request_make(L, d, 3));
}

/* pb:encode(type, table or message) */
static int set_encode(lua_State *L)
{
    const struct gw_handle *h = check_set(L), *of;
    const ProtobufCMessageDescriptor *d = check_type(L, h);
    const ProtobufCMessage *m = NULL;

    (void)gw_mem_check(L, "pb:encode");
    luaL_checkany(L, 3);
    of = gw_handle_test(L, 3, GW_H_MESSAGE);
    if (of && !strcmp(((const ProtobufCMessage *)of->p)->descriptor->name, d->name))
        m = of->p;
    gw_request_pack(L, m ? m : gw_request_make(L, d, 3));
    return 1;
}

/* pb:decode(type, bytes) */
static int set_decode(lua_State *L)
{
    const struct gw_handle *h = check_set(L);
    const ProtobufCMessageDescriptor *d = check_type(L, h);
    struct gw_str bytes = gw_check_str(L, 3);
    struct gw_arena *mem = gw_mem_check(L, "pb:decode");
    const char *missing;
    struct gw_err err = {.msg = ""};
    ProtobufCMessage *m;

    gw_guard_take(L, bytes.len + d->sizeof_message);
    bytes = gw_arena_str(mem, bytes); /* the message borrows them */
    m = gw_pb_decode_within(mem, d, bytes, 0, gw_guard_left(L), &err);
    if (!m && err.kind == GW_ERR_TOO_LARGE)
        gw_guard_full(L);
    if (!m)
        return luaL_error(L, "%s: %s", d->short_name, err.msg);
    missing = gw_pb_missing(m);
    if (missing)
        return luaL_error(L, "%s: %s is required and not there", d->short_name, missing);
    gw_guard_take(L, 0);
    return push_made(L, m);
}

static int set_tostring(lua_State *L)
{
    const struct gw_handle *h = check_set(L);

    lua_pushfstring(L, "%s (%d messages)", base_name(h->field), (int)gw_pbset_count(h->p));
    return 1;
}

static int set_newindex(lua_State *L)
{
    char shown[GW_SHOWN];

    return luaL_error(L, "a loaded descriptor set is read-only (field %s)", gw_show(L, 2, shown));
}

/* Upvalue: the methods. */
static int set_index(lua_State *L)
{
    char shown[GW_SHOWN];

    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    return luaL_error(L, "a loaded descriptor set has new, encode and decode, no %s",
                      gw_show(L, 2, shown));
}

/* Pushes the set at a path, which is at 2. */
static void load(lua_State *L, const char *path)
{
    const struct gw_pbset *set;
    struct gw_handle *h;
    struct gw_str text;
    struct gw_err err;
    int found = gw_sources_file(gw_vm(L)->sources, path, &text, &err);

    if (found < 0)
        luaL_error(L, "%s: %s", path, err.msg);
    if (!found)
        luaL_error(L, "there is no such file: %s", path);
    gw_guard_spend(L, text.len / 16);
    set = gw_sources_pbset(gw_vm(L)->sources, path, &err);
    if (!set)
        luaL_error(L, "%s: %s", base_name(path), err.msg);
    gw_guard_hold(L, gw_pbset_memory(set));
    h = gw_handle_push(L, GW_H_PROTO, (void *)set);
    h->field = path; /* a string that stays: it is the key in the registry */
}

/* A part of the path is "..", or there is no part: it leads out of the folder. */
static int leads_out(const char *name)
{
    if (*name == '/' || *name == '\0')
        return 1;
    for (const char *at = name; at; at = strchr(at, '/')) {
        at += *at == '/';
        if (!strncmp(at, "..", 2) && (at[2] == '/' || at[2] == '\0'))
            return 1;
    }
    return 0;
}

/* Of a file beside the script or below, or of one that hook_limits.files names. */
static const char *push_path(lua_State *L, const char *name)
{
    const struct gw_script *s = gw_vm(L)->run->script;
    const char *slash = s && s->path && *name != '/' ? strrchr(s->path, '/') : NULL, *path;
    struct gw_err err;

    lua_pushlstring(L, slash ? s->path : "", slash ? (size_t)(slash - s->path) + 1 : 0);
    lua_pushstring(L, name);
    lua_concat(L, 2);
    path = lua_tostring(L, -1);
    if (leads_out(name) && gw_lookup_file_allowed(path, &gw_vm(L)->conf->limits.files, &err))
        luaL_error(L, "%s (beside the script and below, every file is allowed)", err.msg);
    return path;
}

static int mg_load(lua_State *L)
{
    const char *name = gw_check_str(L, 1).p, *path;

    lua_settop(L, 1);
    path = push_path(L, name);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &loaded_key);
    lua_pushvalue(L, -2);
    if (lua_rawget(L, -2) != LUA_TNIL)
        return 1;
    lua_pop(L, 1);
    load(L, path);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -2);
    lua_rawset(L, -4);
    return 1;
}

static void open_meta(lua_State *L)
{
    static const luaL_Reg meta[] = {
        {"__tostring", set_tostring}, {"__newindex", set_newindex}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"new", set_new}, {"encode", set_encode}, {"decode", set_decode}, {NULL, NULL}};

    gw_handle_meta(L, GW_H_PROTO, "proto", meta);
    gw_handle_push_meta(L, GW_H_PROTO);
    lua_createtable(L, 0, 3);
    luaL_setfuncs(L, methods, 0);
    lua_pushcclosure(L, set_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

static void push_known(lua_State *L)
{
    gw_handle_push(L, GW_H_PROTO, (void *)gw_pbset_known())->field = "moongate.proto.known";
}

void gw_api_proto_open(lua_State *L)
{
    static const luaL_Reg fns[] = {{"load", mg_load}, {NULL, NULL}};

    open_meta(L);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &loaded_key);
    lua_createtable(L, 0, 2);
    luaL_setfuncs(L, fns, 0);
    push_known(L);
    lua_setfield(L, -2, "known");
    gw_freeze(L, "moongate.proto");
    lua_setfield(L, -2, "proto");
}
