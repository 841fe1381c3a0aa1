#ifndef GW_HOOK_STYLE_H
#define GW_HOOK_STYLE_H

#include "hook/vm.h"

/* The script that makes the events of style flyteadmin-v2, lua/moongate/flyteadmin_v2.lua, as the
 * first hook of a pipeline. What it fails at is not the pipeline's hooks' error: its event cannot
 * be made (gw_hook_call.unmade). While it waits for FlyteAdmin longer than it may, it is tried
 * again. */
int gw_style_has_script(const struct gw_hooks_conf *conf);
char *gw_style_path(const struct gw_hooks_conf *conf); /* to be freed */
/* Pushes the script's maker and its argument. Globals at env. */
void gw_style_push(lua_State *L, const struct gw_hooks_conf *conf, int env);
/* What it may use: enough for the largest request, beside what the pipeline gives its own hooks. */
struct gw_hook_limits gw_style_limits(const struct gw_hooks_conf *conf);

#endif
