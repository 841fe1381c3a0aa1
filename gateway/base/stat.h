#ifndef GW_BASE_STAT_H
#define GW_BASE_STAT_H

struct stat;

/* 1: the same file, and nobody has written to it between the two looks. A file that another was
 * renamed over is another one. */
int gw_stat_same(const struct stat *a, const struct stat *b);

#endif
