#ifndef GW_HOOK_PATTERN_H
#define GW_HOOK_PATTERN_H

#include <lua.h>
#include <stddef.h>

enum { GW_MATCH_CAPTURES = 32 };

/* One match of a Lua pattern: pattern.c matches, patterns.c has the library's functions. */
struct gw_match {
    lua_State *L;
    const char *text, *text_end, *pat_end;
    int calls; /* left */
    int n;     /* captures, finished or not */
    struct {
        const char *start;
        ptrdiff_t len; /* negative: open, or a position */
    } cap[GW_MATCH_CAPTURES];
};

/* Text and pattern from the stack; the text must stay there. */
void gw_match_init(struct gw_match *m, lua_State *L, int text, int pat);
/* The end of the match of p at s, NULL if there is none. Charges each step. */
const char *gw_match_at(struct gw_match *m, const char *s, const char *p);
void gw_match_push(const struct gw_match *m, int i, const char *s, const char *e);
/* All captures, or with s the whole match when there are none. */
int gw_match_push_all(const struct gw_match *m, const char *s, const char *e);

#endif
