#include "base/problems.h"

#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_CAP = 16, MAX_TEXT = 1024 };

void gw_problems_add(struct gw_problems *p, int severity, const char *file, int line, int column,
                     const char *fmt, ...)
{
    char text[MAX_TEXT];
    struct gw_problem *to;
    va_list ap;

    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : FIRST_CAP;
        to = gw_arena_alloc(p->mem, p->cap * sizeof(*to));
        if (p->n)
            memcpy(to, p->items, p->n * sizeof(*to));
        p->items = to;
    }
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    for (char *c = text; *c; c++) /* a problem is a line */
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    to = &p->items[p->n++];
    *to = (struct gw_problem){.file = file,
                              .line = line,
                              .column = column,
                              .severity = severity,
                              .text = gw_arena_strndup(p->mem, text, strlen(text))};
    p->errors += severity == GW_PROBLEM_ERROR;
    p->warnings += severity == GW_PROBLEM_WARNING;
}

const char *gw_problem_level(const struct gw_problem *p)
{
    static const char *const names[] = {"error", "warning", "note"};

    return names[p->severity];
}
