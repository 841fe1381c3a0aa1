#ifndef GW_CMD_PLAIN_H
#define GW_CMD_PLAIN_H

#include "base/str.h"

/* Text that is not ours, on standard output: control characters become ?, so that none reaches the
 * terminal, and tabs a space. lines: but line feeds and tabs. */
void gw_print_plain(struct gw_str s, int lines);

#endif
