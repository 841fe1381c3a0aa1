#include "cmd/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { BAR = 30 };

void gw_progress_init(struct gw_progress *p)
{
    p->on = isatty(STDERR_FILENO);
    p->shown = 0;
}

void gw_progress_show(struct gw_progress *p, uint64_t part, uint64_t whole, const char *fmt, ...)
{
    int full = 0;
    va_list ap;

    if (!p->on)
        return;
    if (whole > 0)
        full = part >= whole ? BAR : (int)((double)part / (double)whole * BAR);
    fprintf(stderr, "\r[%.*s%*s] ", full, "##############################", BAR - full, "");
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputs("\033[K", stderr); /* what is left of a longer text */
    fflush(stderr);
    p->shown = 1;
}

void gw_progress_end(struct gw_progress *p)
{
    if (p->shown)
        fputc('\n', stderr);
    p->shown = 0;
}
