/* Places in JSON text: finding them, keeping them while the text changes. */
#include "hook/view.h"

#include "base/arena.h"
#include "base/json.h"
#include "event/event.h"
#include "hook/guard.h"
#include "hook/vm.h"

#include <string.h>

enum { CHILD = 1, INDEX = 2 };
enum { INDEX_BYTES_MIN = 256, INDEX_MAX = 4096 }; /* below it a scan is as fast */

/* Where the members of an object are; made by the second search in it. */
struct index {
    uint64_t changes; /* of the view when it was made */
    struct entry {
        uint32_t name, name_len, value, value_len; /* from the object on */
        int escaped;
    } entries[];
};

static struct gw_view_doc *doc_of(const struct gw_view *v)
{
    return v->h.p;
}

static const char *text_at(const struct gw_view *v, size_t at)
{
    return doc_of(v)->it->ev->data.p + at;
}

struct gw_str gw_view_text(const struct gw_view *v)
{
    return (struct gw_str){text_at(v, v->at), v->len};
}

int gw_view_is_object(const struct gw_view *v)
{
    return *text_at(v, v->at) == '{';
}

/* ---- following edits ---------------------------------------------------------------------------
 */

static void move_cursor(struct gw_view *v, const struct gw_view_edit *e, size_t from)
{
    size_t begin = from + v->cursor_at, end = from + v->cursor_end;

    if (!v->cursor || e->at >= end)
        return;
    if (e->at + e->old_len <= begin) {
        v->cursor_at += e->new_len - e->old_len;
        v->cursor_end += e->new_len - e->old_len;
    } else if (e->at >= begin && e->at + e->old_len <= end && !(e->added && e->owner == from)) {
        v->cursor_end += e->new_len - e->old_len;
    } else {
        v->cursor = 0;
    }
}

/* An edit inside of v. */
static void grow(struct gw_view *v, const struct gw_view_edit *e)
{
    move_cursor(v, e, v->at);
    if (e->owner == v->at && v->n != GW_VIEW_UNKNOWN)
        v->n += e->added;
    v->len += e->new_len - e->old_len;
    v->changes++;
}

static void follow(struct gw_view *v, const struct gw_view_edit *e)
{
    size_t end = v->at + v->len;

    if (e->at + e->old_len <= v->at)
        v->at += e->new_len - e->old_len;
    else if (e->at > v->at && e->at + e->old_len < end)
        grow(v, e);
    else if (e->at < end)
        v->len = 0;
}

static void catch_up(lua_State *L, struct gw_view *v)
{
    const struct gw_view_doc *doc = doc_of(v);

    if (v->seen == doc->n_edits)
        return;
    gw_guard_charge(L, (doc->n_edits - v->seen) / 4);
    for (; v->len && v->seen < doc->n_edits; v->seen++)
        follow(v, &doc->edits[v->seen]);
}

size_t gw_view_follow(lua_State *L, const struct gw_view_doc *doc, size_t seen, size_t at)
{
    gw_guard_charge(L, (doc->n_edits - seen) / 4);
    for (; seen < doc->n_edits; seen++) {
        const struct gw_view_edit *e = &doc->edits[seen];

        if (e->at + e->old_len <= at && e->at < at)
            at += e->new_len - e->old_len;
        else if (e->at < at)
            at = e->at;
    }
    return at;
}

struct gw_view *gw_view_test(lua_State *L, int idx)
{
    struct gw_view *v = (struct gw_view *)gw_handle_test(L, idx, GW_H_VIEW);
    struct gw_view_doc *doc;

    if (!v)
        return NULL;
    doc = doc_of(v);
    gw_item_refresh(L, doc->it);
    if (doc->it->doc != doc)
        luaL_error(L, "event.data was replaced since this part of it was read; read it again");
    catch_up(L, v);
    if (!v->len)
        luaL_error(L, "this part of event.data was replaced or removed; read it again");
    return v;
}

struct gw_view *gw_view_check(lua_State *L, int idx)
{
    struct gw_view *v = gw_view_test(L, idx);

    if (!v)
        gw_arg_error(L, idx, "a part of event.data");
    return v;
}

/* ---- making views ------------------------------------------------------------------------------
 */

static struct gw_view *push(lua_State *L, struct gw_view_doc *doc, size_t at, size_t len,
                            unsigned depth)
{
    struct gw_view *v = (struct gw_view *)gw_handle_new(L, GW_H_VIEW, sizeof(*v), 2);

    v->h.p = doc;
    v->seen = doc->n_edits;
    v->at = at;
    v->len = len;
    v->depth = depth;
    v->n = GW_VIEW_UNKNOWN;
    v->cursor = 0;
    v->changes = 0;
    return v;
}

static struct gw_view_doc *open_doc(lua_State *L, struct gw_hook_item *it)
{
    struct gw_hook_run *r = gw_vm(L)->run;

    if (it->doc && it->doc->serial == r->serial)
        return it->doc;
    gw_guard_take(L, sizeof(*it->doc));
    it->doc = gw_arena_zalloc(r->call->mem, sizeof(*it->doc));
    it->doc->it = it;
    it->doc->serial = r->serial;
    return it->doc;
}

static void push_root(lua_State *L, struct gw_hook_item *it, int event, struct gw_str text)
{
    struct gw_view_doc *doc = open_doc(L, it);
    const struct gw_view *kept;

    event = lua_absindex(L, event);
    lua_getiuservalue(L, event, 1);
    kept = lua_touserdata(L, -1);
    if (kept && kept->h.p == doc)
        return;
    lua_pop(L, 1);
    push(L, doc, (size_t)(text.p - it->ev->data.p), text.len, 1);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, event, 1);
}

/* The view at idx keeps the last one made of its parts: a loop over v.list[i].name finds the list
 * once. */
static void push_child(lua_State *L, int idx, struct gw_view *v, struct gw_str value)
{
    size_t at = (size_t)(value.p - doc_of(v)->it->ev->data.p);
    struct gw_view *child;

    idx = lua_absindex(L, idx);
    lua_getiuservalue(L, idx, CHILD);
    child = lua_touserdata(L, -1);
    if (child) {
        catch_up(L, child);
        if (child->len && child->at == at)
            return;
    }
    lua_pop(L, 1);
    push(L, doc_of(v), at, value.len, v->depth + 1);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, idx, CHILD);
}

static void push_scalar(lua_State *L, struct gw_str value)
{
    struct gw_str s;

    switch (*value.p) {
    case '"':
        gw_guard_charge(L, value.len / 16);
        s = gw_json_unescape((struct gw_str){value.p + 1, value.len - 2}, gw_scratch(L));
        lua_pushlstring(L, s.p, s.len);
        break;
    case 't':
    case 'f':
        lua_pushboolean(L, *value.p == 't');
        break;
    case 'n':
        lua_pushlightuserdata(L, (void *)&gw_null_key);
        break;
    default:
        gw_json_push_number(L, value);
        break;
    }
}

void gw_view_push_value(lua_State *L, int idx, struct gw_view *v, struct gw_str value)
{
    if (*value.p == '{' || *value.p == '[')
        push_child(L, idx, v, value);
    else
        push_scalar(L, value);
}

static struct gw_str trim(struct gw_str s)
{
    while (s.len && gw_json_is_space(s.p[0]))
        s = (struct gw_str){s.p + 1, s.len - 1};
    while (s.len && gw_json_is_space(s.p[s.len - 1]))
        s.len--;
    return s;
}

void gw_view_push_data(lua_State *L, struct gw_hook_item *it, int event)
{
    struct gw_str text = trim(it->ev->data);

    if (*text.p == '{' || *text.p == '[')
        push_root(L, it, event, text);
    else
        push_scalar(L, text);
}

/* ---- finding parts -----------------------------------------------------------------------------
 */

static int is_named(struct gw_str raw, int escaped, struct gw_str name)
{
    return escaped ? gw_json_raw_is(raw, name) : gw_str_eq(raw, name);
}

static int is_escaped(struct gw_str raw)
{
    return raw.len && memchr(raw.p, '\\', raw.len) != NULL;
}

static int scan_member(struct gw_view *v, struct gw_str name, struct gw_json_part *out)
{
    const char *p = text_at(v, v->at) + 1, *end = text_at(v, v->at) + v->len;
    struct gw_json_part part;
    int found = 0;

    for (v->n = 0; gw_json_part(&p, end, 1, &part); v->n++)
        if (part.name.len >= name.len && is_named(part.name, is_escaped(part.name), name)) {
            *out = part;
            found = 1;
        }
    return found;
}

/* Leaves the index on the stack. */
static const struct index *make_index(lua_State *L, int idx, const struct gw_view *v)
{
    const char *from = text_at(v, v->at), *p = from + 1;
    struct index *x;
    struct gw_json_part part;
    size_t n = 0;

    gw_guard_charge(L, v->len / 16);
    x = lua_newuserdatauv(L, sizeof(*x) + (size_t)v->n * sizeof(x->entries[0]), 0);
    x->changes = v->changes;
    for (; n < (size_t)v->n && gw_json_part(&p, from + v->len, 1, &part); n++)
        x->entries[n] = (struct entry){.name = (uint32_t)(part.name.p - from),
                                       .name_len = (uint32_t)part.name.len,
                                       .value = (uint32_t)(part.value - from),
                                       .value_len = (uint32_t)(part.end - part.value),
                                       .escaped = is_escaped(part.name)};
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, idx, INDEX);
    return x;
}

static int indexed_member(lua_State *L, const struct gw_view *v, const struct index *x,
                          struct gw_str name, struct gw_json_part *out)
{
    const char *from = text_at(v, v->at);

    gw_guard_charge(L, (size_t)v->n / 16 + name.len / 16);
    for (size_t i = (size_t)v->n; i-- > 0;) {
        const struct entry *e = &x->entries[i];
        struct gw_str raw = {from + e->name, e->name_len};

        if (raw.len < name.len || !is_named(raw, e->escaped, name))
            continue;
        *out = (struct gw_json_part){raw, from + e->value, from + e->value + e->value_len};
        return 1;
    }
    return 0;
}

int gw_view_member(lua_State *L, int idx, struct gw_view *v, struct gw_str name,
                   struct gw_json_part *out)
{
    const struct index *x;
    int top = lua_gettop(L);

    idx = lua_absindex(L, idx);
    if (v->n < 1 || v->n > INDEX_MAX || v->len < INDEX_BYTES_MIN || v->len > UINT32_MAX) {
        gw_guard_charge(L, 1 + v->len / 16);
        return scan_member(v, name, out);
    }
    lua_getiuservalue(L, idx, INDEX);
    x = lua_touserdata(L, -1);
    if (!x || x->changes != v->changes)
        x = make_index(L, idx, v);
    lua_settop(L, top); /* the view holds it */
    return indexed_member(L, v, x, name, out);
}

/* Goes on from the cursor; part i or the end. */
static int walk(struct gw_view *v, size_t i, struct gw_json_part *out)
{
    const char *from = text_at(v, v->at), *p = from + (v->cursor ? v->cursor_end : 1);

    while (v->cursor < i) {
        if (!gw_json_part(&p, from + v->len, 0, out)) {
            v->n = (ptrdiff_t)v->cursor;
            return 0;
        }
        v->cursor++;
        v->cursor_at = (size_t)(out->value - from);
        v->cursor_end = (size_t)(out->end - from);
    }
    return 1;
}

int gw_view_element(lua_State *L, struct gw_view *v, lua_Integer i, struct gw_json_part *out)
{
    const char *from = text_at(v, v->at);
    size_t before;
    int found;

    if (i < 1 || (v->n != GW_VIEW_UNKNOWN && i > v->n))
        return 0;
    if ((size_t)i < v->cursor)
        v->cursor = 0;
    before = v->cursor ? v->cursor_end : 0;
    found = walk(v, (size_t)i, out);
    gw_guard_charge(L, 1 + ((v->cursor ? v->cursor_end : v->len) - before) / 16);
    if (found)
        *out = (struct gw_json_part){.value = from + v->cursor_at, .end = from + v->cursor_end};
    return found;
}

lua_Integer gw_view_count(lua_State *L, struct gw_view *v)
{
    struct gw_json_part part;

    if (v->n == GW_VIEW_UNKNOWN) {
        gw_guard_charge(L, v->len / 16);
        walk(v, SIZE_MAX, &part);
    }
    return (lua_Integer)v->n;
}
