/* The table that `require "moongate"` gives, put together from the files that each own a part. */
#include "hook/api.h"
#include "base/yaml.h"
#include "hook/guard.h"
#include "hook/vm.h"

const char gw_retry_key, gw_null_key;

static void push_params(lua_State *L, const struct gw_yaml *y)
{
    luaL_checkstack(L, 6, "params nested too deep");
    if (!y || gw_yaml_is_null(y)) {
        lua_newtable(L);
        gw_freeze(L, "moongate.params");
        return;
    }
    if (y->type == GW_YAML_SCALAR) {
        gw_api_yaml_push(L, y);
        return;
    }
    lua_newtable(L);
    for (size_t i = 0; i < y->n; i++) {
        const struct gw_yaml *v = &y->values[i];

        if (y->type == GW_YAML_MAP)
            lua_pushlstring(L, y->keys[i].text.p, y->keys[i].text.len);
        else
            lua_pushinteger(L, (lua_Integer)i + 1);
        if (v->type == GW_YAML_SCALAR)
            gw_api_yaml_push(L, v);
        else
            push_params(L, v);
        lua_rawset(L, -3);
    }
    gw_freeze(L, "moongate.params");
}

void gw_api_open(lua_State *L)
{
    const struct gw_hooks_conf *conf = gw_vm(L)->conf;

    lua_newtable(L);
    gw_api_event_open(L);
    gw_api_view_open(L);
    gw_api_make_open(L);
    gw_api_route_open(L);
    gw_api_flyte_open(L);
    gw_api_request_open(L);
    gw_api_repeated_open(L);
    gw_api_proto_open(L);
    gw_api_json_open(L);
    gw_api_codec_open(L);
    gw_api_text_open(L);
    gw_api_log_open(L);
    gw_api_counter_open(L);
    gw_api_http_open(L);
    gw_api_flyte_client_open(L);
    gw_api_cache_open(L);
    gw_api_lookup_open(L);
    push_params(L, conf->params);
    lua_setfield(L, -2, "params");
    lua_pushstring(L, conf->pipeline ? conf->pipeline : "");
    lua_setfield(L, -2, "pipeline");
    lua_pushliteral(L, GW_VERSION);
    lua_setfield(L, -2, "version");
    lua_pushlightuserdata(L, (void *)&gw_retry_key);
    lua_setfield(L, -2, "retry");
    gw_freeze(L, "moongate");
}
