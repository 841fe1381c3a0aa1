/* What scripts see as globals: the libraries once for all, frozen; and for each script a table of
 * its own, written while it loads and read-only then, with its own `require`. */
#include "hook/api.h"
#include "hook/explain.h"
#include "hook/guard.h"
#include "hook/sources.h"
#include "hook/vm.h"

#include "base/err.h"

#include <lualib.h>
#include <string.h>

static const char base_key, api_key; /* registry: the base library; the table `moongate` */

static const luaL_Reg libraries[] = {
    {LUA_GNAME, luaopen_base},        {LUA_TABLIBNAME, luaopen_table},
    {LUA_STRLIBNAME, luaopen_string}, {LUA_MATHLIBNAME, luaopen_math},
    {LUA_UTF8LIBNAME, luaopen_utf8},  {LUA_COLIBNAME, luaopen_coroutine},
    {LUA_OSLIBNAME, luaopen_os},      {NULL, NULL},
};
static const char *const absent[][2] = {
    {LUA_GNAME, "dofile"},    {LUA_GNAME, "loadfile"},
    {LUA_GNAME, "load"}, /* each script has its own */
    {LUA_GNAME, "print"},     {LUA_GNAME, "warn"},
    {LUA_STRLIBNAME, "dump"}, {LUA_GNAME, LUA_GNAME},
};
static const char *const os_present[] = {"time", "date", "clock"};

/* Puts a table with only these of its members in place of the library on top. */
static void keep_only(lua_State *L, const char *const *names, int n)
{
    lua_createtable(L, 0, n);
    for (int i = 0; i < n; i++) {
        lua_getfield(L, -2, names[i]);
        lua_setfield(L, -2, names[i]);
    }
    lua_remove(L, -2);
}

static void freeze_string_metatable(lua_State *L)
{
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}

/* Everything is done at once, before any script's. */
void gw_globals_libraries(lua_State *L)
{
    for (const luaL_Reg *l = libraries; l->func; l++)
        luaL_requiref(L, l->name, l->func, 1);
    lua_settop(L, 0);
    lua_pushglobaltable(L);
    lua_getfield(L, 1, LUA_OSLIBNAME);
    keep_only(L, os_present, (int)(sizeof(os_present) / sizeof(os_present[0])));
    lua_setfield(L, 1, LUA_OSLIBNAME);
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        lua_getfield(L, 1, absent[i][0]);
        lua_pushnil(L);
        lua_setfield(L, -2, absent[i][1]);
        lua_settop(L, 1);
    }
    gw_guard_open(L);
    freeze_string_metatable(L);
    for (const luaL_Reg *l = libraries + 1; l->func; l++) {
        lua_getfield(L, 1, l->name);
        gw_freeze(L, l->name);
        lua_setfield(L, 1, l->name);
    }
    gw_api_print(L);
    lua_setfield(L, 1, "print");
    gw_api_open(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &api_key);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &base_key);
    /* No other path may lead to the tables that the libraries were opened in. */
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
}

static int set_global(lua_State *L)
{
    char shown[GW_SHOWN];

    if (gw_vm(L)->loaded)
        return luaL_error(L, "global %s is read-only after load: keep what changes in a local",
                          gw_show(L, 2, shown));
    lua_settop(L, 3);
    lua_rawset(L, lua_upvalueindex(1));
    return 0;
}

/* ---- modules ------------------------------------------------------------------------------- */

/* As Lua's own loader: a byte order mark and a first line that starts with # are not the script's;
 * the line's end counts as a line. */
static struct gw_str without_first(struct gw_str text)
{
    size_t i = text.len >= 3 && !memcmp(text.p, "\xef\xbb\xbf", 3) ? 3 : 0;

    if (i < text.len && text.p[i] == '#')
        while (i < text.len && text.p[i] != '\n')
            i++;
    return (struct gw_str){text.p + i, text.len - i};
}

void gw_globals_load(lua_State *L, const char *path, const char *name, int env)
{
    const char *chunk;
    struct gw_str text;
    struct gw_err err;
    int found;

    env = lua_absindex(L, env);
    chunk = lua_pushfstring(L, "@%s", name);
    found = gw_sources_file(gw_vm(L)->sources, path, &text, &err);
    if (found < 0)
        luaL_error(L, "%s:1: %s", name, err.msg);
    if (!found)
        luaL_error(L, "%s:1: there is no such file: %s", name, path);
    gw_guard_spend(L, text.len);
    text = without_first(text);
    if (luaL_loadbufferx(L, text.p, text.len, chunk, "t") != LUA_OK)
        lua_error(L);
    lua_remove(L, -2);
    lua_pushvalue(L, env);
    lua_setupvalue(L, -2, 1);
}

/* require's upvalues. */
enum { LOADED = 1, ENV, SCRIPT };

static const char loading_key;

/* Meanwhile nothing waits: another hook would find half a module. */
static void loading(lua_State *L, int by)
{
    struct gw_hook_run *r = gw_vm(L)->run;

    if (L == r->co) /* a coroutine of its own cannot wait, and may never go on */
        r->requiring += by;
}

static int required(lua_State *L, int status, lua_KContext ctx)
{
    (void)ctx;
    loading(L, -1);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_pushvalue(L, 1);
        lua_pushnil(L);
        lua_rawset(L, lua_upvalueindex(LOADED));
        gw_guard_check(L, status);
        return lua_error(L);
    }
    if (lua_isnil(L, -1))
        lua_pushboolean(L, 1);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -2);
    lua_rawset(L, lua_upvalueindex(LOADED));
    return 1;
}

/* One that cannot be read is there: loading it says why. */
static int is_file(lua_State *L, const char *path)
{
    struct gw_str text;
    struct gw_err err;

    return gw_sources_file(gw_vm(L)->sources, path, &text, &err) != 0;
}

/* Pushes the path of module name (a.b is a/b.lua), beside the script or in lua_path. */
static const char *find_module(lua_State *L, const char *name)
{
    const struct gw_script *s = lua_touserdata(L, lua_upvalueindex(SCRIPT));
    const char *slash = s->path ? strrchr(s->path, '/') : NULL, *lib = gw_vm(L)->conf->lua_path;
    const char *file = luaL_gsub(L, name, ".", "/"), *path;

    if (s->path) {
        lua_pushlstring(L, s->path, slash ? (size_t)(slash - s->path) + 1 : 0);
        path = lua_pushfstring(L, "%s%s.lua", lua_tostring(L, -1), file);
        if (is_file(L, path))
            return path;
    }
    path = lua_pushfstring(L, "%s/%s.lua", lib ? lib : ".", file);
    if (lib && is_file(L, path))
        return path;
    luaL_error(L, "module '%s' not found: no %s.lua beside the script%s%s", name, file,
               lib ? " or in " : "", lib ? lib : "");
    return NULL;
}

static int script_require(lua_State *L)
{
    size_t len;
    const char *name = luaL_checklstring(L, 1, &len), *path, *file;

    lua_settop(L, 1);
    if (!strcmp(name, "moongate") && len == 8) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &api_key);
        return 1;
    }
    if (!strcmp(name, "moongate.test")) {
        if (lua_rawgetp(L, LUA_REGISTRYINDEX, &gw_spec_gate_key) == LUA_TNIL)
            return luaL_error(L, "module 'moongate.test' is for tests: *_spec.lua files that "
                                 "`moongate test` runs");
        return 1;
    }
    lua_pushvalue(L, 1);
    if (lua_rawget(L, lua_upvalueindex(LOADED)) != LUA_TNIL) {
        if (lua_touserdata(L, -1) == &loading_key)
            return luaL_error(L, "module '%s' requires itself", name);
        return 1;
    }
    if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != len ||
        strstr(name, "..") || name[0] == '.')
        return luaL_error(L, "'%s' is no name of a module", name);
    path = find_module(L, name);
    file = lua_pushfstring(L, "%s.lua", luaL_gsub(L, name, ".", "/"));
    gw_globals_load(L, path, file, lua_upvalueindex(ENV));
    lua_pushvalue(L, 1);
    lua_pushlightuserdata(L, (void *)&loading_key);
    lua_rawset(L, lua_upvalueindex(LOADED));
    lua_pushvalue(L, 1);
    loading(L, 1);
    return required(L, lua_pcallk(L, 1, 1, 0, 0, required), 0);
}

/* Puts require and load into the globals at idx; above it is the view that scripts see. */
static void own_functions(lua_State *L, int idx, const struct gw_script *s)
{
    lua_pushvalue(L, idx + 1);
    lua_setfield(L, idx, LUA_GNAME);
    lua_newtable(L);
    lua_pushvalue(L, idx + 1);
    lua_pushlightuserdata(L, (void *)s);
    lua_pushcclosure(L, script_require, SCRIPT);
    lua_setfield(L, idx, "require");
    gw_guard_push_load(L);
    lua_setfield(L, idx, "load");
}

void gw_globals_push(lua_State *L, const struct gw_script *s)
{
    int idx = lua_gettop(L) + 1;

    lua_newtable(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &base_key);
    for (lua_pushnil(L); lua_next(L, idx + 1);) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, idx);
    }
    lua_settop(L, idx);
    lua_pushvalue(L, idx);
    gw_freeze(L, "_G");
    own_functions(L, idx, s);
    lua_getmetatable(L, idx + 1);
    lua_pushvalue(L, idx);
    lua_pushcclosure(L, set_global, 1);
    lua_setfield(L, -2, "__newindex");
    lua_settop(L, idx + 1);
    lua_remove(L, idx);
}
