#include "cmd/load.h"

#include "base/arena.h"
#include "base/diag.h"
#include "base/problems.h"
#include "config/config.h"

static void log_one(struct gw_arena *mem, const struct gw_problem *p)
{
    struct gw_str text = gw_str_of(p->text);

    if (p->file)
        text = gw_arena_printf(mem, "%s:%d:%d: %s", p->file, p->line, p->column, p->text);
    GW_DIAG(p->severity == GW_PROBLEM_WARNING ? GW_WARN : GW_ERROR, "config",
            gw_kv_str("msg", text));
}

void gw_log_problems(const struct gw_problems *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->items[i].severity != GW_PROBLEM_NOTE)
            log_one(p->mem, &p->items[i]);
}

void gw_log_sections(const struct gw_config *c)
{
    for (size_t i = 0; i < c->sections.n; i++)
        GW_DIAG(GW_INFO, "config", gw_msg(c->sections.items[i]));
}
