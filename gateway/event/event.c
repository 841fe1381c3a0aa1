#include "event/event.h"

#include "base/arena.h"

#include <string.h>

void gw_event_init(struct gw_event *ev, struct gw_arena *mem)
{
    *ev = (struct gw_event){.mem = mem};
}

static struct gw_attr *find(const struct gw_event *ev, struct gw_str name)
{
    for (struct gw_attr *a = ev->attrs; a; a = a->next)
        if (gw_str_eq(a->name, name))
            return a;
    return NULL;
}

const struct gw_attr *gw_event_get(const struct gw_event *ev, struct gw_str name)
{
    return find(ev, name);
}

/* The attribute of that name, new at the end if there is none. */
static struct gw_attr *place(struct gw_event *ev, struct gw_str name, int *is_new)
{
    struct gw_attr **end = &ev->attrs;

    for (; *end; end = &(*end)->next)
        if (gw_str_eq((*end)->name, name)) {
            *is_new = 0;
            return *end;
        }
    *end = gw_arena_zalloc(ev->mem, sizeof(**end));
    *is_new = 1;
    return *end;
}

static void put(struct gw_event *ev, struct gw_str name, enum gw_attr_type type, struct gw_str text,
                int32_t number)
{
    int is_new;
    struct gw_attr *a = place(ev, name, &is_new);

    if (is_new)
        a->name = gw_arena_str(ev->mem, name);
    a->type = type;
    a->text = text;
    a->number = number;
    a->verbatim = a->checked = 0;
}

void gw_event_set_typed(struct gw_event *ev, struct gw_str name, enum gw_attr_type type,
                        struct gw_str text)
{
    put(ev, name, type, gw_arena_str(ev->mem, text), 0);
}

void gw_event_set(struct gw_event *ev, struct gw_str name, struct gw_str text)
{
    gw_event_set_typed(ev, name, GW_ATTR_STRING, text);
}

void gw_event_set_bool(struct gw_event *ev, struct gw_str name, int value)
{
    put(ev, name, GW_ATTR_BOOL, value ? GW_STR("true") : GW_STR("false"), value != 0);
}

void gw_event_set_int(struct gw_event *ev, struct gw_str name, int32_t value)
{
    put(ev, name, GW_ATTR_INT, gw_arena_printf(ev->mem, "%d", (int)value), value);
}

void gw_event_lend(struct gw_event *ev, struct gw_str name, struct gw_str text)
{
    int is_new;
    struct gw_attr *a = place(ev, name, &is_new);

    a->name = name;
    a->type = GW_ATTR_STRING;
    a->text = text;
    a->number = 0;
    a->verbatim = a->checked = 0;
}

void gw_event_lend_verbatim(struct gw_event *ev, struct gw_str name, struct gw_str text)
{
    gw_event_lend(ev, name, text);
    find(ev, name)->verbatim = 1;
}

void gw_event_remove(struct gw_event *ev, struct gw_str name)
{
    for (struct gw_attr **a = &ev->attrs; *a; a = &(*a)->next)
        if (gw_str_eq((*a)->name, name)) {
            *a = (*a)->next;
            return;
        }
}

struct gw_event *gw_event_copy(const struct gw_event *ev, struct gw_arena *mem)
{
    struct gw_event *copy = gw_arena_alloc(mem, sizeof(*copy));
    struct gw_attr **end = &copy->attrs, *to;
    size_t n = 0;

    *copy = *ev;
    copy->mem = mem;
    for (const struct gw_attr *a = ev->attrs; a; a = a->next)
        n++;
    to = gw_arena_alloc(mem, n * sizeof(*to));
    for (const struct gw_attr *a = ev->attrs; a; a = a->next) {
        *to = *a;
        *end = to;
        end = &to++->next;
    }
    *end = NULL;
    return copy;
}
