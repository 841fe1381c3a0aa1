#ifndef GW_HOOK_ATTRS_H
#define GW_HOOK_ATTRS_H

#include "base/str.h"

#include <lua.h>

struct gw_attr;
struct gw_event;
struct gw_hook_item;

/* Attributes between Lua and events. What scripts give is checked; a wrong name or value raises and
 * says why. */
enum { GW_ATTR_NAME_MAX = 20, GW_EVENT_ATTRS_MAX = 256 };

int gw_attr_is_required(struct gw_str name); /* id, source, type */
int gw_attr_is_text_only(struct gw_str name);
/* The name at idx: of any attribute, then of one that gets a value. */
struct gw_str gw_attr_check_name(lua_State *L, int idx);
void gw_attr_check_new(lua_State *L, const struct gw_event *ev, struct gw_str name);
/* The value at idx; nil removes. */
void gw_attr_set(lua_State *L, struct gw_event *ev, struct gw_str name, int idx);
void gw_attr_push(lua_State *L, const struct gw_attr *a);
/* ev.data from the value at idx. */
void gw_data_set(lua_State *L, struct gw_hook_item *it, int idx);

#endif
