#ifndef GW_HOOK_RULES_H
#define GW_HOOK_RULES_H

#include "hook/vm.h"

/* match, rename, set and remove as a hook: pushes moongate.rules' maker and, as its argument, those
 * of the configuration that belong to the role, as plain tables. Globals at env. */
void gw_rules_push(lua_State *L, const struct gw_hooks_conf *conf, enum gw_role role, int env);
int gw_rules_has(const struct gw_hooks_conf *conf, enum gw_role role);

#endif
