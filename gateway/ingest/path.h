#ifndef GW_INGEST_PATH_H
#define GW_INGEST_PATH_H

#include "base/str.h"

struct gw_arena;

/* A path without its query as servers read it that read much into one: escapes are bytes, steps are
 * taken, slashes in a row are one. What is one of our paths or FlyteAdmin's in any of their eyes is
 * that path here. Borrowed of path where there is nothing of the kind, as nearly always. */
struct gw_str gw_path_plain(struct gw_arena *mem, struct gw_str path);

#endif
