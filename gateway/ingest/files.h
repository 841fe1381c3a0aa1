#ifndef GW_INGEST_FILES_H
#define GW_INGEST_FILES_H

#include "base/buf.h"

#include <stddef.h>

struct gw_err;

/* Files with secrets in them. Inside the room; any thread. */

/* All of a file of at most max bytes; a pipe that nobody writes to does not block. The caller
 * forgets *text, whatever comes of it. */
int gw_file_read(const char *path, size_t max, struct gw_buf *text, struct gw_err *err);
void gw_file_forget(struct gw_buf *text);

/* What a file holds, or why it cannot be read, as a hash: to see that it has changed. */
struct gw_print {
    unsigned char hash[32];
};
/* path NULL: the print of no file. */
struct gw_print gw_file_print(const char *path);
int gw_print_same(const struct gw_print *a, const struct gw_print *b);

#endif
