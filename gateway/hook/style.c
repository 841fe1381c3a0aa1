#include "hook/style.h"

#include "flyte/flyte.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A request of 4 MiB can become many times as much JSON, which is there three times while it is
 * made; an answer of FlyteAdmin's has 16 MiB. */
enum { INSTRUCTIONS = 200000000, MEMORY = 512 << 20, TIMEOUT_MS = 30000 };

int gw_style_has_script(const struct gw_hooks_conf *conf)
{
    return conf->style && conf->style->style == GW_STYLE_FLYTEADMIN_V2;
}

char *gw_style_path(const struct gw_hooks_conf *conf)
{
    static const char file[] = "/moongate/flyteadmin_v2.lua";
    const char *folder = conf->lua_path ? conf->lua_path : ".";
    const size_t size = strlen(folder) + sizeof(file);
    char *path = malloc(size);

    if (!path)
        abort();
    snprintf(path, size, "%s%s", folder, file);
    return path;
}

void gw_style_push(lua_State *L, const struct gw_hooks_conf *conf, int env)
{
    const struct gw_script *s = gw_vm(L)->run->script;

    env = lua_absindex(L, env);
    gw_globals_load(L, s->path, s->name, env);
    lua_call(L, 0, 1);
    luaL_checktype(L, -1, LUA_TFUNCTION);
    lua_createtable(L, 0, 1);
    lua_pushboolean(L, conf->style->enrich_all);
    lua_setfield(L, -2, "enrich_all");
}

static int64_t at_least(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

struct gw_hook_limits gw_style_limits(const struct gw_hooks_conf *conf)
{
    struct gw_hook_limits l = conf->limits;

    l.instructions = at_least(l.instructions, INSTRUCTIONS);
    l.memory += MEMORY;
    l.timeout_ms = at_least(l.timeout_ms, TIMEOUT_MS);
    return l;
}
