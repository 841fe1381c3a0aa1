#ifndef GW_BASE_JSON_WALK_H
#define GW_BASE_JSON_WALK_H

#include "base/str.h"

/* Steps over JSON text that gw_json has read before, so it is known to be valid: many times faster,
 * for nothing is checked again. On any other text what is found means nothing, but every step ends
 * and no byte outside of the text is read. */

/* A member of an object or an element of an array. */
struct gw_json_part {
    struct gw_str name; /* as it stands between the quotes; p NULL: an element */
    const char *value, *end;
};

static inline int gw_json_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Behind the value at p. */
const char *gw_json_past(const char *p, const char *end);
/* The next part from *at on, which is behind the opening bracket or behind a part; then *at is
 * behind that one. 0: there is none, *at is at the closing bracket. */
int gw_json_part(const char **at, const char *end, int object, struct gw_json_part *out);
/* Objects and lists one in another: 0 for a scalar. */
size_t gw_json_depth(struct gw_str text);

#endif
