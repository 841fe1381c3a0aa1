#ifndef GW_CONFIG_OWNERS_H
#define GW_CONFIG_OWNERS_H

#include "config/config.h"

struct gw_arena;

/* Which included file each name of a pipeline belonged to when the gateway ran last: a file of the
 * data directory, `owners`, with a line "NAME FILE" each. It decides between files that claim one
 * name, so that none takes another's cursor by coming first, or while the other is broken. */

/* Name to file; none when there is no such file, or no directory. */
struct gw_pairs gw_owners_read(const struct gw_log_conf *log, struct gw_arena *mem);
/* NULL: nobody's. */
const char *gw_owner_of(const struct gw_pairs *owners, const char *name);
/* The file as it is written there: from the main file's folder. */
const char *gw_owner_path(const char *main_file, const char *path);

#endif
