#ifndef GW_NET_GCP_JSON_H
#define GW_NET_GCP_JSON_H

#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct gw_arena;
struct gw_err;

/* The members of an object that somebody wants: of files with credentials, of what Google's and
 * others' services answer. Exactly one of text and raw is set. */
struct gw_gcp_member {
    const char *name;
    const char **text;  /* a string without NULs, on mem; stays as it is if absent or null */
    struct gw_str *raw; /* any value, as it stands there; the same */
};
/* GW_ERR_REJECT: no object, or a member of another kind; it quotes no value. */
int gw_gcp_json_read(struct gw_arena *mem, struct gw_str json, const struct gw_gcp_member *members,
                     size_t n, struct gw_err *err);
/* A value that was taken raw: the string it is, on mem; NULL: it is none. */
const char *gw_gcp_json_text(struct gw_arena *mem, struct gw_str raw);
/* The same: the whole number it is, -1: it is none, or too large. */
int64_t gw_gcp_json_number(struct gw_str raw);
/* It can stand in a header: bytes that are seen, at least one. */
int gw_gcp_plain(const char *s);

#endif
