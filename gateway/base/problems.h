#ifndef GW_BASE_PROBLEMS_H
#define GW_BASE_PROBLEMS_H

#include <stddef.h>

struct gw_arena;

/* What `check` prints: FILE:LINE:COLUMN: error|warning|note: what is wrong. A note is no problem:
 * it says what is done, where one might expect something else. */
enum gw_severity { GW_PROBLEM_ERROR, GW_PROBLEM_WARNING, GW_PROBLEM_NOTE };

struct gw_problem {
    const char *file;
    int line, column;
    int severity; /* enum gw_severity */
    const char *text;
};

struct gw_problems {
    struct gw_arena *mem; /* owns the texts and every value read */
    struct gw_problem *items;
    size_t n, cap, errors, warnings;
};

/* severity: 0 is an error, 1 a warning. */
void gw_problems_add(struct gw_problems *p, int severity, const char *file, int line, int column,
                     const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* error, warning or note. */
const char *gw_problem_level(const struct gw_problem *p);

#endif
