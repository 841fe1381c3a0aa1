#include "cmd/load.h"

#include "base/arena.h"
#include "base/diag.h"
#include "base/problems.h"
#include "config/config.h"

struct gw_config *gw_load(const char *path, struct gw_problems *p)
{
    struct gw_config *c = gw_config_load(path, p);

    if (!c || !c->flyteadmin_section)
        return c;
    gw_problems_add(p, 0, NULL, 0, 0,
                    "FlyteAdmin's own section %s cannot be run in its style: take it out, or write "
                    "it as a pipeline",
                    c->flyteadmin_section);
    return NULL;
}

static void log_one(struct gw_arena *mem, const struct gw_problem *p)
{
    struct gw_str text = gw_str_of(p->text);

    if (p->file)
        text = gw_arena_printf(mem, "%s:%d:%d: %s", p->file, p->line, p->column, p->text);
    GW_DIAG(p->warning ? GW_WARN : GW_ERROR, "config", gw_kv_str("msg", text));
}

void gw_log_problems(const struct gw_problems *p)
{
    for (size_t i = 0; i < p->n; i++)
        log_one(p->mem, &p->items[i]);
}
