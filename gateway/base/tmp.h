#ifndef GW_BASE_TMP_H
#define GW_BASE_TMP_H

#include <stdio.h>

struct gw_err;

/* A file without a name, to write and read, gone when it is closed: in TMPDIR or /tmp, or, where
 * neither can be written (a container's read-only root), in folder; NULL: there is none. */
FILE *gw_tmp_open(const char *folder, struct gw_err *err);

#endif
