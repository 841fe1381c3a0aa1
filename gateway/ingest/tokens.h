#ifndef GW_INGEST_TOKENS_H
#define GW_INGEST_TOKENS_H

#include "base/str.h"

#include <stddef.h>

struct gw_err;

/* The tokens that clients show, by the hash of each: what was read is not kept. Never changes, so
 * any thread may look.
 *
 * A line is NAME:TOKEN; white space around either does not count, nor does an empty line or one
 * that begins with #. A name is text of 1 to 100 bytes and may have several tokens, so that a new
 * one can be given out before the old one goes; a token is 1 to 4096 visible ASCII characters and
 * has one name. */
struct gw_tokens;
enum { GW_TOKENS_MAX = 1000, GW_TOKENS_FILE_MAX = 1 << 20 };

/* NULL: err says why, never with a token's text; *line is where, 0: nowhere in particular. */
struct gw_tokens *gw_tokens_parse(struct gw_str text, size_t *line, struct gw_err *err);
void gw_tokens_free(struct gw_tokens *t); /* NULL is fine */
size_t gw_tokens_count(const struct gw_tokens *t);
/* Whose it is, as long as t; absent: nobody's. Takes as long for each. */
struct gw_str gw_tokens_find(const struct gw_tokens *t, struct gw_str token);

#endif
