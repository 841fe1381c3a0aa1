#ifndef GW_HOOK_VIEW_H
#define GW_HOOK_VIEW_H

#include "base/json_walk.h"
#include "hook/api.h"

/* event.data of JSON as scripts see it: the text itself, and places in it. There is no tree: what
 * is read is found by a scan, what is assigned is written into the text, and every byte that was
 * not assigned stays as it came.
 *
 * Invariants
 *  V1 A view is a place of one document. Edits elsewhere move it, one around it ends it; then, or
 *     when event.data is assigned as a whole, or the request changes, its use raises.
 *  V2 ev->data is the current text at any time. It is changed in place only in a block that nobody
 *     else was given (owned); a copy, an assignment of a view and the next script get a fresh one.
 *  V3 Each scan is paid for by its bytes, each edit by the bytes it moves, also by views that catch
 *     up later. */

/* A change of the text: bytes at `at` replaced. */
struct gw_view_edit {
    size_t at, old_len, new_len;
    size_t owner; /* where the object or list stands whose member it was */
    int added;    /* elements of that list: 1, 0, -1 */
};

/* The data of one event during one call of a script; on the record's arena. */
struct gw_view_doc {
    struct gw_hook_item *it;
    uint64_t serial; /* of the call */
    struct gw_view_edit *edits;
    size_t n_edits, cap_edits;
    int owned; /* the text is in a block of its own, of this size */
    size_t cap;
};

enum { GW_VIEW_UNKNOWN = -1 };

/* An object or a list; p of the handle is its document. Its uservalues: the last object or list
 * found in it, and the index of its members. */
struct gw_view {
    struct gw_handle h;
    size_t seen;    /* edits that this place knows */
    size_t at, len; /* in the text; len 0: it is gone */
    unsigned depth; /* objects and lists around it, itself included */
    ptrdiff_t n;    /* of its parts, once they were counted */
    /* a list: where element cursor is, from `at` on; 0: nowhere */
    size_t cursor, cursor_at, cursor_end;
    uint64_t changes; /* inside of it: an older index is void */
};

/* The event's data, which is JSON: a view of an object or list, any other value as Lua's own. event
 * is the index of the event's handle, which keeps the view. */
void gw_view_push_data(lua_State *L, struct gw_hook_item *it, int event);
/* NULL: no view. Raises if its place is gone. */
struct gw_view *gw_view_test(lua_State *L, int idx);
struct gw_view *gw_view_check(lua_State *L, int idx);
struct gw_str gw_view_text(const struct gw_view *v);
int gw_view_is_object(const struct gw_view *v);
/* Pushes a value that stands in the text of the view at idx; a string gets unescaped. */
void gw_view_push_value(lua_State *L, int idx, struct gw_view *v, struct gw_str value);
/* Finds a part: 1, 0: there is none. Of two members with one name it is the last. */
int gw_view_member(lua_State *L, int idx, struct gw_view *v, struct gw_str name,
                   struct gw_json_part *out);
int gw_view_element(lua_State *L, struct gw_view *v, lua_Integer i, struct gw_json_part *out);
/* How many elements a list has. */
lua_Integer gw_view_count(lua_State *L, struct gw_view *v);
/* A place behind a part, followed through the edits since `seen`. */
size_t gw_view_follow(lua_State *L, const struct gw_view_doc *doc, size_t seen, size_t at);

/* view_edit.c: replaces old_len bytes at `at`. The new ones lie outside of the
 * text. v is the object or list the change is in. */
void gw_view_splice(lua_State *L, const struct gw_view *v, struct gw_view_edit e,
                    const char *bytes);
/* Others read the bytes of this text from now on: the next edit makes new ones. */
void gw_view_share(struct gw_hook_item *it);

#endif
