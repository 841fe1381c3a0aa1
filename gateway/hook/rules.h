#ifndef GW_HOOK_RULES_H
#define GW_HOOK_RULES_H

struct gw_hooks_conf;
struct lua_State;

/* match, rename, set and remove as a hook: pushes moongate.rules' maker and, as its argument, the
 * configuration as plain tables. Globals at env. */
void gw_rules_push(struct lua_State *L, const struct gw_hooks_conf *conf, int env);

#endif
