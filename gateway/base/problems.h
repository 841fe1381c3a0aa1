#ifndef GW_BASE_PROBLEMS_H
#define GW_BASE_PROBLEMS_H

#include <stddef.h>

struct gw_arena;

/* What `check` prints: FILE:LINE:COLUMN: error|warning: what is wrong. */
struct gw_problem {
    const char *file;
    int line, column;
    int warning;
    const char *text;
};

struct gw_problems {
    struct gw_arena *mem; /* owns the texts and every value read */
    struct gw_problem *items;
    size_t n, cap, errors;
};

void gw_problems_add(struct gw_problems *p, int warning, const char *file, int line, int column,
                     const char *fmt, ...) __attribute__((format(printf, 6, 7)));

#endif
