#ifndef GW_CONFIG_BENEATH_H
#define GW_CONFIG_BENEATH_H

struct gw_arena;

/* Where paths lead, links followed. */

/* The folder that a file stands in: "." when its path has none. */
const char *gw_folder_of(struct gw_arena *mem, const char *path);
/* 1: path is place, or below it. What is not there yet counts as where it would be; a glob as the
 * folder before its first special character. */
int gw_is_beneath(const char *path, const char *place);

#endif
