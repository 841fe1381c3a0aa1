#ifndef GW_HOOK_EXPLAIN_H
#define GW_HOOK_EXPLAIN_H

#include "hook/vm.h"

/* explain.c: texts of errors; nothing here allocates. Writes r->text: position, what, the event
 * and the Lua frames of L. */
void gw_explain(struct gw_hook_run *r, lua_State *L, const char *what);
/* The same with the place of the script's function, when it has returned. */
void gw_explain_result(struct gw_hook_run *r, const char *what);
/* Only the text: a retry's own message. */
void gw_explain_plain(struct gw_hook_run *r, const char *what);
const char *gw_error_text(lua_State *L, int idx, char *out, size_t size);
enum { GW_SHOWN = 80 };
/* A value for an error's text, cut: "abc…", 12, a table. */
const char *gw_show(lua_State *L, int idx, char out[GW_SHOWN]);
const char *gw_show_str(struct gw_str s, char out[GW_SHOWN]);
/* "team.lua:7" of the nearest Lua frame; "" if none. */
const char *gw_where(lua_State *L, char out[GW_SHOWN]);

#endif
