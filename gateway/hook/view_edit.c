/* Changes of JSON text under its views. */
#include "hook/view.h"

#include "base/arena.h"
#include "event/event.h"
#include "hook/guard.h"
#include "hook/vm.h"

#include <string.h>

void gw_view_share(struct gw_hook_item *it)
{
    if (it->doc)
        it->doc->owned = 0;
}

static void log_room(lua_State *L, struct gw_view_doc *doc)
{
    size_t cap = doc->cap_edits ? 2 * doc->cap_edits : 8;
    struct gw_view_edit *grown;

    if (doc->n_edits < doc->cap_edits)
        return;
    gw_guard_take(L, cap * sizeof(*grown));
    grown = gw_arena_alloc(doc->it->ev->mem, cap * sizeof(*grown));
    if (doc->n_edits)
        memcpy(grown, doc->edits, doc->n_edits * sizeof(*grown));
    doc->edits = grown;
    doc->cap_edits = cap;
}

/* A block of len bytes and some more for the next edits; the text but for what is replaced. */
static char *new_block(lua_State *L, struct gw_view_doc *doc, const struct gw_view_edit *e,
                       size_t len)
{
    const struct gw_str *data = &doc->it->ev->data;
    size_t cap = len + len / 4 + 64, behind = e->at + e->old_len;
    char *p;

    gw_guard_take(L, cap);
    p = gw_arena_alloc(doc->it->ev->mem, cap);
    memcpy(p, data->p, e->at);
    memcpy(p + e->at + e->new_len, data->p + behind, data->len - behind);
    doc->owned = 1;
    doc->cap = cap;
    return p;
}

static char *same_block(lua_State *L, const struct gw_view_doc *doc, const struct gw_view_edit *e)
{
    const struct gw_str *data = &doc->it->ev->data;
    size_t behind = e->at + e->old_len;
    char *p = (char *)data->p;

    if (e->new_len == e->old_len)
        return p;
    gw_guard_charge(L, (data->len - behind) / 16);
    memmove(p + e->at + e->new_len, p + behind, data->len - behind);
    return p;
}

/* Everything that may raise comes before the text changes. */
void gw_view_splice(lua_State *L, const struct gw_view *v, struct gw_view_edit e, const char *bytes)
{
    struct gw_view_doc *doc = v->h.p;
    struct gw_event *ev = doc->it->ev;
    size_t len = ev->data.len - e.old_len + e.new_len;
    char *p;

    gw_guard_charge(L, 10 + e.new_len / 16);
    log_room(L, doc);
    if (doc->owned && len <= doc->cap)
        p = same_block(L, doc, &e);
    else
        p = new_block(L, doc, &e, len);
    if (e.new_len)
        memcpy(p + e.at, bytes, e.new_len);
    ev->data = (struct gw_str){p, len};
    e.owner = v->at;
    doc->edits[doc->n_edits++] = e;
    doc->it->data_at = ++gw_vm(L)->run->stamp;
}
